"""Means, paired differences and their uncertainty, for scores whose items come in clusters.

Standard errors are clustered (Miller, "Adding Error Bars to Evals", arXiv 2411.00640, 2024, §2.2): items that share a
passage are not independent, so residuals are summed within a cluster before they are squared. The factor G / (G − 1)
for G clusters is applied, so that clusters of one item each give exactly s / √n. Intervals and p-values use Student's t
with G − 1 degrees of freedom, which the normal distribution approaches when clusters are many.

With weights the estimate is the ratio Σ values / Σ weights, its standard error linearised (the delta method; Cochran,
Sampling Techniques, 3rd ed., 1977, ch. 6). Weights of one are the mean.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

ALPHA = 0.05
POWER = 0.80
SIGMAS_DETECTABLE = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
"""A true difference of this many standard errors (2.80) is found significant at ALPHA in POWER of all repetitions."""

NO_SPREAD = 1e-12
"""Standard errors below this share of the values' size are rounding, not spread."""

Limits = tuple[float, float]
"""The least and the greatest value that one item can have, where there are such: (0, 1) for a share, none for bits."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean or a ratio over n items. With one cluster there is no standard error, and without limits no interval."""

    n: int
    mean: float
    standard_error: float | None
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """The mean of a − b over n pairs; `p` is two-sided.

    `minimum_detectable` is the true difference that would be found in 80 % of repetitions (at 5 %, before any
    correction for many tests); None where the data cannot say.
    """

    n: int
    difference: float
    standard_error: float | None
    ci_low: float | None
    ci_high: float | None
    p: float
    minimum_detectable: float | None


def mean_with_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    weights: Sequence[float] | None = None,
    limits: Limits | None = None,
) -> Estimate:
    """The mean of `values` (with `weights`: Σ values / Σ weights) and its interval at `level`.

    Without `limits` the interval is not cut off anywhere: that of a loss may reach below zero, and shows by it that items
    are few. With `limits` it ends there, is the whole range for a single cluster, and where all clusters agree it still
    has a width: see `unseen_share`.

        values 1, 1, 0, 0 in clusters a, a, b, b: mean 0.5, residuals summed within clusters 1 and −1,
        standard error √(2/1 · (1² + 1²)) / 4 = 0.5; as four clusters it would be 0.289

    Raises ValueError for no values, unequal lengths, or weights that do not sum to more than zero.
    """
    mean, error, num_clusters = _estimate(values, clusters, weights)
    low, high = _interval(mean, error, num_clusters, level, limits)
    return Estimate(len(values), mean, error, low, high)


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 0.95,
    weights: Sequence[float] | None = None,
    limits: Limits | None = None,
) -> PairedDifference:
    """The mean of a[i] − b[i] (with `weights`: Σ (a − b) / Σ weights), tested against zero.

    `limits` are those of one difference, e.g. (−1, 1) for shares. Where all clusters differ by the same amount, p is
    that of the sign test, 2^(1 − G): two equal differences prove little. Raises ValueError as `mean_with_interval`.
    """
    values = [x - y for x, y in zip(a, b, strict=True)]
    difference, error, num_clusters = _estimate(values, clusters, weights)
    low, high = _interval(difference, error, num_clusters, level, limits)
    if error:
        p = two_sided_p(difference / error, num_clusters - 1)
    else:
        p = 1.0 if abs(difference) <= NO_SPREAD else 2.0 ** (1 - num_clusters)
    scale = error or _hidden_error(num_clusters, limits)
    detectable = None if scale is None else SIGMAS_DETECTABLE * scale
    return PairedDifference(len(values), difference, error, low, high, p, detectable)


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for there being several tests, in the order given (Holm, Scand. J. Statistics 6, 1979).

    The smallest is multiplied by m, the next by m − 1 …; none may be below one before it, none above 1.

    >>> holm([0.01, 0.04, 0.03, 0.005])
    [0.03, 0.06, 0.06, 0.02]
    """
    adjusted = [1.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def two_sided_p(t: float, degrees: int) -> float:
    """P(|T| ≥ |t|) for Student's t with a whole number of degrees of freedom ≥ 1.

    The finite series of Abramowitz & Stegun, Handbook of Mathematical Functions, 1964, 26.7.3 and 26.7.4. Below about
    1e-14 the answer is rounding, and at least zero.
    """
    angle = math.atan(abs(t) / math.sqrt(degrees))
    cosine, odd = math.cos(angle), degrees % 2
    term = cosine if odd else 1.0
    total = 0.0
    for k in range(odd, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    inside = math.sin(angle) * total
    if odd:
        inside = 2 / math.pi * (angle + inside)
    return max(0.0, 1.0 - inside)


@lru_cache(maxsize=1024)
def t_quantile(level: float, degrees: int) -> float:
    """The t that |T| exceeds with probability 1 − level: 12.706 for 0.95 and 1 degree, 1.96 for very many."""
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees) > 1 - level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, degrees) > 1 - level else (low, middle)
    return (low + high) / 2


def unseen_share(num_clusters: int, level: float = 1 - ALPHA) -> float:
    """The share of clusters that may differ although none of `num_clusters` did: 1 − ((1 − level) / 2)^(1 / G).

    The upper bound of Clopper & Pearson (Biometrika 26, 1934) for no success: 0.074 for 48 clusters at 95 %. A model
    that answers all 48 questions wrongly has a score of 0 [0, 0.074], not 0 [0, 0].
    """
    return float(1 - ((1 - level) / 2) ** (1 / num_clusters))


def _estimate(
    values: Sequence[float], clusters: Sequence[Hashable], weights: Sequence[float] | None
) -> tuple[float, float | None, int]:
    """Mean or ratio, its clustered standard error (None for a single cluster, 0 without spread), number of clusters."""
    weights = [1.0] * len(values) if weights is None else weights
    if not values or not len(values) == len(clusters) == len(weights):
        raise ValueError(
            f"{len(values)} values, {len(clusters)} clusters, {len(weights)} weights: expected as many each"
        )
    total = math.fsum(weights)
    if total <= 0:
        raise ValueError(f"weights sum to {total}, expected more than zero")
    mean = math.fsum(values) / total
    residuals: dict[Hashable, float] = defaultdict(float)
    for value, weight, cluster in zip(values, weights, clusters, strict=True):
        residuals[cluster] += value - mean * weight
    num_clusters = len(residuals)
    if num_clusters < 2:
        return mean, None, num_clusters
    squares = math.fsum(r * r for r in residuals.values())
    error = math.sqrt(num_clusters / (num_clusters - 1) * squares) / total
    size = math.fsum(abs(v) for v in values) / total
    return mean, error if error > NO_SPREAD * size else 0.0, num_clusters


def _interval(
    mean: float, error: float | None, num_clusters: int, level: float, limits: Limits | None
) -> tuple[float | None, float | None]:
    if error is None:
        return limits or (None, None)
    if limits is None or error:
        reach = t_quantile(level, num_clusters - 1) * error if error else 0.0
        low, high = mean - reach, mean + reach
        return (low, high) if limits is None else (max(low, limits[0]), min(high, limits[1]))
    share = unseen_share(num_clusters, level)
    return mean - share * (mean - limits[0]), mean + share * (limits[1] - mean)


def _hidden_error(num_clusters: int, limits: Limits | None) -> float | None:
    """The standard error that differences may have which showed no spread: as many as can be unseen, at the limit."""
    if limits is None or num_clusters < 2:
        return None
    return max(map(abs, limits)) * math.sqrt(unseen_share(num_clusters) / num_clusters)
