"""Grades of likeness: correlations against scipy's, their errors against formulas and a jackknife done another way."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from qaz_llm.errors import DataError
from qaz_llm.evals.asking import score_task
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.metrics.similarity import influences, mean_grade, pearson, spearman
from qaz_llm.evals.prompts.examples import load_examples
from qaz_llm.evals.prompts.render import render_context, render_requests
from qaz_llm.evals.stats import correlation_with_interval
from qaz_llm.evals.summary.breakdown import chance_of
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.evals.task import chance_level, load_task
from qaz_llm.records import EvalItem, Request, Scored

TASK = load_task("sts_kk")


class Grader:
    """Gives each pair the log-probabilities that its first sentence names, none of them normalised."""

    def __init__(self, grades: dict[str, list[float]]) -> None:
        self.grades = grades

    def loglikelihood(self, requests: list[Request]) -> list[Scored]:
        return [Scored(self._of(request.context)[int(request.continuation)], 1, 2) for request in requests]

    def _of(self, context: str) -> list[float]:
        return next(found for name, found in self.grades.items() if name in context)


def item(name: str, people: float, language: str = "kk") -> EvalItem:
    return EvalItem(
        name, name, name, language, "sts_kk", name, "b", tuple("012345"), round(people), references=(str(people),)
    )


def peaked(grade: int, beside: float = -30.0) -> list[float]:
    return [0.0 if n == grade else beside for n in range(6)]


def test_the_grade_is_the_mean_of_all_by_how_likely_they_are() -> None:
    logprobs = [
        math.log(p / 7) for p in (0.1, 0.1, 0.2, 0.3, 0.2, 0.1)
    ]  # together a seventh: beside each other they count
    found = mean_grade(item("x", 1), [Scored(one, 1, 2) for one in logprobs])
    assert found == pytest.approx(0.1 + 2 * 0.2 + 3 * 0.3 + 4 * 0.2 + 5 * 0.1)


def test_the_example_of_the_page() -> None:
    assert influences(pearson, np.array([1.0, 3, 2]), np.array([1.0, 2, 3])) == pytest.approx([19 / 6, -5 / 6, -5 / 6])


@pytest.mark.parametrize("ties", [False, True])
def test_correlations_are_those_of_scipy(ties: bool) -> None:
    rng = np.random.default_rng(5)
    for n in (3, 8, 60, 300):
        one, other = rng.normal(size=n), rng.normal(size=n)
        other = 0.6 * one + other
        if ties:
            one, other = one.round(), np.append(other[1:].round(), 9)
            one[0] = 9
        assert pearson(one, other) == pytest.approx(pearsonr(one, other).statistic, abs=1e-12)
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic, abs=1e-12)
        assert influences(spearman, one, other).mean() == pytest.approx(spearmanr(one, other).statistic, abs=1e-10)


def test_the_interval_holds_the_true_correlation_as_often_as_it_says() -> None:
    """Normal pairs of correlation 0.7: Fisher's interval is exact enough there, and ours is to cover as it does."""
    rng = np.random.default_rng(11)
    n, rho, covered, width, fisher = 120, 0.7, 0, 0.0, 0.0
    for _ in range(400):
        one = rng.normal(size=n)
        other = rho * one + math.sqrt(1 - rho**2) * rng.normal(size=n)
        found = correlation_with_interval(influences(pearson, one, other).tolist(), range(n))
        assert found.ci_low is not None and found.ci_high is not None
        covered += found.ci_low <= rho <= found.ci_high
        width += found.ci_high - found.ci_low
        low, high = (math.tanh(math.atanh(found.mean) + s * 1.96 / math.sqrt(n - 3)) for s in (-1, 1))
        fisher += high - low
    assert 0.92 <= covered / 400 <= 0.98
    assert width == pytest.approx(fisher, rel=0.05)


def test_scores_and_the_gap_of_two_languages() -> None:
    people = {"aa": 0.5, "bb": 1.5, "cc": 3.2, "dd": 4.8, "ee": 2.0}
    grades = {"aa": peaked(0), "bb": peaked(2), "cc": peaked(3), "dd": peaked(5), "ee": peaked(1)}
    english = {f"en-{name}": grades[other] for name, other in zip(grades, ("bb", "aa", "dd", "cc", "ee"), strict=True)}
    items = [item(name, grade) for name, grade in people.items()]
    twins = [
        EvalItem(
            i.item_id, i.group_id, i.cluster_id, "en", i.task, f"en-{i.text}", "b", i.choices, i.answer, i.references
        )
        for i in items
    ]
    scorer = Grader(english | grades)
    rows = score_task(TASK, [*items, *twins], scorer)  # type: ignore[arg-type]
    report = parity_report([row for row in rows if row.metric == TASK.metric]).to_dict()
    mine, theirs = report["scores"]["sts_kk"]["kk"], report["scores"]["sts_kk"]["en"]
    known = list(people.values())
    assert mine["score"] == pytest.approx(spearmanr([0, 2, 3, 5, 1], known).statistic)
    assert theirs["score"] == pytest.approx(spearmanr([2, 0, 5, 3, 1], known).statistic)
    gap = report["gaps"]["sts_kk"]["kk-en"]
    assert gap["gap"] == pytest.approx(mine["score"] - theirs["score"])
    assert chance_level(TASK, items) is None
    assert not any("doubts" in row.detail for row in rows)


def test_intervals_stay_within_a_correlation_and_few_items_have_none() -> None:
    rng = np.random.default_rng(2)
    for n in (4, 5, 12, 60):
        one = rng.normal(size=n)
        found = correlation_with_interval(influences(pearson, one, one + 0.3 * rng.normal(size=n)).tolist(), range(n))
        assert found.ci_low is not None and found.ci_high is not None
        assert -1 <= found.ci_low < found.mean < found.ci_high <= 1
    for n in (1, 2, 3):
        few = correlation_with_interval(influences(pearson, np.arange(n), np.arange(n) ** 2).tolist(), range(n))
        assert few.ci_low is None and few.ci_high is None
    whole = correlation_with_interval(influences(spearman, np.arange(9), np.arange(9) ** 3).tolist(), range(9))
    assert whole.mean == pytest.approx(1) and whole.ci_low is None  # no spread to tell an interval by


def test_guessing_has_no_share_here() -> None:
    assert chance_of({"sts_kk": [item("aa", 1), item("bb", 4)]}) == {}


def test_grades_all_alike_are_no_correlation_and_said() -> None:
    rows = score_task(TASK, [item("aa", 1), item("bb", 4)], Grader({"aa": peaked(3), "bb": peaked(3)}))  # type: ignore[arg-type]
    assert [(row.score, row.detail["doubts"]) for row in rows] == [(0.0, ["few_grades", "no_spread"])] * 4


def write_sets(root: Path, *grades: str) -> None:
    folder = root / "kardes_nlu"
    folder.mkdir()
    for split in ("dev", "test"):
        rows = [
            {"row": str(n), "sentence1": f"{split} one {n}", "sentence2": "two", "score": grade}
            | {"s1_translation": f"{split} бір {n}", "s2_translation": "екі"}
            for n, grade in enumerate(grades)
        ]
        lines = "\n".join(json.dumps(row) for row in rows)
        (folder / f"sts_kk_{split}.jsonl.gz").write_bytes(gzip.compress(lines.encode()))


def test_what_is_asked(tmp_path: Path) -> None:
    write_sets(tmp_path, "3.2", "5.0")
    items = load_items(TASK, root=tmp_path)
    assert [(i.language, i.references, i.answer) for i in items[:2]] == [("kk", ("3.2",), 3), ("en", ("3.2",), 3)]
    examples = load_examples(TASK, items, shots=1, root=tmp_path)
    context = render_context(TASK, items[0], examples=examples.of(items[0]))
    assert context.startswith("1-сөйлем: dev бір 0\n2-сөйлем: екі\n") and "Баға: 3\n\n" in context
    assert [r.continuation for r in render_requests(TASK, items[0])] == [f" {n}" for n in range(6)]


@pytest.mark.parametrize("grade", ["5.1", "-0.1", "nan", "good"])
def test_a_grade_off_the_scale_is_refused(tmp_path: Path, grade: str) -> None:
    write_sets(tmp_path, "1", grade)
    with pytest.raises(DataError, match="one grade from 0 to 5 is expected"):
        load_items(TASK, root=tmp_path)
