"""The same questions by other methods, which share nothing with the closed forms: for a second look, beside the main figures."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import bdtr

from qaz_llm.evals.stats.clusters import clustered

DRAWS = 2_000
BLOCK_VALUES = 4_000_000
"""Numbers drawn at once: 32 MB."""


@dataclass(frozen=True, slots=True)
class SecondLook:
    """A paired difference by other methods; None where one does not apply (McNemar: right or wrong, items independent)."""

    mcnemar_p: float | None
    bootstrap_low: float | None
    bootstrap_high: float | None


def second_look(
    differences: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    weights: Sequence[float] | None = None,
    is_right_or_wrong: bool,
) -> SecondLook:
    """The bootstrap's interval, and McNemar's p where each item stands alone and is right or wrong on both sides."""
    low, high = bootstrap_interval(differences, clusters, seed=seed, weights=weights) or (None, None)
    applies = is_right_or_wrong and len(set(clusters)) == len(clusters)
    p = exact_mcnemar(sum(d > 0 for d in differences), sum(d < 0 for d in differences)) if applies else None
    return SecondLook(p, low, high)


def exact_mcnemar(better: int, worse: int) -> float:
    """Two-sided p of `better` and `worse` discordant pairs of independent items: a binomial test of a half (McNemar 1947).

    >>> exact_mcnemar(5, 0), exact_mcnemar(3, 3)
    (0.0625, 1.0)
    """
    total = better + worse
    return min(1.0, 2.0 * float(bdtr(min(better, worse), total, 0.5))) if total else 1.0


def bootstrap_interval(
    values: Sequence[float],
    clusters: Sequence[Hashable],
    *,
    seed: int,
    level: float = 0.95,
    draws: int = DRAWS,
    weights: Sequence[float] | None = None,
) -> tuple[float, float] | None:
    """The percentile interval of the mean, or of Σ values / Σ weights, over whole clusters drawn with replacement.

    None for a single cluster.
    """
    found = clustered(values, clusters, weights)
    if found.num_clusters < 2:
        return None
    sums_G = found.sums(found.values_N)
    sizes_G = found.sizes_G if weights is None else found.sums(np.asarray(weights, dtype=float))
    random, means = np.random.default_rng(seed), []
    block = max(1, BLOCK_VALUES // found.num_clusters)
    for start in range(0, draws, block):
        drawn_DG = random.integers(0, found.num_clusters, (min(block, draws - start), found.num_clusters))
        means.append(sums_G[drawn_DG].sum(1) / sizes_G[drawn_DG].sum(1))
    tail = (1 - level) / 2
    low, high = np.quantile(np.concatenate(means), [tail, 1 - tail])
    return float(low), float(high)
