"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from qaz_llm.train.config import TrainSettings


def lr_factor(step: int, settings: TrainSettings, *, total_steps: int) -> float:
    """The factor on `lr` for the step numbered `step` from 0.

    Warm-up rises linearly to 1 over `warmup_steps`. Then `cosine` and `linear` fall to `min_lr_frac` at the end,
    `constant` stays, and `wsd` (warm-up, stable, decay; arXiv 2404.06395) stays until the last `decay_frac` of all
    steps and falls linearly there; `range` rises by one factor from `min_lr_frac` to 1. With 10 steps, warm-up 2, linear, min 0: 0.5 1 1 0.875 0.75 … 0.125.
    """
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    floor = settings.min_lr_frac
    span = max(total_steps - settings.warmup_steps, 1)
    done_frac = min((step - settings.warmup_steps) / span, 1.0)
    match settings.schedule:
        case "constant":
            return 1.0
        case "cosine":
            return floor + (1 - floor) * (1 + math.cos(math.pi * done_frac)) / 2
        case "linear":
            return floor + (1 - floor) * (1 - done_frac)
        case "range":
            return math.pow(floor, 1 - step / max(total_steps - 1, 1))
        case "wsd":
            decay_steps = max(round(settings.decay_frac * total_steps), 1)
            left_frac = min((total_steps - step) / decay_steps, 1.0)
            return floor + (1 - floor) * left_frac


def warm_up_line(settings: TrainSettings, total_steps: int) -> str | None:
    """What is to be said where the learning rate is still rising when the run ends."""
    if settings.warmup_steps < total_steps:
        return None
    reached = min(total_steps / settings.warmup_steps, 1.0) * settings.peak_lr
    return (
        f"warm-up of {settings.warmup_steps:,} steps is as long as the run of {total_steps:,} or longer: the learning "
        f"rate ends at {reached:.2g} of {settings.peak_lr:.2g} and never falls; lower warmup_steps, or train longer"
    )
