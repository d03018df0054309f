"""Parity: which items are paired, in what unit, and how many tests are corrected for."""

import json
import math
import random
import statistics
from collections.abc import Sequence

import pytest

from qaz_llm.errors import DataError
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.records import ItemScore


def choice(number: int, language: str, score: float, *, task: str = "mc", group: str | None = None) -> ItemScore:
    name = f"{number}-{language}"
    return ItemScore(name, group or str(number), str(number), task, language, "acc", score)


def text(number: int, language: str, bits: float, size_bytes: float) -> ItemScore:
    name, group = f"{number}-{language}", str(number)
    return ItemScore(
        name, group, group, "bpb", language, "bits_per_byte", bits, higher_is_better=False, weight=size_bytes
    )


def items(language: str, scores: Sequence[float], **more: str) -> list[ItemScore]:
    return [choice(number, language, score, **more) for number, score in enumerate(scores)]


def test_scores_and_gaps_by_hand() -> None:
    report = parity_report(items("kk", [1, 0, 0, 0]) + items("ru", [1, 1, 0, 0]) + items("en", [1, 1, 1, 0]))
    scores, gaps = report.scores["mc"], report.gaps["mc"]
    assert {code: row.score for code, row in scores.items()} == {"kk": 0.25, "ru": 0.5, "en": 0.75}
    assert gaps["kk-ru"].gap == -0.25  # differences 0 −1 0 0: one coin, which falls on one of its sides for certain
    assert gaps["kk-ru"].p == pytest.approx(1.0)
    assert gaps["kk-ru"].minimum_detectable is not None and gaps["kk-ru"].minimum_detectable > 0.25
    assert gaps["kk-en"].gap == -0.5  # 0 −1 −1 0: two coins on the same side
    assert gaps["kk-en"].p == pytest.approx(0.5)
    assert gaps["kk-en"].p_holm == pytest.approx(2 * gaps["kk-en"].p)
    assert gaps["kk-ru"].p_holm == pytest.approx(max(gaps["kk-ru"].p, gaps["kk-en"].p_holm))


def test_twins_are_found_by_group_whatever_the_order() -> None:
    rng = random.Random(0)
    kk, ru = ([float(rng.random() < p) for _ in range(40)] for p in (0.4, 0.6))
    rows = items("kk", kk) + items("ru", ru)
    expected = statistics.fmean(a - b for a, b in zip(kk, ru, strict=True))
    rng.shuffle(rows)
    gap = parity_report(rows).gaps["mc"]["kk-ru"]
    assert gap.gap == pytest.approx(expected)
    assert gap.ci_low is not None and gap.ci_high is not None and gap.ci_low < expected < gap.ci_high


def test_the_gap_is_taken_on_the_shared_items_only() -> None:
    rows = items("kk", [1, 0, 1, 0, 1]) + items("ru", [1, 1, 1])
    report = parity_report(rows)
    assert report.scores["mc"]["kk"].n == 5
    assert (report.gaps["mc"]["kk-ru"].n, report.gaps["mc"]["kk-ru"].gap) == (3, pytest.approx(-1 / 3))
    assert "kk-en" not in report.gaps["mc"]


def test_tests_that_are_not_parallel_have_no_gap() -> None:
    rows = [
        choice(n, code, 1.0, task="own", group=f"{code}-{n}") for code in ("kk", "ru", "en") for n in range(4)
    ] + items("kk", [1, 0], task="only_kk")
    report = parity_report(rows)
    assert set(report.scores) == {"own", "only_kk"}
    assert report.gaps == {}


def test_bits_per_byte_is_a_ratio_and_its_gap_is_in_bits_per_sentence() -> None:
    rows = [text(1, "kk", 100, 50), text(2, "kk", 300, 250), text(1, "en", 90, 30), text(2, "en", 210, 90)]
    report = parity_report(rows).to_dict()
    kk, en, gap = report["scores"]["bpb"]["kk"], report["scores"]["bpb"]["en"], report["gaps"]["bpb"]["kk-en"]
    assert kk["score"] == pytest.approx(400 / 300)  # the mean of ratios would be 1.6
    assert en["score"] == pytest.approx(300 / 120)
    assert (kk["metric"], kk["higher_is_better"]) == ("bits_per_byte", False)
    assert gap["gap"] == pytest.approx((10 + 90) / 2)  # Kazakh costs more, though its bits per byte are fewer
    assert (gap["metric"], gap["higher_is_better"]) == ("bits_per_sentence", False)
    assert kk["ci_low"] < 0  # two texts know little, and a loss is not cut off


def test_items_of_one_passage_count_together() -> None:
    rng = random.Random(1)
    rows = []
    for passage in range(30):
        right = float(rng.random() < 0.5)
        for n in range(5):
            for code in ("kk", "ru"):
                score = right if code == "kk" else 1.0
                rows.append(
                    ItemScore(f"{passage}-{n}-{code}", f"{passage}-{n}", f"p{passage}", "t", code, "acc", score)
                )
    gap = parity_report(rows).gaps["t"]["kk-ru"]
    passages = [row.score - 1 for row in rows if row.language == "kk"][::5]
    error = statistics.stdev(passages) / math.sqrt(30)
    assert gap.n == 150
    # t tables, 29 degrees: 2.04523 and 0.85419; exact limits of shares are up to a sixth wider than their standard error
    assert (2.04523 + 0.85419) * error <= (gap.minimum_detectable or 0) <= 7 / 6 * (2.04523 + 0.85419) * error


def test_holm_counts_the_gaps_of_all_tasks() -> None:
    rng = random.Random(6)
    rows = []
    for task in ("a", "b", "c"):
        for code, share in (("kk", 0.2), ("ru", 0.6), ("en", 0.3)):
            rows += items(code, [float(rng.random() < share) for _ in range(30)], task=task)
    report = parity_report(rows)
    gaps = [gap for by in report.gaps.values() for gap in by.values()]
    smallest = min(gaps, key=lambda gap: gap.p)
    assert len(gaps) == 6
    assert smallest.p_holm == pytest.approx(min(1, 6 * smallest.p))


def test_a_model_that_is_always_wrong_gives_json_with_widths() -> None:
    rows = [row for code in ("kk", "ru", "en") for row in items(code, [0.0] * 48)]
    values = json.loads(json.dumps(parity_report(rows).to_dict(), allow_nan=False))
    gap, score = values["gaps"]["mc"]["kk-en"], values["scores"]["mc"]["kk"]
    assert (score["ci_low"], score["ci_high"]) == (0, pytest.approx(0.0740, abs=1e-4))  # exact limits for 0 of 48
    assert (gap["gap"], gap["p"], gap["p_holm"]) == (0, 1, 1)
    assert gap["ci_low"] < 0 < gap["ci_high"]
    assert 0 < gap["minimum_detectable"] < 1


def test_a_single_item_gives_json_too() -> None:
    rows = [*items("kk", [1.0]), *items("ru", [0.0]), text(1, "kk", 9, 3), text(1, "ru", 8, 3)]
    values = json.loads(json.dumps(parity_report(rows).to_dict(), allow_nan=False))
    assert values["scores"]["bpb"]["kk"]["ci_low"] is None
    assert (values["scores"]["mc"]["kk"]["ci_low"], values["scores"]["mc"]["kk"]["ci_high"]) == (0, 1)
    assert values["gaps"]["mc"]["kk-ru"]["p"] == 1


def test_the_same_whatever_the_seed() -> None:
    rows = items("kk", [1, 0, 1]) + items("ru", [1, 1, 1])
    assert parity_report(rows, seed=1) == parity_report(rows, seed=2)


def test_languages_come_in_their_usual_order() -> None:
    rows = items("en", [1.0]) + items("tr", [1.0]) + items("kk", [1.0])
    assert list(parity_report(rows).scores["mc"]) == ["kk", "en", "tr"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([choice(1, "kk", 1.0), choice(1, "kk", 0.0)], "scored twice"),
        ([choice(1, "kk", math.nan)], "finite"),
        ([choice(1, "kk", 1.0), ItemScore("2", "2", "2", "mc", "kk", "acc_per_byte", 1.0)], "expected one metric"),
        (
            [choice(1, "kk", 1.0, group="g"), choice(2, "kk", 1.0, group="g"), choice(1, "ru", 1.0, group="g")],
            "share group g",
        ),
    ],
)
def test_what_would_make_a_wrong_number_is_refused(rows: list[ItemScore], message: str) -> None:
    with pytest.raises(DataError, match=message):
        parity_report(rows)
