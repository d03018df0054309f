"""What several stages of the main job begin with: models, held-out sentences, files of a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.pipeline.config import RunConfig, training_stages
from qaz_llm.pipeline.layout import Layout


def last_training(config: RunConfig) -> str:
    """The stage whose model is the adapted one."""
    return training_stages(config)[-1]


def base_model(config: RunConfig, layout: Layout) -> str:
    """The model before adaptation: the checkpoint, or what stage `pretrain` made."""
    return config.model.checkpoint or str(layout.trained_model("pretrain"))


def heldout_names(config: RunConfig) -> tuple[str, ...]:
    """The languages of the sentences that bits per byte are measured on."""
    from qaz_llm.evals.items.load import heldout_texts

    return tuple(heldout_texts(config.eval.suite, root=config.eval.root or config.data.root))


def heldout_files(config: RunConfig) -> list[Path]:
    """The files of the sentences that fertility and bits per byte are measured on. Raises InputError where missing."""
    from qaz_llm.evals.items.load import heldout_task, task_files

    task = heldout_task(config.eval.suite)
    return [path for _language, path in task_files(task, config.eval.root or config.data.root)]


def without(values: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    """The values but for these keys."""
    return {key: value for key, value in values.items() if key not in keys}


def folder_files(name: str | None, part: str) -> Sequence[Path]:
    """The files of a local model folder whose names hold `part`; none for a hub id."""
    folder = Path(name) if name else None
    if folder is None or not folder.is_dir():
        return ()
    return sorted(p for p in folder.iterdir() if p.is_file() and part in p.name)
