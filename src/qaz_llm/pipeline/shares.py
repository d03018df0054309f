"""What can be shared out among the jobs of an array before a stage runs: texts cleaned, rows made, tasks answered.

A share calls the very code that the stage calls, and leaves what it makes where the stage looks for it, under a name that
changes with all it was made of. So a stage that finds it goes on from there, and makes the same bytes as one that does not.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.data.share import Share
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.inputs import base_model, last_training
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.stages import Shared
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from qaz_llm.data.config import DataConfig
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.train.config import TrainConfig

_logger = get_logger("run")


def cleaned_parts(config: DataConfig) -> Shared:
    """Of a corpus: its texts cleaned, part by part."""
    from qaz_llm.data.build import WORK

    def make(share: Share) -> str:
        from qaz_llm.data.build import build

        return build(config, share=share).describe()

    def missing(count: int) -> list[int]:
        from qaz_llm.data.build import cleaned

        done = cleaned(config)
        return [number for number in range(count) if not all(done[number::count])]

    return Shared((config.work or config.out / WORK,), make, missing)


def packed_rows(config: Callable[[], TrainConfig], folder: Path) -> Shared:
    """Of a training: its texts as packed rows."""

    def make(share: Share) -> str:
        from qaz_llm.train.start.tokenize import tokenize

        return tokenize(config(), share=share).describe()

    def missing(count: int) -> list[int]:
        from qaz_llm.train.start.tokenize import Files

        files = Files(config())
        done = files.parts_done()
        return [] if files.are_there else [number for number in range(count) if not all(done[number::count])]

    return Shared((folder / "packed",), make, missing)


def forget_other_rows(config: TrainConfig) -> None:
    """Remove rows below the run's own folder that this training did not read: those of other settings."""
    from qaz_llm.train.start.tokenize import Files

    files = Files(config)
    if config.data.cache_dir is not None or not files.cache.is_dir():
        return
    read = {Path(folder).name for folder in files.prepared().datasets}
    for old in files.cache.iterdir():
        if old.is_dir() and old.name not in read:
            _logger.info("%s: rows of other settings, removed", old)
            shutil.rmtree(old)


def eval_tasks(config: RunConfig, layout: Layout) -> Shared:
    """Of the evaluation: the tasks put to the base and to the adapted model; the rest of the stage is short beside them."""
    from qaz_llm.evals.part import FOLDER

    def configs() -> list[EvalConfig]:
        from qaz_llm.pipeline.evaluate import eval_config

        ends = {"base": base_model(config, layout), "adapted": str(layout.trained_model(last_training(config)))}
        whole = [eval_config(config, layout.evaluation / name, model) for name, model in ends.items()]
        return [one.model_copy(update={"samples": False}) for one in whole]  # the stage itself makes them, at its end

    def make(share: Share) -> str:
        from qaz_llm.evals.part import Part
        from qaz_llm.evals.run import run_eval

        return "\n".join(run_eval(one, part=Part(share)).describe() for one in configs())

    def missing(count: int) -> list[int]:
        from qaz_llm.evals.gathered import missing_shares

        return sorted({number for one in configs() for number in missing_shares(one, count)})

    return Shared(tuple(layout.evaluation / name / FOLDER for name in ("base", "adapted")), make, missing)
