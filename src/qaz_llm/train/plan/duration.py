"""How fast a machine will train, and so how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.machines import Machine, peak_flops

ASSUMED_UTILISATION_FRAC = 0.40
"""Share of a GPU's dense peak, in the precision of its products, that its arithmetic reaches, recomputation counted. What was published for 7-8 B models on
8 H100 in bf16 lies at 39 % (torchtitan), 46 % (llm-foundry) and 50 % (MaxText)."""

ASSUMED_CPU_FRAC = 0.35
"""Share of a CPU's speed in a matrix product that training a small model is taken to reach; a guess, for estimates only."""

TRIALS = 5


@dataclass(frozen=True)
class Speed:
    """FLOP/s of one device in training, and what that is taken from. `peak_flops`: by the data sheet in the run's precision,
    None where a product was timed."""

    flops_per_s: float
    assumption: str
    peak_flops: float | None = None


def find_speed(environment: Environment, device: str, precision: str, machine: Machine | None = None) -> Speed:
    """By the data sheet on a GPU that is known or described, by a short trial elsewhere. `precision`: bf16 or fp32, in which the
    products are: a GPU is ten times slower in the latter.

    Raises ConfigError where a described GPU's peak in it is not known.
    """
    peak = None
    if machine is not None:
        peak = machine.peak_of(precision)
    elif device == "cuda":
        peak = peak_flops(environment.device_name, precision)
    if peak is not None:
        shown = f"{ASSUMED_UTILISATION_FRAC:.0%} of {peak_in_words(peak, precision)} assumed"
        return Speed(peak * ASSUMED_UTILISATION_FRAC, shown, peak)
    timed = precision if device == "cuda" else "fp32"  # numpy has no bf16
    product = _product_flops_per_s(device, timed)
    said = f"a matrix product's {product / 1e9:,.0f} GFLOP/s in {_WORDS[timed]}"
    return Speed(product * ASSUMED_CPU_FRAC, f"{ASSUMED_CPU_FRAC:.0%} of {said} assumed")


_WORDS = {"bf16": "bf16", "fp32": "float32"}


def peak_in_words(peak: float, precision: str) -> str:
    """`989 TFLOP/s in bf16`; of float32 that TF32, which has a peak of its own, is not meant."""
    shown = f"{peak / 1e12:,.0f}" if peak >= 1e14 else f"{peak / 1e12:,.1f}"
    return f"{shown} TFLOP/s in {_WORDS[precision]}" + (" without TF32" if precision == "fp32" else "")


def _product_flops_per_s(device: str, precision: str) -> float:
    """On a CPU by numpy, as fast there as torch, whose import takes longer than the rest of a plan."""
    size, repeats = 512, 8
    a = _ones(size, device, precision)
    trials = []
    for _ in range(TRIALS):  # the first ones warm up, others may meet a busy moment: the fastest counts
        started = time.perf_counter()
        for _ in range(repeats):
            b = a @ a
        float(b[0, 0])  # waits for a GPU
        trials.append(time.perf_counter() - started)
    return repeats * 2 * size**3 / min(trials)


def _ones(size: int, device: str, precision: str) -> Any:
    if device == "cpu":
        import numpy

        return numpy.ones((size, size), numpy.float32)
    import torch

    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    return torch.ones(size, size, dtype=dtype, device=torch.device(device))
