"""What stands beside the scores: counted by hand."""

from pathlib import Path

import pytest
from test_items import task

from qaz_llm.errors import DataError
from qaz_llm.evals.summary.breakdown import FAILURES_KEPT, chance_of, failures, scores_by_subject, text_costs
from qaz_llm.evals.summary.contamination import contamination_of
from qaz_llm.io import write_json
from qaz_llm.records import EvalItem, ItemScore


def item(number: int, *, choices: int = 4, subject: str = "", text: str = "", language: str = "kk") -> EvalItem:
    name = str(number)
    return EvalItem(name, name, name, language, "mc", text, choices=tuple("абвг"[:choices]), answer=0, subject=subject)


def score(number: int, value: float, **more: object) -> ItemScore:
    name = str(number)
    return ItemScore(name, name, name, "mc", "kk", "acc", value, detail=more)


def test_guessing_among_choices() -> None:
    items = [item(0), item(1, choices=2), item(2, language="ru")]
    assert chance_of({"mc": items, "text": [EvalItem("1", "1", "1", "kk", "text", "сөз")]}) == {
        "mc": {"kk": 0.375, "ru": 0.25}
    }


def test_scores_by_subject() -> None:
    items = [item(0, subject="тарих"), item(1, subject="тарих"), item(2, subject="алгебра"), item(3)]
    found = scores_by_subject({"mc": items}, [score(n, float(n == 0)) for n in range(4)])["mc"]
    assert {name: (by["kk"]["n"], by["kk"]["score"]) for name, by in found.items()} == {
        "алгебра": (1, 0.0),
        "тарих": (2, 0.5),
    }


def test_what_texts_cost() -> None:
    items = [EvalItem(n, n, n, "kk", "bpb", text) for n, text in (("0", "бір екі үш"), ("1", "төрт"))]
    scores = [
        ItemScore("0", "0", "0", "bpb", "kk", "bits_per_byte", 40.0, False, 18.0, {"tokens": 6}),
        ItemScore("1", "1", "1", "bpb", "kk", "bits_per_byte", 12.0, False, 8.0, {"tokens": 4}),
    ]
    assert text_costs({"bpb": items}, scores)["bpb"]["kk"] == {
        "texts": 2,
        "bits_per_byte": 2.0,  # 52 / 26
        "bits_per_sentence": 26.0,
        "tokens_per_word": 2.5,  # 10 / 4
        "bytes_per_token": 2.6,
    }


def test_failures_come_with_their_text_and_not_without_end() -> None:
    items = [item(n, text=f"мәтін {n}") for n in range(FAILURES_KEPT + 9)]
    scores = [score(n, 0.0, doubts=["cut"] if n else []) for n in range(FAILURES_KEPT + 9)]
    rows = list(failures({"mc": items}, scores))
    assert len(rows) == FAILURES_KEPT
    assert (rows[0]["item_id"], rows[0]["text"], rows[0]["kinds"]) == ("1", "мәтін 1", ["cut"])


def test_what_the_training_data_held(tmp_path: Path) -> None:
    mine = task(file=None, files={"kk": "sib/kk.jsonl", "ru": "sib/ru.jsonl"})
    hits = {"kk.jsonl": {"documents": 5, "items_hit": 2, "items": 9}}
    made = {"ngram_words": 13, "files": {"kk.jsonl": {"items": 9, "items_too_short": 1}}, "hits": {"files": hits}}
    write_json(tmp_path / "manifest.json", {"decontamination": made})
    found = contamination_of(tmp_path / "manifest.json", [mine])
    assert found is not None and found["ngram_words"] == 13
    kk, ru = found["files"]
    assert (kk["looked_for"], kk["items"], kk["items_met"], kk["documents_dropped"]) == (True, 9, 2, 5)
    assert (ru["file"], ru["looked_for"], ru["items_met"]) == ("ru.jsonl", False, None)
    assert contamination_of(None, [mine]) is None
    write_json(tmp_path / "other.json", {"documents_in": 3})
    with pytest.raises(DataError, match="says nothing of evaluation items"):
        contamination_of(tmp_path / "other.json", [mine])
