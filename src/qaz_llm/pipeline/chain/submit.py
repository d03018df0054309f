"""Submit the jobs of a chain, those that are missing: no stage that is done, no job that waits or runs already.

RUN_DIR/jobs.json   the last job of each link, in the chain's order: link, job_id, submitted, script, log, arguments, shares
RUN_DIR/jobs/       their logs
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from qaz_llm.config import first_problem
from qaz_llm.errors import DamagedFileError, InputError, QazError
from qaz_llm.io import make_dir, read_json, write_json
from qaz_llm.pipeline.chain import slurm
from qaz_llm.pipeline.chain.links import Job, Link, Step, links_of, steps_of
from qaz_llm.pipeline.chain.log import JOBS_FOLDER
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.job import check_inputs, make_stages
from qaz_llm.pipeline.run import check_own
from qaz_llm.pipeline.stages import StageRunner

JOBS_FILE = "jobs.json"


@dataclass(frozen=True)
class Asked:
    """What `qaz chain` was told: the config's file and overrides, as the jobs get them too, and how large things are to be."""

    path: Path
    overrides: tuple[str, ...]
    array: int
    options: Mapping[str, str]

    @property
    def arguments(self) -> tuple[str, ...]:
        return (str(self.path), *self.overrides)


@dataclass(frozen=True)
class Slurm:
    """How Slurm is asked; another one in tests."""

    submit: Callable[[Sequence[str]], str] = slurm.submit
    alive: Callable[[], Mapping[str, str]] = slurm.jobs_alive
    cancel: Callable[[Sequence[str]], None] = slurm.cancel


def plan_chain(config: RunConfig, asked: Asked, jobs: Mapping[str, Job], alive: Mapping[str, str]) -> tuple[Step, ...]:
    """What is to be done about each link. Raises InputError for inputs that are missing, and options for unknown links."""
    from qaz_llm.evals.task import choose_tasks

    runner = StageRunner(config.run_dir, make_stages(config))
    check_own(config.run_dir, runner.stages)
    stages = {stage.name: stage for stage in runner.stages}
    links = links_of(config, array=asked.array, tasks=len(choose_tasks(config.eval)))
    slurm.check_names(asked.options, links)
    slurm.check_run_dir(config.run_dir)
    check_inputs(config, [stage for stage in runner.stages if not stage.distributed])
    planned = {stage.name: stage.action for stage in runner.plan(runner.stages, ())}
    done = [name for name, action in planned.items() if action == "unchanged"]
    missing = {
        link.name: shared.missing(link.shares)
        for link in links
        if (shared := stages[link.stage].shared) is not None
        and link.shares
        and link.stage not in done
        and set(stages[link.stage].after) <= set(done)
    }
    return steps_of(links, done=done, missing=missing, jobs=jobs, alive=alive)


def submit_chain(
    config: RunConfig,
    asked: Asked,
    *,
    dry_run: bool = False,
    slurm_: Slurm = Slurm(),
) -> Iterator[str]:
    """Do what is to be done, a line for each link as it is done; with `dry_run` only say it, with the sbatch lines.

    Raises:
        InputError: as `plan_chain`; jobs of this run with other arguments are in the queue.
        WorkError: Slurm refuses a job. Those that this call submitted before it are cancelled again.
    """
    jobs = read_jobs(config.run_dir)
    alive = {} if dry_run and not jobs else slurm_.alive()
    _check_same(asked, jobs, alive)
    steps = plan_chain(config, asked, jobs, alive)
    if not dry_run:
        make_dir(config.run_dir / JOBS_FOLDER)
        slurm_.cancel([step.stale for step in steps if step.stale is not None])
    ids: dict[str, str] = {}
    new: list[str] = []
    for step in steps:
        link = step.link
        if step.action != "submit":
            ids |= {link.name: step.job_id} if step.job_id is not None else {}
            yield _line(
                link, "done" if step.action == "done" else f"job {step.job_id}, {alive[str(step.job_id)].lower()}"
            )
            continue
        command = _command(config, asked, step, ids)
        if dry_run:
            ids[link.name] = f"<{link.name}>"
            yield shlex.join(command)
            continue
        try:
            ids[link.name] = slurm_.submit(command)
        except QazError:
            slurm_.cancel(new)
            raise
        new.append(ids[link.name])
        jobs[link.name] = _job(step, ids[link.name], config, asked)
        write_jobs(config.run_dir, jobs, [one.link for one in steps])
        yield _line(link, f"job {ids[link.name]}" + (f", after {ids[step.after]}" if step.after is not None else ""))


def read_jobs(run_dir: Path) -> dict[str, Job]:
    """The last job of each link of a run, by the link's name; none where there was no chain.

    Raises DamagedFileError where the file is not one that `write_jobs` wrote.
    """
    path = run_dir / JOBS_FILE
    if not path.is_file():
        return {}
    hint = "move it away: its jobs are then not known here; squeue shows those that wait or run"
    try:
        jobs = TypeAdapter(tuple[Job, ...]).validate_python(read_json(path))
    except DamagedFileError as error:
        raise DamagedFileError(error.message, hint=hint) from error
    except ValidationError as error:
        place, problem = first_problem(error)
        raise DamagedFileError(
            f"{path}: not the list of jobs that a chain writes ({place or 'as a whole'}: {problem})", hint=hint
        ) from error
    return {job.link: job for job in jobs}


def write_jobs(run_dir: Path, jobs: Mapping[str, Job], links: Sequence[Link]) -> None:
    """Write jobs.json, in the order of the links."""
    write_json(run_dir / JOBS_FILE, [asdict(jobs[link.name]) for link in links if link.name in jobs])


def _check_same(asked: Asked, jobs: Mapping[str, Job], alive: Mapping[str, str]) -> None:
    """Raise InputError where jobs of the run are at work on something else."""
    others = [job for job in jobs.values() if job.job_id in alive and job.arguments != asked.arguments]
    if others:
        ids = " ".join(job.job_id for job in others)
        raise InputError(
            f"jobs of this run with other arguments are in the queue: {', '.join(job.link for job in others)} "
            f"({shlex.join(others[0].arguments)})",
            hint=f"give the same arguments, or first: scancel {ids}",
        )


def _command(config: RunConfig, asked: Asked, step: Step, ids: Mapping[str, str]) -> list[str]:
    return slurm.sbatch_command(
        step,
        config=asked.path,
        overrides=asked.overrides,
        jobs_folder=config.run_dir / JOBS_FOLDER,
        options=asked.options,
        after=ids[step.after] if step.after is not None else None,
    )


def _job(step: Step, job_id: str, config: RunConfig, asked: Asked) -> Job:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    log = slurm.log_of(job_id, step.link, config.run_dir / JOBS_FOLDER)
    return Job(step.link.name, job_id, now, slurm.SCRIPT, log, asked.arguments, step.missing)


def _line(link: Link, what: str) -> str:
    return f"{link.name:<14} {what}"
