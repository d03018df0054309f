"""Non-inferiority: whether a loss is shown to be smaller than a margin that was named beforehand.

"Not significantly worse" is no such statement, as few items find nothing. The end of the two-sided 95 % interval is a one-sided test at
2.5 % (ICH E9, 1998, §3.3.2; Piaggio et al., JAMA 308, 2012).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

Verdict = Literal["non-inferior", "inferior", "undecided"]


def margin_verdict(low: float | None, high: float | None, *, margin: float, higher_is_better: bool = True) -> Verdict:
    """What the interval [low, high] of a change says of a loss by `margin` (> 0, in the unit of the change).

    >>> margin_verdict(-0.01, 0.03, margin=0.02), margin_verdict(-0.09, -0.03, margin=0.02), margin_verdict(-0.05, 0.04, margin=0.02)
    ('non-inferior', 'inferior', 'undecided')

    A change of exactly the margin is not shown to be smaller: undecided. None (no interval) is undecided.
    """
    if low is None or high is None:
        return "undecided"
    worst, best = (low, high) if higher_is_better else (-high, -low)
    if worst > -margin:
        return "non-inferior"
    return "inferior" if best < -margin else "undecided"


def verdict_of_all(verdicts: Iterable[Verdict]) -> Verdict:
    """Of several tasks: non-inferior where each is, inferior where one is.

    The first needs no correction for their number (an intersection-union test: Berger, Technometrics 24, 1982); the second is a
    warning, which is given rather once too often.
    """
    found = list(verdicts)
    if "inferior" in found:
        return "inferior"
    return "non-inferior" if found and set(found) == {"non-inferior"} else "undecided"
