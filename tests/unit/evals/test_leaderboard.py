"""Ranks, ties and what is not ranked together, of evaluations whose scores are known."""

import csv
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qaz_llm.cli.evals import eval_app
from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.comparing.finished import read_evaluations
from qaz_llm.evals.comparing.leaderboard import leaderboard
from qaz_llm.evals.stats import paired_difference
from qaz_llm.evals.summary.parity import parity_report
from qaz_llm.io import write_json, write_jsonl
from qaz_llm.records import ItemScore

N = 60


def evaluation(folder: Path, right: int, **setting: Any) -> Path:
    """`right` of N items right, the first ones."""
    rows = [ItemScore(str(n), str(n), str(n), "mc", "kk", "acc", float(n < right)) for n in range(N)]
    folder.mkdir(parents=True)
    write_jsonl(folder / "items.jsonl", [{**asdict(row), "primary": True} for row in rows])
    values = {"model": f"m{right}", "model_fingerprint": f"f{right}", "data": {"mc": {"data": "aa", "task": "bb"}}}
    write_json(
        folder / "parity.json", {**parity_report(rows).to_dict(), **values, "setting": {"dtype": "float32", **setting}}
    )
    return folder


def test_ranks_and_who_is_level_with_the_first(tmp_path: Path) -> None:
    for name, right in (("low", 10), ("best", 50), ("near", 48), ("also", 48)):
        evaluation(tmp_path / "runs" / name, right)
    write_json(tmp_path / "runs" / "also" / "parity.json", {
        **json.loads((tmp_path / "runs" / "also" / "parity.json").read_text()), "model_fingerprint": "another"})  # fmt: skip
    (board,) = leaderboard([tmp_path])["boards"]
    entries = board["languages"]["kk"]
    assert [(e["evaluation"], e["rank"], e["is_level_with_first"]) for e in entries] == [
        ("best", 1, True),
        ("also", 2, True),  # 2 of 60 items: two coins
        ("near", 2, True),
        ("low", 4, False),
    ]
    raw = paired_difference([1.0] * 50 + [0.0] * 10, [1.0] * 10 + [0.0] * 50, range(N), limits=(-1, 1)).p
    assert entries[-1]["p_to_first"] == pytest.approx(3 * raw)  # the smallest of three, by Holm


def test_what_was_scored_otherwise_has_a_board_of_its_own(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", 20)
    evaluation(tmp_path / "b", 30, dtype="bfloat16")
    evaluation(tmp_path / "c", 40, start_token="<s>")  # of the model, not of the way of scoring
    found = leaderboard([tmp_path])
    assert [len(board["languages"]["kk"]) for board in found["boards"]] == [2, 1]
    assert any("2 boards" in note and "dtype (float32, bfloat16)" in note for note in found["notes"])


def test_the_same_model_twice_stands_once(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", 20)
    evaluation(tmp_path / "again" / "a", 20)
    (board,) = leaderboard([tmp_path])["boards"]
    assert len(board["languages"]["kk"]) == 1


def test_without_items_intervals_decide_and_that_is_said(tmp_path: Path) -> None:
    evaluation(tmp_path / "a", 20)
    (evaluation(tmp_path / "b", 50) / "items.jsonl").unlink()
    found = leaderboard([tmp_path])
    entry = found["boards"][0]["languages"]["kk"][1]
    assert (entry["p_to_first"], entry["is_level_with_first"]) == (None, False)
    assert any("compared by its interval only" in note for note in found["notes"])


def test_files_for_people_and_programs(tmp_path: Path) -> None:
    evaluation(tmp_path / "runs" / "a", 20)
    evaluation(tmp_path / "runs" / "b", 50)
    found = leaderboard([tmp_path / "runs"], tasks=["mc"], out=tmp_path / "out")
    assert json.loads((tmp_path / "out" / "leaderboard.json").read_text()) == found
    with (tmp_path / "out" / "report.csv").open() as stream:
        ranked = [(row["evaluation"], row["rank"], float(row["value"])) for row in csv.DictReader(stream)]
    assert ranked == [("b", "1", 50 / N), ("a", "2", 20 / N)]
    page, text = ((tmp_path / "out" / name).read_text() for name in ("report.html", "report.md"))
    assert "m50" in page and "| 2 | a | m20 | 60 |" in text


def test_as_a_person_types_it(tmp_path: Path) -> None:
    a, b = evaluation(tmp_path / "runs" / "a", 20), evaluation(tmp_path / "runs" / "b", 50)
    ranked = CliRunner().invoke(eval_app, ["leaderboard", str(tmp_path / "runs"), "--task", "mc"])
    assert ranked.exit_code == 0 and "| 1 | b | m50 |" in ranked.stdout
    out = tmp_path / "out"
    compared = CliRunner().invoke(eval_app, ["compare", str(a), str(b), "--out", str(out), "--base", str(b)])
    assert compared.exit_code == 0 and str(out / "report.html") in compared.stdout
    found = json.loads((out / "comparison.json").read_text())
    assert (found["base"], found["versus"]["a"]["changes"]["mc"]["kk"]["change"]) == ("b", -0.5)


def test_nothing_to_rank_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no evaluation in it"):
        leaderboard([tmp_path])
    with pytest.raises(InputError, match="no such folder"):
        leaderboard([tmp_path / "nowhere"])
    evaluation(tmp_path / "a", 3)
    with pytest.raises(InputError, match="no evaluation has task xx"):
        leaderboard([tmp_path], tasks=["xx"])


def test_labels_are_as_long_as_needed(tmp_path: Path) -> None:
    folders = [evaluation(tmp_path / one / "eval", 3) for one in ("x", "y")]
    assert [e.label for e in read_evaluations(folders)] == ["x/eval", "y/eval"]


def test_what_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    evaluation(tmp_path / "good", 20)
    for name, text in (("cut", '{"scores": {'), ("other", '{"scores": 5, "gaps": {}, "data": {}}'), ("list", "[1]")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "parity.json").write_text(text)
    found = leaderboard([tmp_path])
    assert found["evaluations"] == 1
    said = [note for note in found["notes"] if note.startswith("left out: ")]
    assert len(said) == 3 and all(any(f"/{name}/" in note for note in said) for name in ("cut", "other", "list"))
    with pytest.raises((InputError, DataError)):
        leaderboard([tmp_path / "cut"])
