"""`qaz train` on instruction data as it is passed on: every shape becomes the same tokens, what cannot be used is named."""

import json
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from qaz_llm.errors import DataError, InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.counts import Counts
from qaz_llm.rows.dataset import PackedDataset, build_dataset
from qaz_llm.rows.sources import read_conversations, read_dialogues
from qaz_llm.tokenizer.base import train_base_tokenizer

SFT = RowShape(512, chat=True, splits=False)
Rows = list[dict[str, Any]]

ASKED = [("Қазақстанның астанасы қай қала?", "Астана."), ("Екіге екіні қос.", "  if x:\n    төрт")]
ASKING = [{"role": "user", "content": "Сәлем!"}]
SYSTEM = "Қысқа жауап бер."
OPENAI = [
    {
        "messages": [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }
    for question, answer in ASKED
]
SHAPES: dict[str, Rows] = {
    "openai": OPENAI,
    "sharegpt": [
        {"system": SYSTEM, "conversations": [{"from": "human", "value": q}, {"from": "gpt", "value": a}]}
        for q, a in ASKED
    ],
    "alpaca": [{"system": SYSTEM, "instruction": q, "input": "", "output": a} for q, a in ASKED],
    "pairs": [{"system_prompt": SYSTEM, "prompt": q, "completion": a} for q, a in ASKED],
}


@pytest.fixture(scope="module")
def tokenizer():
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_kk_a.jsonl"))]
    return train_base_tokenizer(texts, vocab_size=500)


def write(path: Path, rows: Rows) -> MixEntry:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
        case ".json":
            path.write_text(json.dumps(rows, ensure_ascii=False, indent=2))
        case ".parquet":
            pq.write_table(pa.Table.from_pylist(rows), path)
    return MixEntry(name="chat", path=str(path))


def cells(data: PackedDataset) -> list[list[int]]:
    return [[*data[n]["input_ids"].tolist(), *data[n]["labels"].tolist()] for n in range(len(data))]


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".parquet"])
@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_becomes_the_same_rows(tmp_path: Path, tokenizer: Any, shape: str, suffix: str) -> None:
    wanted = build_dataset(write(tmp_path / "openai.jsonl", OPENAI), tokenizer, SFT, cache=tmp_path / "a")
    data = build_dataset(write(tmp_path / f"{shape}{suffix}", SHAPES[shape]), tokenizer, SFT, cache=tmp_path / "b")
    assert data.meta["examples"] == len(ASKED)
    assert cells(data) == cells(wanted)


def test_the_input_of_alpaca_is_asked_about_and_white_space_stays(tmp_path: Path) -> None:
    entry = write(tmp_path / "a.jsonl", [{"instruction": "Аудар:", "input": "дом\n\tдом", "output": "үй\n    үй"}])
    (conversation,) = read_conversations(entry)
    assert [m.content for m in conversation.messages] == ["Аудар:\n\nдом\n\tдом", "үй\n    үй"]
    assert conversation.id == "a.jsonl:1"


MIXED: Rows = [
    *SHAPES["sharegpt"],
    {
        "messages": [
            {"role": "user", "content": "Ауа райы?"},
            {"role": "assistant", "content": None, "tool_calls": [{}]},
        ]
    },
    {"messages": [{"role": "user", "content": "Ауа райы?"}, {"role": "tool", "content": "22"}]},
    {"messages": [{"role": "user", "content": "Сурет?"}, {"role": "assistant", "content": [{"type": "image_url"}]}]},
    {"instruction": "Не?", "output": ""},
    {"messages": [{"role": "user", "content": "Кім?"}]},
    {"note": "ештеңе"},
    {"dialog": ["Сәлем!", "Сәлем!", "Тағы ше?"]},
]


def test_what_cannot_be_used_is_counted_named_and_shown(
    tmp_path: Path, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    entry = write(tmp_path / "a.jsonl", MIXED)
    with Path(entry.path).open("a") as file:
        file.write("{oops\n")
    with caplog.at_level(logging.INFO):
        data = build_dataset(entry, tokenizer, SFT, cache=tmp_path / "c")
    dropped = {
        "bad_tool_call": 1,
        "tool_role": 1,
        "not_text": 1,
        "empty_turn": 1,
        "no_answer": 1,
        "no_messages": 1,
        "bad_json": 1,
    }
    assert data.meta["dropped"] == dropped
    assert data.meta["examples"] == 3
    assert data.meta["examples"] + sum(dropped.values()) == len(MIXED) + 1
    said = caplog.text
    assert "a.jsonl, row 3: bad_tool_call" in said
    assert "a.jsonl, row 10: bad_json" in said
    assert "dropped 1 bad_tool_call" in said
    assert "after the last answer was left out of 1 dialogues" in said


def test_every_row_is_read_in_its_place(tmp_path: Path) -> None:
    read = list(read_dialogues(write(tmp_path / "a.jsonl", MIXED)))
    assert [item.where for item in read] == [f"a.jsonl, row {n}" for n in range(1, len(MIXED) + 1)]
    assert [item.is_cut for item in read] == [False] * 8 + [True]
    assert [bool(item.conversation.messages) for item in read] == [item.reason is None for item in read]


def test_a_misnamed_field_is_said_with_what_there_is(tmp_path: Path, tokenizer: Any) -> None:
    entry = write(tmp_path / "a.jsonl", [{"msgs": OPENAI[0]["messages"], "id": 1}])
    with pytest.raises(InputError, match="no field 'messages'") as caught:
        build_dataset(entry, tokenizer, SFT, cache=tmp_path / "c")
    assert "the fields found are: id, msgs" in str(caught.value.hint)
    assert "qaz data build" in str(caught.value.hint)


def test_files_of_which_nothing_can_be_used(tmp_path: Path, tokenizer: Any) -> None:
    entry = write(tmp_path / "a.jsonl", MIXED[2:6])
    with pytest.raises(
        DataError, match=r"nothing to train on \(1 bad_tool_call, 1 tool_role, 1 not_text, 1 empty_turn\)"
    ):
        build_dataset(entry, tokenizer, SFT, cache=tmp_path / "c")
    (tmp_path / "b.jsonl").write_text("бір\nекі\n")
    with pytest.raises(DataError, match=r"none of the first 2 rows can be read \(2 bad_json\)"):
        list(read_dialogues(MixEntry(name="b", path=str(tmp_path / "b.jsonl"))))
    (tmp_path / "c.jsonl").write_text("")
    with pytest.raises(DataError, match="the files hold no rows"):
        build_dataset(MixEntry(name="c", path=str(tmp_path / "c.jsonl")), tokenizer, SFT, cache=tmp_path / "c")


def test_languages_and_sources_are_chosen_in_every_shape(tmp_path: Path) -> None:
    rows = [{**row, "language": language} for row, language in zip(SHAPES["alpaca"], ("kk", "ru"), strict=True)]
    entry = write(tmp_path / "a.jsonl", rows).model_copy(update={"language": "ru"})
    assert [c.language for c in read_conversations(entry)] == ["ru"]


def test_of_a_folder_rows_are_read_and_descriptions_are_not(tmp_path: Path) -> None:
    write(tmp_path / "train.jsonl", SHAPES["alpaca"])
    (tmp_path / "dataset_infos.json").write_text('{"default": {"features": {}}}')
    entry = MixEntry(name="chat", path=str(tmp_path))
    assert len(list(read_conversations(entry))) == len(ASKED)


CALL = {"function": {"name": "weather", "arguments": '{"city": "Астана"}'}}
ODD: Rows = [
    {"messages": [*ASKING, {"role": "assistant", "content": "а", "weight": 0.5}]},
    {"messages": [*ASKING, {"role": "assistant", "content": "а", "weight": 0}]},
    {"messages": [*ASKING, {"role": "assistant", "content": "", "tool_calls": [CALL]}]},
    {"messages": [*ASKING, {"role": "assistant", "content": "сөз " * 600}]},
    {
        "messages": [
            *ASKING,
            {"role": "assistant", "content": "Бір <|im_end|>"},
            *ASKING,
            {"role": "assistant", "content": "сөз " * 600},
        ]
    },
    {"messages": [*ASKING, {"role": "assistant", "content": "Ия", "reasoning": "Ой", "mood": "қуаныш"}], "topic": 1},
    {"messages": [{"role": "user", "content": "\ud83d сәлем"}, {"role": "assistant", "content": "Сәлем"}], "topic": 2},
]


def test_odd_dialogues_are_counted_and_end_no_run(
    tmp_path: Path, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        "".join(json.dumps(row) + "\n" for row in ODD)
    )  # a half of a pair can be written as an escape alone
    with caplog.at_level(logging.INFO):
        data = build_dataset(MixEntry(name="chat", path=str(path)), tokenizer, SFT, cache=tmp_path / "c")
    assert data.meta["examples"] == 3
    assert data.meta["dropped"] == {
        "odd_weight": 1, "not_to_be_learned": 1, "calls_not_written": 1, "answer_longer_than_seq_len": 1,
    }  # fmt: skip
    assert data.meta["noted"] == {
        "answers_cut": 1, "special_tokens_spelled": 1, "thoughts_not_written": 1, "replacement_characters": 1,
        "half_characters_replaced": 1,
    }  # fmt: skip
    assert data.meta["unused_keys"] == {"turn.mood": 1, "topic": 2}
    said = caplog.text
    assert "a.jsonl, row 3: calls_not_written" in said
    assert "1 answers cut off, they end beyond seq_len" in said
    assert "keys that are not used, with the dialogues that have them: topic (2), turn.mood (1)" in said


def test_counts_of_processes_add_up() -> None:
    one, other = Counts.none(), Counts.none()
    one.drop("bad_json", "a, row 1")
    other.drop("bad_json", "b, row 1")
    other.drop("no_answer", "b, row 2")
    other.unused_keys.update(["topic"])
    one.add(other.to_dict())
    assert one.dropped == {"bad_json": 2, "no_answer": 1}
    assert one.first == {"bad_json": "a, row 1", "no_answer": "b, row 2"}
    assert one.unused_keys == {"topic": 1}
