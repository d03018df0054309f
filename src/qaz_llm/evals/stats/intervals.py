"""Intervals: of a mean, of a share, of a difference of two shares, each for items in clusters.

**A mean** gets Student's t with G − 1 degrees of freedom for G clusters. Near the ends of a scale that is wrong: one right answer of 48 would
get a narrower interval than none.

**A share** (every value at one of two limits) gets the exact limits of Clopper & Pearson (Biometrika 26, 1934) for as many items as
its clusters are worth (Korn & Graubard, Survey Methodology 24, 1998):

    n_eff = p (1 − p) / error²,   times (t(n − 1) / t(G − 1))²,   at most n

Where few clusters hold anything but the commoner answer, they do not show how alike items of a cluster are, and n_eff is drawn to G, the number
there would be if they were all alike: weight k / (k + 4) for k such clusters. With clusters of one item each n_eff is n, and the limits are
Clopper & Pearson's own. They are never narrower than where all clusters agree.

**A difference** of two shares of the same items, p₊ (better in the first) minus p₋ (better in the second), gets the limits of both, put together
with their correlation (MOVER: Zou & Donner, Statistics in Medicine 27, 2008; Newcombe, Statistics in Medicine 17, 1998, method 10):

    low  = d − √((p₊ − l₊)² + (u₋ − p₋)² − 2ρ (p₊ − l₊)(u₋ − p₋))         high with l and u the other way round

Coverage by simulation: at least 94.7 % for 48 to 900 items, alone or in clusters of 2 to 5 with any likeness, shares from 0.1 to 99 %
(tests/unit/evals/test_intervals.py repeats a part of it).
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import betaincinv

from qaz_llm.evals.stats.student import t_quantile

PRIOR_CLUSTERS = 4.0
"""So many clusters that differ weigh as much as the assumption that items of a cluster are all alike."""

Bounds = tuple[float, float]


def unseen_share(num_clusters: int, level: float = 0.95) -> float:
    """The share of clusters that may differ although none of `num_clusters` did: 1 − ((1 − level) / 2)^(1 / G).

    The upper bound of Clopper & Pearson for no success: 0.074 for 48 clusters at 95 %. A model that answers all 48 questions
    wrongly has a score of 0 [0, 0.074], not 0 [0, 0].
    """
    return float(1 - ((1 - level) / 2) ** (1 / num_clusters))


def mean_bounds(mean: float, error: float, num_clusters: int, level: float, limits: Bounds | None) -> Bounds:
    """Mean ± t · error. With `limits` it ends there, and is never narrower than what may have gone unseen."""
    reach = t_quantile(level, num_clusters - 1) * error
    if limits is None:
        return mean - reach, mean + reach
    unseen = unseen_share(num_clusters, level)
    low = min(mean - reach, mean - unseen * (mean - limits[0]))
    high = max(mean + reach, mean + unseen * (limits[1] - mean))
    return max(low, limits[0]), min(high, limits[1])


def share_bounds(hits_G: np.ndarray, sizes_G: np.ndarray, level: float) -> Bounds:
    """The interval of Σ hits / Σ sizes, hits and sizes by cluster.

    1 of 48 items, each its own cluster: 0.0005 to 0.1107, as in tables of exact limits.
    """
    n, num_clusters, share = float(sizes_G.sum()), len(sizes_G), float(hits_G.sum() / sizes_G.sum())
    worth = _worth(hits_G, sizes_G, share)
    hits, tail = worth * share, (1 - level) / 2
    low = float(betaincinv(hits, worth - hits + 1, tail)) if hits > 0 else 0.0
    high = float(betaincinv(hits + 1, worth - hits, 1 - tail)) if share < 1 else 1.0
    unseen = unseen_share(num_clusters, level) if num_clusters < n else 0.0
    return min(low, 1 - unseen), max(high, unseen)


def _worth(hits_G: np.ndarray, sizes_G: np.ndarray, share: float) -> float:
    """As many independent items as the clusters are worth, at most all of them."""
    n, num_clusters = float(sizes_G.sum()), len(sizes_G)
    squares = float(np.square(hits_G - share * sizes_G).sum())
    differing = min(int((hits_G > 0).sum()), int((hits_G < sizes_G).sum()))
    if num_clusters == n or differing == 0:
        return float(num_clusters)
    few = (t_quantile(0.95, int(n) - 1) / t_quantile(0.95, num_clusters - 1)) ** 2
    seen = min(share * (1 - share) * n * n / squares, n) * few if squares > 0 else n
    weight = differing / (differing + PRIOR_CLUSTERS)
    return min(num_clusters + (seen - num_clusters) * weight, n)


def difference_bounds(plus_G: np.ndarray, minus_G: np.ndarray, sizes_G: np.ndarray, level: float) -> Bounds:
    """The interval of (Σ plus − Σ minus) / Σ sizes: items better in the first, better in the second, and all, by cluster."""
    n = float(sizes_G.sum())
    plus, minus = float(plus_G.sum()) / n, float(minus_G.sum()) / n
    (low_p, high_p), (low_m, high_m) = share_bounds(plus_G, sizes_G, level), share_bounds(minus_G, sizes_G, level)
    rho = _correlation(plus_G - plus * sizes_G, minus_G - minus * sizes_G)
    difference = plus - minus
    down = _joined(plus - low_p, high_m - minus, rho)
    up = _joined(high_p - plus, minus - low_m, rho)
    return max(difference - down, -1.0), min(difference + up, 1.0)


def _joined(one: float, other: float, rho: float) -> float:
    return math.sqrt(max(one * one + other * other - 2 * rho * one * other, 0.0))


def _correlation(one_G: np.ndarray, other_G: np.ndarray) -> float:
    """Of two shares' residuals over clusters; 0 where one of them has none."""
    scale = math.sqrt(float(np.square(one_G).sum()) * float(np.square(other_G).sum()))
    return float((one_G * other_G).sum()) / scale if scale > 0 else 0.0
