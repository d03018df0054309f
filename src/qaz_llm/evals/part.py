"""An evaluation shared out over the jobs of an array: each asks some of the tasks, and one puts all answers together.

OUT/shares/<index>-of-<count>/    a job's own output, which is that of an evaluation of its tasks
OUT/                              the whole: what the shares have answered is taken over, and nothing is asked twice
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from qaz_llm.data.share import Share
from qaz_llm.errors import InputError
from qaz_llm.evals.config import EvalConfig
from qaz_llm.evals.task import TaskConfig

FOLDER = "shares"


@dataclass(frozen=True)
class Part:
    """What this call does of an evaluation: all of it, a share of its tasks, or (`merge_only`) only what needs no model."""

    share: Share | None = None
    merge_only: bool = False

    def of_config(self, config: EvalConfig) -> EvalConfig:
        """The config of this part. Samples are written by the first share; gaps are tested over all tasks, not here."""
        if self.share is None:
            return config
        place = config.out / FOLDER / f"{self.share.index}-of-{self.share.count}"
        samples = config.samples and self.share.index == 0
        return config.model_copy(update={"out": place, "family": None, "samples": samples})

    def of_tasks(self, tasks: tuple[TaskConfig, ...]) -> tuple[TaskConfig, ...]:
        """Every `count`-th of the tasks. Raises InputError where there are fewer tasks than shares and this one has none."""
        if self.share is None:
            return tasks
        chosen = tasks[self.share.index :: self.share.count]
        if not chosen:
            raise InputError(
                f"share {self.share.index}/{self.share.count}: no task is left for it, the suite has {len(tasks)}",
                hint=f"--array=0-{len(tasks) - 1} gives each job a task",
            )
        return chosen


WHOLE = Part()


def answered_by_shares(out: Path, name: str) -> list[Path]:
    """The files called `name`, which may be a pattern, that the shares of an evaluation keep their answers in."""
    return sorted(path for path in out.glob(f"{FOLDER}/*/answers/{name}") if path.is_file())


def missing_answers(out: Path) -> NoReturn:
    """Raises InputError: there is a question that no share has asked, and none is to be asked now."""
    raise InputError(
        f"{out}: not everything was answered by the jobs whose answers are to be put together",
        hint="submit the array again with the same arguments, what was answered is not asked twice; "
        "without --merge-only the rest is asked here",
    )
