"""Preference pairs: the shapes they come in, what is left out and why, and what of them is learned."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.records import IGNORE_INDEX
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.dataset import NothingToTrainOnError, PackedDataset, build_dataset
from qaz_llm.rows.preference.read import check_first_pairs
from qaz_llm.rows.preference.shapes import pair_of
from qaz_llm.tokenizer.base import train_base_tokenizer

ASKED, GOOD, BAD = "Аудар: дом", "үй", "су"


def turn(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


USER, YES, NO = turn("user", ASKED), turn("assistant", GOOD), turn("assistant", BAD)
HH = f"\n\nHuman: Сәлем!\n\nAssistant: Сәлем!\n\nHuman: {ASKED}\n\nAssistant: "
GREETING = [turn("user", "Сәлем!"), turn("assistant", "Сәлем!")]

SHAPES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "strings": ({"prompt": ASKED, "chosen": GOOD, "rejected": BAD}, [ASKED]),
    "system": ({"system": "Қысқа.", "question": ASKED, "chosen": GOOD, "rejected": BAD}, ["Қысқа.", ASKED]),
    "lists": ({"prompt": [USER], "chosen": [YES], "rejected": [NO]}, [ASKED]),
    "several turns": ({"prompt": [*GREETING, USER], "chosen": [YES], "rejected": [NO]}, ["Сәлем!", "Сәлем!", ASKED]),
    "conversations": ({"chosen": [USER, YES], "rejected": [USER, NO]}, [ASKED]),
    "ultrafeedback": (
        {"prompt": ASKED, "chosen": [USER, YES], "rejected": [USER, NO], "messages": [USER, YES], "score_chosen": 8.5},
        [ASKED],
    ),
    "sharegpt": (
        {
            "conversations": [{"from": "human", "value": ASKED}],
            "chosen": {"from": "gpt", "value": GOOD},
            "rejected": {"from": "gpt", "value": BAD},
        },
        [ASKED],
    ),
    "other names": ({"instruction": ASKED, "chosen_response": GOOD, "rejected_response": BAD}, [ASKED]),
    "hh": ({"chosen": HH + GOOD, "rejected": HH + BAD}, ["Сәлем!", "Сәлем!", ASKED]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_same_pair_in_each_shape(shape: str) -> None:
    row, prompt = SHAPES[shape]
    pair = pair_of(row)
    assert pair.reason is None
    assert [message.content for message in pair.prompt] == prompt
    assert ([m.content for m in pair.chosen], [m.content for m in pair.rejected]) == ([GOOD], [BAD])
    assert not any(message.is_learned for side in pair.conversations for message in side[:-1])
    assert all(side[-1].is_learned for side in pair.conversations)


def test_keys_that_are_not_used_are_named() -> None:
    assert pair_of(SHAPES["ultrafeedback"][0]).unused == ("messages", "score_chosen")


REASONS: list[tuple[str, dict[str, Any]]] = [
    ("missing_rejected", {"prompt": ASKED, "chosen": GOOD}),
    ("missing_rejected", {"prompt": ASKED, "chosen": GOOD, "rejected": None}),
    ("missing_chosen", {"prompt": ASKED, "rejected": BAD}),
    ("empty_rejected", {"prompt": ASKED, "chosen": GOOD, "rejected": " \n"}),
    ("empty_rejected", {"prompt": ASKED, "chosen": GOOD, "rejected": []}),
    ("empty_chosen", {"prompt": ASKED, "chosen": [USER, turn("assistant", "")], "rejected": [USER, NO]}),
    ("same_answers", {"prompt": ASKED, "chosen": GOOD, "rejected": f"{GOOD} "}),
    ("missing_prompt", {"chosen": GOOD, "rejected": BAD}),
    ("missing_prompt", {"prompt": "", "chosen": GOOD, "rejected": BAD}),
    ("prompts_differ", {"chosen": [USER, YES], "rejected": [turn("user", "Аудар: вода"), NO]}),
    ("one_continues_the_other", {"chosen": [USER, YES, USER, YES], "rejected": [USER, YES]}),
    ("not_text", {"prompt": ASKED, "chosen": [{"role": "assistant", "content": {"type": "image"}}], "rejected": BAD}),
    ("unknown_role", {"prompt": [turn("robot", "?")], "chosen": GOOD, "rejected": BAD}),
    ("no_answer", {"chosen": [USER, YES, USER], "rejected": [USER, NO]}),
]


@pytest.mark.parametrize(("reason", "row"), REASONS)
def test_what_is_no_pair_has_its_reason(reason: str, row: dict[str, Any]) -> None:
    assert pair_of(row).reason == reason


# ------------------------------------------------------------------------------------------------------------------ rows


@pytest.fixture(scope="module")
def tokenizer():
    texts = [str(row["chosen"]) for row in read_jsonl(embedded_path("preferences.jsonl"))]
    return train_base_tokenizer(texts, vocab_size=500)


def rows_of(tokenizer, folder: Path, pairs: Sequence[dict[str, Any]], *, seq_len: int = 64, packs: bool = True):
    path = folder / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), encoding="utf-8")
    shape = RowShape(seq_len, True, False, packs=packs, pairs=True)
    return build_dataset(MixEntry(name="pairs", path=str(path)), tokenizer, shape, cache=folder / "cache")


def sequences(row: dict[str, np.ndarray]) -> list[tuple[list[int], list[int]]]:
    """Of each sequence of a row that has something to learn, the ids before it and those that are learned."""
    found = []
    for start, end in pairwise([*np.flatnonzero(row["position_ids"] == 0).tolist(), len(row["labels"])]):
        ids, learned = row["input_ids"][start:end], row["labels"][start:end] != IGNORE_INDEX
        if learned.any():
            found.append((ids[: learned.argmax()].tolist(), ids[learned].tolist()))
    return found


def pairs_of(data: PackedDataset, tokenizer) -> list[tuple[str, str]]:
    """Both answers of each pair as what is learned of them decodes, sequences by twos."""
    found = [tokenizer.decode(learned) for n in range(len(data)) for _, learned in sequences(data[n])]
    return list(zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("packs", [True, False])
def test_what_is_learned_is_each_answer_with_its_stop_token(tokenizer, tmp_path: Path, packs: bool) -> None:
    pairs = [{"prompt": f"Сұрақ {n}", "chosen": f"Иә, {n * n}.", "rejected": "Жоқ. " * (n + 1)} for n in range(9)]
    data = rows_of(tokenizer, tmp_path, pairs, packs=packs, seq_len=200)
    stop = "<|im_end|>"
    assert sorted(pairs_of(data, tokenizer)) == sorted((p["chosen"] + stop, p["rejected"] + stop) for p in pairs)
    assert (data.meta["examples"], data.meta["dropped"]) == (9, {})
    assert (len(data) == 9) == (not packs)
    for number in range(len(data)):  # both sides of a pair have the same prompt before them
        found = sequences(data[number])
        assert [asked for asked, _ in found[::2]] == [asked for asked, _ in found[1::2]]


def test_pairs_that_are_too_long_are_left_out_and_counted(tokenizer, tmp_path: Path) -> None:
    """A pair is as long as both its sequences: one that fits by half is left out whole."""
    fits = {"prompt": "Сұрақ", "chosen": "Иә", "rejected": "Жоқ"}
    long = {"prompt": "Сұрақ", "chosen": "Иә", "rejected": "Жоқ " * 30}
    data = rows_of(tokenizer, tmp_path, [fits, long, {"prompt": "Сұрақ", "chosen": "Иә"}, fits], seq_len=80)
    assert data.meta["dropped"] == {"pair_longer_than_seq_len": 1, "missing_rejected": 1}
    assert data.meta["examples"] == 2
    assert "row 2: " in data.meta["first"]["pair_longer_than_seq_len"]
    assert len(pairs_of(data, tokenizer)) == 2


def test_no_rejected_answer_at_all_is_one_message(tokenizer, tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"prompt": ASKED, "completion": GOOD, "label": True}) + "\n")
    with pytest.raises(
        InputError, match="has both a chosen and a rejected answer; the fields found are: completion"
    ) as caught:
        check_first_pairs(MixEntry(name="pairs", path=str(path)))
    assert "prompt, chosen and rejected" in caught.value.hint
    with pytest.raises(NothingToTrainOnError, match="1 same_answers"):
        rows_of(tokenizer, tmp_path, [{"prompt": ASKED, "chosen": GOOD, "rejected": GOOD}])


def test_the_pairs_that_ship_are_pairs() -> None:
    rows = list(read_jsonl(embedded_path("preferences.jsonl")))
    assert len(rows) == 24
    assert [pair_of(row).reason for row in rows] == [None] * 24
