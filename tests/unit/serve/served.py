"""A gateway that runs, with an engine behind it that answers what it is told to, and OpenAI's client before it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import httpx2
import openai
import pytest
from fake_engine import FakeEngine

KEY = "abcdefghijklmnop-1234"
ASK = [{"role": "user", "content": "Сәлем!"}]
BEARER = {"authorization": f"Bearer {KEY}"}


@dataclass
class Service:
    """A gateway that runs, and the engine behind it."""

    url: str
    engine: FakeEngine
    client: openai.OpenAI

    def chat(self, **values: Any) -> Any:
        return self.client.chat.completions.create(model="demo", messages=values.pop("messages", ASK), **values)

    def text_of(self, **values: Any) -> tuple[str, list[Any]]:
        """A streamed answer as one text, and its pieces."""
        pieces = list(self.chat(stream=True, **values))
        return "".join(p.choices[0].delta.content or "" for p in pieces if p.choices), pieces

    def post(self, path: str = "/v1/chat/completions", **values: Any) -> httpx2.Response:
        """A request as it is, without a client that reads the answer."""
        said = {"messages": ASK} if "chat" in path else {"prompt": "Сәлем"}
        return httpx2.post(f"{self.url}{path}", json={"model": "demo", **said, **values}, headers=BEARER, timeout=30)


Start = Callable[..., AbstractContextManager[Service]]


def refused(call: Callable[[], Any]) -> tuple[int, Any, httpx2.Headers]:
    """Status, error and headers of a call that is to be refused."""
    with pytest.raises(openai.APIStatusError) as caught:
        call()
    return caught.value.status_code, caught.value.body, caught.value.response.headers


class Kept(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def requests(self) -> list[dict[str, Any]]:
        """The lines of requests."""
        return [json.loads(line) for line in self.lines if line.startswith("{")]
