"""The interval of a correlation from what each item does to it (metrics/similarity.py), on Fisher's scale.

z = atanh(r) is spread alike whatever r is, so the interval is tanh(z ± t · error / (1 − r²)): it stays within −1 and 1, and is wider on
the side of zero (Fisher 1915, Biometrika 10; the error by the delta method).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from qaz_llm.evals.stats.clusters import ALPHA, Estimate, mean_with_interval
from qaz_llm.evals.stats.student import t_quantile

CORRELATIONS = ("pearson", "spearman")
LEAST_ITEMS = 4
"""A correlation of fewer items has no interval."""


def correlation_with_interval(
    values: Sequence[float], clusters: Sequence[Hashable], *, level: float = 1 - ALPHA
) -> Estimate:
    """The correlation whose influences are given, one for each item; without an interval where it has no spread or items are few.

    >>> correlation_with_interval([3.0, -1.0, -1.0], "abc").ci_low is None
    True
    """
    found = mean_with_interval(values, clusters, level=level)
    r, error, count = found.mean, found.standard_error, len(set(clusters))
    if not error or count < LEAST_ITEMS or abs(r) >= 1:
        return Estimate(found.n, r, error, None, None)
    reach = t_quantile(level, count - 1) * error / (1 - r * r)
    low, high = (math.tanh(math.atanh(r) + side * reach) for side in (-1, 1))
    return Estimate(found.n, r, error, low, high)
