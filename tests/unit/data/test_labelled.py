"""What a build does with texts that say of themselves, by a C2PA label, that a machine made them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.data.build import build
from qaz_llm.data.config import DataConfig
from qaz_llm.io import read_json, read_jsonl, write_jsonl


def selector(byte: int) -> str:
    """C2PA 2.4, A.8.3.1."""
    return chr(0xFE00 + byte) if byte <= 15 else chr(0xE0100 + byte - 16)


LABEL = "\ufeff" + "".join(map(selector, b"C2PATXT\0\x01" + (1800).to_bytes(4, "big") + b"\x07\xd2\x91" * 600))
PLAIN = "Ауылда жаңа мектеп салынып жатыр, ол келер жылы қыркүйекте ашылады деп күтілуде."
MADE = "Қазақ тілі – түркі тілдерінің қыпшақ тобына жататын тіл, онда миллиондаған адам сөйлейді."


def build_of(tmp_path: Path, **values: Any) -> tuple[dict[str, Any], Path]:
    write_jsonl(tmp_path / "d.jsonl", [{"text": PLAIN + " ❤\ufe0f"}, {"text": MADE + LABEL}])
    turns = [{"role": "user", "content": "Қазақ тілі қандай тіл?"}, {"role": "assistant", "content": MADE + LABEL}]
    other = [
        {"role": "user", "content": "Мектеп қашан ашылады?"},
        {"role": "assistant", "content": "Қыркүйекте ашылады."},
    ]
    write_jsonl(tmp_path / "c.jsonl", [{"messages": turns}, {"messages": other}])
    config = DataConfig.model_validate(
        {
            "sources": [{"name": "s", "path": str(tmp_path / "d.jsonl"), "licence": "CC0-1.0"}],
            "conversations": [{"name": "c", "path": str(tmp_path / "c.jsonl"), "kind": "chat", "licence": "CC0-1.0"}],
            "filters": {"preset": "none"},
            "out": tmp_path / "out",
            **values,
        }
    )
    build(config)
    return read_json(tmp_path / "out" / "manifest.json"), tmp_path / "out"


def rows(out: Path, prefix: str) -> Iterator[dict[str, Any]]:
    return (row for path in sorted(out.glob(f"{prefix}-*")) for row in read_jsonl(path))


def test_they_are_dropped_unless_the_policy_says_otherwise(tmp_path: Path) -> None:
    manifest, out = build_of(tmp_path)
    assert manifest["dropped"] == {"labelled": 1}
    assert manifest["conversations"]["dropped"] == {"labelled": 1}
    assert manifest["labelled"] == {"policy": "drop", "documents": 1, "conversations": 1}
    assert [row["text"] for row in rows(out, "documents")] == [PLAIN + " ❤\ufe0f"]
    assert [row["reason"] for row in rows(out, "dropped")] == ["labelled"]
    assert "labelled as machine-made: 1 documents, 1 conversations, dropped" in (out / "README.md").read_text()


@pytest.mark.parametrize("policy", ["keep", "mark"])
def test_they_are_kept_without_their_labels(tmp_path: Path, policy: str) -> None:
    manifest, out = build_of(tmp_path, labelled=policy)
    assert manifest["dropped"] == {}
    assert manifest["labelled"] == {"policy": policy, "documents": 1, "conversations": 1}
    assert manifest["repairs"]["label"] == 1
    documents = {row["text"]: row["meta"].get("machine_made") for row in rows(out, "documents")}
    assert documents == {PLAIN + " ❤\ufe0f": None, MADE: True if policy == "mark" else None}
    answers = {row["messages"][-1]["content"]: row.get("machine_made") for row in rows(out, "conversations")}
    assert answers == {"Қыркүйекте ашылады.": None, MADE: True if policy == "mark" else None}
