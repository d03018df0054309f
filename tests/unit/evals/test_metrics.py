"""Item scores against arithmetic done by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from qaz_llm.evals.answers.score import score_words
from qaz_llm.evals.answers.words import normalise_answer, token_f1
from qaz_llm.evals.metrics.choices import score_choices, score_text
from qaz_llm.evals.task import load_task
from qaz_llm.records import EvalItem, Generated, Scored

MC, BITS, QA = load_task("qaz_mc"), load_task("qaz_bpb"), load_task("kazqad")


def item(**values: Any) -> EvalItem:
    return EvalItem(
        **{"item_id": "i", "group_id": "g", "cluster_id": "c", "language": "kk", "task": "t", "text": ""} | values
    )


def test_each_normalisation_may_choose_another() -> None:
    #            sum    per token          per byte
    scored = [
        Scored(-4.0, 1, 3),  #  -4.0   -4.0    -2.0    bytes less the space before the choice
        Scored(-6.0, 3, 9),  #  -6.0   -2.0    -0.75
        Scored(-5.0, 2, 11),  #  -5.0  -2.5    -0.5
    ]
    rows = {row.metric: row for row in score_choices(MC, item(choices=("а", "ә" * 4, "б" * 5), answer=1), scored)}
    assert {name: row.detail["prediction"] for name, row in rows.items()} == {
        "acc": 0,
        "acc_per_token": 1,
        "acc_per_byte": 2,
    }
    assert {name: row.score for name, row in rows.items()} == {"acc": 0.0, "acc_per_token": 1.0, "acc_per_byte": 0.0}
    row = rows["acc"]
    assert (row.item_id, row.group_id, row.cluster_id, row.language, row.task) == ("i", "g", "c", "kk", "qaz_mc")
    assert row.higher_is_better and row.weight == 1.0
    assert row.detail["logprobs"] == [-4.0, -6.0, -5.0] and row.detail["answer"] == 1


@pytest.mark.parametrize(("answer", "score"), [(0, 1.0), (1, 0.0)])
def test_a_tie_goes_to_the_first(answer: int, score: float) -> None:
    rows = score_choices(MC, item(choices=("а", "ә"), answer=answer), [Scored(-1.0, 1, 2), Scored(-1.0, 1, 2)])
    assert [row.score for row in rows] == [score] * 3
    assert [row.detail["doubts"] for row in rows] == [["tie"]] * 3
    apart = score_choices(MC, item(choices=("а", "ә"), answer=answer), [Scored(-1.0, 1, 2), Scored(-1.5, 1, 2)])
    assert not any("doubts" in row.detail for row in apart)


def test_what_was_cut_or_changed_stands_with_the_score() -> None:
    scored = [Scored(-1.0, 1, 2, is_cut=True), Scored(-2.0, 1, 2, is_changed=True)]
    assert score_choices(MC, item(choices=("а", "ә"), answer=0), scored)[0].detail["doubts"] == ["cut", "changed"]
    generated = Generated("", is_cut=True, is_unfinished=True)
    f1, *_ = score_words(QA, item(references=("иә",)), generated, Scored(-1.0, 1, 1, is_changed=True))
    assert f1.detail["doubts"] == ["changed", "prompt_cut", "unfinished", "no_answer"]


def test_bits_of_a_text() -> None:
    row = score_text(BITS, item(text="Алма"), Scored(-8 * math.log(2), 3, 8))
    assert row.score == pytest.approx(8.0) and row.weight == 8
    assert row.metric == "bits_per_byte" and not row.higher_is_better
    assert row.detail == {"tokens": 3, "bits_per_byte": 1.0}


def test_what_is_likely_anyway_gains_nothing() -> None:
    """L − l': −4 + 1, −6 + 5, −5 + 3."""
    scored, alone = ([Scored(value, 1, 3) for value in values] for values in ((-4.0, -6.0, -5.0), (-1.0, -5.0, -3.0)))
    choices = item(choices=("а", "ә", "б"), answer=1)
    rows = {row.metric: row for row in score_choices(MC, choices, scored, prefix="cloze_", alone=alone)}
    assert rows["cloze_acc"].detail["prediction"] == 0
    assert rows["cloze_acc_unconditional"].detail["prediction"] == 1
    assert "cloze_acc_unconditional" not in {row.metric for row in score_choices(MC, choices, scored)}


@pytest.mark.parametrize(
    ("answer", "reference", "expected"),
    [
        ("ақ үй", "ақ үй", 1.0),
        ("Ақ  ҮЙ.", "ақ үй", 1.0),
        ("үлкен ақ үй", "ақ үй", 0.8),  # 2/3 and 2/2: 2 · 2 / (3 + 2)
        ("ақ ақ ақ", "ақ үй", 0.4),  # one word is shared, once: 2 · 1 / (3 + 2)
        ("көк", "ақ үй", 0.0),
        ("", "ақ үй", 0.0),
        ("...", "...", 0.0),  # no word at all
        ("2014 – 2017", "2014-2017", 1.0),
        ("й", "й", 1.0),  # one letter, and letter with breve
    ],
)
def test_f1_of_words(answer: str, reference: str, expected: float) -> None:
    assert token_f1(answer, reference) == pytest.approx(expected)


def test_normalised_words() -> None:
    assert normalise_answer("«Ұлы Дала» — ЕЛ, 1991 ж.") == ["ұлы", "дала", "ел", "1991", "ж"]


def test_the_best_reference_counts() -> None:
    references = ("Қазақ хандығы", "1465 жылы", "1465")
    rows = {
        r.metric: r
        for r in score_words(QA, item(references=references), Generated("1465."), Scored(-math.log(2) * 6, 4, 3))
    }
    assert rows["f1"].score == 1.0 and rows["exact_match"].score == 1.0
    assert rows["bits_per_byte"].score == pytest.approx(6.0) and rows["bits_per_byte"].weight == 3
    assert [r.higher_is_better for r in rows.values()] == [True, True, True, False]
    near = {
        r.metric: r.score
        for r in score_words(QA, item(references=references), Generated("1465 жылы күзде"), Scored(-1, 1, 1))
    }
    assert near["exact_match"] == 0.0 and near["f1"] == pytest.approx(2 * 2 / (3 + 2))


@pytest.mark.parametrize("answer", ["", "  ", "…", "?!"])
def test_no_answer_is_wrong_and_counted(answer: str) -> None:
    rows = score_words(QA, item(references=("…", "иә")), Generated(answer), Scored(-1.0, 1, 1))
    assert [row.score for row in rows][:3] == [0.0, 0.0, 0.0]
    assert len(rows) == 4
