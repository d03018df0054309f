"""What counts as divergence, and how often a training tries to get past it."""

from __future__ import annotations

from pydantic import Field

from qaz_llm.config import StrictModel


class DivergenceConfig(StrictModel):
    """What counts as divergence besides a loss or gradient that is no number, and the limits of `on_divergence`.

    A step diverges too where its loss L, in nats per learned token over the whole step, is

        L > max_loss · ln(tokens of the vocabulary)    ln(vocabulary) is what a model that knows nothing has
        L > m + jump · max(s, 0.05 · m, 0.15)          m the median of the last 64 good steps, s their spread

    with s = 1.4826 · the median distance from m: the standard deviation, if the losses were normally distributed, that a
    few outliers do not move (Rousseeuw & Croux 1993). By default a loss has to be at least three nats above the median,
    and at least twice as high.
    """

    max_loss: float | None = Field(default=3.0, gt=0)
    """Largest loss, as a multiple of ln(vocabulary); null: any. Rows made at random can start a model above 2."""
    jump: float | None = Field(default=20.0, gt=0)
    """Largest distance from the median, as a multiple of the spread; null: any."""
    jump_after_steps: int = Field(default=64, gt=1)
    """So many good steps have to be seen before a jump counts."""
    max_skips_in_row: int = Field(default=5, gt=0)
    """`on_divergence: skip` gives up where more steps than this diverge one after another."""
    max_rollbacks: int = Field(default=5, gt=0)
    """`on_divergence: rollback` gives up after so many."""
