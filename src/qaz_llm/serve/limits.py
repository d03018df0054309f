"""How many requests of one key a minute, and how many wait for an engine."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from qaz_llm.serve.refusals import Refused

MINUTE_S = 60.0


class RateLimit:
    """Requests of each key within the last minute. Keys are those of the file, so their number is bounded."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._clock = clock
        self._times: dict[str, deque[float]] = defaultdict(deque)

    def count(self, who: str) -> None:
        """Count a request. Raises Refused (429), with the time after which the next one is taken."""
        if not self._per_minute:
            return
        now, times = self._clock(), self._times[who]
        while times and now - times[0] >= MINUTE_S:
            times.popleft()
        if len(times) >= self._per_minute:
            raise Refused(
                429,
                f"more than {self._per_minute} requests in a minute by this key",
                code="rate_limit_exceeded",
                retry_after_s=MINUTE_S - (now - times[0]),
            )
        times.append(now)


class Queue:
    """Places at the engines; who finds none waits, so many and so long."""

    def __init__(self, places: int, *, waiting: int, wait_s: float) -> None:
        self._places = asyncio.Semaphore(places)
        self._may_wait = waiting
        self._wait_s = wait_s
        self.waiting = 0

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place for as long as the block runs. Raises Refused (503) where too many wait, or it takes too long."""
        if self._places.locked() and self.waiting >= self._may_wait:
            raise Refused(
                503, f"{self.waiting} requests are waiting already", code="overloaded", retry_after_s=self._wait_s / 4
            )
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._places.acquire()
        except TimeoutError as error:
            message = f"no engine was free within {self._wait_s:g} s"
            raise Refused(503, message, code="overloaded", retry_after_s=self._wait_s / 4) from error
        finally:
            self.waiting -= 1
        try:
            yield
        finally:
            self._places.release()
