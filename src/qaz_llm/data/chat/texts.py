"""All that a conversation says, as a flat list of texts, and back: what is cleaned, redacted and compared of it.

Of a turn the content, the thoughts and the strings in the arguments of its calls, of the tools their descriptions; names of
functions and keys are no text.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from qaz_llm.records import Conversation, Message


def texts_of(conversation: Conversation) -> list[str]:
    """Every text in order, empty ones included."""
    texts: list[str] = []

    def note(text: str) -> str:
        texts.append(text)
        return text

    _mapped(conversation, note)
    return texts


def with_texts(conversation: Conversation, texts: Iterable[str]) -> Conversation:
    """The conversation with other texts in the places of those that `texts_of` gives."""
    others = iter(texts)
    return _mapped(conversation, lambda _: next(others))


def with_message_texts(message: Message, change: Callable[[str], str]) -> Message:
    """The turn with each of its texts changed, in the order of `texts_of`."""
    content = change(message.content)
    thoughts = change(message.reasoning) if message.reasoning else ""
    calls = tuple(
        {**call, "function": {**call["function"], "arguments": _strings(call["function"]["arguments"], change)}}
        for call in message.tool_calls
    )
    return replace(message, content=content, reasoning=thoughts, tool_calls=calls)


def said(message: Message) -> str:
    """A turn as one text to compare by: its content, and behind it its thoughts and calls, where it has any.

    >>> said(Message("assistant", "Қараймын.", tool_calls=({"function": {"name": "f", "arguments": {"x": 1}}},)))
    'Қараймын.\\n{"name": "f", "arguments": {"x": 1}}'
    """
    calls = (json.dumps(call["function"], ensure_ascii=False) for call in message.tool_calls)
    return "\n".join([message.content, *([message.reasoning] if message.reasoning else []), *calls])


def _mapped(conversation: Conversation, change: Callable[[str], str]) -> Conversation:
    messages = tuple(with_message_texts(message, change) for message in conversation.messages)
    return replace(conversation, messages=messages, tools=tuple(_described(t, change) for t in conversation.tools))


def _strings(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _strings(item, change) for key, item in value.items()}
    return [_strings(item, change) for item in value] if isinstance(value, list) else value


def _described(value: Any, change: Callable[[str], str]) -> Any:
    """A tool with its descriptions changed, at any depth."""
    if isinstance(value, Mapping):
        return {
            key: change(item) if key == "description" and isinstance(item, str) else _described(item, change)
            for key, item in value.items()
        }
    return [_described(item, change) for item in value] if isinstance(value, list) else value
