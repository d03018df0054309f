"""Clients that send or read slowly, bodies that never come, prompts that are far too long, and addresses of small use."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fake_engine import WINDOW, make_model_folder
from fastapi import Response
from fastapi.responses import StreamingResponse
from hypothesis import given, settings
from hypothesis import strategies as st
from served import ASK, BEARER, KEY, Kept, Service, Start, refused

from qaz_llm.serve.config import Limits
from qaz_llm.serve.facts import FAR, FAR_LETTERS, ModelFacts, read_facts
from qaz_llm.serve.refusals import Refused


def connected(service: Service, length: int, body: bytes) -> socket.socket:
    """A request sent as bytes, with a small buffer for what comes back."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    made.settimeout(20)
    made.connect(("127.0.0.1", int(service.url.rpartition(":")[2])))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\nContent-Length: {length}\r\n\r\n"
    made.sendall(head.encode() + body)
    return made


def all_of(made: socket.socket) -> str:
    data = b""
    while not data.endswith(b"0\r\n\r\n") and (piece := made.recv(1 << 16)):
        data += piece
    return data.decode("utf-8", "replace")


def test_a_body_that_is_too_long_by_its_own_word_is_not_waited_for(start: Start) -> None:
    with start() as service, connected(service, 999_999_999_999, b"{") as made:
        assert made.recv(100).startswith(b"HTTP/1.1 413")


def test_a_body_that_does_not_come_is_not_waited_for(start: Start, kept: Kept) -> None:
    with start(limits=Limits(client_s=0.3)) as service, connected(service, 500, b"{") as made:
        assert made.recv(100).startswith(b"HTTP/1.1 408")
    assert kept.requests()[-1]["refused"] == "request_timeout"


def test_a_body_in_pieces_is_read_whole(start: Start) -> None:
    body = json.dumps({"model": "demo", "messages": ASK}).encode()
    with start() as service, connected(service, len(body), body[:1]) as made:
        for place in range(1, len(body)):
            made.sendall(body[place : place + 1])
            time.sleep(0.001)
        assert made.recv(100).startswith(b"HTTP/1.1 200")


def endless(_body: dict[str, Any]) -> Response:
    event = "data: " + json.dumps({"choices": [{"delta": {"content": "а" * 50}}]}) + "\n\n"
    return StreamingResponse((event for _ in range(1 << 14)), media_type="text/event-stream")


@pytest.fixture
def long_folder(tmp_path: Path) -> Path:
    """A model whose answers may be longer than all buffers between an engine and a client."""
    made = make_model_folder(tmp_path / "long")
    (made / "config.json").write_text('{"max_position_embeddings": 1000000}')
    return made


LONG = json.dumps({"model": "demo", "messages": ASK, "stream": True, "max_tokens": 1 << 20}).encode()


def test_who_reads_late_gets_label_and_reason(start: Start, kept: Kept, long_folder: Path) -> None:
    with start(model=long_folder, limits=Limits(request_s=0.5)) as service:
        service.engine.reply = endless
        with connected(service, len(LONG), LONG) as made:
            time.sleep(1.0)
            text = all_of(made)
    assert '"code":"engine_timeout"' in text
    assert text.endswith("0\r\n\r\n")
    assert "\ufeff" in text
    assert kept.requests()[-1]["refused"] == "engine_timeout"


def test_who_reads_nothing_is_left(start: Start, kept: Kept, long_folder: Path) -> None:
    with start(model=long_folder, limits=Limits(client_s=0.3, concurrency=1)) as service:
        service.engine.reply = endless
        with connected(service, len(LONG), LONG):
            end = time.monotonic() + 20
            while not kept.requests() and time.monotonic() < end:
                time.sleep(0.05)
            service.engine.reply = None
            service.chat()  # the place is free again
    assert [line.get("refused") for line in kept.requests()] == ["client_too_slow", None]


@pytest.fixture(scope="module")
def facts(folder: Path) -> ModelFacts:
    return read_facts(folder, None)


@settings(max_examples=30, deadline=None)
@given(st.text(max_size=200))
def test_counts_are_those_of_the_tokenizer(facts: ModelFacts, text: str) -> None:
    assert facts.count_prompt(text) == facts.count_answer(text) == len(text.encode("utf-8", "replace"))


def test_of_a_prompt_that_is_far_too_long_the_beginning_alone_is_counted(facts: ModelFacts) -> None:
    counted: list[int] = []

    class Spy:
        def encode_batch_fast(self, texts: list[str], **values: Any) -> Any:
            counted.extend(map(len, texts))
            return facts.tokenizer.backend_tokenizer.encode_batch_fast(texts, **values)

    class Tokenizer:
        backend_tokenizer = Spy()

    spied = ModelFacts(facts.folder, WINDOW, {}, Tokenizer())  # type: ignore[arg-type]
    with pytest.raises(Refused, match=f"more than {FAR * WINDOW}") as caught:
        spied.count_prompt("а" * 1_000_000)
    assert caught.value.code == "context_length_exceeded"
    assert sum(counted) == FAR_LETTERS * WINDOW
    counted.clear()
    assert spied.count_prompt("а" * 150) == 300
    assert counted == [150]


def test_small_addresses(start: Start) -> None:
    with start() as service:
        assert service.client.models.retrieve("demo").id == "demo"
        status, error, headers = refused(lambda: service.client.models.retrieve("other"))
        assert (status, error["code"], headers["x-ai-generated"]) == (404, "model_not_found", "true")
        assert httpx2.get(f"{service.url}/v1/models/demo").status_code == 401
        assert httpx2.head(f"{service.url}/health").status_code == 200
        answer = httpx2.post(f"{service.url}/v1/chat/completions/", json={}, headers=BEARER)
        assert (answer.status_code, answer.headers["x-ai-generated"]) == (404, "true")
        service.chat(messages=[{"role": "developer", "content": "Қысқа."}, *ASK])
        assert [turn["role"] for turn in service.engine.asked[-1]["messages"]] == ["system", "user"]
