"""The links of a chain: one job, or one array of jobs, each, and which of them are to be submitted.

    corpus-parts ─► corpus ─► tokenizer ─► (pretrain-rows ─► pretrain) ─► cpt-rows ─► cpt ─► (sft) ─► (preference)
        array                                  array                       array
                                                                   ─► eval-tasks ─► eval ─► report
                                                                         array

Nothing here asks Slurm or looks at a disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from qaz_llm.pipeline.config import RunConfig, TextStage, training_stages

Size = Literal["data", "tokenize", "train", "eval"]
"""What a link needs of the cluster: processors alone for texts or for rows, the nodes of a training, a GPU for scoring."""


@dataclass(frozen=True)
class Link:
    """One job of a chain, or one array of `shares` jobs (0: no array) that do what can be done before a stage."""

    name: str
    stage: str
    size: Size
    shares: int = 0


@dataclass(frozen=True)
class Job:
    """A job of Slurm that was submitted for a link."""

    link: str
    job_id: str
    submitted: str
    script: str
    log: str
    arguments: tuple[str, ...]
    shares: tuple[int, ...]
    """Of an array the numbers in it; empty for a single job."""


@dataclass(frozen=True)
class Step:
    """What is to be done about a link.

    `done`: nothing; `kept`: the job `job_id` does it, in the queue or at work; `submit`: a job after `after` (a link's name,
    None for the first), of an array only the numbers `missing`. `stale` are jobs that wait for one that will not end well.
    """

    link: Link
    action: Literal["done", "kept", "submit"]
    job_id: str | None = None
    after: str | None = None
    missing: tuple[int, ...] = ()
    stale: str | None = None


def links_of(config: RunConfig, *, array: int, tasks: int) -> tuple[Link, ...]:
    """The links of a config. `array`: jobs that clean texts and make rows, 1: no arrays for that; `tasks` of its suite."""
    links = [Link("corpus-parts", "corpus", "data", array)] if array > 1 else []
    links += [Link("corpus", "corpus", "data"), Link("tokenizer", "tokenizer", "data")]
    for name in training_stages(config):
        section = getattr(config, name)
        if array > 1 and isinstance(section, TextStage):
            links.append(Link(f"{name}-rows", name, "tokenize", array))
        links.append(Link(name, name, "train"))
    if tasks > 1:
        links.append(Link("eval-tasks", "eval", "eval", tasks))
    return (*links, Link("eval", "eval", "eval"), Link("report", "report", "data"))


def steps_of(
    links: Sequence[Link],
    *,
    done: Sequence[str],
    missing: Mapping[str, Sequence[int]],
    jobs: Mapping[str, Job],
    alive: Mapping[str, str],
) -> tuple[Step, ...]:
    """What is to be done about each link, in order.

    Args:
        done: the stages that are up to date, given that those before them are.
        missing: of links that are arrays the shares that are not made; of those not named, all.
        jobs: the last job of each link, by its name.
        alive: Slurm's state of each job that is in its queue or runs, by job id.
    """
    steps: list[Step] = []
    after: str | None = None
    for link in links:
        lacking = tuple(missing.get(link.name, range(link.shares)))
        is_changed = any(step.action == "submit" for step in steps)
        job = jobs.get(link.name)
        is_alive = job is not None and job.job_id in alive
        if link.stage in done or (link.shares and not lacking):
            steps.append(Step(link, "done"))
            continue
        if job is not None and is_alive and not (is_changed and alive[job.job_id] == "PENDING"):
            steps.append(Step(link, "kept", job_id=job.job_id))
        else:
            stale = job.job_id if job is not None and is_alive else None
            steps.append(Step(link, "submit", after=after, missing=lacking, stale=stale))
        after = link.name
    return tuple(steps)


def ranges(numbers: Sequence[int]) -> str:
    """`0-2,5` of 0, 1, 2, 5.

    >>> ranges([0, 1, 2, 5])
    '0-2,5'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
