"""Gaps between scripts by hand, what guessing would make of them, second looks, and how often nothing is found where nothing is."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from scipy.stats import binom
from test_items import ROW, task, write

from qaz_llm.errors import ConfigError, InputError
from qaz_llm.evals.comparing.changes import moved_gaps
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import ScriptTwin, disagreements, pairs_to_test, script_twins
from qaz_llm.evals.summary.parity import by_task, parity_report
from qaz_llm.evals.task import TaskConfig, load_task
from qaz_llm.records import ItemScore

TWIN = ScriptTwin("mc_latn", "mc", "Cyrl-Latn")


def rows(values: Sequence[float], *, name: str = "mc", language: str = "kk", metric: str = "acc") -> list[ItemScore]:
    return [ItemScore(str(n), str(n), str(n), name, language, metric, float(v)) for n, v in enumerate(values)]


def latin(**more: object) -> TaskConfig:
    return task(name="mine_latn", script="Latn", twin_of="mine", prompts={"kk": "{question}"}, **more)


def test_the_same_questions_in_two_scripts_are_a_gap_like_any_other() -> None:
    scores = [*rows([1, 1, 1, 0]), *rows([1, 0, 0, 0], name="mc_latn"), *rows([1, 1, 0, 0], language="ru")]
    gaps = parity_report(scores, scripts=[TWIN]).gaps
    assert set(gaps) == {"mc"} and set(gaps["mc"]) == {"kk-ru", "Cyrl-Latn"}
    script = gaps["mc"]["Cyrl-Latn"]
    assert (script.n, script.gap) == (4, 0.5)  # differences 0 1 1 0: two coins on one side
    assert script.p == pytest.approx(0.5) and script.mcnemar_p == 0.5
    assert script.p_holm == 1.0 and script.minimum_detectable is not None
    assert "Cyrl-Latn" not in parity_report(scores).gaps["mc"]


def test_scripts_are_paired_by_group_and_other_ids_have_no_gap() -> None:
    other = [ItemScore(f"x{n}", f"x{n}", f"x{n}", "mc_latn", "kk", "acc", 1.0) for n in range(3)]
    assert parity_report([*rows([1, 0, 1]), *other], scripts=[TWIN]).gaps == {}


def test_tasks_name_their_twin_in_the_other_script() -> None:
    shipped = [load_task("tumlu_kk"), load_task("tumlu_kk_latn")]
    assert script_twins(shipped) == [ScriptTwin("tumlu_kk_latn", "tumlu_kk", "Cyrl-Latn")]
    assert pairs_to_test(shipped) == [("tumlu_kk", "Cyrl-Latn")]
    assert script_twins(shipped[1:]) == []
    with pytest.raises(InputError, match="both are in script Latn"):
        script_twins([task(script="Latn"), latin()])
    with pytest.raises(ConfigError, match="twin_of names the task itself"):
        task(twin_of="mine")


def test_twins_in_another_script_that_are_missing_or_answer_otherwise(tmp_path: Path) -> None:
    mine, other = task(prompts={"kk": "{question}"}), latin()
    cyrillic = load_items(mine, root=write(tmp_path, *({**ROW, "id": i, "answer": 0} for i in "abc")))
    latin_items = load_items(
        other,
        root=write(tmp_path, {**ROW, "id": "a", "answer": 0}, {**ROW, "id": "b", "answer": 1}, {**ROW, "id": "z"}),
    )
    found = doubts.of_scripts([mine, other], {"mine": cyrillic, "mine_latn": latin_items})["mine_latn"]["kk"]
    assert {kind: row["examples"] for kind, row in found.items()} == {
        "no_script_twin": ["z"],
        "other_script_answer": ["b"],
    }
    alone = doubts.of_scripts([other], {"mine_latn": latin_items})["mine_latn"]["kk"]
    assert alone["no_script_twin"]["items"] == 3


def test_where_the_gap_would_stand_if_kazakh_were_guessed() -> None:
    scores = [*rows([1, 0, 0, 0]), *rows([1, 1, 1, 0], language="ru")]
    report = parity_report(scores, chance={"mc": {"kk": 0.25, "ru": 0.25}})
    assert report.gaps["mc"]["kk-ru"].at_chance == pytest.approx(0.25 - 0.75)
    assert report.scores["mc"]["kk"].chance == 0.25
    assert parity_report(scores).gaps["mc"]["kk-ru"].at_chance is None


def test_what_is_not_parallel_has_scores_and_no_gap(tmp_path: Path) -> None:
    scores = [*rows([1, 0]), *rows([1, 1], language="ru")]
    assert parity_report(scores, apart=["mc"]).gaps == {} and len(parity_report(scores, apart=["mc"]).scores["mc"]) == 2
    same = [{**ROW, "id": str(n), "language": code} for n in range(20) for code in ("kk", "ru")]
    mine = task()
    assert not doubts.is_apart(mine, load_items(mine, root=write(tmp_path, *same)))
    mixed = [{**row, "answer": int(row["language"] == "ru" and int(row["id"]) < 8)} for row in same]
    items = load_items(mine, root=write(tmp_path, *mixed))
    assert doubts.is_apart(mine, items)  # 8 of 20 answer otherwise
    assert doubts.of_items(mine, items)["mine"]["kk"]["not_parallel"]["items"] == 20
    few = [{**row, "answer": int(row["language"] == "ru" and int(row["id"]) < 3)} for row in same]
    assert not doubts.is_apart(mine, load_items(mine, root=write(tmp_path, *few)))


def test_a_second_look_that_sees_otherwise_is_said() -> None:
    row = {"n": 40, "p": 0.04, "mcnemar_p": 0.07, "bootstrap_low": 0.01, "bootstrap_high": 0.2}
    assert list(disagreements({"mc": {"kk-ru": row}})) == [
        "mc, kk-ru: p = 0.040, but McNemar's exact test p = 0.070; call it borderline"
    ]
    both = {**row, "p": 0.2, "mcnemar_p": None}
    assert "the bootstrap [0.010, 0.200]" in next(iter(disagreements({"mc": {"kk-ru": both}})))
    assert list(disagreements({"mc": {"kk-ru": {**both, "n": 10}}})) == []
    assert list(disagreements({"mc": {"kk-ru": {**row, "mcnemar_p": 0.03}}})) == []


def test_mcnemar_is_for_items_that_stand_alone_and_are_right_or_wrong() -> None:
    together = [
        ItemScore(str(n), str(n), str(n // 2), "mc", code, "acc", 1.0) for n in range(6) for code in ("kk", "ru")
    ]
    assert parity_report(together).gaps["mc"]["kk-ru"].mcnemar_p is None
    shares = [*rows([0.5, 0, 1], metric="f1"), *rows([0, 0, 1], language="ru", metric="f1")]
    assert parity_report(shares).gaps["mc"]["kk-ru"].mcnemar_p is None


def test_declared_gaps_are_told_from_others() -> None:
    scores = [*rows([1, 0, 0, 0, 0, 0]), *rows([1] * 6, language="ru"), *rows([1, 1, 1, 1, 1, 0], language="en")]
    gaps = parity_report(scores, family=Family(("mc.kk-ru",))).gaps["mc"]
    assert (gaps["kk-ru"].role, gaps["kk-en"].role) == ("primary", "exploratory")
    assert gaps["kk-ru"].p_holm == gaps["kk-ru"].p and gaps["kk-en"].p_holm >= gaps["kk-en"].p


def test_nothing_is_found_where_no_gap_moved_and_a_large_one_is() -> None:
    """Differences of differences over 60 twins: size at most 5 % by a binomial bound, and power where both sides gain 0.3 apart."""
    rng, repetitions = random.Random(12), 200

    def found(gain: float) -> int:
        times = 0
        for _ in range(repetitions):
            before = {code: [rng.random() < 0.5 for _ in range(60)] for code in ("kk", "ru")}
            after = {
                code: [v if rng.random() < 0.7 else rng.random() < 0.5 for v in row] for code, row in before.items()
            }
            after["kk"] = [v or rng.random() < gain for v in after["kk"]]
            sides = [by_task([*rows(side["kk"]), *rows(side["ru"], language="ru")]) for side in (before, after)]
            times += moved_gaps(sides[0], sides[1])["mc"]["kk-ru"]["p"] < 0.05
        return times

    assert found(0.0) <= binom.ppf(0.999, repetitions, 0.05)
    assert found(0.8) >= 0.8 * repetitions
