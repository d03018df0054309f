"""What a score depends on besides data and prompts: the model, all its files, and how it was run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.evals.config import EvalConfig
from qaz_llm.io import fingerprint_paths
from qaz_llm.io.secrets import safe_to_show, safe_values
from qaz_llm.provenance import git_commit

if TYPE_CHECKING:
    from qaz_llm.evals.scoring.local import HFScorer

SCORING_VERSION = 4
"""Rises with any change to what a model is asked or how its answer is read from logits or words; kept answers of other versions are not used."""

OF_A_RUN = {"README.md", "run.json", "complete.json"}
"""Files beside a model that say nothing to whoever runs it."""

LIKE = ("max_items", "shots", "window_tokens", "start_token", "scoring_version", "dtype", "chat_template")
"""Parts of a setting that have to be equal for two evaluations to be compared item by item."""


def model_identity(config: EvalConfig) -> str:
    """A fingerprint of all files of a local model; of a hub id the revision it stands for now.

    Raises InputError for a folder that is no model.
    """
    if config.server is not None:  # what stands behind a name the server alone knows
        return f"{config.model} at {safe_to_show(config.server.url)}"
    from qaz_llm.model.folder import check_model_folder
    from qaz_llm.model.load import load_config_of

    folder = Path(config.model)
    if not folder.is_dir():
        revision = getattr(
            load_config_of(config.model, trust_remote_code=config.trust_remote_code), "_commit_hash", None
        )
        return f"{config.model}@{revision or 'unknown revision'}"
    check_model_folder(folder)
    parts = [p for p in folder.rglob("*") if p.is_file() and not _is_of_a_run(p.relative_to(folder))]
    return fingerprint_paths(parts, relative_to=folder)


def _is_of_a_run(path: Path) -> bool:
    return path.name in OF_A_RUN or any(part.startswith(".") for part in path.parts)


def setting_of(scorer: HFScorer, config: EvalConfig) -> dict[str, Any]:
    """How the model was run, as JSON values."""
    model, tokenizer = scorer.model, scorer.tokenizer
    return {
        "dtype": str(model.dtype).removeprefix("torch."),
        "device": model.device.type,
        "attention": getattr(model.config, "_attn_implementation", None),
        "window_tokens": scorer.max_length,
        "start_token": tokenizer.convert_ids_to_tokens(scorer.start_id),
        "chat_template": "none",
        "scoring_version": SCORING_VERSION,
        **setting_of_config(config),
    }


def setting_of_config(config: EvalConfig) -> dict[str, Any]:
    """What a run is told, whatever model it asks."""
    setting = {
        "max_items": config.max_items,
        "shots": config.shots,
        "seed": config.seed,
        "formats": config.formats,
        "batch_tokens": config.batch_tokens,
        "commit": git_commit(),
    }
    if config.server is not None:
        server = config.server
        how = {"url": safe_to_show(server.url), "api": server.api, "body": safe_values(server.body, by_name=True)}
        return {**setting, "server": how, "chat_template": "the server's" if server.api == "chat" else "none"}
    return {**setting, "backend": config.backend}


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, str]:
    """The parts of LIKE in which two settings differ, with both values; a part that one of them does not know is passed over.

    >>> unlike({"dtype": "float32", "device": "cpu"}, {"dtype": "bfloat16", "device": "cuda"})
    {'dtype': 'dtype (float32 and bfloat16)'}
    """
    return {
        name: f"{name} ({one[name]} and {other[name]})"
        for name in LIKE
        if name in one and name in other and one[name] != other[name]
    }
