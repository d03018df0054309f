"""The suggestion from curves made by hand; the command itself is tried in tests/integration/test_find_lr.py."""

import math

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.config.watching import ForgettingConfig
from qaz_llm.train.loop.schedule import lr_factor
from qaz_llm.train.rate.range_test import smoothed, suggest

KEPT = ("ru", "en")


def rows(smooth: list[float]) -> list[dict[str, float]]:
    """Rates 1e-6 · 10^(step/2)."""
    return [{"step": n, "lr": 10 ** (n / 2) * 1e-6, "smoothed": value} for n, value in enumerate(smooth, 1)]


def test_smoothing_is_a_weighted_mean_of_what_was() -> None:
    losses = [4.0, 2.0, 3.0, 1.0]
    for n, mean in enumerate(smoothed(losses), 1):
        weights = [0.8 ** (n - 1 - k) for k in range(n)]
        assert mean == pytest.approx(math.fsum(w * x for w, x in zip(weights, losses, strict=False)) / sum(weights))


def test_a_fifth_of_the_rate_at_the_lowest_loss() -> None:
    found = suggest(rows([4.0, 3.5, 3.0, 3.2, 9.0]), [], ForgettingConfig(), ())
    assert found.lowest == pytest.approx(10**1.5 * 1e-6) and found.lr == 6.3e-6 and found.worse is None


def test_half_of_the_rate_at_which_something_kept_became_worse() -> None:
    table = rows([4.0, 3.9, 3.8, 3.7, 3.6, 3.5])
    held_out = [
        {"step": 0, "lr": 0.0, "kk": 3.0, "ru": 2.0, "en": 1.0},
        {"step": 2, "lr": 1e-5, "kk": 2.0, "ru": 2.04, "en": 1.0},  # two percent: within half of five
        {"step": 4, "lr": 1e-4, "kk": 1.5, "ru": 2.06, "en": 1.0},  # three
    ]
    found = suggest(table, held_out, ForgettingConfig(), KEPT)
    assert (found.lr, found.worse) == (5e-5, 1e-4) and "ru" in found.why and "en" not in found.why
    assert suggest(table, held_out, ForgettingConfig(max_rise_frac=0.5), KEPT).worse is None
    assert suggest(table, held_out, ForgettingConfig(), ("en",)).worse is None


def test_the_schedule_rises_by_one_factor_from_the_lowest_to_the_highest() -> None:
    values = {"method": "cpt", "lr": 1e-2, "schedule": "range", "min_lr_frac": 1e-4}
    settings = config_from_values(TrainSettings, values, where="here")
    factors = [lr_factor(step, settings, total_steps=5) for step in range(5)]
    assert factors == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1.0])
