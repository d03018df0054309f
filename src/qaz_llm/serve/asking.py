"""A request put to an engine, and to another one where that one dies before anything of the answer was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from qaz_llm.serve.answers import BadAnswer, Part, part_of
from qaz_llm.serve.engines import body_for
from qaz_llm.serve.events import events_of
from qaz_llm.serve.faults import died, refusal_for, refusal_of
from qaz_llm.serve.fields import Asked
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.waiting import Waiting
from qaz_llm.serve.workers import Worker, Workers

TRIES = 3
WAIT_FOR_ENGINE_S = 30.0
BASE_BYTES = 64 << 10
TOKEN_BYTES, STREAM_TOKEN_BYTES, LOGPROBS_BYTES = 512, 2048, 16 << 10
"""Of one token at most, generously: 85 letters that JSON writes as \\uXXXX; with the event around it; with 20 others and their bytes."""
MAX_ANSWER_BYTES = 8 << 20
MAX_ERROR_BYTES = 64 << 10
PLAIN = {"accept-encoding": "identity"}


@dataclass
class Job:
    """A request on its way, and what the log will say of it."""

    asked: Asked
    who: str
    prompt_tokens: int
    max_tokens: int
    engine: int | None = None
    tries: int = 0
    answer_tokens: int = 0
    notes: dict[str, Any] = field(default_factory=dict)


class Asking:
    """Puts requests to the engines."""

    def __init__(
        self,
        workers: Workers,
        client: httpx2.AsyncClient,
        *,
        engine: str,
        settings: Mapping[str, Any],
        request_s: float,
    ) -> None:
        self._workers = workers
        self._client = client
        self._engine = engine
        self._settings = settings
        self._request_s = request_s

    async def whole(self, job: Job) -> Part:
        """The engine's answer in one piece. Raises Refused."""
        for _ in range(TRIES):
            async with self._an_engine(job) as worker:
                try:
                    async with asyncio.timeout(self._request_s):
                        return await self._whole_at(job, worker)
                except TimeoutError as error:
                    raise self._too_long() from error
                except BadAnswer as error:
                    raise refusal_for(error) from error
                except httpx2.TransportError:
                    self._workers.failed(worker)
        raise died()

    async def parts(self, job: Job) -> AsyncGenerator[Part]:
        """The engine's pieces, to be read by one task. Raises Refused; after the first piece, too, where the engine dies."""
        for _ in range(TRIES):
            has_begun = has_ended = False
            async with self._an_engine(job) as worker:
                try:
                    async with (
                        aclosing(self._parts_at(job, worker)) as coming,
                        aclosing(_until(coming, self._request_s)) as parts,
                    ):
                        async for part in parts:
                            has_begun, has_ended = True, has_ended or part.finish is not None
                            yield part
                except TimeoutError as error:
                    raise self._too_long() from error
                except BadAnswer as error:
                    raise refusal_for(error) from error
                except httpx2.TransportError:
                    self._workers.failed(worker)
                if has_ended:
                    return
                if has_begun:
                    raise died()
        raise died()

    async def _whole_at(self, job: Job, worker: Worker) -> Part:
        async with self._answer(job, worker) as chunks:
            data = b"".join([chunk async for chunk in chunks])
        try:
            value = json.loads(data)  # it takes half a character, which orjson refuses
        except (ValueError, RecursionError) as error:
            raise BadAnswer("the engine's answer is no JSON") from error
        part = part_of(value, is_chat=job.asked.is_chat, is_piece=False)
        if part.finish is None:
            raise died()
        return part

    async def _parts_at(self, job: Job, worker: Worker) -> AsyncGenerator[Part]:
        letters, most = 0, min(BASE_BYTES + TOKEN_BYTES * job.max_tokens, MAX_ANSWER_BYTES)
        async with (
            self._answer(job, worker) as chunks,
            aclosing(events_of(chunks)) as events,
        ):
            async for event in events:
                part = part_of(event, is_chat=job.asked.is_chat, is_piece=True)
                letters += part.letters
                if letters > most:
                    raise BadAnswer(
                        f"the engine's answer has more than {most:,} letters, which none of that length has"
                    )
                yield part

    @asynccontextmanager
    async def _answer(self, job: Job, worker: Worker) -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes of an answer, as many as it can have. Raises Refused, BadAnswer."""
        response = await self._client.send(self._request(job, worker), stream=True)
        try:
            limit = most_bytes(job.asked, job.max_tokens)
            if response.status_code != 200:
                data = b"".join([chunk async for chunk in _at_most(response.aiter_raw(), MAX_ERROR_BYTES, is_cut=True)])
                raise refusal_of(response.status_code, data, response.headers)
            _check_kind(response.headers, is_stream=job.asked.stream)
            yield _at_most(response.aiter_raw(), limit)
        finally:
            await response.aclose()

    @asynccontextmanager
    async def _an_engine(self, job: Job) -> AsyncIterator[Worker]:
        """An engine that can be asked, counted as busy; not the one that was asked before, where there is another."""
        await self._workers.wait_for_one(WAIT_FOR_ENGINE_S)
        worker = self._workers.choose(but=job.engine)
        job.engine, job.tries = worker.number, job.tries + 1
        worker.in_flight += 1
        try:
            yield worker
        finally:
            worker.in_flight -= 1

    def _request(self, job: Job, worker: Worker) -> httpx2.Request:
        path = "/v1/chat/completions" if job.asked.is_chat else "/v1/completions"
        body = body_for(job.asked, self._engine, worker.model, job.max_tokens, self._settings)
        return self._client.build_request("POST", worker.url + path, json=body, headers={**worker.headers, **PLAIN})

    def _too_long(self) -> Refused:
        return Refused(504, f"the engine took longer than {self._request_s:g} s", code="engine_timeout")


def _check_kind(headers: Mapping[str, str], *, is_stream: bool) -> None:
    """Raise BadAnswer where a stream was asked for and none comes, or bytes are packed, which may unfold to any size."""
    found = headers.get("content-type", "none").partition(";")[0].strip().lower()
    if is_stream and found != "text/event-stream":
        raise BadAnswer("the engine's answer is no stream of events", said=f"content-type {found[:60]}")
    packed = headers.get("content-encoding", "identity")
    if packed != "identity":
        raise BadAnswer(
            "the engine's answer is packed, which was not asked for", said=f"content-encoding {packed[:60]}"
        )


def most_bytes(asked: Asked, max_tokens: int) -> int:
    """What an answer of so many tokens can have: in a stream each comes in an event of its own, logprobs name 20 others of each."""
    each = (STREAM_TOKEN_BYTES if asked.stream else TOKEN_BYTES) + (LOGPROBS_BYTES if "logprobs" in asked.passed else 0)
    most = BASE_BYTES + each * max_tokens
    return most if asked.stream else min(most, MAX_ANSWER_BYTES)


async def _at_most(chunks: AsyncIterator[bytes], limit: int, *, is_cut: bool = False) -> AsyncGenerator[bytes]:
    """As many bytes; what is over is left away, or raises BadAnswer."""
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > limit:
            if is_cut:
                return
            raise BadAnswer(
                f"the engine's answer has more than {limit:,} bytes, which no answer of the length asked for has"
            )
        yield chunk


async def _until(parts: AsyncGenerator[Part], seconds: float) -> AsyncGenerator[Part]:
    """The pieces that come within a time; then TimeoutError. It is raised where an engine is waited for, never where a client is."""
    waiting = Waiting(seconds, in_all=True)
    try:
        while True:
            with waiting:
                part = await anext(parts, None)
            if part is None:
                return
            yield part
    finally:
        waiting.close()
