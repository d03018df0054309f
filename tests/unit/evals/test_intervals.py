"""Oracles: SciPy's exact binomial limits, simulated coverage and power, a bootstrap, and arithmetic by hand."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binomtest

from qaz_llm.evals.stats import (
    bootstrap_interval,
    exact_mcnemar,
    mean_with_interval,
    paired_difference,
    unseen_share,
)
from qaz_llm.evals.stats.intervals import difference_bounds, share_bounds

SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.3, 0.5, 0.9, 0.97, 0.99)
DRAWS = 300


@pytest.mark.parametrize(("hits", "n"), [(0, 48), (1, 48), (2, 48), (24, 48), (47, 48), (48, 48), (7, 204)])
def test_single_items_get_the_limits_of_clopper_and_pearson(hits: int, n: int) -> None:
    found = mean_with_interval([1.0] * hits + [0.0] * (n - hits), range(n), limits=(0, 1))
    exact = binomtest(hits, n).proportion_ci(0.95, method="exact")
    assert (found.ci_low, found.ci_high) == pytest.approx((exact.low, exact.high), abs=1e-9)


@pytest.mark.parametrize(("num_clusters", "size"), [(48, 1), (12, 4), (24, 2), (30, 5)])
def test_more_right_answers_never_lower_an_end(num_clusters: int, size: int) -> None:
    """Near both ends, where intervals that lean on the spread shrink to nothing; whole clusters at a time."""
    sizes_G = np.full(num_clusters, float(size))
    at_most = num_clusters // 3
    for filled in (1.0, float(size)):
        rows = [np.r_[np.full(k, filled), np.zeros(num_clusters - k)] for k in range(at_most)]
        bounds = [share_bounds(hits_G, sizes_G, 0.95) for hits_G in rows]
        assert all(a[0] <= b[0] + 1e-12 and a[1] <= b[1] + 1e-12 for a, b in pairwise(bounds))
        mirrored = [share_bounds(sizes_G - hits_G, sizes_G, 0.95) for hits_G in rows]
        assert mirrored == [pytest.approx((1 - high, 1 - low)) for low, high in bounds]


@pytest.mark.parametrize(
    ("num_clusters", "size", "likeness"),
    [(48, 1, 0), (204, 1, 0), (24, 2, 0.3), (12, 4, 0.1), (30, 4, 0.6), (60, 5, 0.3)],
)
def test_shares_are_covered_everywhere(num_clusters: int, size: int, likeness: float) -> None:
    """Beta-binomial clusters whose items are alike by `likeness`; 93.5 % less three standard errors of the simulation (the spread-based interval covers 85 % at the ends)."""
    random, sizes_G = np.random.default_rng(3), np.full(num_clusters, float(size))
    for share in SHARES:
        covered = 0
        for _ in range(DRAWS):
            chance = random.beta(*_beta(share, likeness), num_clusters) if likeness else share
            low, high = share_bounds(random.binomial(size, chance, num_clusters).astype(float), sizes_G, 0.95)
            covered += low <= share <= high
        assert covered / DRAWS > 0.935 - 3 * (0.935 * 0.065 / DRAWS) ** 0.5, share


def _beta(share: float, likeness: float) -> tuple[float, float]:
    return share * (1 - likeness) / likeness, (1 - share) * (1 - likeness) / likeness


@pytest.mark.parametrize(("num_clusters", "size", "likeness"), [(48, 1, 0), (204, 1, 0), (24, 2, 0.3), (60, 5, 0.5)])
def test_differences_are_covered_and_nothing_is_found_where_nothing_is(
    num_clusters: int, size: int, likeness: float
) -> None:
    random, sizes_G = np.random.default_rng(4), np.full(num_clusters, float(size))
    for plus, minus in [(0.005, 0.005), (0.02, 0.0), (0.05, 0.01), (0.1, 0.1), (0.3, 0.1)]:
        shares = np.array([plus, minus, 1 - plus - minus])
        covered = 0
        for _ in range(DRAWS):
            chances = shares
            if likeness:
                chances = random.dirichlet(np.maximum(shares * (1 - likeness) / likeness, 1e-6), num_clusters)
            drawn = random.multinomial(size, chances, num_clusters if chances.ndim == 1 else None).astype(float)
            low, high = difference_bounds(drawn[:, 0], drawn[:, 1], sizes_G, 0.95)
            covered += low <= plus - minus <= high
        assert covered / DRAWS > 0.935 - 3 * (0.935 * 0.065 / DRAWS) ** 0.5, (plus, minus)


def test_p_is_where_the_interval_reaches_zero() -> None:
    random = np.random.default_rng(5)
    seen = set()
    for _ in range(60):
        signs = random.choice([1.0, 0.0, -1.0], 60, p=[0.16, 0.8, 0.04])
        found = paired_difference(signs.tolist(), [0.0] * 60, range(60), limits=(-1, 1))
        assert found.ci_low is not None and found.ci_high is not None
        outside = found.ci_low > 0 or found.ci_high < 0
        assert (found.p < 0.05) == outside
        seen.add(outside)
        at = paired_difference(signs.tolist(), [0.0] * 60, range(60), limits=(-1, 1), level=1 - found.p)
        differing = int(np.abs(signs).sum())
        if 1e-4 < found.p < 0.9 and found.p != pytest.approx(2.0 ** (1 - differing)):  # there it jumps to zero
            assert min(abs(at.ci_low or 0), abs(at.ci_high or 0)) < 1e-6
    assert seen == {True, False}


def test_few_discordant_pairs_prove_no_more_than_the_sign_test() -> None:
    """5 of 48 items better and none worse: 2 · 0.5⁵ = 0.0625."""
    found = paired_difference([1.0] * 5 + [0.0] * 43, [0.0] * 48, range(48), limits=(-1, 1))
    assert found.p >= exact_mcnemar(5, 0) == 0.0625


def test_what_could_be_found_of_shares_is_found_four_times_in_five() -> None:
    """Discordant pairs as a pilot shows them; the true difference is then what the pilot calls detectable."""
    n, pilot = (
        300,
        paired_difference([1.0] * 30 + [0.0] * 270, [0.0] * 30 + [1.0] * 30 + [0.0] * 240, range(300), limits=(-1, 1)),
    )
    true, random = pilot.minimum_detectable or 0.0, np.random.default_rng(6)
    chances = [0.1 + true / 2, 0.1 - true / 2, 0.8]
    found = 0
    for _ in range(DRAWS):
        signs = random.choice([1.0, -1.0, 0.0], n, p=chances)
        low, high = difference_bounds((signs > 0).astype(float), (signs < 0).astype(float), np.ones(n), 0.95)
        found += low > 0 or high < 0
    assert found / DRAWS == pytest.approx(0.8, abs=0.08)


def test_the_bootstrap_agrees_in_the_middle_of_the_scale() -> None:
    random = np.random.default_rng(8)
    clusters = np.repeat(np.arange(120), 3)
    values = (random.random(360) < np.repeat(random.beta(3, 3, 120), 3)).astype(float)
    closed = mean_with_interval(values.tolist(), clusters.tolist(), limits=(0, 1))
    drawn = bootstrap_interval(values.tolist(), clusters.tolist(), seed=0)
    assert drawn is not None and (closed.ci_low, closed.ci_high) == pytest.approx(drawn, abs=0.012)
    assert bootstrap_interval(values.tolist(), clusters.tolist(), seed=0) == drawn
    assert bootstrap_interval([1.0, 0.0], ["a", "a"], seed=0) is None


@pytest.mark.parametrize(("better", "worse"), [(0, 0), (5, 0), (3, 3), (12, 4), (1, 9)])
def test_mcnemar_is_a_binomial_test_of_a_half(better: int, worse: int) -> None:
    expected = binomtest(better, better + worse, 0.5).pvalue if better + worse else 1.0
    assert exact_mcnemar(better, worse) == pytest.approx(expected)


def test_values_between_the_limits_never_get_less_than_what_may_be_unseen() -> None:
    """48 answers of F1 0 but one of 0.1: by the spread the score would lie below 0.007."""
    found = mean_with_interval([0.1] + [0.0] * 47, range(48), limits=(0, 1))
    assert found.ci_high is not None and found.ci_high > unseen_share(48)
