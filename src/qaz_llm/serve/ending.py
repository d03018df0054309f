"""How a gateway ends: at a signal, within GRACE_S for requests under way and END_S of workers.py for its engines.

starting, a signal comes      the start is broken off, the engines end
serving, a signal comes       no new requests; those under way have GRACE_S, then they are cut off; the engines end
a second signal               nothing is waited for

What is waited for is said. Without this a signal that comes while an engine loads its model is heard when it has, after minutes.
"""

from __future__ import annotations

import asyncio
from types import FrameType
from typing import Any

import uvicorn

from qaz_llm.errors import QazError
from qaz_llm.progress import get_logger

GRACE_S = 10
"""How long requests under way may take once a signal came, in whole seconds."""
_logger = get_logger("serve")


class EndingServer(uvicorn.Server):
    """Uvicorn on an application with a start and an end of its own. `failed` is the error that ended its start."""

    def __init__(self, app: object) -> None:
        self._app = app
        self._starting: asyncio.Task[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.failed: QazError | None = None
        settings = uvicorn.Config(
            self._told, interface="asgi3",  # a method is not known to be one
            log_level="critical", access_log=False, timeout_graceful_shutdown=GRACE_S, server_header=False, date_header=True,
        )  # fmt: skip
        super().__init__(settings)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal, in the main thread, between two steps of whatever runs there."""
        is_first = not self.should_exit
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._hear, is_first)

    def _hear(self, is_first: bool) -> None:
        if self._starting is not None:
            _logger.info("ending: the start is broken off")
            self._starting.cancel()
        elif is_first and (count := len(self.server_state.tasks)):
            _logger.info(
                "ending: requests under way (%d) have up to %d s; a second signal cuts them off", count, GRACE_S
            )

    async def _told(self, scope: Any, receive: Any, send: Any) -> None:
        """The application with its start's error kept, of which uvicorn prints a traceback and says no more."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)  # type: ignore[operator]
            return
        self._loop, self._starting = asyncio.get_running_loop(), asyncio.current_task()
        if self.should_exit:  # a signal that came before there was a loop to hear it
            self._starting.cancel()  # type: ignore[union-attr]
        try:
            async with self._app.router.lifespan_context(self._app):  # type: ignore[attr-defined]
                self._starting = None
                await receive()
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except QazError as error:
            self.failed = error
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        except asyncio.CancelledError:
            if self._starting is None:
                raise
            await send({"type": "lifespan.startup.failed", "message": ""})
            return
        await send({"type": "lifespan.shutdown.complete"})
