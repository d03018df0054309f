"""Means and ratios of items in clusters, with standard errors and intervals.

Residuals are summed within a cluster before they are squared. The factor G / (G − 1) for G clusters is applied, so that clusters of
one item each give exactly s / √n. With weights the estimate is the ratio Σ values / Σ weights, its standard error linearised
(the delta method; Cochran, Sampling Techniques, 3rd ed., 1977, ch. 6). Weights of one are the mean.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from qaz_llm.evals.stats.intervals import mean_bounds, share_bounds

ALPHA = 0.05

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
class Clustered:
    """Values by cluster: `index_N` is the cluster of each of n items, numbered from 0 to G − 1.

    `error` is None for a single cluster and 0 without spread.
    """

    values_N: np.ndarray
    index_N: np.ndarray
    mean: float
    error: float | None
    num_clusters: int

    def sums(self, values_N: np.ndarray) -> np.ndarray:
        """The sum over the items of each cluster, G."""
        return np.bincount(self.index_N, weights=values_N, minlength=self.num_clusters)

    @property
    def sizes_G(self) -> np.ndarray:
        return self.sums(np.ones(len(self.values_N)))


def mean_with_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    level: float = 1 - ALPHA,
    weights: Sequence[float] | None = None,
    limits: Limits | None = None,
) -> Estimate:
    """The mean of `values` (with `weights`: Σ values / Σ weights) and its interval at `level`.

    Without `limits` the interval is not cut off anywhere: that of a loss may reach below zero, and shows by it that items
    are few. With `limits` it ends there, and is the whole range for a single cluster; see intervals.py.

        values 1, 1, 0, 0 in clusters a, a, b, b: mean 0.5, residuals summed within clusters 1 and −1,
        standard error √(2/1 · (1² + 1²)) / 4 = 0.5; as four clusters it would be 0.289

    Raises ValueError for no values, unequal lengths, or weights that do not sum to more than zero.
    """
    found = clustered(values, clusters, weights)
    low, high = _bounds(found, level, limits, is_mean=weights is None)
    return Estimate(len(values), found.mean, found.error, low, high)


def clustered(
    values: Sequence[float], clusters: Sequence[Hashable], weights: Sequence[float] | None = None
) -> Clustered:
    """Mean or ratio and its clustered standard error. Raises ValueError as `mean_with_interval`."""
    weights = [1.0] * len(values) if weights is None else weights
    if not values or not len(values) == len(clusters) == len(weights):
        raise ValueError(
            f"{len(values)} values, {len(clusters)} clusters, {len(weights)} weights: expected as many each"
        )
    total = math.fsum(weights)
    if total <= 0:
        raise ValueError(f"weights sum to {total}, expected more than zero")
    numbers: dict[Hashable, int] = {}
    index_N = np.array([numbers.setdefault(cluster, len(numbers)) for cluster in clusters])
    values_N, mean = np.asarray(values, dtype=float), math.fsum(values) / total
    if len(numbers) < 2:
        return Clustered(values_N, index_N, mean, None, len(numbers))
    residuals_G = np.bincount(index_N, weights=values_N - mean * np.asarray(weights, dtype=float))
    squares = math.fsum(residuals_G * residuals_G)
    error = math.sqrt(len(numbers) / (len(numbers) - 1) * squares) / total
    size = math.fsum(np.abs(values_N)) / total
    return Clustered(values_N, index_N, mean, error if error > NO_SPREAD * size else 0.0, len(numbers))


def _bounds(
    found: Clustered, level: float, limits: Limits | None, *, is_mean: bool
) -> tuple[float, float] | tuple[None, None]:
    if found.error is None:
        return limits or (None, None)
    if limits is not None and is_mean and np.isin(found.values_N, limits).all():
        low, high = limits
        hits_G = found.sums((found.values_N == high).astype(float))
        return tuple(low + bound * (high - low) for bound in share_bounds(hits_G, found.sizes_G, level))  # type: ignore[return-value]
    return mean_bounds(found.mean, found.error, found.num_clusters, level, limits)
