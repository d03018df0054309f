"""What a step is judged by: the losses of the good steps before it; and what the judgement is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from qaz_llm.train.config import DivergenceConfig

WINDOW = 64
"""Losses of good steps that median and spread are taken from."""

SPREAD_OF_NORMAL = 1.4826
"""Standard deviation of a normal distribution over its median distance from the median."""

LEAST_SPREAD_FRAC, LEAST_SPREAD_NATS = 0.05, 0.15
"""The spread counts as at least this share of the median and this much: a loss that hardly varies would jump by nothing."""


@dataclass(frozen=True)
class Verdict:
    """What is known of a step on all ranks. `median` and `spread` are of the good steps before it."""

    step: int
    is_bad: bool
    loss: float
    grad_norm: float
    median: float
    spread: float
    told: bool

    def why(self, limits: DivergenceConfig, vocab_size: int) -> str:
        """In words, what made the step a bad one."""
        bad = {"loss": self.loss, "norm of the gradient": self.grad_norm}
        found = [f"{name} {value}" for name, value in bad.items() if not math.isfinite(value)]
        if found:
            return f"no longer a number: {', '.join(found)}"
        ceiling = (limits.max_loss or math.inf) * math.log(vocab_size)
        if self.loss > ceiling:
            return f"loss {self.loss:.2f} is above {ceiling:.2f}, {limits.max_loss:g} times ln(vocabulary)"
        times = (self.loss - self.median) / self.spread
        return (
            f"loss {self.loss:.2f} is {times:.0f} times the spread ({self.spread:.3f}) above the median of the steps "
            f"before, {self.median:.2f}"
        )


@dataclass
class LossHistory:
    """The losses of the last good steps, on the device. `losses_W` is filled up with NaN."""

    losses_W: torch.Tensor
    count: torch.Tensor

    @classmethod
    def on(cls, device: torch.device, losses: Sequence[float] = (), count: int = 0) -> LossHistory:
        values = torch.full((WINDOW,), math.nan)
        if losses:
            values[-len(losses) :] = torch.tensor(losses)
        return cls(values.to(device), torch.tensor(count, device=device))

    def median_and_spread(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Of the losses that are there; NaN where there are none."""
        middle = (self.count.clamp(min=1, max=WINDOW) - 1) // 2
        median = self.losses_W.sort().values.gather(0, middle[None])[0]  # NaN is sorted last
        spread = (self.losses_W - median).abs().sort().values.gather(0, middle[None])[0] * SPREAD_OF_NORMAL
        return median, spread.maximum(LEAST_SPREAD_FRAC * median.abs()).clamp(min=LEAST_SPREAD_NATS)

    def append(self, loss: torch.Tensor, *, unless: torch.Tensor) -> None:
        longer_W = torch.cat([self.losses_W[1:], loss.reshape(1)])
        self.losses_W = torch.where(unless, self.losses_W, longer_W)
        self.count = self.count + (~unless).long()

    def known(self) -> list[float]:
        return [loss for loss in self.losses_W.tolist() if not math.isnan(loss)]
