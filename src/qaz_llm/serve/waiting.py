"""A limit on each of many short waits of a task, with one timer for all of them.

`asyncio.timeout` makes a timer and takes it back for every block. An answer waits twice for each of its tokens, once for the engine and once
for the client, and nearly all of these waits end at once: a third of the gateway's time went into such timers.
"""

from __future__ import annotations

import asyncio
from types import TracebackType


class Waiting:
    """`with waiting: await …`, again and again in one task: TimeoutError where a wait lasts beyond its end.

    A wait may be `seconds` long, or with `in_all` all of them together with what lies between them; what lies between is never cut off.
    """

    def __init__(self, seconds: float, *, in_all: bool = False) -> None:
        self._loop = asyncio.get_running_loop()
        self._seconds = seconds
        self._last = self._loop.time() + seconds if in_all else None
        self._end: float | None = None
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelled_before = 0
        self._is_over = False

    def __enter__(self) -> None:
        now = self._loop.time()
        end = self._last if self._last is not None else now + self._seconds
        if end <= now:
            raise TimeoutError
        self._end = end
        self._task = asyncio.current_task()
        self._cancelled_before = self._task.cancelling() if self._task is not None else 0
        if self._timer is None:
            self._timer = self._loop.call_at(end, self._look)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        self._end = None
        if self._is_over and self._task is not None:
            self._is_over = False
            is_ours = self._task.uncancel() <= self._cancelled_before
            if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
                raise TimeoutError from error

    def close(self) -> None:
        """Take the timer back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        """The end of the wait that set the timer has come: of a later wait it comes later, and between two there is none."""
        self._timer = None
        if self._end is None or self._task is None:
            return
        if self._end > self._loop.time():
            self._timer = self._loop.call_at(self._end, self._look)
        else:
            self._is_over = True
            self._task.cancel()
