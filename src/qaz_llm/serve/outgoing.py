"""A response that is written by one task, which ends when the client goes away."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from qaz_llm.serve.labelling import HEADERS
from qaz_llm.serve.refusals import Refused
from qaz_llm.serve.shapes import dumped, event
from qaz_llm.serve.waiting import Waiting

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream", "cache-control": "no-store", "x-accel-buffering": "no"}


ALONE_S = 0.002
"""How long pieces are written without a look at who else waits, and who has gone, in seconds."""


class ClientGone(Exception):
    """A client that went away, or takes nothing."""


class Outgoing:
    """Where an answer is written to: a status with headers, then pieces. `client_s` is how long one may wait to be taken."""

    def __init__(self, send: Send, client_s: float) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(client_s)
        self._let_others = self._loop.time()
        self.status = 0
        self.is_ended = False
        """Whether the service cuts it off, which ends."""
        self.has_request = asyncio.Event()
        """Set when the whole request was read: what comes from the client then is that it goes away."""

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        self.status = status
        listed = [(name.encode(), value.encode()) for name, value in {**HEADERS, **headers}.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": listed})

    async def write(self, data: bytes, *, is_last: bool = False) -> None:
        """A piece. Raises ClientGone where it is not taken in time."""
        try:
            with self._waiting:
                await self._send({"type": "http.response.body", "body": data, "more_body": not is_last})
        except TimeoutError as error:
            raise ClientGone("client_too_slow") from error
        now = self._loop.time()
        if now - self._let_others >= ALONE_S:  # an engine's pieces may lie ready: others have their turn between them
            self._let_others = now
            await asyncio.sleep(0)

    async def end(self) -> None:
        await self.write(b"", is_last=True)

    def close(self) -> None:
        """Nothing is written any more."""
        self._waiting.close()

    async def whole(self, status: int, value: Any, headers: Mapping[str, str] | None = None) -> None:
        """A JSON value as the whole answer."""
        data = dumped(value)
        await self.start(status, {**JSON, "content-length": str(len(data)), **(headers or {})})
        await self.write(data)
        await self.end()

    async def refuse(self, refused: Refused) -> None:
        """The error as the whole answer, or as the last event of one that has begun."""
        if not self.status:
            await self.whole(refused.status, refused.body(), refused.headers())
        else:
            await self.write(event(refused.body()))
            await self.end()


class WrittenBy(Response):
    """A response that `work` writes. Its task is cancelled where the client goes away."""

    def __init__(self, work: Callable[[Outgoing], Awaitable[None]], client_s: float) -> None:
        super().__init__()
        self._work = work
        self._client_s = client_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        out = Outgoing(send, self._client_s)
        writing = asyncio.ensure_future(self._work(out))
        leaving = asyncio.create_task(_gone(receive, out.has_request))
        try:
            await asyncio.wait((writing, leaving), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            out.is_ended = True
            raise
        finally:
            for task in (writing, leaving):
                if not task.done():
                    task.cancel()
            try:
                with contextlib.suppress(asyncio.CancelledError):
                    await writing
            finally:
                out.close()


async def _gone(receive: Receive, has_request: asyncio.Event) -> None:
    await has_request.wait()  # before, it would take pieces of the body away from who reads it
    while (await receive())["type"] != "http.disconnect":
        pass
