"""The drills that are held on Slurm, by name; add to DRILLS what others are to be."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from drills import slurm
from drills.chain import chain
from drills.slurm_ends import bad_node, cancelled, divergence, full_disk, gives_up, user_error
from drills.slurm_engines import engine, start_time
from drills.slurm_faults import Fault, at_time_limit, pipeline_signals, struck
from drills.slurm_outcome import Outcome, Place

Hold = Callable[[Place, Outcome, random.Random], None]


@dataclass(frozen=True)
class Drill:
    """`quick`: part of the short form. `alone`: takes nodes away, so that no other may be held meanwhile.

    `long`: one start after another, so it is begun before those that are to fill the time it waits.
    """

    hold: Hold
    quick: bool = True
    alone: bool = False
    long: bool = False


ZERO2 = {"distributed.deepspeed": str(slurm.REPOSITORY / "configs/deepspeed/zero2.json")}
ZERO3 = {"distributed.deepspeed": str(slurm.REPOSITORY / "configs/deepspeed/zero3.json")}
FSDP2 = {"distributed.backend": "fsdp2"}
LORA = {"adapter.type": "lora", "adapter.r": 4}


def _engine(options: tuple[str, ...], **overrides: Any) -> Hold:
    return lambda place, outcome, _dice: engine(place, outcome, options, overrides)


def _struck(*faults: Fault) -> Hold:
    return lambda place, outcome, dice: struck(place, outcome, dice, faults, {})


NODES, TASKS = slurm.TWO_NODES, slurm.TWO_TASKS
DRILLS: dict[str, Drill] = {
    "ddp-2x1": Drill(_engine(NODES)),
    "ddp-1x2": Drill(_engine(TASKS), quick=False),
    "zero2-2x1": Drill(_engine(NODES, **ZERO2), quick=False),
    "zero2-1x2": Drill(_engine(TASKS, **ZERO2)),
    "zero3-2x1": Drill(_engine(NODES, **ZERO3)),
    "zero3-1x2": Drill(_engine(TASKS, **ZERO3), quick=False),
    "fsdp2-2x1": Drill(_engine(NODES, **FSDP2), quick=False),
    "fsdp2-1x2": Drill(_engine(TASKS, **FSDP2)),
    "lora-2x1": Drill(_engine(NODES, **LORA)),
    "lora-1x2": Drill(_engine(TASKS, **LORA), quick=False),
    "term": Drill(_struck(Fault.TERM), quick=False),
    "usr1": Drill(_struck(Fault.USR1), quick=False),
    "term-full": Drill(_struck(Fault.FULL), quick=False),
    "term-batch": Drill(_struck(Fault.BATCH), quick=False),
    "kill-task": Drill(_struck(Fault.KILL), quick=False),
    "in-turn": Drill(_struck(Fault.USR1, Fault.FULL, Fault.KILL), long=True),
    "user-error": Drill(user_error),
    "divergence": Drill(divergence),
    "bad-node": Drill(bad_node, long=True),
    "gives-up": Drill(gives_up, quick=False),
    "cancelled": Drill(cancelled, quick=False),
    "full-disk": Drill(full_disk),
    "pipeline-usr1": Drill(pipeline_signals, long=True),
    "chain": Drill(chain, long=True),
    "time-limit": Drill(at_time_limit, quick=False, long=True),
    "start": Drill(start_time, quick=False, alone=True),
    "nodes-in-turn": Drill(_struck(Fault.PREEMPTION, Fault.NODE), alone=True),
    "preemption": Drill(_struck(Fault.PREEMPTION), quick=False, alone=True),
    "node-lost": Drill(_struck(Fault.NODE), quick=False, alone=True),
    "first-node-lost": Drill(_struck(Fault.FIRST_NODE), quick=False, alone=True),
}
