"""The loss of a whole run in one line of text, for the end of a log.

loss 9.21 █▇▅▄▃▃▂▂▁▁▁ 2.31
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from qaz_llm.progress import get_logger
from qaz_llm.train.metrics import METRICS_FILE, read_metrics
from qaz_llm.train.watching.texts import comparable_evals

BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 48

_logger = get_logger("train")


def sparkline(values: Sequence[float], *, width: int = WIDTH) -> str:
    """Means of `width` (or fewer) even stretches as blocks between the lowest and the highest; what is not finite is left out.

    >>> sparkline([4, 3, 2, 1])
    '█▆▃▁'
    """
    finite = [value for value in values if math.isfinite(value)]
    count = min(width, len(finite))
    stretches = [finite[n * len(finite) // count : (n + 1) * len(finite) // count] for n in range(count)]
    means = [math.fsum(stretch) / len(stretch) for stretch in stretches]
    low, high = min(means, default=0.0), max(means, default=0.0)
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round((mean - low) / ((high - low) or 1.0) * top)] for mean in means)


def curve_line(name: str, values: Sequence[float]) -> str:
    """`loss 9.21 █▅▂▁ 2.31`: first and last value with the curve between them."""
    return f"{name} {values[0]:.4g} {sparkline(values)} {values[-1]:.4g}"


def say_curve(run_dir: Path) -> None:
    """Log the curve of the loss, and of each held-out number that was looked at more than once on the same text."""
    losses = [row["loss"] for row in read_metrics(run_dir / METRICS_FILE)]
    if len(losses) > 1:
        _logger.info(curve_line("loss", losses))
    rows = comparable_evals(run_dir)
    for name in rows[-1] if rows else ():
        values = [row[name] for row in rows if name in row]
        if name != "step" and len(values) > 1:
            _logger.info(curve_line(f"held-out {name}", values))
