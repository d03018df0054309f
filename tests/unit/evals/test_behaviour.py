"""Languages of answers and agreement of twins, against shares and kappas worked by hand."""

from __future__ import annotations

import os
import runpy
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.evals.behaviour.agreement import agreement_of, cohens_kappa
from qaz_llm.evals.behaviour.languages import confusion, corrected, rogan_gladen, told
from qaz_llm.evals.behaviour.summary import behaviour_of
from qaz_llm.evals.task import load_task
from qaz_llm.records import ItemScore

KK = "Қазақстан – Орталық Азиядағы ең үлкен мемлекет."
RU = "Казахстан является крупнейшим государством Центральной Азии."
EN = "Kazakhstan is the largest country in Central Asia."
LATIN = "Qazaqstannyñ eñ ülken qalasy Almaty, ol taudyñ bauraiynda ornalasqan."


def test_the_confusion_of_languages() -> None:
    found = confusion("kk", {"1": f"{KK} {KK}", "2": f"{RU} {RU} {KK}", "3": EN, "4": "42", "5": "", "6": LATIN})
    assert (found.answers, found.untold, found.sentences) == (6, 2, 7)
    assert found.observed == pytest.approx({"kk": 4 / 7, "ru": 2 / 7, "en": 1 / 7})
    assert found.wrong_answers == 2 and found.examples == ("2", "3")
    assert found.scripts == pytest.approx({"Cyrl": 5 / 7, "Latn": 2 / 7})
    assert confusion("kk", {"1": ""}).observed == {} == confusion("kk", {"1": ""}).corrected


def test_short_pieces_are_told_with_their_neighbours() -> None:
    assert confusion("kk", {"1": f"Иә. {KK}"}).sentences == 1
    assert confusion("kk", {"1": f"{KK}\nB)"}).sentences == 1


def test_the_detectors_own_error_is_taken_off() -> None:
    """(0.05 − 0.01) / (0.99 − 0.01) = 0.0408…; sensitivity 0.9 and 0.95 specificity: (0.2 + 0.95 − 1) / (0.9 + 0.95 − 1) = 0.1765."""
    assert rogan_gladen(0.05, sensitivity=0.99, false_alarms=0.01) == pytest.approx(0.04 / 0.98)
    assert rogan_gladen(0.2, sensitivity=0.9, false_alarms=0.05) == pytest.approx((0.2 + 0.95 - 1) / (0.9 + 0.95 - 1))
    assert rogan_gladen(0.001, sensitivity=0.99, false_alarms=0.01) == 0.0
    assert rogan_gladen(0.999, sensitivity=0.99, false_alarms=0.01) == 1.0
    with pytest.raises(ValueError, match="no more than"):
        rogan_gladen(0.5, sensitivity=0.1, false_alarms=0.1)
    found = corrected({"kk": 0.9, "en": 0.1}, asked="kk")
    alarms = told("kk", "en")
    assert found["en"] == pytest.approx((0.1 - alarms) / (told("en", "en") - alarms))


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs FLORES in QAZ_CORPUS_DIR")
def test_the_stored_error_is_that_of_the_detector_now() -> None:
    script = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "detector_error.py"))
    counts = script["counts"](Path(os.environ["QAZ_CORPUS_DIR"]))
    for code, by in counts.items():
        known = sum(count for other, count in by.items() if other != "und")
        assert sum(by.values()) == 1012
        assert {other: told(code, other) for other in by if other != "und"} == pytest.approx(
            {other: count / known for other, count in by.items() if other != "und"}
        )


def row(group: str, language: str, prediction: int | None, **detail: Any) -> ItemScore:
    return ItemScore(group, group, group, "qaz_mc", language, "acc", 0.0, detail={"prediction": prediction, **detail})


def test_kappa_by_hand() -> None:
    """45 yes-yes, 15 yes-no, 25 no-yes, 15 no-no: p = 0.60, e = 0.6 · 0.7 + 0.4 · 0.3 = 0.54, kappa = 0.06 / 0.46 = 0.1304."""
    pairs = [(1, 1)] * 45 + [(1, 0)] * 15 + [(0, 1)] * 25 + [(0, 0)] * 15
    assert cohens_kappa(pairs) == pytest.approx(0.06 / 0.46)
    assert cohens_kappa([(1, 1)] * 5) is None
    assert cohens_kappa([(0, 1), (1, 0)]) == pytest.approx(-1.0)


def test_agreement_over_twins() -> None:
    chosen = {"kk": [0, 1, 2, None, 1], "ru": [0, 1, 1, None, 1], "en": [0, 0, 1, 2, None]}
    rows = [row(str(n), code, choice) for code, choices in chosen.items() for n, choice in enumerate(choices)]
    found = agreement_of([load_task("qaz_mc")], rows)["qaz_mc"]
    assert found["kk-ru"]["n"] == 5 and found["kk-ru"]["agreement"] == pytest.approx(
        3 / 5
    )  # two unread ones do not agree
    assert found["kk-ru"]["unread"] == 1
    assert found["ru-en"]["agreement"] == pytest.approx(2 / 5)
    assert found["all"] == {"n": 5, "agreement": 1 / 5}
    # shares kk: 0: 1, 1: 2, 2: 1, unread: 1; ru: 0: 1, 1: 3, unread: 1 of 5; e = (1·1 + 2·3) / 25
    assert found["kk-ru"]["kappa"] == pytest.approx((3 / 5 - 7 / 25) / (1 - 7 / 25))


def test_labels_are_compared_by_name() -> None:
    """SIB-200 lists its labels in one order; a task that lists them in another chooses the same by another number."""
    task = load_task("sib200")
    turned = dict(reversed(task.labels["ru"].items()))
    task = task.model_copy(update={"labels": {**task.labels, "ru": turned}})
    rows = [
        ItemScore("1", "1", "1", "sib200", code, "acc", 0.0, detail={"prediction": choice})
        for code, choice in (("kk", 0), ("ru", 6))
    ]
    assert agreement_of([task], rows)["sib200"]["kk-ru"]["agreement"] == 1.0


def test_tasks_without_twins_or_answers_say_nothing() -> None:
    assert behaviour_of([load_task("qaz_mc")], [row("1", "kk", 0)]) == {
        "languages": {},
        "readability": {},
        "agreement": {},
    }
    found = behaviour_of([load_task("qaz_mc")], [row("1", "kk", 0, generated=RU)])
    assert found["languages"]["qaz_mc"]["kk"]["observed"] == {"ru": 1.0}
