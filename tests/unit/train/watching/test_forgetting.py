"""What counts as forgotten, by hand, and what is said of a loss that rises."""

from pathlib import Path

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.errors import ConfigError
from qaz_llm.io import write_jsonl
from qaz_llm.pipeline.status import describe_status, find_status
from qaz_llm.train.config import TrainSettings
from qaz_llm.train.config.watching import ForgettingConfig, WatchConfig
from qaz_llm.train.status import StatusFile
from qaz_llm.train.watching import early_loss, texts
from qaz_llm.train.watching.best import Best, best_of, best_so_far
from qaz_llm.train.watching.checks import check_watching
from qaz_llm.train.watching.evaluation import shown_in_status
from qaz_llm.train.watching.forgetting import ForgettingError, judge, rises, stop_if_forgotten, watched_names
from qaz_llm.train.watching.texts import append_evaluation, comparable_evals, fingerprints_of, say_other_texts

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


def test_a_small_limit_and_a_small_rise_are_shown_with_their_digits(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "evals.jsonl", [BEFORE, {"step": 10, "ru": 2.0024, "en": 1.0}])
    with pytest.raises(
        ForgettingError, match=r"ru 2\.0000 → 2\.0024 bits per byte \(\+0\.12%\); more than 0\.1% above"
    ):
        stop_if_forgotten(tmp_path, ForgettingConfig(policy="stop", max_rise_frac=0.001))


# ------------------------------------------------------------------------------------- other text under the same name

OLD, NEW = fingerprints_of({"ru": ["а", "б"], "en": ["a"]}), fingerprints_of({"ru": ["а", "в"], "en": ["a"]})


def sittings(folder: Path) -> None:
    """Ten steps with the old text, then a harder one: 2.0 → 1.9, and 3.0 of the new."""
    append_evaluation(folder, 0, {"ru": 2.0, "en": 1.0}, OLD)
    append_evaluation(folder, 10, {"ru": 1.9, "en": 1.2}, OLD)
    append_evaluation(folder, 20, {"ru": 3.0, "en": 1.3}, NEW)


def test_numbers_of_different_texts_are_not_compared(tmp_path: Path) -> None:
    sittings(tmp_path)
    assert [row.get("ru") for row in comparable_evals(tmp_path)] == [None, None, 3.0]
    found = judge(tmp_path, ForgettingConfig())
    assert [rise.name for rise in found.rises] == ["en"] and found.not_judged == ("ru",)
    best = best_so_far(tmp_path, WatchConfig(keep_best="ru"))
    assert best == Best("ru", 20, 3.0, 0)  # and not the 1.9 of the other text
    append_evaluation(tmp_path, 30, {"ru": 2.5, "en": 1.3}, OLD)  # the old text is back
    assert [(rise.name, rise.frac) for rise in judge(tmp_path, ForgettingConfig(names=("ru",))).rises] == [("ru", 0.25)]
    mean = best_so_far(tmp_path, WatchConfig(keep_best="mean"))
    assert mean is not None and mean.step == 10 and mean.value == pytest.approx(1.55)


def test_another_text_is_said_when_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(texts._logger, "warning", lambda text, *values: said.append(text % values if values else text))
    assert not say_other_texts(tmp_path, OLD, ["ru"])  # a new run
    append_evaluation(tmp_path, 0, {"ru": 2.0, "en": 1.0}, OLD)
    append_evaluation(tmp_path, 10, {"ru": 1.9, "en": 1.2}, OLD)
    assert not say_other_texts(tmp_path, OLD, ["ru"]) and said == []
    assert say_other_texts(tmp_path, NEW, ["ru"]) and len(said) == 2
    assert said[0].startswith("held-out ru: not the text that was scored up to step 10")
    assert said[1].startswith("held-out ru: not the text that step 0 was scored with; forgetting is not judged for it")
    said.clear()
    assert not say_other_texts(tmp_path, {"ru": OLD["ru"]}, ["ru"])
    assert said == ["held-out en: scored up to step 10, and no longer"]


def test_a_run_of_an_earlier_version_goes_on_and_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(texts._logger, "warning", lambda text, *values: said.append(text % values))
    write_jsonl(tmp_path / "evals.jsonl", [BEFORE, {"step": 10, "ru": 2.0, "en": 1.0}])
    assert not say_other_texts(tmp_path, OLD, ["ru"])
    assert len(said) == 1 and "does not say which held-out text it is of" in said[0]
    append_evaluation(tmp_path, 20, {"ru": 2.4, "en": 1.0}, OLD)
    assert [rise.name for rise in judge(tmp_path, ForgettingConfig()).rises] == ["ru"]


def test_the_status_shows_what_is_forgotten_and_what_is_not_judged(tmp_path: Path) -> None:
    sittings(tmp_path)
    StatusFile(tmp_path / "status.json").set(
        at_once=True,
        step=20,
        **shown_in_status(tmp_path, WatchConfig(forgetting=ForgettingConfig(max_rise_frac=0.001))),
    )
    found = find_status(tmp_path)
    assert found["forgetting"] == {"en": 0.3} and found["forgetting_not_judged"] == ["ru"]
    lines = list(describe_status(found))
    assert "  forgetting: en +30%; more than 0.1% above the start (watch.forgetting)" in lines
    assert "  forgetting: ru not judged, there is no number of that text before the first step" in lines


def test_a_number_that_is_none_does_not_keep_the_status_from_being_written(tmp_path: Path) -> None:
    append_evaluation(tmp_path, 0, {"ru": 2.0}, {})
    append_evaluation(tmp_path, 10, {"ru": float("nan")}, {})
    StatusFile(tmp_path / "status.json").set(at_once=True, step=10, **shown_in_status(tmp_path, WatchConfig()))
    assert "  forgetting: ru is no number; more than 5% above the start (watch.forgetting)" in list(
        describe_status(find_status(tmp_path))
    )


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
