"""What stands beside a score: counted by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_items import ROW, task, write

from qaz_llm.errors import DataError
from qaz_llm.evals.identity import unlike
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.summary import doubts
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.records import ItemScore


def test_twins_that_are_missing_or_answer_otherwise(tmp_path: Path) -> None:
    rows = [
        *({**ROW, "id": name, "language": code} for name in "ab" for code in ("kk", "ru")),
        {**ROW, "id": "c", "choices": ["Ол", "Ол "]},
        {**ROW, "id": "d", "answer": 0},
        {**ROW, "id": "d", "language": "ru", "answer": 1},
    ]
    mine = task()
    found = doubts.of_items(mine, load_items(mine, root=write(tmp_path, *rows)))
    assert found["mine"]["kk"] == {
        "no_twin": {"items": 1, "of": 4, "examples": ["c"]},
        "equal_choices": {"items": 1, "of": 4, "examples": ["c"]},
        "other_answer": {"items": 1, "of": 4, "examples": ["d"]},
        "asked_twice": {"items": 2, "of": 4, "examples": ["b", "d"]},
    }
    assert found["mine"]["ru"] == {
        "other_answer": {"items": 1, "of": 3, "examples": ["d"]},
        "asked_twice": {"items": 2, "of": 3, "examples": ["b", "d"]},
    }
    lines = list(doubts.lines(found))
    assert len(lines) == 6 and lines[1].startswith("mine, kk: 1 of 4 items have no twin")


def test_labels_in_another_order_are_the_same_answer(tmp_path: Path) -> None:
    labels = {"kk": {"s": "спорт", "t": "саяхат"}, "ru": {"t": "путешествия", "s": "спорт"}}
    mine = task(labels=labels)
    root = write(tmp_path, {**ROW, "answer": "t"}, {**ROW, "answer": "t", "language": "ru"})
    assert doubts.of_items(mine, load_items(mine, root=root)) == {}
    root = write(tmp_path, {**ROW, "answer": "t"}, {**ROW, "answer": "s", "language": "ru"})
    assert set(doubts.of_items(mine, load_items(mine, root=root))["mine"]) == {"kk", "ru"}


def test_a_language_without_a_row_is_said(tmp_path: Path) -> None:
    mine = task()
    found = doubts.of_items(mine, load_items(mine, root=write(tmp_path, ROW)))
    assert found["mine"]["ru"] == {"no_items": {"items": 0, "of": 0, "examples": []}}
    assert list(doubts.lines(found)) == [
        "mine, ru: no items are there: the task names this language, but its file has no row in it, so nothing is compared with it"
    ]


def test_twins_with_other_choices_and_choices_that_look_the_same(tmp_path: Path) -> None:
    rows = [{**ROW, "choices": ["қ", "й", "и\u0306"]}, {**ROW, "language": "ru", "choices": ["да", "нет"]}]
    mine = task()
    found = doubts.of_items(mine, load_items(mine, root=write(tmp_path, *rows)))["mine"]
    assert set(found["kk"]) == {"equal_choices", "other_choices"} and set(found["ru"]) == {"other_choices"}


@pytest.mark.parametrize(
    "change",
    [{"id": True}, {"id": float("nan")}, {"id": "\ud83d"}, {"choices": [float("nan"), "b"]}, {"choices": [True, "b"]}],
)
def test_what_is_no_word_is_no_id_and_no_choice(tmp_path: Path, change: dict[str, object]) -> None:
    (tmp_path / "rows.jsonl").write_text(
        json.dumps({**ROW, **change})
    )  # as others write it: NaN and \\ud83d stand in the file
    with pytest.raises(DataError, match=r"is to tell the item from others|surrogate|every choice is to be text"):
        load_items(task(), root=tmp_path)


def test_one_language_has_no_twins_to_miss(tmp_path: Path) -> None:
    mine = task(prompts={"kk": "{question}"})
    assert doubts.of_items(mine, load_items(mine, root=write(tmp_path, ROW))) == {}


def test_counts_of_scores() -> None:
    scores = [
        ItemScore(str(n), str(n), str(n), "t", "kk", "acc", 0.0, detail={"doubts": ["tie"] if n % 3 == 0 else []})
        for n in range(40)
    ]
    ties = {"items": 14, "of": 40, "examples": [str(n) for n in range(0, 30, 3)]}
    assert doubts.of_scores((score, True) for score in scores) == {"t": {"kk": {"tie": ties}}}
    other = [(replace(score, metric="letters_acc"), False) for score in scores]
    normalised = [(replace(score, metric="acc_per_byte"), False) for score in scores]
    plain = [(replace(score, detail={}), True) for score in scores]
    assert doubts.of_scores([*plain, *other, *normalised]) == {"t": {"kk": {"tie_other_way": ties}}}
    (line,) = doubts.lines({"t": {"kk": {"tie_other_way": ties}}})
    assert "asked in the other way" in line and "several best choices" in line


@pytest.mark.parametrize(
    ("predictions", "answers", "said"),
    [
        ([0] * 12, [0, 1, 2] * 4, True),
        ([0] * 11 + [1], [0, 1, 2] * 4, False),
        ([0] * 12, [0] * 12, False),  # pairs of a good and a bad text: all are right
        ([None] * 12, [0, 1, 2] * 4, False),  # unread, which is said elsewhere
        ([0] * 6, [0, 1, 2] * 2, False),
    ],
)
def test_one_choice_for_everything_is_said(predictions: list[int | None], answers: list[int], said: bool) -> None:
    """A model that always says A has the score of A, which looks like knowledge where A is often right."""
    scores = [
        (ItemScore(str(n), str(n), str(n), "t", "kk", "acc", 0.0, detail={"prediction": given, "answer": right}), True)
        for n, (given, right) in enumerate(zip(predictions, answers, strict=True))
    ]
    assert ("one_choice" in doubts.of_scores(scores).get("t", {}).get("kk", {})) == said


def test_swapped_files_are_refused(tmp_path: Path) -> None:
    texts = {code: [] for code in ("kk", "ru")}  # type: dict[str, list[str]]
    for row in read_jsonl(embedded_path("parallel_sentences.jsonl")):
        for code, found in texts.items():
            found.append(row[code])
    two = task(file=None, files={"kk": "kk.jsonl", "ru": "ru.jsonl"})
    for code, other in (("kk", "kk"), ("ru", "ru"), ("kk", "ru"), ("ru", "kk")):
        rows = [{**ROW, "id": str(n), "question": text} for n, text in enumerate(texts[code])]
        write(tmp_path, *rows, name=f"{other}.jsonl")
        if code == other:
            continue
        write(
            tmp_path, *({**ROW, "id": str(n), "question": t} for n, t in enumerate(texts[other])), name=f"{code}.jsonl"
        )
        with pytest.raises(DataError, match="what is declared as kk reads as ru"):
            load_items(two, root=tmp_path)
    (tmp_path / "ru.jsonl").write_text("")
    for name in ("kk",):
        write(tmp_path, *({**ROW, "id": str(n), "question": t} for n, t in enumerate(texts[name])), name="kk.jsonl")
    with pytest.raises(DataError, match="its file in ru holds no items"):
        load_items(two, root=tmp_path)


def test_what_was_not_scored_alike() -> None:
    one = {"dtype": "float32", "window_tokens": 256, "device": "cpu"}
    assert unlike(one, {**one, "device": "cuda"}) == {}
    assert unlike(one, {}) == {}
    assert unlike(one, {**one, "dtype": "bfloat16"}) == {"dtype": "dtype (float32 and bfloat16)"}
