"""Non-inferiority: verdicts by hand, and by simulation how often a loss of just the margin is called kept."""

import random

import pytest
from scipy.stats import binom

from qaz_llm.evals.stats import Verdict, margin_verdict, paired_difference, verdict_of_all


@pytest.mark.parametrize(
    ("low", "high", "higher", "verdict"),
    [
        (-0.019, 0.03, True, "non-inferior"),
        (-0.02, 0.03, True, "undecided"),  # the margin itself is not excluded
        (-0.05, -0.01, True, "undecided"),
        (-0.05, -0.021, True, "inferior"),
        (-0.03, 0.019, False, "non-inferior"),  # bits: less is better
        (0.021, 0.05, False, "inferior"),
        (None, None, True, "undecided"),
    ],
)
def test_verdicts(low: float | None, high: float | None, higher: bool, verdict: Verdict) -> None:
    assert margin_verdict(low, high, margin=0.02, higher_is_better=higher) == verdict


def test_all_tasks_together() -> None:
    assert verdict_of_all(["non-inferior", "non-inferior"]) == "non-inferior"
    assert verdict_of_all(["non-inferior", "undecided"]) == "undecided"
    assert verdict_of_all(["non-inferior", "undecided", "inferior"]) == "inferior"
    assert verdict_of_all([]) == "undecided"


def test_a_loss_of_the_margin_is_called_kept_once_in_forty_and_none_mostly() -> None:
    """300 items, 5 % gained by luck; lost 5 % + margin. One-sided 2.5 %, by a binomial bound; power where nothing was lost."""
    rng, repetitions, margin = random.Random(4), 300, 0.06

    def kept(loss: float) -> int:
        times = 0
        for _ in range(repetitions):
            draws = [rng.random() for _ in range(300)]
            change = [1.0 if u < 0.05 else -1.0 if u < 0.1 + loss else 0.0 for u in draws]
            found = paired_difference(change, [0.0] * 300, range(300), limits=(-1, 1))
            times += margin_verdict(found.ci_low, found.ci_high, margin=margin) == "non-inferior"
        return times

    assert kept(margin) <= binom.ppf(0.999, repetitions, 0.025)
    assert kept(0.0) >= 0.8 * repetitions
