"""Oracles: arithmetic by hand, printed tables of Student's t, a brute-force cluster bootstrap, simulated power."""

import math
import random
import statistics

import pytest

from qaz_llm.evals.stats import (
    holm,
    mean_with_interval,
    paired_difference,
    t_quantile,
    two_sided_p,
    unseen_share,
)


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.706), (2, 4.303), (3, 3.182), (9, 2.262), (30, 2.042), (120, 1.980)]
)
def test_t_quantiles_are_those_of_printed_tables(degrees: int, quantile: float) -> None:
    assert t_quantile(0.95, degrees) == pytest.approx(quantile, abs=6e-4)
    assert two_sided_p(quantile, degrees) == pytest.approx(0.05, abs=3e-5)


@pytest.mark.parametrize("degrees", [3, 4, 11, 26])
def test_p_is_the_integral_of_the_density(degrees: int) -> None:
    def density(x: float) -> float:
        log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2) - math.log(degrees * math.pi) / 2
        return math.exp(log_scale - (degrees + 1) / 2 * math.log1p(x * x / degrees))

    t, steps = 1.7, 20_000
    inside = 2 * sum(density((i + 0.5) * t / steps) for i in range(steps)) * t / steps
    assert two_sided_p(t, degrees) == pytest.approx(1 - inside, abs=1e-8)
    assert two_sided_p(-t, degrees) == two_sided_p(t, degrees)


def test_many_degrees_are_the_normal_distribution() -> None:
    assert t_quantile(0.95, 20_000) == pytest.approx(statistics.NormalDist().inv_cdf(0.975), abs=2e-4)
    assert two_sided_p(50.0, 400) >= 0


def test_clusters_of_one_give_the_textbook_standard_error() -> None:
    values = [0.0, 1.0, 1.0, 3.0, 2.5]
    estimate = mean_with_interval(values, "abcde")
    error = statistics.stdev(values) / math.sqrt(5)
    assert (estimate.n, estimate.mean) == (5, 1.5)
    assert estimate.standard_error == pytest.approx(error)
    assert estimate.ci_low == pytest.approx(1.5 - 2.7764 * error, abs=1e-4)
    assert estimate.ci_high == pytest.approx(1.5 + 2.7764 * error, abs=1e-4)


def test_two_clusters_by_hand() -> None:
    """Residual sums 1 and −1: √(2 · 2) / 4 = 0.5."""
    assert mean_with_interval([1, 1, 0, 0], "aabb").standard_error == pytest.approx(0.5)
    assert mean_with_interval([1, 1, 0, 0], "abcd").standard_error == pytest.approx(math.sqrt(1 / 12))


def test_standard_error_agrees_with_a_cluster_bootstrap() -> None:
    rng = random.Random(7)
    groups = []
    for _ in range(150):
        shared = rng.gauss(0, 1)
        groups.append([shared + rng.gauss(0, 0.5) for _ in range(rng.randint(1, 6))])
    values = [v for group in groups for v in group]
    clusters = [i for i, group in enumerate(groups) for _ in group]
    means = []
    for _ in range(3000):
        drawn = [v for group in rng.choices(groups, k=len(groups)) for v in group]
        means.append(statistics.fmean(drawn))
    found = mean_with_interval(values, clusters).standard_error
    assert found == pytest.approx(statistics.stdev(means), rel=0.06)
    naive = mean_with_interval(values, range(len(values))).standard_error
    assert naive is not None and found is not None and naive < 0.75 * found


def test_ratio_agrees_with_a_bootstrap_of_the_ratio() -> None:
    rng = random.Random(3)
    sizes = [rng.randint(40, 400) for _ in range(200)]
    bits = [size * rng.uniform(0.6, 1.4) + 30 for size in sizes]
    ratios = []
    for _ in range(3000):
        drawn = rng.choices(range(200), k=200)
        ratios.append(sum(bits[i] for i in drawn) / sum(sizes[i] for i in drawn))
    estimate = mean_with_interval(bits, range(200), weights=sizes)
    assert estimate.mean == pytest.approx(sum(bits) / sum(sizes))
    assert estimate.standard_error == pytest.approx(statistics.stdev(ratios), rel=0.06)


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    """Six clusters only: with the normal quantile it would be about 90 %."""
    rng = random.Random(5)
    covered = 0
    for _ in range(2000):
        estimate = mean_with_interval([rng.gauss(2, 1) for _ in range(6)], range(6))
        assert estimate.ci_low is not None and estimate.ci_high is not None
        covered += estimate.ci_low < 2 < estimate.ci_high
    assert covered / 2000 == pytest.approx(0.95, abs=0.02)


def test_a_loss_is_not_cut_off_and_a_share_is() -> None:
    low = mean_with_interval([0.1, 0.2, 3.0], "abc").ci_low
    assert low is not None and low < 0
    share = mean_with_interval([1, 1, 0.9, 0.1], "abcd", limits=(0, 1))
    assert (share.ci_low is not None and share.ci_low >= 0) and share.ci_high == 1


def test_one_cluster_says_that_it_knows_nothing() -> None:
    alone = mean_with_interval([3.0, 4.0], "aa")
    assert (alone.mean, alone.standard_error, alone.ci_low, alone.ci_high) == (3.5, None, None, None)
    share = mean_with_interval([1.0], "a", limits=(0, 1))
    assert (share.ci_low, share.ci_high) == (0, 1)
    difference = paired_difference([3.0], [1.0], "a")
    assert (difference.p, difference.minimum_detectable, difference.ci_low) == (1.0, None, None)


def test_all_wrong_is_not_certain() -> None:
    """Clopper & Pearson for 0 of 10: 0.3085 (printed in every table of exact limits)."""
    none = mean_with_interval([0.0] * 10, range(10), limits=(0, 1))
    assert (none.ci_low, none.ci_high) == (0, pytest.approx(0.3085, abs=1e-4))
    every = mean_with_interval([1.0] * 10, range(10), limits=(0, 1))
    assert (every.ci_low, every.ci_high) == (pytest.approx(0.6915, abs=1e-4), 1)
    share = unseen_share(10)
    assert (1 - share) ** 10 == pytest.approx(0.025)


def test_differences_that_are_all_equal() -> None:
    gained = paired_difference([1.0] * 6, [0.0] * 6, range(6), limits=(-1, 1))
    assert gained.p == pytest.approx(2 / 2**6)  # the sign test: all six up, or all six down
    assert gained.ci_high == 1 and gained.ci_low is not None and 0 < gained.ci_low < 1
    same = paired_difference([1.0, 0.0] * 3, [1.0, 0.0] * 3, range(6), limits=(-1, 1))
    assert (same.difference, same.p) == (0, 1)
    assert same.ci_low == -same.ci_high < 0  # type: ignore[operator]
    assert same.minimum_detectable is not None and same.minimum_detectable > 0
    assert paired_difference([0.1 + 0.2] * 4, [0.1] * 4, range(4)).standard_error == 0


def test_paired_difference_by_hand() -> None:
    found = paired_difference([1, 1, 1, 0], [0, 1, 0, 0], "abcd")  # differences 1 0 1 0
    error = math.sqrt(1 / 12)
    assert (found.n, found.difference) == (4, 0.5)
    assert found.standard_error == pytest.approx(error)
    assert found.p == pytest.approx(0.1817, abs=1e-4)  # t = 1.7321 with 3 degrees of freedom
    assert found.minimum_detectable == pytest.approx((3.18245 + 0.97847) * error, rel=1e-5)  # t tables, 3 degrees


def test_p_below_five_per_cent_just_where_the_interval_leaves_zero() -> None:
    rng = random.Random(1)
    for _ in range(300):
        a, b = ([rng.gauss(m, 1) for _ in range(12)] for m in (0.5, 0))
        found = paired_difference(a, b, [i // 2 for i in range(12)])
        assert found.ci_low is not None and found.ci_high is not None
        assert (found.p < 0.05) == (found.ci_low > 0 or found.ci_high < 0)


def test_the_minimum_detectable_difference_is_found_four_times_in_five() -> None:
    rng = random.Random(11)
    n, repetitions = 200, 1500
    true = (1.971957 + 0.843445) / math.sqrt(n)  # t tables, 199 degrees; the differences have a standard deviation of 1
    found = [paired_difference([rng.gauss(true, 1) for _ in range(n)], [0.0] * n, range(n)) for _ in range(repetitions)]
    assert sum(f.p < 0.05 for f in found) / repetitions == pytest.approx(0.80, abs=0.035)
    assert statistics.fmean(f.minimum_detectable or 0 for f in found) == pytest.approx(true, rel=0.02)


def test_no_difference_is_found_once_in_twenty() -> None:
    rng = random.Random(2)
    ps = [
        paired_difference([rng.gauss(0, 1) for _ in range(20)], [rng.gauss(0, 1) for _ in range(20)], range(20)).p
        for _ in range(2000)
    ]
    assert sum(p < 0.05 for p in ps) / 2000 == pytest.approx(0.05, abs=0.015)


def test_holm_is_that_of_r() -> None:
    """p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") in R gives 0.03 0.06 0.06 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_holm_rejects_what_the_step_down_procedure_rejects() -> None:
    rng = random.Random(4)
    for _ in range(200):
        ps = [rng.random() ** 3 for _ in range(rng.randint(1, 9))]
        rejected, remaining = set(), sorted(range(len(ps)), key=ps.__getitem__)
        while remaining and ps[remaining[0]] < 0.05 / len(remaining):
            rejected.add(remaining.pop(0))
        assert {i for i, p in enumerate(holm(ps)) if p < 0.05} == rejected


@pytest.mark.parametrize(
    ("values", "clusters", "weights"), [([], [], None), ([1.0], [], None), ([1.0], ["a"], [0.0]), ([1.0], ["a"], [])]
)
def test_what_cannot_be_averaged_is_refused(values: list[float], clusters: list[str], weights: list[float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        mean_with_interval(values, clusters, weights=weights)
