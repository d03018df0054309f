"""`chain.log` of a run folder: a line for each job of a chain that has ended, by the job itself.

    2026-01-31T10:15:02+00:00 cpt job 81: done
    2026-01-31T10:20:40+00:00 eval-tasks job 84_3: failed: runs/a/eval.jsonl: the disk is full
    2026-01-31T10:20:40+00:00 eval-tasks job 84_3: its log: runs/a/jobs/eval-tasks-84_3.out

A job that is killed writes nothing; `qaz status` then says that it is gone. Of lines that are no whole ones nothing is taken; they are
counted.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, unquote

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import QazError
from qaz_llm.io import make_dir
from qaz_llm.progress import is_main_process

CHAIN_LOG = "chain.log"
JOBS_FOLDER = "jobs"
LINK_VARIABLE = "QAZ_LINK"
"""Set in the jobs of a chain: the name of the link."""
FOLDER_VARIABLE = "QAZ_CHAIN_DIR"
"""Set beside it: the run folder, percent-encoded, as sbatch cuts what it is told to export at commas. A job whose config cannot be
read knows its folder by this alone."""
MOST_LINES = 6
"""Of an error, how many are noted."""

_LINE = re.compile(
    r"\S+ (?P<link>\S+) job (?P<job>\d+)(?:_(?P<task>\d+))?: (?P<how>done|stopped|failed: .*|its log: .*)\n"
)


@dataclass(frozen=True)
class Endings:
    """How jobs ended, `done`, `stopped` or `failed: why`: by job id and number in its array (`` for a single job).

    `unread`: lines that are not what a job writes.
    """

    of_jobs: Mapping[str, Mapping[str, str]]
    unread: int = 0


def job_variables(link: str, run_dir: Path) -> str:
    """What a job of a chain is to have in its environment, as `sbatch --export` takes it."""
    return f"{LINK_VARIABLE}={link},{FOLDER_VARIABLE}={quote(str(run_dir))}"


@contextmanager
def noted_in_chain() -> Iterator[None]:
    """In a job of a chain: note in its log how the block ended. The config is read inside of it, as that may fail, too."""
    link, job = os.environ.get(LINK_VARIABLE), os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
    folder = os.environ.get(FOLDER_VARIABLE)
    if link is None or job is None or folder is None or not is_main_process():
        yield
        return
    run_dir = Path(unquote(folder))
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    name = job if task is None else f"{job}_{task}"
    log = run_dir / JOBS_FOLDER / f"{link}-{name}.out"
    try:
        yield
    except (PreemptedError, KeyboardInterrupt):
        _add(run_dir, f"{link} job {name}: stopped")
        raise
    except BaseException as error:
        said = _in_one_line(error)
        _add(run_dir, f"{link} job {name}: failed: {said}", f"{link} job {name}: its log: {log}")
        raise
    _add(run_dir, f"{link} job {name}: done")


def _in_one_line(error: BaseException) -> str:
    """Without the hint. The problems of a config stand on lines of their own, below how many they are."""
    text = error.message if isinstance(error, QazError) else str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    more = f"; and {len(lines) - MOST_LINES} more" if len(lines) > MOST_LINES else ""
    return "; ".join(lines[:MOST_LINES]) + more


def read_endings(run_dir: Path) -> Endings:
    """How the jobs ended; of a job that wrote more than once the last word counts."""
    endings: dict[str, dict[str, str]] = {}
    unread = 0
    path = run_dir / CHAIN_LOG
    if path.is_file():
        with path.open(encoding="utf-8", errors="replace", newline="\n") as stream:
            for line in stream:
                match = _LINE.fullmatch(line)
                if match is None:
                    unread += 1
                elif not match["how"].startswith("its log"):
                    endings.setdefault(match["job"], {})[match["task"] or ""] = match["how"]
    return Endings(endings, unread)


def _add(run_dir: Path, *lines: str) -> None:
    """Several jobs of an array write here at once: each its lines in one write, at the end of the file."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    with (make_dir(run_dir) / CHAIN_LOG).open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{now} {line}\n" for line in lines))
