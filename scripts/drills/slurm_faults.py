"""Jobs that are struck and go on by themselves: to the same weights, with no more work lost than may be."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Sequence
from enum import Enum
from itertools import cycle
from pathlib import Path
from typing import Any

from drills import slurm
from drills.slurm_engines import shape_of
from drills.slurm_outcome import SAVE_EVERY, STEPS, Outcome, Place

START_S = 8.0
"""A start takes at least so long; a fault of the start comes at a random moment of it."""

NODE_PATIENCE_S = 240.0


class Fault(Enum):
    """What strikes a job, and whether its tasks can save before they end."""

    TERM = ("scancel --signal=TERM", True)
    USR1 = ("scancel --signal=USR1", True)
    FULL = ("scancel --full --signal=TERM", True)
    BATCH = ("scancel --batch --signal=TERM", True)
    KILL = ("kill -9 of one task", False)
    PREEMPTION = ("a job of a higher partition", True)
    NODE = ("the second node dies", False)
    FIRST_NODE = ("the first node dies, with the batch script", False)

    @property
    def saves(self) -> bool:
        return self.value[1]


def struck(
    place: Place, outcome: Outcome, dice: random.Random, faults: Sequence[Fault], overrides: dict[str, Any]
) -> None:
    """One job, struck by one fault as it starts and at two random steps (in the short form at one), or by several in turn."""
    options = slurm.TWO_NODES
    outcome.shape = shape_of(options)
    overrides = {"async_save": "off", **overrides}
    whole = slurm.weights(place.whole("struck", options, **overrides))
    job = slurm.train(place.folder, place.values(outcome.drill, **overrides), options)
    steps = sorted(dice.sample(range(2, STEPS - SAVE_EVERY), max(len(faults), 2)))
    moments = steps if len(faults) > 1 else [dice.choice(steps)] if place.quick else [0, *steps]
    too_many: list[str] = []
    for step, fault in zip(moments, cycle(faults), strict=False):
        _wait_for_moment(job, step, fault, dice)
        reached = job.step()
        _strike(job, fault, dice)
        outcome.faults += 1
        job.wait_until(lambda: job.restarts >= outcome.faults, "requeued", NODE_PATIENCE_S)
        job.wait_until(lambda: not job.tasks(), "ended")  # Slurm counts a preemption before the tasks have saved
        reached = max(reached, job.step())
        lost = reached - job.saved()
        outcome.lost_steps = max(outcome.lost_steps, lost)
        if lost > (0 if fault.saves else SAVE_EVERY):
            too_many.append(fault.value[0])
        outcome.notes.append(
            f"struck at step {reached}, {lost} steps again: {(job.reasons or ['requeued by Slurm'])[-1]}"
        )
        if fault in (Fault.NODE, Fault.FIRST_NODE):
            slurm.cluster("bring", _node(fault))
    state, code = job.wait()
    outcome.restarts = job.restarts
    outcome.check((state, code) == ("COMPLETED", 0), f"{state}, exit code {code}")
    outcome.check(bool(whole) and slurm.weights(job.run_dir) == whole, "weights equal bit by bit")
    allowed = " and ".join(
        f"{0 if saves else SAVE_EVERY} after a {'signal' if saves else 'kill'}"
        for saves in sorted({fault.saves for fault in faults}, reverse=True)
    )
    outcome.check(
        not too_many,
        f"at most {outcome.lost_steps} steps again, allowed are {allowed}"
        + f" ({', '.join(too_many)})" * bool(too_many),
    )
    # What the controller could not say to a node that died it says to it when it is back: the step is ended once more.
    more = bool({Fault.NODE, Fault.FIRST_NODE} & set(faults)) and outcome.restarts > outcome.faults
    outcome.check(
        more or outcome.restarts == outcome.faults, f"{outcome.restarts} restarts for {outcome.faults} faults"
    )


def _wait_for_moment(job: slurm.Job, step: int, fault: Fault, dice: random.Random) -> None:
    job.wait_until(lambda: job.fields()["JobState"] == "RUNNING", "running")
    if step:
        # Where the last fault came after this step the next one waits until a step is done again.
        at = max(step, job.step() + 1)
        job.wait_for_step(at, tasks=2)
        return
    if fault in (Fault.KILL, Fault.TERM, Fault.USR1):  # what strikes tasks needs tasks
        job.wait_until(lambda: len(job.tasks()) == 2, "started")
    time.sleep(dice.uniform(0, START_S))


def _strike(job: slurm.Job, fault: Fault, dice: random.Random) -> None:
    match fault:
        case Fault.TERM:
            job.signal("--signal=TERM")
        case Fault.USR1:
            job.signal("--signal=USR1")
        case Fault.FULL:
            job.signal("--full", "--signal=TERM")
        case Fault.BATCH:
            job.signal("--batch", "--signal=TERM")
        case Fault.KILL:
            job.kill(dice.randrange(2))
        case Fault.PREEMPTION:
            urgent = ["sbatch", "-p", "urgent", "-N", "2", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 2"]
            subprocess.run(urgent, check=True, stdout=subprocess.DEVNULL)
        case Fault.NODE | Fault.FIRST_NODE:
            slurm.cluster("lose", _node(fault))


def _node(fault: Fault) -> str:
    return "n1" if fault is Fault.FIRST_NODE else "n2"


def at_time_limit(place: Place, outcome: Outcome, _dice: random.Random) -> None:
    """A run that needs more than the two minutes its job may take, and gets there in several."""
    options = slurm.TWO_NODES
    outcome.shape = shape_of(options)
    overrides = {"max_steps": 25 * STEPS, "checkpoint_every_steps": 100, "micro_batch_size": 1}
    whole = slurm.weights(place.whole(outcome.drill, options, **overrides))
    # The notice that the scripts ask for, two minutes before the end, comes as the job starts: it goes on for most of them.
    job = slurm.train(place.folder, place.values(outcome.drill, **overrides), (*options, "--time=2"))
    state, code = job.wait()
    outcome.restarts = outcome.faults = job.restarts
    outcome.check((state, code) == ("COMPLETED", 0), f"{state}, exit code {code}")
    outcome.check(outcome.restarts > 0, f"{outcome.restarts} restarts")
    outcome.check(slurm.weights(job.run_dir) == whole, "weights equal bit by bit")


SHORT = ("pretrain.total_tokens=20000", "cpt.total_tokens=20000", "sft.epochs=1", "eval.max_items=4")
NO_EVALUATION = ("pretrain.eval_every_steps=100000", "cpt.eval_every_steps=100000")
STAGES = ("corpus", "tokenizer", "pretrain", "cpt", "sft", "eval")


def pipeline_signals(place: Place, outcome: Outcome, dice: random.Random) -> None:
    """USR1 to `qaz run` at a random moment of its stages; in the short form of the second of two."""
    outcome.shape = "1 × 1"
    if place.quick:
        job = _pipeline(place, outcome.drill, "--until", "tokenizer")
        _signal_stages(job, outcome, dice, ["tokenizer"])
        outcome.check((job.run_dir / "stages" / "tokenizer.json").is_file(), "the stage was done")
        return
    whole = place.folder / "runs" / f"{outcome.drill}-whole"
    if not (whole / "report" / "report.html").is_file() and (ended := _pipeline(place, whole.name).wait())[1] != 0:
        raise RuntimeError(f"fails without a fault ({ended[0]}), see {whole}.out")
    job = _pipeline(place, outcome.drill)
    _signal_stages(job, outcome, dice, STAGES)
    outcome.check(slurm.weights(job.run_dir) == slurm.weights(whole), "weights equal bit by bit")
    outcome.check((job.run_dir / "report" / "report.html").is_file(), "the report is there")


def _signal_stages(job: slurm.Job, outcome: Outcome, dice: random.Random, stages: Sequence[str]) -> None:
    """A signal in each of these stages, and then to the end."""
    for stage in stages:
        job.wait_until(lambda stage=stage: f"] {stage}: " in job.text(), f"at stage {stage}")
        time.sleep(dice.uniform(0, 1))
        job.signal("--signal=USR1")
        outcome.faults += 1
        job.wait_for_restart(outcome.faults)
    state, code = job.wait()
    outcome.restarts = job.restarts
    outcome.check((state, code) == ("COMPLETED", 0), f"{state}, exit code {code}")
    outcome.check(outcome.restarts == outcome.faults, f"{outcome.restarts} restarts for {outcome.faults} faults")


def _pipeline(place: Place, name: str, *more: str) -> slurm.Job:
    run_dir = place.folder / "runs" / name
    arguments = ["configs/demo.yaml", f"run_dir={run_dir}", *SHORT, *NO_EVALUATION, *more]
    options = ("-N", "1", "--ntasks=1")
    return slurm.submit(place.folder, arguments, run_dir=Path(run_dir), options=options, script="pipeline")
