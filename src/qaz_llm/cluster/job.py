"""What a Slurm job and its tasks tell each other: files in the folder that QAZ_JOB_STATE names (slurm/ending.sh).

    progress         what was last finished for good; a restart after which it is the same was in vain
    said-<restart>   the error that the first task ended with, and its exit code

Without such a folder, outside the job scripts, nothing is written.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.errors import QazError
from qaz_llm.io import write_text

STATE_VARIABLE = "QAZ_JOB_STATE"
RESTART_VARIABLE = "QAZ_RESTART"


@dataclass(frozen=True)
class Said:
    """An error as a process ends with it."""

    message: str
    exit_code: int


def job_state() -> Path | None:
    """The folder of this job; None where no job script started this process."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named) if named and Path(named).is_dir() else None


def note_progress(what: str) -> None:
    """Say that something is finished which a restart will not do again: `step 40`, `stage corpus`, `12 parts`.

    Called by one process. A note that cannot be written is left out: the job then counts a restart too many, and no more.
    """
    folder = job_state()
    if folder is not None:
        with suppress(QazError, OSError):
            write_text(folder / "progress", f"{what}\n")


def say_first(said: Said) -> None:
    """Let the other tasks of this job know what the first one ends with."""
    folder = job_state()
    if folder is not None:
        with suppress(QazError, OSError):
            write_text(folder / _name(), f"{said.exit_code}\n{said.message}")


def first_said() -> Said | None:
    """What the first task has ended with; None where it has not."""
    folder = job_state()
    if folder is None:
        return None
    with suppress(OSError, ValueError):
        code, _, message = (folder / _name()).read_text(encoding="utf-8").partition("\n")
        return Said(message, int(code))
    return None


def _name() -> str:
    return f"said-{os.environ.get(RESTART_VARIABLE, '0')}"
