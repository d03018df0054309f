"""Ids of conversations, and the look at the first rows: what is wrong with a config is said before anything is cleaned."""

import json
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.build import build
from qaz_llm.data.chat.conversations import make_conversations
from qaz_llm.data.chat.first_rows import check_conversation_sources
from qaz_llm.data.config import ConversationSourceConfig, DataConfig
from qaz_llm.errors import InputError
from qaz_llm.io import write_jsonl

Rows = list[dict[str, Any]]


def ids_of(tmp_path: Path, files: dict[str, Rows], **values: Any) -> list[str]:
    for name, rows in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        write_jsonl(tmp_path / name, rows)
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "**" / "*.jsonl"), **{"kind": "chat", **values})
    made = list(make_conversations(source, root=None, seed=0))
    again = list(make_conversations(source, root=None, seed=0))
    assert made == again
    ids = [item.conversation.id for item in made]
    assert len(set(ids)) == len(ids)
    return ids


def row(number: int, **values: Any) -> dict[str, Any]:
    return {"instruction": f"{number} неше болады?", "output": str(number), **values}


def test_ids_that_begin_anew_in_each_file_are_told_apart_by_the_file(tmp_path: Path) -> None:
    files = {"x/a.jsonl": [row(1, id=0), row(2, id=1)], "x/b.jsonl": [row(3, id=0)], "a.jsonl": [row(4, id=0)]}
    assert ids_of(tmp_path, files) == ["c/a.jsonl/0", "c/x/a.jsonl/0", "c/x/a.jsonl/1", "c/x/b.jsonl/0"]


def test_rows_without_an_id_are_known_by_their_place(tmp_path: Path) -> None:
    assert ids_of(tmp_path, {"a.jsonl": [row(1), row(2)]}) == ["c/0000000", "c/0000001"]
    (tmp_path / "a.jsonl").unlink()
    found = ids_of(tmp_path, {"a.jsonl": [row(1)], "b.jsonl": [row(2)]})
    assert found == ["c/a.jsonl/0000000", "c/b.jsonl/0000000"]


@pytest.mark.parametrize("own", [None, "", "  ", True, 1.5, ["a"], {"$oid": "1"}])
def test_what_is_no_id_is_not_taken_for_one(tmp_path: Path, own: Any) -> None:
    assert ids_of(tmp_path, {"a.jsonl": [row(1, id=own), row(2, id="b")]}) == ["c/0000000", "c/b"]


def test_an_id_that_is_repeated_in_its_file_gets_its_place(tmp_path: Path) -> None:
    assert ids_of(tmp_path, {"a.jsonl": [row(n, id=7) for n in range(3)]}) == ["c/7", "c/7#0000001", "c/7#0000002"]


def test_a_declared_id_is_the_same_in_all_files(tmp_path: Path) -> None:
    files = {"a.jsonl": [row(1, key="p"), row(2, key="q")], "b.jsonl": [row(3, key="p"), row(4, key=None)]}
    found = ids_of(tmp_path, files, id_field="key")
    assert found == ["c/p", "c/q", "c/p#b.jsonl/0000000", "c/b.jsonl/0000001"]


def test_questions_of_paragraphs_that_number_anew(tmp_path: Path) -> None:
    asked = [
        {"id": 0, "question": "Кім?", "answers": [{"text": "Абай"}]},
        {"id": 0, "question": "Не?", "answers": ["Кітап"]},
    ]
    article = {"paragraphs": [{"context": "Абай кітап жазды.", "qas": asked}] * 2}
    found = ids_of(tmp_path, {"a.jsonl": [article]}, kind="qa", answer_field="answers")
    assert found == ["c/0000000/0/0", "c/0000000/0/0#0000000", "c/0000000/1/0", "c/0000000/1/0#0000000"]


# -------------------------------------------------------------------------------------------------------- first rows


def source_of(tmp_path: Path, rows: Rows, **values: Any) -> dict[str, Any]:
    write_jsonl(tmp_path / "rows.jsonl", rows)
    return {"name": "c", "path": str(tmp_path / "rows.jsonl"), **values}


def check(tmp_path: Path, rows: Rows, **values: Any) -> None:
    config = {"conversations": [source_of(tmp_path, rows, **{"kind": "chat", **values})]}
    check_conversation_sources(config_from_values(DataConfig, config, where="test"))


GOOD = [row(n) for n in range(3)]


@pytest.mark.parametrize(
    ("rows", "values", "message"),
    [
        ([{"msgs": [{"role": "user", "content": "а"}]}], {}, "no dialogue in the first 1 rows"),
        (GOOD, {"messages_field": "msgs"}, "no field 'msgs' in the first 3 rows"),
        (GOOD, {"question_field": "q", "answer_field": "output"}, "no field 'q'"),
        (GOOD, {"id_field": "key"}, "no field 'key'"),
        (GOOD, {"licence_field": "licence"}, "no field 'licence'"),
        ([{"question": "а", "answer": "б"}], {"kind": "qa", "context_field": "context"}, "no field 'context'"),
        ([{"question": "а", "reply": "б"}], {"kind": "qa"}, "no field 'answer'"),
        ([{"text": "а"}], {"kind": "classification"}, "no field 'category'"),
        ([{"text": "а", "category": n} for n in range(31)], {"kind": "classification"}, "31 labels in 'category'"),
        ([{"kk": "а"}], {"kind": "parallel", "texts": {"kk": "kk", "ru": "ru"}}, "no field 'ru'"),
    ],
)
def test_a_wrong_field_is_found_on_the_first_rows(tmp_path: Path, rows: Rows, values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        check(tmp_path, rows, **values)
    if "labels" not in message:
        assert f"the fields found are: {', '.join(sorted({key for row in rows for key in row}))}" in str(
            caught.value.hint
        )


@pytest.mark.parametrize(
    ("rows", "values"),
    [
        (GOOD, {}),
        ([{"note": "а"}, *GOOD], {}),
        (GOOD, {"messages_field": "messages"}),
        (GOOD, {"answer_field": "output", "question_field": "instruction"}),
        ([{"text": "а", "category": n} for n in range(30)], {"kind": "classification"}),
        ([{"data": []}], {"kind": "qa", "context_field": "context"}),
    ],
)
def test_what_is_right_passes(tmp_path: Path, rows: Rows, values: Any) -> None:
    check(tmp_path, rows, **values)


def test_rows_that_cannot_be_read_are_found_too(tmp_path: Path) -> None:
    source = source_of(tmp_path, [], kind="chat")
    config = config_from_values(DataConfig, {"conversations": [source]}, where="test")
    Path(source["path"]).write_text("бірінші\nекінші\n")
    with pytest.raises(InputError, match=r"none of the first 2 rows .* can be read \(bad_json 2\)"):
        check_conversation_sources(config)
    Path(source["path"]).write_text("")
    with pytest.raises(InputError, match=r"empty_file 1"):
        check_conversation_sources(config)


def test_it_is_said_before_anything_is_cleaned(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "docs.jsonl", [{"text": "Қар еріді."}])
    values = {
        "sources": [{"name": "s", "path": str(tmp_path / "docs.jsonl")}],
        "conversations": [source_of(tmp_path, [{"msgs": "а"}], kind="chat")],
        "out": str(tmp_path / "out"),
    }
    with pytest.raises(InputError, match="no dialogue"):
        build(config_from_values(DataConfig, values, where="test"))
    assert not (tmp_path / "out").exists()


def test_an_empty_file_beside_others_is_counted(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", GOOD)
    (tmp_path / "b.jsonl").write_text("")
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "*.jsonl"), kind="chat")
    made = list(make_conversations(source, root=None, seed=0))
    assert [item.reason for item in made] == [None, None, None, "empty_file"]


def test_a_json_list_is_a_source_too(tmp_path: Path) -> None:
    (tmp_path / "alpaca.json").write_text(json.dumps(GOOD, ensure_ascii=False, indent=1))
    source = ConversationSourceConfig(name="c", path=str(tmp_path / "alpaca.json"), kind="chat")
    assert [item.reason for item in make_conversations(source, root=None, seed=0)] == [None] * 3
