"""What counts as forgotten, by hand, and what is said of a loss that rises."""

from pathlib import Path

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.io import write_jsonl
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.config.watching import ForgettingConfig
from qaz_llm.train.watching import early_loss
from qaz_llm.train.watching.best import best_of
from qaz_llm.train.watching.checks import check_watching
from qaz_llm.train.watching.forgetting import ForgettingError, rises, stop_if_forgotten, watched_names

BEFORE = {"step": 0, "kk": 2.9, "ru": 2.0, "en": 1.0}


def settings(**values: object) -> TrainSettings:
    return config_from_values(TrainSettings, {"method": "cpt", **values}, where="here")


def test_a_rise_is_measured_from_before_the_first_step_and_not_from_the_last_row() -> None:
    slowly = [BEFORE, {"step": 10, "kk": 2.0, "ru": 2.09, "en": 0.9}, {"step": 20, "kk": 1.8, "ru": 2.11, "en": 1.04}]
    found = rises(slowly, ForgettingConfig())
    assert [rise.name for rise in found] == ["ru"] and found[0].frac == pytest.approx(0.055)
    assert "ru 2.000 → 2.110" in found[0].in_words() and "+5.5%" in found[0].in_words()
    assert rises(slowly[:2], ForgettingConfig()) == []


def test_what_is_not_a_number_is_a_rise() -> None:
    assert [rise.name for rise in rises([BEFORE, {"step": 1, "ru": float("nan")}], ForgettingConfig())] == ["ru"]


def test_nothing_to_compare_with_is_no_rise() -> None:
    assert rises([{"step": 10, "ru": 9.0}], ForgettingConfig()) == []
    assert rises([BEFORE, {"step": 10, "ru": 9.0}], ForgettingConfig(policy="off")) == []
    assert watched_names(settings(), ("kk", "ru")) == ("ru",)
    assert watched_names(settings(method="pretrain"), ("kk", "ru")) == ()
    assert watched_names(settings(watch={"forgetting": {"policy": "off"}}), ("kk", "ru")) == ()


def test_stop_is_an_error_that_says_what_and_where(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "evals.jsonl", [BEFORE, {"step": 10, "ru": 2.3, "en": 1.0}])
    with pytest.raises(ForgettingError, match=r"ru 2\.000 → 2\.300 .*\+15\.0%") as caught:
        stop_if_forgotten(tmp_path, ForgettingConfig(policy="stop"))
    assert caught.value.exit_code == 1 and "policy=warn" in str(caught.value.hint)
    stop_if_forgotten(tmp_path, ForgettingConfig())  # warn


def test_a_name_that_is_asked_for_has_to_be_there() -> None:
    asked = settings(watch={"forgetting": {"names": ["ru", "fr"]}}, eval_every_steps=5)
    with pytest.raises(ConfigError, match=r"names: fr: no such held-out text"):
        check_watching(asked, has_eval=True, names=("kk", "ru"))
    check_watching(settings(eval_every_steps=5), has_eval=True, names=("kk",))  # ru and en by default, where they are


def test_a_stop_that_watches_nothing_is_refused() -> None:
    stop = TrainSettings(method="cpt", watch={"forgetting": {"policy": "stop"}})
    for names in ((), ("kk",), ("kk", "rus", "eng")):
        with pytest.raises(ConfigError, match="no held-out text is watched"):
            check_watching(stop, has_eval=bool(names), names=names)
    check_watching(stop, has_eval=True, names=("kk", "ru"))
    check_watching(stop, has_eval=True, names=())  # not known beforehand
    check_watching(TrainSettings(method="cpt"), has_eval=True, names=("kk",))


def test_the_row_before_the_first_step_is_never_the_best() -> None:
    watch = settings(watch={"keep_best": "kk"}, eval_every_steps=5).watch
    best = best_of([{"step": 0, "kk": 1.0}, {"step": 5, "kk": 2.0}], watch)
    assert best is not None and best.step == 5


def test_a_loss_that_stays_above_its_lowest_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(early_loss._logger, "warning", lambda text, *values: said.append(text % values))
    watch = early_loss.EarlyLoss()
    for step, loss in enumerate([4.1, 3.6, 4.0, 3.7], 1):  # one row alone may be of hard rows
        watch.tell({"step": step, "loss": loss, "grad_norm": 13.0, "lr": 5e-4}, None)
    assert said == []
    for step, loss in enumerate([3.98, 4.02, 4.5, 5.0], 5):
        watch.tell({"step": step, "loss": loss, "grad_norm": 13.0, "lr": 5e-4}, None)
    assert [line[:55] for line in said] == ["the loss rises: 3.600 at step 2, 4.020 at step 6 (norm "]
