"""The way of a request: key, rate, size, fields, window, a place, an engine, and an answer that says what it is.

Authorization → who asks          401, 429
body → Asked                      413, 400 and 404, naming the field
tokens → room for the answer      400 with the numbers
a place in the queue → an engine  503, 502, 504
answer + notice + label           header x-ai-generated, field qaz_label, label behind free text
"""

from __future__ import annotations

import asyncio
import json
import time
import unicodedata
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx2
from starlette.requests import Request

from qaz_llm.progress import get_logger
from qaz_llm.serve.asking import Asking, Job
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.events import StopCutter
from qaz_llm.serve.facts import ModelFacts
from qaz_llm.serve.fields import Asked, read_request
from qaz_llm.serve.keys import Keys
from qaz_llm.serve.labelling import FIELD, AnswerLabels
from qaz_llm.serve.limits import Queue, RateLimit
from qaz_llm.serve.outgoing import EVENTS, Outgoing
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.shapes import DONE, Shape, new_shape, usage_of
from qaz_llm.serve.workers import Workers

NOTICE_HEADER = "x-qaz-notice"
SHORT_CHARS = 4000
"""A prompt so short is counted at once; a longer one in a thread, so that other answers go on."""
_OTHERS = ("role", "tool_calls", "reasoning_content", "reasoning", "refusal")
_logger = get_logger("serve")


@dataclass
class Gateway:
    """All that a request goes through."""

    config: ServeConfig
    facts: ModelFacts
    keys: Keys
    labels: AnswerLabels
    workers: Workers
    client: httpx2.AsyncClient

    def __post_init__(self) -> None:
        limits = self.config.limits
        count = len(self.config.upstream) or self.config.workers
        self._rate = RateLimit(limits.requests_per_minute)
        self._queue = Queue(self.config.at_once * count, waiting=limits.queue, wait_s=limits.queue_s)
        self._asking = Asking(
            self.workers,
            self.client,
            engine=self.config.engine,
            settings=self.facts.settings,
            request_s=limits.request_s,
        )

    async def answer(self, request: Request, out: Outgoing, *, is_chat: bool) -> None:
        """Answer a request, or say why not; either way a line in the log, without what was said."""
        began = time.monotonic()
        job: Job | None = None
        state: dict[str, Any] = {"who": "-"}
        try:
            state["who"] = self.keys.who(request.headers.get("authorization"))
            self._rate.count(state["who"])
            job = await self._read(request, state["who"], is_chat)
            async with self._queue.place():
                await (self._stream(job, out, began) if job.asked.stream else self._whole(job, out))
        except Refused as refused:
            state["refused"] = refused.code
            await out.refuse(refused)
        except asyncio.CancelledError:
            state["refused"] = "client_gone"
            raise
        finally:
            self._log(request.url.path, out.status, time.monotonic() - began, state, job)

    async def _read(self, request: Request, who: str, is_chat: bool) -> Job:
        """The request as a job. Raises Refused."""
        try:
            body = json.loads(await self._body(request))
        except (ValueError, RecursionError) as error:
            raise Refused(400, "the body is no JSON in UTF-8", code="invalid_json") from error
        asked = read_request(
            body,
            is_chat=is_chat,
            engine=self.config.engine,
            name=self.config.name,
            notice=request.headers.get(NOTICE_HEADER),
            default_notice=self.config.notice,
        )
        self.labels.check(self.config.limits.request_s)
        size = len(asked.prompt) + sum(len(str(message["content"])) for message in asked.messages)
        count = self._count(asked) if size <= SHORT_CHARS else await asyncio.to_thread(self._count, asked)
        room = self.facts.room_for_answer(count, asked.max_tokens, self.config.limits.answer_tokens)
        return Job(asked, who, count, room)

    async def _body(self, request: Request) -> bytes:
        most = self.config.limits.body_bytes
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > most:
                raise Refused(413, f"the body has more than {most:,} bytes", code="body_too_large")
        return bytes(data)

    def _count(self, asked: Asked) -> int:
        if not asked.is_chat:
            return self.facts.count_prompt(asked.prompt)
        return self.facts.count_messages(asked.messages, asked.passed.get("tools"))

    async def _whole(self, job: Job, out: Outgoing) -> None:
        answer = await self._asking.whole(job)
        choice = answer["choices"][0]
        message = choice.get("message") or {}
        said = str((message.get("content") if job.asked.is_chat else choice.get("text")) or "")
        cutter = StopCutter(job.asked.stop)
        text = cutter.feed(said) + cutter.flush()
        others = {key: message[key] for key in _OTHERS[1:] if message.get(key)}
        free = job.asked.is_free_text and not others.get("tool_calls")
        behind, field = self.labels.behind(text, job.asked, is_free=free)
        shape = new_shape(self.config.name, is_chat=job.asked.is_chat)
        finish = "stop" if cutter.is_cut else choice.get("finish_reason") or "stop"
        usage = self._usage(answer.get("usage"), job, text)
        made = shape.choice(_composed(text) + behind, finish, others, choice.get("logprobs"))
        await out.whole(200, shape.whole(made, usage, {FIELD: field}))

    async def _stream(self, job: Job, out: Outgoing, began: float) -> None:
        shape = new_shape(self.config.name, is_chat=job.asked.is_chat)
        cutter, said = StopCutter(job.asked.stop), _Said()
        try:
            async with aclosing(self._asking.events(job)) as events:
                async for event in events:
                    piece = self._piece(event, shape, cutter, said)
                    if piece is None:
                        continue
                    if not out.status:
                        job.notes["first_ms"] = round(1000 * (time.monotonic() - began))
                        await out.start(200, EVENTS)
                    await out.write(piece)
        except Refused:
            if out.status:  # what was sent is machine-made, whatever ended it
                await out.write(self._last_text(job, shape, "", said)[0])
            raise
        if not out.status:
            await out.start(200, EVENTS)
        last, field = self._last_text(job, shape, cutter.flush(), said)
        await out.write(last)
        finish = "stop" if cutter.is_cut else said.finish or "stop"
        await out.write(shape.piece(None, finish=finish, field={FIELD: field}))
        usage = self._usage(said.usage, job, said.text)
        if job.asked.wants_usage:
            await out.write(shape.usage(usage))
        await out.write(DONE)
        await out.end()

    def _piece(self, event: dict[str, Any], shape: Shape, cutter: StopCutter, said: _Said) -> bytes | None:
        """What of an engine's event goes on to the client; None where nothing does."""
        said.usage = event.get("usage") or said.usage
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        delta = choice.get("delta") or {}
        said.finish = choice.get("finish_reason") or said.finish
        text = cutter.feed(str((delta.get("content") if shape.is_chat else choice.get("text")) or ""))
        others = {key: delta[key] for key in _OTHERS if delta.get(key)}
        said.has_calls |= "tool_calls" in others
        said.text += text
        if not text and not others:
            return None
        return shape.piece(text or None, others=others, logprobs=choice.get("logprobs"))

    def _last_text(self, job: Job, shape: Shape, held: str, said: _Said) -> tuple[bytes, dict[str, Any]]:
        """The last piece of text, with the notice and the label, over all that was said; and the field."""
        said.text += held
        free = job.asked.is_free_text and not said.has_calls
        behind, field = self.labels.behind(said.text, job.asked, is_free=free)
        return (shape.piece(held + behind) if held or behind else b""), field

    def _usage(self, given: Any, job: Job, text: str) -> dict[str, int]:
        """The engine's own count of tokens, ours where it gives none; it goes to the log as well."""
        usage = usage_of(given, job.prompt_tokens, lambda: self.facts.count_prompt(text))
        job.answer_tokens = usage["completion_tokens"]
        return usage

    def _log(self, path: str, status: int, seconds: float, state: dict[str, Any], job: Job | None) -> None:
        """Who asked, how much and how long; never what was said."""
        line: dict[str, Any] = {"path": path, "status": status, "ms": round(1000 * seconds), **state}
        if job is not None:
            line |= {
                "tokens_in": job.prompt_tokens,
                "tokens_out": job.answer_tokens,
                "engine": job.engine,
                **({"tries": job.tries} if job.tries > 1 else {}),
                **({"labels_removed": job.asked.labels_removed} if job.asked.labels_removed else {}),
                **job.notes,
            }
        _logger.info(json.dumps(line, ensure_ascii=False))


@dataclass
class _Said:
    """What a streamed answer has said so far."""

    text: str = ""
    finish: str | None = None
    usage: Any = None
    has_calls: bool = False


def _composed(text: str) -> str:
    """As it stands before its label: letters and their marks composed."""
    return unicodedata.normalize("NFC", text)
