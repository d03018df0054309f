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
import traceback
import unicodedata
from collections.abc import Mapping
from contextlib import aclosing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from starlette.requests import ClientDisconnect, Request

from qaz_llm.progress import get_logger
from qaz_llm.serve.asking import Asking, Job
from qaz_llm.serve.config import ServeConfig
from qaz_llm.serve.facts import ModelFacts
from qaz_llm.serve.fields import Asked, read_request
from qaz_llm.serve.keys import Keys
from qaz_llm.serve.labelling import FIELD, AnswerLabels, Behind
from qaz_llm.serve.limits import Queue, RateLimit
from qaz_llm.serve.outgoing import EVENTS, ClientGone, Outgoing
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.said import Said
from qaz_llm.serve.shapes import DONE, Shape, counts_of, new_shape, usage_of
from qaz_llm.serve.workers import Workers

NOTICE_HEADER = "x-qaz-notice"
SHORT_CHARS = 4000
"""A prompt so short is counted at once; a longer one in a thread, so that other answers go on."""
COUNTING = 2
"""Long texts counted at once: who sends many of them waits for oneself."""
LONG_ANSWER_CHARS = 100_000
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
        self._counting = asyncio.Semaphore(COUNTING)
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
            body = await self._body(request)
            out.has_request.set()
            job = await self._read(body, request, state["who"], is_chat)
            async with self._queue.place():
                await (self._stream(job, out, began) if job.asked.stream else self._whole(job, out))
        except Refused as refused:
            state |= {"refused": refused.code, **({"said": refused.said} if refused.said else {})}
            with suppress(ClientGone):
                await out.refuse(refused)
        except asyncio.CancelledError:
            state["refused"] = "service_ended" if out.is_ended else "client_gone"
            raise
        except ClientDisconnect:
            state["refused"] = "client_gone"
        except ClientGone as gone:
            state["refused"] = str(gone)
        except Exception as error:
            state |= {
                "refused": type(error).__name__,
                "at": _place_of(error),
            }  # no message: it could hold what was said
            await out.refuse(Refused(500, "a fault of this service; it is in its log", code="internal_error"))
        finally:
            self._log(request.url.path, out.status, time.monotonic() - began, state, job)

    async def _read(self, data: bytes, request: Request, who: str, is_chat: bool) -> Job:
        """The request as a job. Raises Refused."""
        try:
            body = json.loads(data)
            _check_characters(body)
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
        if size <= SHORT_CHARS:
            count = self._count(asked)
        else:
            async with self._counting:
                count = await asyncio.to_thread(self._count, asked)
        room = self.facts.room_for_answer(count, asked.max_tokens, self.config.limits.answer_tokens)
        return Job(asked, who, count, room)

    async def _body(self, request: Request) -> bytes:
        """The body, as long as it may be and within the time for it. Raises Refused."""
        limits = self.config.limits
        too_large = Refused(413, f"the body has more than {limits.body_bytes:,} bytes", code="body_too_large")
        announced = request.headers.get("content-length", "")
        if announced.isdecimal() and (len(announced) > 20 or int(announced) > limits.body_bytes):
            raise too_large
        data = bytearray()
        try:
            async with asyncio.timeout(limits.client_s):
                async for chunk in request.stream():
                    data += chunk
                    if len(data) > limits.body_bytes:
                        raise too_large
        except TimeoutError as error:
            message = f"the body did not come within {limits.client_s:g} s"
            raise Refused(408, message, code="request_timeout") from error
        return bytes(data)

    def _count(self, asked: Asked) -> int:
        if not asked.is_chat:
            return self.facts.count_prompt(asked.prompt)
        return self.facts.count_messages(asked.messages, asked.passed.get("tools"))

    async def _whole(self, job: Job, out: Outgoing) -> None:
        part = await self._asking.whole(job)
        said = Said(job.asked)
        said.take(part)
        said.rest()
        behind = await self._behind(said)
        others = {key: held + behind.beside.get(key, "") for key, held in said.beside.items() if held}
        if said.has_calls:
            others["tool_calls"] = part.others["tool_calls"]
        usage = await self._usage(job, said)
        shape = new_shape(self.config.name, is_chat=job.asked.is_chat)
        made = shape.choice(_composed(said.text) + behind.text, said.finish, others, part.logprobs)
        await out.whole(200, shape.whole(made, usage, {FIELD: behind.field}))

    async def _stream(self, job: Job, out: Outgoing, began: float) -> None:
        shape = new_shape(self.config.name, is_chat=job.asked.is_chat)
        said = Said(job.asked)
        try:
            async with aclosing(self._asking.parts(job)) as parts:
                async for part in parts:
                    text, others = said.take(part)
                    if not text and not others:
                        continue
                    if not out.status:
                        job.notes["first_ms"] = round(1000 * (time.monotonic() - began))
                        await out.start(200, EVENTS)
                    await out.write(shape.piece(text or None, others=others, logprobs=part.logprobs))
        except Refused:
            if out.status:  # what was sent is machine-made, whatever ended it
                await out.write(_last(shape, "", {}, await self._behind(said)))
            raise
        if not out.status:
            await out.start(200, EVENTS)
        held, beside = said.rest()
        behind = await self._behind(said)
        await out.write(_last(shape, held, beside, behind))
        await out.write(shape.piece(None, finish=said.finish, field={FIELD: behind.field}))
        usage = await self._usage(job, said)
        if job.asked.wants_usage:
            await out.write(shape.usage(usage))
        await out.write(DONE)
        await out.end()

    async def _behind(self, said: Said) -> Behind:
        """Notice and labels; of long texts in a thread, so that other answers go on."""
        if len(said.text) + sum(map(len, said.beside.values())) <= LONG_ANSWER_CHARS:
            return self.labels.behind(said)
        return await asyncio.to_thread(self.labels.behind, said)

    async def _usage(self, job: Job, said: Said) -> dict[str, int]:
        """The engine's own count of tokens, ours where it gives none; it goes to the log as well."""
        job.notes |= {"removed": dict(said.removed)} if said.removed else {}
        prompt, answer = counts_of(said.usage)
        if answer is None:
            async with self._counting:
                answer = await asyncio.to_thread(self.facts.count_answer, "".join((said.text, *said.beside.values())))
        job.answer_tokens = answer
        return usage_of(job.prompt_tokens if prompt is None else prompt, answer)

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


def _last(shape: Shape, held: str, beside: Mapping[str, str], behind: Behind) -> bytes:
    """The last piece of each text, with the notice and the labels, over all that was said; nothing where there is none."""
    others = {key: beside.get(key, "") + behind.beside.get(key, "") for key in (*beside, *behind.beside)}
    others = {key: text for key, text in others.items() if text}
    return shape.piece(held + behind.text or None, others=others) if held or behind.text or others else b""


def _place_of(error: BaseException) -> str:
    """The file and line that an error comes from."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"


def _check_characters(body: Any) -> None:
    """Raise ValueError where a text has half a character in it, which is none in UTF-8 and no tokenizer takes."""
    json.dumps(body, ensure_ascii=False).encode("utf-8")


def _composed(text: str) -> str:
    """As it stands before its label: letters and their marks composed."""
    return unicodedata.normalize("NFC", text)
