"""How fast a machine will train, and so how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.machines import Machine, peak_flops

ASSUMED_UTILISATION_FRAC = 0.40
"""Share of a GPU's dense bf16 peak that its arithmetic reaches, recomputation counted. What was published for 7-8 B models on
8 H100 in bf16 lies at 39 % (torchtitan), 46 % (llm-foundry) and 50 % (MaxText)."""

ASSUMED_CPU_FRAC = 0.35
"""Share of a CPU's speed in a matrix product that training a small model is taken to reach; a guess, for estimates only."""

TRIALS = 5


@dataclass(frozen=True)
class Speed:
    """FLOP/s of one device in training, and what that is taken from."""

    flops_per_s: float
    assumption: str


def find_speed(environment: Environment, device: str, machine: Machine | None = None) -> Speed:
    """By the data sheet on a GPU that is known or described, by a short trial elsewhere."""
    peak = machine.peak_flops if machine else peak_flops(environment.device_name) if device == "cuda" else None
    if peak is not None:
        shown = f"{ASSUMED_UTILISATION_FRAC:.0%} of {peak / 1e12:,.0f} TFLOP/s in bf16 assumed"
        return Speed(peak * ASSUMED_UTILISATION_FRAC, shown)
    product = _product_flops_per_s(device)
    return Speed(
        product * ASSUMED_CPU_FRAC, f"{ASSUMED_CPU_FRAC:.0%} of a matrix product's {product / 1e9:,.0f} GFLOP/s assumed"
    )


def _product_flops_per_s(device: str) -> float:
    """On a CPU by numpy, as fast there as torch, whose import takes longer than the rest of a plan."""
    size, repeats = 512, 8
    a = _ones(size, device)
    trials = []
    for _ in range(TRIALS):  # the first ones warm up, others may meet a busy moment: the fastest counts
        started = time.perf_counter()
        for _ in range(repeats):
            b = a @ a
        float(b[0, 0])  # waits for a GPU
        trials.append(time.perf_counter() - started)
    return repeats * 2 * size**3 / min(trials)


def _ones(size: int, device: str) -> Any:
    if device == "cpu":
        import numpy

        return numpy.ones((size, size), numpy.float32)
    import torch

    return torch.ones(size, size, device=torch.device(device))
