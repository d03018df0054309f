"""A request put to an engine, and to another one where that one dies before anything of the answer was sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2

from qaz_llm.serve.engines import body_for
from qaz_llm.serve.events import BrokenStream, events_of
from qaz_llm.serve.fields import Asked
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.workers import Worker, Workers

TRIES = 3
WAIT_FOR_ENGINE_S = 30.0


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

    async def whole(self, job: Job) -> dict[str, Any]:
        """The engine's answer in one piece. Raises Refused."""
        for _ in range(TRIES):
            async with self._an_engine(job) as worker:
                try:
                    async with asyncio.timeout(self._request_s):
                        response = await self._client.send(self._request(job, worker))
                except TimeoutError as error:
                    raise self._too_long() from error
                except httpx2.TransportError:
                    self._workers.failed(worker)
                    continue
                _check(response)
                return _answer_of(response)
        raise _died()

    async def events(self, job: Job) -> AsyncGenerator[dict[str, Any]]:
        """The engine's events, to be read by one task. Raises Refused; after the first event, where the engine dies."""
        for _ in range(TRIES):
            has_begun = False
            async with self._an_engine(job) as worker:
                try:
                    async with asyncio.timeout(self._request_s), aclosing(self._events_at(job, worker)) as events:
                        async for event in events:
                            has_begun = True
                            yield event
                    return
                except TimeoutError as error:
                    raise self._too_long() from error
                except (httpx2.TransportError, BrokenStream) as error:
                    if isinstance(error, httpx2.TransportError):
                        self._workers.failed(worker)
                    if has_begun:
                        raise _died() from error
        raise _died()

    async def _events_at(self, job: Job, worker: Worker) -> AsyncGenerator[dict[str, Any]]:
        response = await self._client.send(self._request(job, worker), stream=True)
        try:
            if response.status_code != 200:
                await response.aread()
                _check(response)
            async with aclosing(events_of(response.aiter_bytes())) as events:
                async for event in events:
                    yield event
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
        return self._client.build_request("POST", worker.url + path, json=body, headers=worker.headers)

    def _too_long(self) -> Refused:
        return Refused(504, f"the engine took longer than {self._request_s:g} s", code="engine_timeout")


def _check(response: httpx2.Response) -> None:
    """Raises Refused where the engine does not answer."""
    status = response.status_code
    if status == 200:
        return
    said = _error_of(response)
    if status in (400, 422):
        raise Refused(400, f"the engine refuses the request: {said}", code="engine_refused")
    raise Refused(502, f"the engine answered with {status}: {said}", code="engine_error", retry_after_s=5)


def _error_of(response: httpx2.Response) -> str:
    try:
        value = response.json()
    except ValueError:
        return "no JSON"
    error = value.get("error", value.get("detail", value)) if isinstance(value, dict) else value
    message = error.get("message", error) if isinstance(error, dict) else error
    return str(message)[:500]


def _answer_of(response: httpx2.Response) -> dict[str, Any]:
    try:
        value = response.json()
        if isinstance(value, dict) and isinstance(value["choices"][0], dict):
            return value
    except (ValueError, LookupError, TypeError):
        pass  # named below
    raise Refused(502, "the engine's answer is not in OpenAI's form", code="engine_error")


def _died() -> Refused:
    return Refused(502, "the engine ended while it was answering; ask again", code="engine_died", retry_after_s=5)
