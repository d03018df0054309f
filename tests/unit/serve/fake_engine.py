"""An engine that answers what it is told to, a model folder of 256 tokens that are bytes, and servers in threads."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for m in messages %}{% if m.role == 'system' and loop.index > 1 %}{{ raise_exception('system first') }}{% endif %}"
    "[{{ m.role }}]{{ m.content }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}"
)
WINDOW = 200


def make_model_folder(folder: Path, *, template: str | None = TEMPLATE) -> Path:
    """A tokenizer in which a token is a byte, so that tokens can be counted by hand, and no weights."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: i for i, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    if template is not None:
        fast.chat_template = template
    fast.save_pretrained(folder)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "max_position_embeddings": WINDOW}))
    (folder / "generation_config.json").write_text(json.dumps({"do_sample": False, "eos_token_id": [1, 4]}))
    return folder


@dataclass
class FakeEngine:
    """What it says, and what it was asked."""

    pieces: tuple[str, ...] = ("Сәлем", ", ", "әлем!")
    message: dict[str, Any] = field(default_factory=dict)
    finish: str = "stop"
    dies_after: int | None = None
    """Close the connection after so many pieces."""
    deaths: int = 10**9
    """How often it dies before it lives."""
    slow_s: float = 0.0
    piece_s: float = 0.0
    """Between two pieces of a stream."""
    status: int = 200
    well: bool = True
    reply: Callable[[dict[str, Any]], Response] | None = None
    """What it answers in place of all that, to a request."""
    asked: list[dict[str, Any]] = field(default_factory=list)

    def app(self) -> FastAPI:
        app = FastAPI()

        @app.get("/health")
        def health() -> Response:
            return Response(status_code=200 if self.well else 503)

        @app.get("/v1/models")
        def listed() -> dict[str, Any]:
            return {"data": [{"id": "fake"}]}

        @app.post("/v1/chat/completions")
        async def chat(request: Request) -> Response:
            return await self._answer(await request.json(), is_chat=True)

        @app.post("/v1/completions")
        async def completions(request: Request) -> Response:
            return await self._answer(await request.json(), is_chat=False)

        return app

    async def _answer(self, body: dict[str, Any], *, is_chat: bool) -> Response:
        self.asked.append(body)
        await asyncio.sleep(self.slow_s)
        if self.reply is not None:
            return self.reply(body)
        if self.status != 200:
            return JSONResponse({"error": "the engine said no"}, self.status)
        dies = self.dies_after is not None and self.deaths > 0
        if dies:
            self.deaths -= 1
        if body["stream"]:
            return StreamingResponse(self._stream(is_chat, dies), media_type="text/event-stream")
        if dies:  # a body that breaks off
            return StreamingResponse(iter(['{"choices"']), headers={"content-length": "9999"})
        text = "".join(self.pieces)
        part = {"message": {"role": "assistant", "content": text, **self.message}} if is_chat else {"text": text}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        return JSONResponse({"choices": [{"index": 0, "finish_reason": self.finish, **part}], "usage": usage})

    async def _stream(self, is_chat: bool, dies: bool) -> AsyncIterator[str]:
        for number, piece in enumerate(self.pieces):
            if dies and number == self.dies_after:
                raise ConnectionResetError
            part = {"delta": {"content": piece, **self.message}} if is_chat else {"text": piece}
            yield f"data: {json.dumps({'choices': [{'index': 0, **part}]}, ensure_ascii=False)}\n\n"
            await asyncio.sleep(self.piece_s)
        last = {"delta": {}} if is_chat else {"text": ""}
        usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
        yield f"data: {json.dumps({'choices': [{'index': 0, 'finish_reason': self.finish, **last}], 'usage': usage})}\n\n"


@contextmanager
def running(app: Any) -> Iterator[str]:
    """The address at which an application answers while the block runs."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1))
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the application did not start")
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
