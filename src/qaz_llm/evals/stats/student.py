"""Student's t, by SciPy's special functions."""

from __future__ import annotations

from scipy.special import stdtr, stdtrit


def two_sided_p(t: float, degrees: int) -> float:
    """P(|T| ≥ |t|) for Student's t with a whole number of degrees of freedom ≥ 1."""
    return 2.0 * float(stdtr(degrees, -abs(t)))


def t_quantile(level: float, degrees: int) -> float:
    """The t that |T| exceeds with probability 1 − level: 12.706 for 0.95 and 1 degree, 1.96 for very many."""
    return -float(stdtrit(degrees, (1.0 - level) / 2.0))
