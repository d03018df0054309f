"""Started by test_communication.py on several processes: trainings by each engine, one after another, with the bytes of a step counted.

    python counted_trainings.py OUT NAME=OVERRIDE[,OVERRIDE…] …

Counted is where all collectives pass, whoever calls them: torch's dispatcher (`c10d::…`), by the largest of a call's tensors.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import TrainerCallback

from qaz_llm.cluster.environment import read_environment
from qaz_llm.config import load_config
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.loop import sitting
from qaz_llm.train.plan import make_plan
from qaz_llm.train.plan.communication import count_transfers
from qaz_llm.train.run import train

ROOT = Path(__file__).parents[2]
NAMES = {
    "allreduce_": "all_reduce",
    "_allgather_base_": "all_gather",
    "allgather_": "all_gather",
    "_reduce_scatter_base_": "reduce_scatter",
    "reduce_scatter_": "reduce_scatter",
}
SMALL_BYTES = 64
"""Votes, counts and norms."""
COMMON = ("max_steps=2", "micro_batch_size=1", "grad_accum_steps=2", "schedule=constant", "async_save=off", "precision=fp32",
          "checkpoint_every_steps=null", "watch.straggler_ratio=null")  # fmt: skip


def size_of(value: Any) -> int:
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    return sum(size_of(part) for part in value) if isinstance(value, (list, tuple)) else 0


class Counting(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        size = max((size_of(value) for value in args), default=0) if func.namespace == "c10d" else 0
        if size > SMALL_BYTES and func._opname in NAMES:
            name = NAMES[func._opname]
            self.found[name] = self.found.get(name, 0) + size
        return func(*args, **(kwargs or {}))


class SecondStep(TrainerCallback):
    """The first one is left out: engines set up what they keep."""

    def __init__(self) -> None:
        self.mode: Counting | None = None
        self.found: dict[str, int] = {}

    def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 1:
            self.mode = Counting()
            self.mode.__enter__()

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if self.mode is not None:
            self.mode.__exit__(None, None, None)
            self.found, self.mode = self.mode.found, None


def main(out: Path, asked: list[str]) -> None:
    original = sitting.watching_callbacks
    results: dict[str, Any] = {}
    for one in asked:
        name, _, overrides = one.partition(":")
        run = [f"run_dir={out / name}", f"data.cache_dir={out / 'cache'}", *COMMON, *filter(None, overrides.split(","))]
        plan = make_plan(load_config(TrainConfig, ROOT / "configs/train/tiny.yaml", run), read_environment())
        counter = SecondStep()
        sitting.watching_callbacks = lambda *args, counter=counter, **kw: [counter, *original(*args, **kw)]
        train(plan)
        expected: dict[str, float] = {}
        for transfer in count_transfers(plan.config, plan.counted, plan.layout):
            expected[transfer.collective] = expected.get(transfer.collective, 0) + transfer.size_bytes
        results[name] = {"counted": counter.found, "expected": expected, "trainable": plan.trainable_parameters}
    if os.environ["RANK"] == "0":
        (out / "results.json").write_text(json.dumps(results))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
