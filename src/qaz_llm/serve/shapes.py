"""Answers in OpenAI's form, whole and in pieces."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Shape:
    """The names and places that chat and completions differ in."""

    is_chat: bool
    id: str
    created: int
    model: str

    def whole(self, choice: Mapping[str, Any], usage: Mapping[str, Any], field: Mapping[str, Any]) -> dict[str, Any]:
        """An answer in one piece."""
        kind = "chat.completion" if self.is_chat else "text_completion"
        return {**self._head(kind), "choices": [dict(choice)], "usage": dict(usage), **field}

    def choice(self, text: str, finish: str | None, others: Mapping[str, Any], logprobs: Any) -> dict[str, Any]:
        """The choice of a whole answer; `others` are a message's calls and thoughts."""
        made: dict[str, Any] = {"index": 0, "finish_reason": finish, "logprobs": logprobs}
        if not self.is_chat:
            return {**made, "text": text}
        content = None if not text and others.get("tool_calls") else text
        return {**made, "message": {"role": "assistant", "content": content, **others}}

    def piece(
        self,
        text: str | None = None,
        *,
        others: Mapping[str, Any] | None = None,
        finish: str | None = None,
        logprobs: Any = None,
        field: Mapping[str, Any] | None = None,
    ) -> bytes:
        """One event of a streamed answer."""
        made: dict[str, Any] = {"index": 0, "finish_reason": finish}
        if logprobs is not None:
            made["logprobs"] = logprobs
        if self.is_chat:
            made["delta"] = {**(others or {}), **({"content": text} if text is not None else {})}
        else:
            made["text"] = text or ""
        return event({**self._head(self._piece_kind), "choices": [made], **(field or {})})

    def usage(self, usage: Mapping[str, Any]) -> bytes:
        """The event behind the last piece, where it is asked for."""
        return event({**self._head(self._piece_kind), "choices": [], "usage": dict(usage)})

    @property
    def _piece_kind(self) -> str:
        return "chat.completion.chunk" if self.is_chat else "text_completion"

    def _head(self, kind: str) -> dict[str, Any]:
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def new_shape(model: str, *, is_chat: bool) -> Shape:
    """With an id of its own."""
    return Shape(is_chat, f"{'chatcmpl' if is_chat else 'cmpl'}-{uuid.uuid4().hex}", int(time.time()), model)


def event(value: Mapping[str, Any]) -> bytes:
    """A server-sent event."""
    return b"data: " + dumped(value) + b"\n\n"


def dumped(value: Any) -> bytes:
    """JSON in UTF-8; half a character, which some tokens are, becomes a question mark."""
    import orjson

    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


DONE = b"data: [DONE]\n\n"
MAX_COUNT = 1 << 40
"""More tokens than any window has."""


def counts_of(value: Any) -> tuple[int | None, int | None]:
    """Tokens of the prompt and of the answer, as far as an engine's `usage` says them."""
    given = value if isinstance(value, dict) else {}
    return _count(given.get("prompt_tokens")), _count(given.get("completion_tokens"))


def usage_of(prompt_tokens: int, answer_tokens: int) -> dict[str, int]:
    """`usage` of an answer."""
    total = prompt_tokens + answer_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": answer_tokens, "total_tokens": total}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < MAX_COUNT else None
