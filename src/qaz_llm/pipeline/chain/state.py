"""How the jobs of a chain stand, for `qaz status`: by Slurm's queue, and by what they wrote when they ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import QazError
from qaz_llm.pipeline.chain.links import Job
from qaz_llm.pipeline.chain.log import read_endings
from qaz_llm.pipeline.chain.slurm import jobs_alive
from qaz_llm.pipeline.chain.submit import read_jobs


def chain_state(run_dir: Path) -> list[dict[str, Any]]:
    """Of each link in order: link, job_id, log, submitted; `state`, which is `running`, `waiting`, `done`, `failed`, `gone`
    (it ended without a word), `cancelled` (one before it failed), or `unknown` (Slurm cannot be asked); `why`.

    Empty where there was no chain.
    """
    jobs = list(read_jobs(run_dir).values())
    try:
        alive: Mapping[str, str] | None = jobs_alive() if jobs else {}
    except QazError:
        alive = None
    return list(judged(jobs, alive, read_endings(run_dir)))


def judged(
    jobs: Sequence[Job], alive: Mapping[str, str] | None, endings: Mapping[str, Mapping[str, str]]
) -> Iterator[dict[str, Any]]:
    """The rows of `chain_state`. `alive`: None where Slurm could not be asked; `endings` as `log.read_endings` gives them."""
    broken: Job | None = None
    for job in jobs:
        state, why = _state(job, alive, endings.get(job.job_id, {}), broken)
        if state in ("failed", "gone") and broken is None:
            broken = job
        yield {
            "link": job.link,
            "job_id": job.job_id,
            "state": state,
            "why": why,
            "log": job.log,
            "submitted": job.submitted,
        }


def _state(
    job: Job, alive: Mapping[str, str] | None, endings: Mapping[str, str], broken: Job | None
) -> tuple[str, str | None]:
    failed = [f"task {task}: {how}" if task else how for task, how in endings.items() if how.startswith("failed")]
    why = failed[0].replace("failed: ", "") if failed else None
    if alive is not None and job.job_id in alive:
        return ("running", why) if alive[job.job_id] == "RUNNING" else ("waiting", None)
    if failed:
        return "failed", why
    if alive is None and not endings:
        return "unknown", "Slurm cannot be asked here"
    if endings and set(endings.values()) == {"done"}:
        return "done", None
    if broken is not None:
        return "cancelled", f"{broken.link} (job {broken.job_id}) failed before it"
    return "gone", "it ended without a word (killed, out of memory, out of time); see its log"


def describe_chain(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The rows as lines for a person; what to do where a link failed."""
    for row in rows:
        why = f": {row['why']}" if row["why"] else ""
        yield f"  {row['link']:<14} {row['state']}, job {row['job_id']}{why}"
    if broken := next((row for row in rows if row["state"] in ("failed", "gone")), None):
        yield f"  {broken['link']} stopped those behind it; its log: {broken['log']}"
        yield "  put it right, and give the same slurm/chain.sh line again: it submits what is missing"
