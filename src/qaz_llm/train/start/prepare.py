"""Everything a run needs before its first step: tokenizer, packed rows, the mix, and what identifies the run.

The first process does the work of `prepare_files`; all of them then open what it made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.data.mixing.mix import MixPlan, plan_corpus_mix, plan_mix
from qaz_llm.data.mixing.parts import MixPart
from qaz_llm.io import write_json, write_text
from qaz_llm.progress import get_logger
from qaz_llm.provenance import git_commit, package_versions
from qaz_llm.rows.dataset import MixedDataset, PackedDataset, StepSampler, mix_rows
from qaz_llm.train.health.left_out import make_sampler
from qaz_llm.train.plan import TrainPlan
from qaz_llm.train.ranks.sharding import sharded_identity
from qaz_llm.train.start.identity import known_weights, without_unused
from qaz_llm.train.start.tokenize import PreparedFiles, make_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from qaz_llm.rows.config import MixEntry
    from qaz_llm.train.config import TrainConfig

_logger = get_logger("train")

FREE_KEYS = (
    "run_dir", "resume", "device", "log_every_steps", "checkpoint_every_steps", "keep_checkpoints", "async_save", "eval_every_steps", "heldout",
    "micro_batch_size", "grad_accum_steps", "gradient_checkpointing", "max_steps", "epochs", "on_divergence", "divergence", "watch", "preflight",
)  # fmt: skip
"""Keys that may change between a run and its resumption: they change no step. Rows per step and the number of steps are
compared by their values, so that 8×1 may go on as 4×2 and `max_steps` may stand for `epochs`."""


@dataclass(frozen=True)
class PreparedRun:
    """What every process trains with. `identity` tells one run from another."""

    tokenizer: PreTrainedTokenizerFast
    tokenizer_name: str
    entries: tuple[MixEntry, ...]
    rows: MixedDataset
    mix: MixPlan
    sampler: StepSampler
    steps: int
    identity: dict[str, Any]


def prepare_files(plan: TrainPlan) -> PreparedFiles:
    """Make the tokenizer where one is to be trained, and the rows that are missing; of several processes the first one
    has compared what is there before they met (waiting.py)."""
    return make_files(plan.config, check=plan.environment.world_size == 1)


def open_prepared(plan: TrainPlan, files: PreparedFiles) -> PreparedRun:
    """Open what `prepare_files` made, and fix the mix, the order and the number of steps."""
    from qaz_llm.model.load import load_tokenizer

    config = plan.config
    tokenizer = load_tokenizer(
        files.tokenizer,
        chat_template=config.model.chat_template,
        trust_remote_code=config.model.trust_remote_code,
    )
    parts = [PackedDataset.open(Path(folder)) for folder in files.datasets]
    mix = _mix(config, files.entries, parts)
    passes = {entry.name: entry.passes for entry in mix.entries}
    rows = mix_rows([len(part) for part in parts], [passes.get(e.name, 0.0) for e in files.entries], seed=config.seed)
    steps = config.max_steps or max(round(config.epochs * len(rows) / plan.rows_per_step), 1)
    sampler = make_sampler(
        rows, steps=steps, rows_per_step=plan.rows_per_step, seed=config.seed, run_dir=config.run_dir
    )
    fingerprints = {e.name: part.meta["fingerprint"] for e, part in zip(files.entries, parts, strict=True)}
    identity = _identity(plan, fingerprints, steps=steps, tokenizer=tokenizer)
    return PreparedRun(tokenizer, files.tokenizer, files.entries, MixedDataset(parts), mix, sampler, steps, identity)


def describe_data(plan: TrainPlan, run: PreparedRun) -> list[str]:
    """The mix, part by part, and how often it is gone through."""
    traversals = run.sampler.num_rows / len(run.sampler.rows)
    return [*run.mix.lines(), f"{run.steps:,} steps: {traversals:.2f} traversals of the mix"]


def _mix(config: TrainConfig, entries: Sequence[MixEntry], parts: Sequence[PackedDataset]) -> MixPlan:
    """How many tokens of each part one traversal of the mix holds, by weights in tokens."""
    tokens = {entry.name: int(part.meta["tokens"]) for entry, part in zip(entries, parts, strict=True)}
    recipe = config.data.recipe
    if recipe is not None:
        found = [MixPart(e.language or "", e.source or "", tokens[e.name], e.min_quality) for e in entries]
        mix = plan_corpus_mix(found, recipe)
    else:
        weights = {entry.name: entry.weight for entry in entries}
        total = config.data.total_tokens or sum(tokens.values())
        mix = plan_mix(tokens, weights, total_tokens=total, max_passes=config.data.max_passes)
    if mix.is_short:
        _logger.warning(
            "the mix holds %s tokens, %s were asked for: max_passes is %g",
            f"{mix.total_tokens:,}", f"{mix.requested_tokens:,}", (recipe or config.data).max_passes,
        )  # fmt: skip
    return mix


def _identity(
    plan: TrainPlan, fingerprints: Mapping[str, str], *, steps: int, tokenizer: PreTrainedTokenizerFast
) -> dict[str, Any]:
    """What decides the weights of each step. A schedule that depends on the number of steps makes that part of it."""
    from qaz_llm.tokenizer.fast import tokenizer_fingerprint

    config = plan.config
    values = {key: value for key, value in config.to_dict().items() if key not in FREE_KEYS}
    if config.packing == "on":
        del values["packing"]  # so that a run begun before there was this key can be resumed
    if not config.warm_rows_steps:
        del values["warm_rows_steps"]  # a run begun before there was this key can be resumed
    values = without_unused(values)
    kernels = values.pop("kernels")  # of these float8 alone is more than rounding
    values |= {"fp8": kernels["fp8"]} if kernels["fp8"] != "off" else {}
    values["data"] = _without_places(values["data"])
    values["model"] = {k: v for k, v in values["model"].items() if k != "tokenizer" and (k, v) != ("new_rows", "auto")}
    values["model"]["attn_implementation"] = plan.attn_implementation  # what auto came to, as earlier versions wrote it
    values["adapter"] = {**values["adapter"], "target_modules": list(plan.target_modules)}
    values["distributed"] = {"zero_stage": plan.zero_stage} | sharded_identity(config)
    values["rows_per_step"] = plan.rows_per_step
    if config.schedule != "constant":
        values["max_steps"] = steps
    values["data_fingerprints"] = dict(fingerprints)
    values["tokenizer_fingerprint"] = tokenizer_fingerprint(tokenizer)
    checkpoint = config.model.checkpoint
    if checkpoint is not None and Path(checkpoint).is_dir():
        values["model"] |= known_weights(Path(checkpoint))
    return values


def _without_places(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is said of the data but for where it lies: a folder may be moved, text and tokenizer are known by fingerprints.

    Keys that are not set are left out, so that a run begun before there were such keys can be resumed.
    """
    values = {key: value for key, value in data.items() if key not in {"cache_dir", "workers", "mix", "recipe"}}
    if data["recipe"] is not None:
        unused = {"corpus", "tokenizer"} | ({"sliver_frac"} if data["recipe"]["total_tokens"] is not None else set())
        return values | {"recipe": {k: v for k, v in data["recipe"].items() if k not in unused}}
    optional = {"source", "min_quality"}
    mix = [
        {k: v for k, v in entry.items() if k != "path" and not (k in optional and v is None)} for entry in data["mix"]
    ]
    return values | {"mix": mix}


def write_run_facts(plan: TrainPlan, run: PreparedRun) -> None:
    """`config.yaml`, the resolved config that repeats this run, and `run.json`, what it ran on."""
    from qaz_llm.config import dump_yaml

    folder = plan.config.run_dir
    write_text(folder / "config.yaml", dump_yaml(plan.config.to_dict()))
    write_json(
        folder / "run.json",
        {
            "plan": plan.to_dict(),
            "steps": run.steps,
            "identity": run.identity,
            "data": {part.folder.name: dict(part.meta) for part in run.rows.parts},
            "environment": plan.environment.describe(),
            "packages": package_versions(),
            "git_commit": git_commit(),
        },
    )
