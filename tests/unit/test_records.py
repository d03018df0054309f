"""Records: rows and back, and that they cannot be changed."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm import records
from qaz_llm.records import Conversation, Document, Message

words = st.text(max_size=20)
documents = st.builds(
    Document, id=words, text=words, source=words, language=words, script=words, licence=words,
    url=st.none() | words, meta=st.dictionaries(words, st.integers() | words, max_size=3),
)  # fmt: skip
calls = st.builds(
    lambda name, arguments: {"type": "function", "function": {"name": name, "arguments": arguments}},
    words, st.dictionaries(words, words | st.integers(), max_size=2),
)  # fmt: skip
roles = st.sampled_from(["system", "user", "assistant", "tool"])
messages = st.builds(
    Message, roles, words, reasoning=words, tool_calls=st.lists(calls, max_size=2).map(tuple), tool_call_id=words,
    name=words, is_learned=st.booleans(),
)  # fmt: skip
conversations = st.builds(
    Conversation, id=words, source=words, language=words, licence=words,
    messages=st.lists(messages | st.builds(Message, roles, words), max_size=4).map(tuple),
    tools=st.lists(calls, max_size=2).map(tuple),
)  # fmt: skip


@given(document=documents)
def test_documents_survive_a_json_row(document: Document) -> None:
    row = json.loads(json.dumps(document.to_row()))
    assert Document.from_row(row) == document
    assert list(row)[:6] == ["id", "text", "source", "language", "script", "licence"]
    assert ("url" in row) == (document.url is not None)
    assert ("meta" in row) == bool(document.meta)


@given(conversation=conversations)
def test_conversations_survive_a_json_row(conversation: Conversation) -> None:
    row = json.loads(json.dumps(conversation.to_row()))
    assert Conversation.from_row(row) == conversation
    assert [(m["role"], m["content"]) for m in row["messages"]] == [(m.role, m.content) for m in conversation.messages]
    plain = [m for m in conversation.messages if m == Message(m.role, m.content)]
    assert all(m.to_row() == {"role": m.role, "content": m.content} for m in plain)


@pytest.mark.parametrize("key", ["id", "text", "source", "language", "script", "licence"])
def test_a_row_without_a_required_key_is_refused(key: str) -> None:
    row = dict.fromkeys(("id", "text", "source", "language", "script", "licence"), "x")
    del row[key]
    with pytest.raises(KeyError, match=key):
        Document.from_row(row)


def test_records_are_frozen_and_have_slots() -> None:
    classes: list[Any] = [c for c in vars(records).values() if dataclasses.is_dataclass(c)]
    assert len(classes) > 8
    for record in classes:
        assert record.__dataclass_params__.frozen, record
        assert hasattr(record, "__slots__"), record
    document = Document("1", "a", "s", "kk", "Cyrl", "CC0-1.0")
    with pytest.raises(dataclasses.FrozenInstanceError):
        document.text = "b"  # type: ignore[misc]
    assert document.meta == {}
