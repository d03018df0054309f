"""The likelier of two whole texts: counted by hand, and a tie is wrong."""

from __future__ import annotations

import os

import pytest

from qaz_llm.evals.asking import score_task
from qaz_llm.evals.items.load import load_items
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import load_task
from qaz_llm.records import EvalItem, Request, Scored

TASK = load_task("kkwikispell")


class Fixed:
    """Log-probability and tokens by text."""

    def __init__(self, **values: tuple[float, int]) -> None:
        self.values = values
        self.asked: list[Request] = []

    def loglikelihood(self, requests: list[Request]) -> list[Scored]:
        self.asked += requests
        return [Scored(*self.values[r.continuation], len(r.continuation.encode())) for r in requests]


@pytest.mark.parametrize(
    ("good", "bad", "right"),
    [
        ((-9.0, 4), (-12.0, 4), {"acc": 1.0, "acc_per_token": 1.0, "acc_per_byte": 1.0}),
        ((-9.0, 2), (-12.0, 6), {"acc": 1.0, "acc_per_token": 0.0, "acc_per_byte": 1.0}),  # 4.5 a token against 2
        ((-12.0, 2), (-12.0, 2), {"acc": 0.0, "acc_per_token": 0.0, "acc_per_byte": 0.0}),
        ((-10.0, 2), (-12.0, 2), {"acc": 1.0, "acc_per_token": 1.0, "acc_per_byte": 0.0}),  # 10 and 12 bytes: 1 a byte
    ],
)
def test_the_good_text_has_to_win(good: tuple[float, int], bad: tuple[float, int], right: dict[str, float]) -> None:
    item = EvalItem("i", "g", "c", "kk", "kkwikispell", "", choices=("келді", "кельді"), answer=0)
    scorer = Fixed(келді=good, кельді=bad)
    rows = score_task(TASK, [item], scorer)  # type: ignore[arg-type]
    assert {row.metric: row.score for row in rows} == right
    assert scorer.asked[-2:] == [Request("", "келді"), Request("", "кельді")]
    assert (rows[0].detail.get("doubts") == ["tie"]) == (good == bad)


@pytest.mark.skipif(not os.environ.get("QAZ_CORPUS_DIR"), reason="needs the public evaluation sets")
def test_the_sentences_of_the_wikipedia() -> None:
    items = load_items(TASK)
    assert len(items) == 160
    assert all(len(item.choices) == 2 and item.answer == 0 for item in items)
    equal = [item.item_id for item in items if item.choices[0] == item.choices[1]]
    assert (
        doubts.of_items(TASK, items)["kkwikispell"]["kk"]["equal_choices"]["examples"] == equal
    )  # no one can tell them apart
