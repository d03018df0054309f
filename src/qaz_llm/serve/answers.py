"""An engine's answer, or a piece of one, read strictly: what is not in OpenAI's form is a fault of the engine, never an empty answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

OTHER_TEXTS = ("reasoning_content", "reasoning", "refusal")
"""Texts that stand beside `content`."""
NO_END = ("error", "abort")
"""Ends that vLLM names where an answer has none."""


class BadAnswer(Exception):
    """An engine sent what is no answer.

    Args:
        message: what was wrong, for the client.
        said: the engine's own words, for the log.
    """

    def __init__(self, message: str, *, said: str | None = None) -> None:
        super().__init__(message)
        self.said = said


@dataclass(frozen=True, slots=True)
class Part:
    """An answer, or a piece of it."""

    text: str = ""
    others: Mapping[str, Any] = field(default_factory=dict)
    """OTHER_TEXTS, `role` and `tool_calls`, as far as there are any."""
    finish: str | None = None
    """Why the answer ends here; an answer without one was cut off, however its connection ended."""
    usage: Any = None
    logprobs: Any = None

    @property
    def letters(self) -> int:
        """Of all its texts."""
        return len(self.text) + sum(len(held) for key, held in self.others.items() if key in OTHER_TEXTS)


def part_of(value: Any, *, is_chat: bool, is_piece: bool) -> Part:
    """What a JSON value says. Raises BadAnswer."""
    if not isinstance(value, dict):
        raise BadAnswer("the engine's answer is no JSON object")
    if value.get("error") is not None:
        raise BadAnswer("the engine had an error amid the answer", said=words_of(value))
    choices = value.get("choices")
    if is_piece and choices == []:  # the tokens, in an event of their own
        return Part(usage=value.get("usage"))
    choice = choices[0] if isinstance(choices, list) and len(choices) == 1 else None  # no request asks for two
    if not isinstance(choice, dict) or choice.get("index", 0) != 0:
        raise BadAnswer("the engine's answer is not in OpenAI's form: choices")
    finish = choice.get("finish_reason")
    if not isinstance(finish, str | None) or finish in NO_END:
        raise BadAnswer("the engine gave the answer up", said=f"finish_reason {finish!r}"[:100])
    place = ("delta" if is_piece else "message") if is_chat else "text"
    said = choice.get(place)
    if not isinstance(said, dict if is_chat else str):
        raise BadAnswer(f"the engine's answer is not in OpenAI's form: {place}")
    text, others = _texts(said, is_piece) if isinstance(said, dict) else (said, {})
    return Part(text, others, finish or None, value.get("usage"), choice.get("logprobs"))


def _texts(message: Mapping[str, Any], is_piece: bool) -> tuple[str, dict[str, Any]]:
    text = message.get("content")
    if not isinstance(text, str | None):
        raise BadAnswer("the engine's answer is not in OpenAI's form: content")
    others = {key: message[key] for key in (*OTHER_TEXTS, "role", "tool_calls") if message.get(key)}
    for key, held in others.items():
        if not isinstance(held, list if key == "tool_calls" else str):
            raise BadAnswer(f"the engine's answer is not in OpenAI's form: {key}")
    if not is_piece and "content" not in message and not set(others) - {"role"}:
        raise BadAnswer("the engine's answer is not in OpenAI's form: message")
    return text or "", others


def words_of(value: Any) -> str:
    """What an engine says of an error, wherever it puts it."""
    error = value.get("error", value.get("detail", value)) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)
