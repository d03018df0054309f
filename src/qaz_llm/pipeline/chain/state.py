"""How the jobs of a chain stand, for `qaz status`: by Slurm's queue, and by what they wrote when they ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import QazError
from qaz_llm.pipeline.chain.links import Job, ranges
from qaz_llm.pipeline.chain.log import CHAIN_LOG, Endings, read_endings
from qaz_llm.pipeline.chain.slurm import jobs_alive
from qaz_llm.pipeline.chain.submit import read_jobs

_BROKEN = {"failed": "failed", "gone": "is gone", "stopped": "was stopped"}
"""States after which those behind do not begin, and how that is said."""


@dataclass(frozen=True)
class Stand:
    """The state of a job, and what it rests on where that is not plain."""

    state: str
    why: str | None = None


def chain_state(run_dir: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """The rows of `judged`, none where there was no chain; and what of its files could not be read, in words.

    Raises DamagedFileError as `read_jobs`.
    """
    jobs = list(read_jobs(run_dir).values())
    try:
        alive: Mapping[str, str] | None = jobs_alive() if jobs else {}
    except QazError:
        alive = None
    endings = read_endings(run_dir)
    unread = [f"{run_dir / CHAIN_LOG}: {endings.unread} of its lines, which no job wrote so, or not to the end"]
    return list(judged(jobs, alive, endings)), unread if endings.unread else []


def judged(jobs: Sequence[Job], alive: Mapping[str, str] | None, endings: Endings) -> Iterator[dict[str, Any]]:
    """Of each job in order: link, job_id, log, submitted; `state`, which is `running`, `waiting`, `done`, `failed`, `gone` (it, or
    a share of it, ended without a word), `stopped` (told to, and not begun anew), `cancelled` (one before it did not end well), or
    `unknown` (Slurm cannot be asked); `why`.

    `alive`: None where Slurm could not be asked.
    """
    broken: tuple[Job, str] | None = None
    for job in jobs:
        ended = endings.of_jobs.get(job.job_id, {})
        if alive is not None and job.job_id in alive:
            stand = _at_work(alive[job.job_id], ended)
        else:
            stand = _ended(job, ended, is_asked=alive is not None)
            if stand.state == "gone" and not ended and broken is not None:
                stand = Stand("cancelled", f"{broken[0].link} (job {broken[0].job_id}) {broken[1]} before it")
        if stand.state == "done":
            broken = None  # what comes before it was done too, whatever was heard of it
        elif stand.state in _BROKEN and broken is None:
            broken = job, _BROKEN[stand.state]
        yield {
            "link": job.link,
            "job_id": job.job_id,
            "state": stand.state,
            "why": stand.why,
            "log": job.log,
            "submitted": job.submitted,
        }


def _at_work(state: str, ended: Mapping[str, str]) -> Stand:
    return Stand("running", _why_failed(ended)) if state == "RUNNING" else Stand("waiting")


def _ended(job: Job, ended: Mapping[str, str], *, is_asked: bool) -> Stand:
    """How a job stands that is not known to be in the queue, by the last word of each of its shares.

    A share that was told to stop goes back into the queue, so its word is the last one only where Slurm no longer has it.
    """
    shares = [str(share) for share in job.shares] or [""]
    silent = [share for share in shares if share not in ended]
    stopped = [share for share in shares if ended.get(share) == "stopped"]
    if (why := _why_failed(ended)) is not None:
        return Stand("failed", why)
    if silent and not is_asked:
        return Stand("unknown", f"Slurm cannot be asked here; nothing was heard of {_named(job, silent)}")
    if silent:
        return Stand(
            "gone", f"{_named(job, silent)} ended without a word (killed, out of memory, out of time); see its log"
        )
    if stopped and not is_asked:
        return Stand(
            "stopped", f"{_named(job, stopped)} was told to; Slurm, which may begin it anew, cannot be asked here"
        )
    if stopped:
        return Stand("stopped", f"{_named(job, stopped)} was told to, and is not in the queue any more (cancelled)")
    return Stand("done")


def _why_failed(ended: Mapping[str, str]) -> str | None:
    """What the first of its shares that failed said."""
    for share, how in ended.items():
        if how.startswith("failed: "):
            return (f"task {share}: " if share else "") + how.removeprefix("failed: ")
    return None


def _named(job: Job, shares: Sequence[str]) -> str:
    """`it` of a single job; of an array the numbers, and how many it has."""
    return f"task {ranges([int(share) for share in shares])} of {len(job.shares)}" if job.shares else "it"


def describe_chain(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as lines for a person; what to do where a link failed."""
    for row in rows:
        why = f": {row['why']}" if row["why"] else ""
        yield f"  {row['link']:<14} {row['state']}, job {row['job_id']}{why}"
    done = max((number for number, row in enumerate(rows) if row["state"] == "done"), default=-1)
    if broken := next((row for row in rows[done + 1 :] if row["state"] in _BROKEN), None):
        yield f"  none behind {broken['link']} begins before it is done; its log: {broken['log']}"
        yield "  put it right, and give the same slurm/chain.sh line again: it submits what is missing"
