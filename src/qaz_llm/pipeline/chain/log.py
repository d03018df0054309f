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

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.progress import is_main_process

CHAIN_LOG = "chain.log"
JOBS_FOLDER = "jobs"
LINK_VARIABLE = "QAZ_LINK"
"""Set in the jobs of a chain: the name of the link."""

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


@contextmanager
def noted_in_chain(run_dir: Path) -> Iterator[None]:
    """In a job of a chain: note in its log how the block ended."""
    link, job = os.environ.get(LINK_VARIABLE), os.environ.get("SLURM_ARRAY_JOB_ID") or os.environ.get("SLURM_JOB_ID")
    if link is None or job is None or not is_main_process():
        yield
        return
    task = os.environ.get("SLURM_ARRAY_TASK_ID")
    name = job if task is None else f"{job}_{task}"
    log = run_dir / JOBS_FOLDER / f"{link}-{name}.out"
    try:
        yield
    except (PreemptedError, KeyboardInterrupt):
        _add(run_dir, f"{link} job {name}: stopped")
        raise
    except BaseException as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        _add(run_dir, f"{link} job {name}: failed: {said}", f"{link} job {name}: its log: {log}")
        raise
    _add(run_dir, f"{link} job {name}: done")


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
    with (run_dir / CHAIN_LOG).open("a", encoding="utf-8") as stream:
        stream.write("".join(f"{now} {line}\n" for line in lines))
