"""The words that Slurm is spoken to in: sbatch, squeue, scancel."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from qaz_llm.cluster.asking import ask
from qaz_llm.errors import ConfigError, InputError, WorkError
from qaz_llm.pipeline.chain.links import Link, Size, Step, ranges
from qaz_llm.pipeline.chain.log import job_variables

SCRIPT = "slurm/pipeline.sh"
"""The job script of every link, below the project: it runs `qaz run` with the arguments it is given."""

_PROCESSORS = "--cpus-per-task=16 --time=12:00:00"
DEFAULT_OPTIONS: Mapping[Size, str] = {"data": _PROCESSORS, "tokenize": _PROCESSORS, "train": "", "eval": ""}
"""What sbatch is told of a link's size before all else; the script's own lines say the rest."""
VARIABLES: Mapping[Size, str] = {
    "data": "QAZ_SBATCH_DATA",
    "tokenize": "QAZ_SBATCH_TOKENIZE",
    "train": "QAZ_SBATCH_TRAIN",
    "eval": "QAZ_SBATCH_PIPELINE",
}
"""Of slurm/site.env. A model is scored by one process, as in slurm/pipeline.sh; slurm/eval.sh uses all GPUs of a node."""
WITHOUT_GPUS: frozenset[Size] = frozenset({"data", "tokenize"})

_NOT_IN_PATTERNS = re.compile(r"[\\\x00-\x1f\x7f-\x9f]")
"""Not to be had in sbatch's `filename pattern`: a backslash switches its %j off, and logs are named on lines of other files."""

PATIENCE_S = 60.0
"""Slurm's commands answer within seconds, or not at all."""


def size_options(given: Sequence[str], environment: Mapping[str, str]) -> dict[str, str]:
    """What sbatch is told, by size or by link: QAZ_SBATCH, then QAZ_SBATCH_TRAIN and its like, then `--sbatch NAME=OPTIONS`.

    Sbatch takes the last of two options that say different things.

    Raises:
        InputError: an option that is not NAME=OPTIONS.
    """
    common = environment.get("QAZ_SBATCH", "")
    options: dict[str, str] = {
        size: f"{default} {common} {environment.get(VARIABLES[size], '')}" for size, default in DEFAULT_OPTIONS.items()
    }
    for text in given:
        name, separator, words = text.partition("=")
        if not separator or not name or name.startswith("-"):
            raise InputError(
                f"--sbatch {text}: NAME=OPTIONS was expected",
                hint="for instance --sbatch train='--nodes=4 --gpus-per-node=8', or a link: --sbatch cpt='--time=48:00:00'",
            )
        options[name] = f"{options.get(name, '')} {words}"
    for name, words in options.items():
        try:
            shlex.split(words)
        except ValueError as error:
            raise InputError(
                f"the options of sbatch for {name} cannot be read ({error}): {words.strip()}",
                hint=f"close the quote in --sbatch, or in QAZ_SBATCH, {', '.join(VARIABLES.values())}",
            ) from None
    return options


def check_names(options: Mapping[str, str], links: Sequence[Link]) -> None:
    """Raise InputError where options are given for a link that the chain does not have."""
    known = [*DEFAULT_OPTIONS, *(link.name for link in links)]
    if unknown := [name for name in options if name not in known]:
        raise InputError(f"--sbatch {unknown[0]}: no such size or link", hint=f"there are: {', '.join(known)}")


def sbatch_command(
    step: Step,
    *,
    config: Path,
    overrides: Sequence[str],
    jobs_folder: Path,
    options: Mapping[str, str],
    after: str | None,
) -> list[str]:
    """The sbatch line of a link; `after`: the id of the job it waits for."""
    link = step.link
    array = [f"--array={ranges(step.missing)}"] if link.shares else []
    exported = f"ALL,{job_variables(link.name, jobs_folder.parent)}" + (
        ",QAZ_WITHOUT_GPUS=1" if link.size in WITHOUT_GPUS else ""
    )
    return [
        "sbatch",
        "--parsable",
        *([f"--dependency=afterok:{after}"] if after is not None else []),
        "--kill-on-invalid-dep=yes",
        f"--job-name=qaz-{link.name}",
        f"--output={log_pattern(link, jobs_folder)}",
        *array,
        f"--export={exported}",
        *shlex.split(options.get(link.size, "")),
        *shlex.split(options.get(link.name, "")),
        SCRIPT,
        str(config),
        *overrides,
        "--only",
        link.stage,
        *(["--share", f"array/{link.shares}"] if link.shares else []),
    ]


def check_run_dir(run_dir: Path) -> None:
    """Raise InputError where sbatch could not be told of a log in this folder."""
    if found := _NOT_IN_PATTERNS.search(str(run_dir)):
        raise InputError(
            f"run_dir {str(run_dir)!r}: the logs of Slurm's jobs cannot lie in a folder with {found.group()!r} in its name",
            hint="choose one without backslashes, line ends and other control characters: run_dir=runs/NAME",
        )


def log_pattern(link: Link, jobs_folder: Path) -> str:
    """Where sbatch is to put a link's logs; a % of the folder's own name is doubled, so that it stays one."""
    folder = str(jobs_folder).replace("%", "%%")
    return f"{folder}/{link.name}-{'%A_%a' if link.shares else '%j'}.out"


def log_of(job_id: str, link: Link, jobs_folder: Path) -> str:
    """Where a job's log will lie; of an array a pattern of all its logs."""
    return str(jobs_folder / (f"{link.name}-{job_id}_*.out" if link.shares else f"{link.name}-{job_id}.out"))


def submit(command: Sequence[str]) -> str:
    """The id of the job that sbatch makes. Raises WorkError with sbatch's own words where it refuses."""
    return _answer(command, cwd=os.environ.get("QAZ_ROOT")).split(";")[0].strip()


def jobs_alive() -> dict[str, str]:
    """State of each of this user's jobs that waits or runs, by its id; of an array RUNNING where any of its jobs runs.

    Raises:
        ConfigError: this machine has no Slurm.
        WorkError: Slurm does not answer.
    """
    user = os.environ.get("USER") or str(os.getuid())
    states: dict[str, str] = {}
    for line in _answer(["squeue", "--noheader", "--format=%F %T", f"--user={user}"]).splitlines():
        job_id, state = line.split()
        waits = state == "PENDING"
        states[job_id] = "PENDING" if waits and states.get(job_id, "PENDING") == "PENDING" else "RUNNING"
    return states


def cancel(job_ids: Sequence[str]) -> None:
    """Take jobs out of the queue; those that have ended by now are left as they are."""
    if job_ids:
        _answer(["scancel", "--quiet", *job_ids])


def _answer(command: Sequence[str], cwd: str | None = None) -> str:
    answer = ask(command, timeout_s=PATIENCE_S, cwd=cwd)
    if answer.is_missing:
        raise ConfigError(
            f"{answer.why} on this machine: a chain is jobs of Slurm",
            hint="submit it on a login node; `qaz run CONFIG` does all stages here, in one process",
        )
    if answer.is_late:
        raise WorkError(answer.why, hint="try again; see `sinfo`")
    if answer.text is None:
        raise WorkError(answer.why, hint=f"the line was: {shlex.join(command)}")
    return answer.text
