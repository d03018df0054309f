"""Instruction data through the public build: dialogues alone, and all that is said of them in what is written."""

import json
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.config import config_from_values
from qaz_llm.data.build import build
from qaz_llm.data.config import DataConfig
from qaz_llm.errors import ConfigError, InputError
from qaz_llm.io import read_jsonl, write_jsonl

ALPACA = [
    {"id": 0, "instruction": "Қазақстанның астанасы қай қала?", "output": "Астана."},
    {"id": 1, "instruction": "Ең биік тау қайсысы?", "output": "Хан Тәңірі."},
]
CODE = "Мына қадамдарды орындаңыз:\n\n1. Жазыңыз:\n\n   ```python\n   def f(x):\n       return -x\n   ```\n\n2. Тексеріңіз."


def config_of(
    tmp_path: Path, files: dict[str, list[dict[str, Any]]], *sources: dict[str, Any], **values: Any
) -> DataConfig:
    for name, rows in files.items():
        write_jsonl(tmp_path / "in" / name, rows)
    given = {"conversations": sources, "root": str(tmp_path / "in"), "out": str(tmp_path / "out"), **values}
    return config_from_values(DataConfig, given, where="test")


def rows_of(folder: Path, prefix: str) -> list[dict[str, Any]]:
    return [row for path in sorted(folder.glob(f"{prefix}-*")) for row in read_jsonl(path)]


@pytest.fixture
def alone(tmp_path: Path) -> DataConfig:
    pair = [{"role": "user", "content": "Бiлiм деген не?"}, {"role": "assistant", "content": CODE}]
    chats = [
        {"messages": pair, "by": "CC-BY-4.0"},
        {"messages": [*pair, {"role": "user", "content": "Тағы?"}], "by": "CC-BY-SA-4.0"},
        {"messages": pair[:1], "by": "CC-BY-4.0"},
    ]
    files = {"a.jsonl": ALPACA, "b.jsonl": [{**row, "output": "Білмеймін."} for row in ALPACA], "chat/c.jsonl": chats}
    return config_of(
        tmp_path,
        files,
        {"name": "alpaca", "path": "[ab].jsonl", "kind": "chat", "licence": "CC0-1.0"},
        {"name": "chats", "path": "chat", "kind": "chat", "licence": "MIT", "licence_field": "by"},
    )


def test_dialogues_alone(alone: DataConfig) -> None:
    planned = build(alone, dry_run=True).describe()
    assert "conversations alpaca: 2 files" in planned and "conversations chats: 1 file" in planned
    result = build(alone)
    out = alone.out
    ids = ["alpaca/a.jsonl/0", "alpaca/a.jsonl/1", "alpaca/b.jsonl/0", "alpaca/b.jsonl/1", "chats/0000000"]
    assert [row["id"] for row in rows_of(out, "conversations")] == ids
    assert rows_of(out, "conversations")[-1]["messages"] == [
        {"role": "user", "content": "Білім деген не?"},
        {"role": "assistant", "content": CODE},
    ]
    dropped = {row["id"]: (row["reason"], row["roles"], row.get("of")) for row in rows_of(out, "dropped_conversations")}
    assert dropped == {
        "chats/0000001": ("exact_duplicate", ["user", "assistant"], "chats/0000000"),
        "chats/0000002": ("no_answer", ["user"], None),
    }
    assert result.describe().splitlines()[:2] == [
        "5 of 7 conversations kept",
        "conversations dropped: exact_duplicate 1, no_answer 1",
    ]


def test_what_is_written_of_dialogues_alone_is_whole(alone: DataConfig) -> None:
    build(alone)
    manifest = json.loads((alone.out / "manifest.json").read_text())
    assert (manifest["documents_in"], manifest["documents_out"], manifest["sources"]) == (0, 0, {})
    made = manifest["conversations"]
    assert (made["in"], made["out"], made["repairs"]) == (7, 5, {"lookalike": 1})
    size = sum(len(m["content"].encode()) for row in rows_of(alone.out, "conversations") for m in row["messages"])
    assert sum(source["bytes_out"] for source in made["sources"].values()) == size
    ledger = json.loads((alone.out / "licences.json").read_text())
    assert list(ledger["sources"]["chats"]["licences"]) == ["CC-BY-4.0"]
    assert set(ledger["sources"]["alpaca"]["files"]) == {"a.jsonl", "b.jsonl"}
    card = (alone.out / "README.md").read_text()
    assert "config_name: conversations" in card and "config_name: documents" not in card
    assert "conversations dropped: exact_duplicate 1, no_answer 1" in card
    report = (alone.out / "report.html").read_text()
    assert "no_answer · 1" in report and "chats/0000001 – a copy of chats/0000000" in report
    assert not list(alone.out.glob("documents-*"))


def test_a_build_is_the_same_again(alone: DataConfig) -> None:
    build(alone)
    first = {path.name: path.read_bytes() for path in alone.out.iterdir()}
    build(alone)
    assert {path.name: path.read_bytes() for path in alone.out.iterdir()} == first


def test_neither_documents_nor_dialogues_is_no_build(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one is needed"):
        config_of(tmp_path, {})


def test_nothing_left_and_nothing_allowed_are_said(tmp_path: Path) -> None:
    source = {"name": "c", "path": "a.jsonl", "kind": "chat", "licence": "CC-BY-NC-4.0"}
    rows = {"a.jsonl": [{"messages": [{"role": "narrator", "content": "Бір күні…"}]}] * 2}
    with pytest.raises(InputError, match=r"no conversation is left of 2 \(unknown_role 2\)"):
        build(config_of(tmp_path, rows, source))
    with pytest.raises(InputError, match="the licence policy refuses every source"):
        build(config_of(tmp_path, rows, source, licences={"non_commercial": "refuse"}))
