"""A loss that rises instead of falling, which a learning rate that is too high makes long before a step counts as diverged.

logged 4.10 3.60 3.70 3.98 4.02, rise 0.1: two rows in a row are more than a tenth above the lowest before, 3.60  →  said once
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qaz_llm.progress import get_logger

RISE_FRAC, ROWS_IN_ROW = 0.1, 2
"""Rows of metrics are means over `log_every_steps` steps; one alone may be of hard rows."""

_logger = get_logger("train")


@dataclass
class EarlyLoss:
    """A listener for rows of metrics; `lowest` is the lowest loss so far, and the step it was at."""

    lowest: float = float("inf")
    lowest_step: int = 0
    above: int = 0
    is_said: bool = False

    def tell(self, row: Mapping[str, Any], _left_s: float | None) -> None:
        """Take a row, and say once where the loss stays above what it was."""
        loss, step = float(row["loss"]), int(row["step"])
        if loss < self.lowest:
            self.lowest, self.lowest_step = loss, step
        self.above = self.above + 1 if loss > self.lowest * (1 + RISE_FRAC) else 0
        if self.above == ROWS_IN_ROW and not self.is_said:
            self.is_said = True
            _logger.warning(
                "the loss rises: %.3f at step %d, %.3f at step %d (norm of the gradient %.1f, lr %.2g); where it stays so, lr is too high: "
                "qaz train --find-lr finds one",
                self.lowest, self.lowest_step, loss, step, row["grad_norm"], row["lr"],
            )  # fmt: skip
