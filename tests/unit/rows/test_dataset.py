"""Packed rows on disk, the mix, and an order that does not depend on how the work is shared."""

import copy
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.records import IGNORE_INDEX, TokenizedExample
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.dataset import StepSampler, build_dataset, decode_row, encode_row, mix_rows
from qaz_llm.rows.encode import frame_of
from qaz_llm.rows.packing import make_row
from qaz_llm.rows.parts import row_set
from qaz_llm.tokenizer.base import train_base_tokenizer

CPT = RowShape(32, chat=False, splits=True)
SFT = RowShape(512, chat=True, splits=False)


@pytest.fixture(scope="module")
def tokenizer():
    return train_base_tokenizer(
        [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))], vocab_size=500
    )


def write(path: Path, *rows: dict) -> MixEntry:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return MixEntry(name="part", path=str(path))


def test_cells_go_there_and_back() -> None:
    row = make_row([TokenizedExample((5, 6, 7), (5, 6, 7)), TokenizedExample((8, 9), (IGNORE_INDEX, 9))])
    cells = decode_row(*encode_row(row, seq_len=8, pad_id=2))
    assert cells["input_ids"].tolist() == [5, 6, 7, 8, 9, 2, 2, 2]
    assert cells["labels"].tolist() == [-100, 6, 7, -100, 9, -100, -100, -100]
    assert cells["position_ids"].tolist() == [0, 1, 2, 0, 1, 0, 1, 2]


def test_all_tokens_of_the_text_are_there(tmp_path: Path, tokenizer) -> None:
    texts = ["Бірінші құжат.", "Екінші, сәл ұзағырақ құжат: " + "сөз " * 40, "Үшінші."]
    entry = write(tmp_path / "a.jsonl", *({"text": text} for text in texts))
    data = build_dataset(entry, tokenizer, CPT, cache=tmp_path)
    stream = np.concatenate([data.tokens_RL[i][: data.row_tokens_R[i]] for i in range(len(data))]).tolist()
    wanted = [t for text in texts for t in [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]]
    assert stream == wanted
    assert data.meta["tokens"] == len(wanted) == int(data.row_tokens_R.sum())
    learned = sum(int((data[i]["labels"] != IGNORE_INDEX).sum()) for i in range(len(data)))
    assert learned == data.meta["learned_tokens"]


def test_it_is_built_once_and_anew_when_something_changed(tmp_path: Path, tokenizer, monkeypatch) -> None:
    entry = write(tmp_path / "a.jsonl", {"text": "бір екі үш"})
    first = build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c")
    monkeypatch.setattr("qaz_llm.rows.maker.RowMaker.make", lambda *a, **k: pytest.fail("packed again"))
    assert build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c").folder == first.folder
    monkeypatch.undo()
    write(tmp_path / "a.jsonl", {"text": "бір екі төрт"})
    assert build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c").folder != first.folder


def test_languages_and_kinds_are_told_apart(tmp_path: Path, tokenizer) -> None:
    dialogues = MixEntry(name="d", path="embedded:dialogues.jsonl", language="en")
    data = build_dataset(dialogues, tokenizer, replace(SFT, seq_len=4096), cache=tmp_path)
    count = sum(row["language"] == "en" for row in read_jsonl(embedded_path("dialogues.jsonl")))
    assert data.meta["examples"] == count and not data.meta["dropped"]
    with pytest.raises(InputError, match="no field 'messages'"):
        build_dataset(write(tmp_path / "t.jsonl", {"text": "a"}), tokenizer, SFT, cache=tmp_path)
    with pytest.raises(InputError, match="no field 'text'; its fields are body"):
        build_dataset(write(tmp_path / "b.jsonl", {"body": "a"}), tokenizer, CPT, cache=tmp_path)


def test_nothing_to_train_on_is_an_error_and_leaves_nothing(tmp_path: Path, tokenizer) -> None:
    empty = write(tmp_path / "e.jsonl", {"text": "  "})
    with pytest.raises(DataError, match="nothing to train on"):
        build_dataset(empty, tokenizer, CPT, cache=tmp_path / "c")
    assert not list((tmp_path / "c").iterdir())
    short = replace(SFT, seq_len=8)
    with pytest.raises(DataError, match="answer_longer_than_seq_len"):
        build_dataset(MixEntry(name="d", path="embedded:dialogues.jsonl"), tokenizer, short, cache=tmp_path)


def test_a_folder_of_shards_gives_the_right_kind(tmp_path: Path, tokenizer) -> None:
    write(tmp_path / "documents-00000.jsonl", {"text": "құжат мәтіні"})
    write(tmp_path / "dropped-00000.jsonl", {"id": "1"})
    entry = MixEntry(name="part", path=str(tmp_path))
    assert build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c").meta["examples"] == 1
    with pytest.raises(InputError, match=r"conversations-\* were expected"):
        build_dataset(entry, tokenizer, SFT, cache=tmp_path / "c")


def test_the_mix_repeats_each_part_as_often_as_asked() -> None:
    rows = mix_rows([4, 10], [2.5, 0.3], seed=1)
    counts = Counter(rows.tolist())
    assert sorted(counts[r] for r in range(4)) == [2, 2, 3, 3]
    assert sum(counts[r] for r in range(4, 14)) == 3 == len([r for r in counts if r >= 4])


def test_the_order_visits_every_row_once_per_traversal() -> None:
    rows = np.arange(7)
    order = list(StepSampler(rows, num_rows=17, seed=3))
    assert sorted(order[:7]) == sorted(order[7:14]) == list(range(7))
    assert order[:7] != order[7:14]
    assert len(set(order[14:])) == 3
    assert order == list(StepSampler(rows, num_rows=17, seed=3))
    assert order != list(StepSampler(rows, num_rows=17, seed=4))


@pytest.mark.parametrize("rows_per_step", [1, 2, 4, 8])
def test_rows_of_a_step_are_those_of_the_order(rows_per_step: int) -> None:
    sampler = StepSampler(np.arange(5), num_rows=24, seed=0)
    order = list(sampler)
    for step in range(24 // rows_per_step, 0, -1):
        wanted = order[(step - 1) * rows_per_step : step * rows_per_step]
        assert sampler.rows_of_step(step, rows_per_step).tolist() == wanted


def test_another_end_of_text_makes_the_rows_anew(tmp_path: Path, tokenizer) -> None:
    """Named in tokenizer_config.json alone: the tokens of the text are the same, the ids behind each are not."""
    entry = write(tmp_path / "a.jsonl", {"text": "бір екі үш"}, {"text": "төрт бес"})
    first = build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c")
    other = copy.deepcopy(tokenizer)
    other.eos_token = other.pad_token
    again = build_dataset(entry, other, CPT, cache=tmp_path / "c")
    assert again.folder != first.folder
    text = tokenizer("бір екі үш")["input_ids"]
    assert first.tokens_RL[0][: len(text) + 1].tolist() == [*text, tokenizer.eos_token_id]
    assert again.tokens_RL[0][: len(text) + 1].tolist() == [*text, tokenizer.pad_token_id]


def test_a_text_without_an_end_is_noted(tmp_path: Path, tokenizer) -> None:
    other = copy.deepcopy(tokenizer)
    other.eos_token = None
    entry = write(tmp_path / "a.jsonl", {"text": "бір екі үш"}, {"text": "төрт бес"})
    assert build_dataset(entry, other, CPT, cache=tmp_path / "c").meta["noted"]["texts_not_ended"] == 2
    assert "texts_not_ended" not in build_dataset(entry, tokenizer, CPT, cache=tmp_path / "c").meta["noted"]


@pytest.mark.parametrize("chat", [False, True])
def test_rows_of_an_earlier_version_are_taken_where_they_are_framed_alike(
    tmp_path: Path, tokenizer, monkeypatch, chat: bool
) -> None:
    """Their fingerprint did not hold what stands around a text; a run that rests on them goes on."""
    turns = [{"role": "user", "content": "Сәлем"}, {"role": "assistant", "content": "Қалайсыз"}]
    entry = write(tmp_path / "a.jsonl", *[{"messages": turns} if chat else {"text": "бір екі үш"}] * 2)
    shape, named = (SFT if chat else CPT), copy.deepcopy(tokenizer)
    named.chat_template = (named.chat_template or "") + "{{- eos_token }}"
    monkeypatch.setattr("qaz_llm.rows.parts.named_tokens", lambda *a, **k: None)
    old = build_dataset(entry, named, shape, cache=tmp_path / "c")
    monkeypatch.undo()
    assert build_dataset(entry, named, shape, cache=tmp_path / "c").folder == old.folder
    other = copy.deepcopy(named)
    other.eos_token = "<|unk_end|>" if chat else other.pad_token
    assert row_set(entry, other, shape, cache=tmp_path / "c").folder != old.folder


def test_what_a_tokenizer_is_known_by_outlives_its_calls(tokenizer) -> None:
    cut = copy.deepcopy(tokenizer)
    cut.backend_tokenizer.enable_truncation(5)
    cut.backend_tokenizer.enable_padding(length=7)
    before = cut.backend_tokenizer.to_str()
    frame_of(cut)
    assert cut.backend_tokenizer.to_str() == before
