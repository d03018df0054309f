"""Paired differences: the same items under two conditions."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from qaz_llm.evals.stats.clusters import ALPHA, NO_SPREAD, Clustered, Limits, clustered
from qaz_llm.evals.stats.intervals import difference_bounds, mean_bounds
from qaz_llm.evals.stats.student import t_quantile, two_sided_p

POWER = 0.80

LEAST_P = 1e-12
"""Where the search for a p-value ends."""


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


def paired_difference(
    a: Sequence[float],
    b: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 1 - ALPHA,
    weights: Sequence[float] | None = None,
    limits: Limits | None = None,
) -> PairedDifference:
    """The mean of a[i] − b[i] (with `weights`: Σ (a − b) / Σ weights), tested against zero.

    `limits` are those of one difference, e.g. (−1, 1) for shares. With them p is 1 − the level at which the interval just
    reaches zero, which it does at all levels up to the sign test's over the k clusters that differ at all, 2^(1 − k): two equal
    differences prove little. Without them p is that of Student's t. Raises ValueError as `mean_with_interval`.
    """
    found = clustered([x - y for x, y in zip(a, b, strict=True)], clusters, weights)
    if found.error is None:
        low, high = limits or (None, None)
        return PairedDifference(len(a), found.mean, None, low, high, 1.0, None)
    bounds = _bounds_of(found, limits, is_mean=weights is None)
    low, high = bounds(level)
    degrees = found.num_clusters - 1
    wide_low, wide_high = bounds(1 - ALPHA)
    error = found.error if limits is None else (wide_high - wide_low) / 2 / t_quantile(1 - ALPHA, degrees)
    return PairedDifference(
        len(a), found.mean, found.error, low, high, _p(found, bounds, limits), _detectable(error, degrees)
    )


def _bounds_of(found: Clustered, limits: Limits | None, *, is_mean: bool) -> Callable[[float], tuple[float, float]]:
    """The interval as a function of its level. With limits it holds zero where the sign test could not exclude it."""
    assert found.error is not None
    if limits is None:
        return partial(mean_bounds, found.mean, found.error, found.num_clusters, limits=None)
    sign_test, is_lattice = _sign_test(found), is_mean and bool(np.isin(found.values_N, (*limits, 0.0)).all())
    sizes_G = found.sizes_G
    plus_G, minus_G = (found.sums((found.values_N == limit).astype(float)) for limit in (limits[1], limits[0]))

    def bounds(level: float) -> tuple[float, float]:
        if is_lattice:
            low, high = (limits[1] * bound for bound in difference_bounds(plus_G, minus_G, sizes_G, level))
        else:
            low, high = mean_bounds(found.mean, found.error or 0.0, found.num_clusters, level, limits)
        return (low, high) if sign_test <= 1 - level else (min(low, 0.0), max(high, 0.0))

    return bounds


def _sign_test(found: Clustered) -> float:
    """The least two-sided p that k clusters which differ at all can give: 2^(1 − k), 1 where none does."""
    size = float(np.abs(found.values_N).mean())
    differing = int((np.abs(found.sums(found.values_N)) > NO_SPREAD * size).sum())
    return min(1.0, 2.0 ** (1 - differing))


def _p(found: Clustered, bounds: Callable[[float], tuple[float, float]], limits: Limits | None) -> float:
    if abs(found.mean) <= NO_SPREAD * float(np.abs(found.values_N).mean()):
        return 1.0
    if limits is not None:
        return _inverted(bounds)
    return two_sided_p(found.mean / found.error, found.num_clusters - 1) if found.error else _sign_test(found)


def _inverted(bounds: Callable[[float], tuple[float, float]]) -> float:
    """1 − the level of the interval that just reaches zero, by bisection."""
    low, high = math.log(LEAST_P), 0.0
    for _ in range(50):
        middle = (low + high) / 2
        lower, upper = bounds(1 - math.exp(middle))
        low, high = (middle, high) if lower <= 0 <= upper else (low, middle)
    return math.exp(high)


def _detectable(error: float, degrees: int) -> float | None:
    """(t for 5 % two-sided + t for 80 % one-sided) standard errors; None where no spread was seen and none can be guessed."""
    return (t_quantile(1 - ALPHA, degrees) + t_quantile(2 * POWER - 1, degrees)) * error if error else None
