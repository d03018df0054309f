"""The status of a run of any kind: a training's, or that of a whole job with the training it is at and the jobs of its chain."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.cluster.restarts import Restart
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.labels.names import escaped
from qaz_llm.pipeline.chain.state import chain_state, describe_chain
from qaz_llm.pipeline.config import TRAINING_STAGES
from qaz_llm.progress import format_duration, format_share
from qaz_llm.train.status import STATUS_FILE, read_status

IN_WORDS = {
    "done": "done",
    "preempted": "stopped, told to by a signal",
    "interrupted": "stopped, interrupted",
    "failed": "failed",
    "gone": "stopped, its process is gone",
    "silent": "not known, silent",
}


def look_at(run_dir: Path) -> dict[str, Any]:
    """All that a run folder tells: `find_status` where the run has begun, `chain` where jobs were submitted for it, and
    `unread`, what of it could not be read.

    Raises InputError or DamagedFileError where there is nothing to show, for the first of the reasons.
    """
    problems: list[InputError | DamagedFileError] = []
    found: dict[str, Any] = {}
    chain: list[dict[str, Any]] = []
    unread: list[str] = []
    try:
        chain, unread = chain_state(run_dir)
    except DamagedFileError as error:
        problems.append(error)
    if not chain or (run_dir / STATUS_FILE).exists():
        try:
            found = find_status(run_dir)
        except InputError as error:
            problems.append(error)
    if not found and not chain:
        raise problems[0]
    unread += [*found.pop("unread", []), *map(str, problems)]
    return found | ({"chain": chain} if chain else {}) | ({"unread": unread} if unread else {})


def describe(found: Mapping[str, Any]) -> Iterator[str]:
    """What `look_at` found as lines for a person's terminal, which obeys none of what stands in them."""
    lines = list(describe_status(found)) if "state" in found else []
    if "chain" in found:
        lines += ["chain of jobs:", *describe_chain(found["chain"])]
    lines += [f"not read: {' '.join(problem.split())}" for problem in found.get("unread", ())]
    yield from map(escaped, lines)


def find_status(run_dir: Path) -> dict[str, Any]:
    """`read_status` of a folder; of a job at a training stage, `training` is that one's, or `unread` says what is wrong with it.

    Raises as `read_status`.
    """
    found = read_status(run_dir)
    stage = found.get("phase")
    if "stages" in found and stage in TRAINING_STAGES and (run_dir / stage / STATUS_FILE).is_file():
        try:
            found["training"] = read_status(run_dir / stage)
        except InputError as error:
            found["unread"] = [str(error)]
    return found


def describe_status(found: Mapping[str, Any]) -> Iterator[str]:
    """The status as lines for a person."""
    yield _headline(found)
    if found.get("why") or found.get("message"):
        yield f"  {str(found.get('why') or found['message']).splitlines()[0]}"
    if found.get("step") is not None:
        yield "  " + _progress(found)
    if found.get("held_out"):
        scores = {name: value for name, value in found["held_out"].items() if name != "step"}
        shown = ", ".join(f"{name} {value:.4f}" for name, value in scores.items() if value is not None)
        yield f"  held out at step {found['held_out']['step']:,}: {shown}"
    if found.get("best"):
        best = found["best"]
        yield f"  best held-out {best['by']}: {best['value']:.4f} at step {best['step']:,}"
    yield from _of_forgetting(found)
    yield from _of_processes(found)
    job = f", job {found['job_id']}" if found.get("job_id") else ""
    yield f"  process {found['pid']} on {found['host']}{job}, started {found['started']}"
    yield f"  last word {format_duration(found['age_s'])} ago"
    for sitting in found["sittings"]:
        why = f": {str(sitting['message']).splitlines()[0]}" if sitting.get("message") else ""
        at = f" at step {sitting['step']:,}" if sitting.get("step") is not None else ""
        job = f" (job {sitting['job_id']})" if sitting.get("job_id") else ""
        yield f"  before: {sitting['started']} to {sitting['ended']}{job}, {sitting['how']}{at}{why}"
    for restart in found.get("restarts") or ():
        yield f"  the job was started again, {Restart(**restart).describe()}"
    if "training" in found:
        yield f"stage {found['phase']}:"
        yield from (f"  {line}" for line in describe_status(found["training"]))


def _of_forgetting(found: Mapping[str, Any]) -> Iterator[str]:
    """What got worse than the config allows since before the first step, and what has no number there."""
    if found.get("forgetting"):
        rises = [f"{name} {_rise(frac)}" for name, frac in found["forgetting"].items()]
        allowed = found.get("max_rise_frac")
        limit = f"more than {format_share(allowed)} above" if allowed is not None else "above"
        yield f"  forgetting: {', '.join(rises)}; {limit} the start (watch.forgetting)"
    if found.get("forgetting_not_judged"):
        names = ", ".join(found["forgetting_not_judged"])
        yield f"  forgetting: {names} not judged, there is no number of that text before the first step"


def _rise(frac: float | None) -> str:
    return "is no number" if frac is None else f"+{format_share(frac, digits=3)}"


def _of_processes(found: Mapping[str, Any]) -> Iterator[str]:
    """Who of several processes is slow; else how even they are."""
    if found.get("stragglers"):
        yield from (f"  slow: {line}" for line in found["stragglers"])
    elif found.get("ranks"):
        ratios = [one["ratio"] for one in found["ranks"].values() if one["ratio"] is not None]
        yield f"  processes: the slowest takes at most {max(ratios, default=1.0):.2f} × the median; none is named for it"


def _headline(found: Mapping[str, Any]) -> str:
    state = str(found["state"])
    of_stages = f" (stage {found['stage']} of {found['stages']})" if "stages" in found else ""
    if state == "running":
        return f"running: {found['phase']}{of_stages}"
    at = f"; it was at: {found['phase']}{of_stages}" if state != "done" else ""
    return IN_WORDS.get(state, state) + at


def _progress(found: Mapping[str, Any]) -> str:
    of = f" of {found['steps']:,}" if found.get("steps") else ""
    parts = [f"step {found['step']:,}{of}"]
    if found.get("loss") is not None:
        parts.append(f"loss {found['loss']:.4f}")
    if found.get("tokens_per_s") is not None:
        parts.append(f"{found['tokens_per_s']:,.0f} tokens/s without saving, evaluation and samples")
    if found.get("mfu_frac") is not None:
        parts.append(f"MFU {found['mfu_frac']:.0%}".replace("%", " %"))
    if found.get("left_s") is not None and found["state"] == "running":
        parts.append(f"{format_duration(found['left_s'])} left")
    return ", ".join(parts)
