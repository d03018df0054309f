"""The first half of a build: each part of the input cleaned on its own, in as many processes as asked for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from qaz_llm.data.clean import Cleaner
from qaz_llm.data.plan import Task
from qaz_llm.data.processes import here_or_in_processes
from qaz_llm.data.spool import Spooled, is_done, open_spooled, run_task
from qaz_llm.progress import get_logger, progress

_logger = get_logger("data")


def clean_parts(tasks: Sequence[Task], folders: Sequence[Path], cleaner: Cleaner, workers: int) -> list[Spooled]:
    """The results of all tasks, in the order of the plan; those that lie in their folders already are not made anew."""
    done = [is_done(folder) for folder in folders]
    if any(done):
        rest = "" if all(done) else "; going on with the rest"
        _logger.info(f"{sum(done)} of {len(folders)} parts were done before{rest}")
    for folder in folders:
        for unfinished in folder.parent.glob(f".{folder.name}.*.tmp"):  # of a process that was killed
            shutil.rmtree(unfinished, ignore_errors=True)
    todo = [(task, folder) for task, folder, is_there in zip(tasks, folders, done, strict=True) if not is_there]
    with progress("cleaning", total=sum(task.text_bytes for task, _ in todo) / 1e6, unit="MB") as advance:
        for number, _ in here_or_in_processes(_clean, cleaner, todo, count=workers):
            advance(todo[number][0].text_bytes / 1e6)
    return [open_spooled(folder) for folder in folders]


def _clean(cleaner: Cleaner, part: tuple[Task, Path]) -> None:
    run_task(*part, cleaner)
