"""Server-sent events of an engine as JSON values, and stop strings cut out of a text that comes in pieces."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

import orjson

MAX_EVENT_BYTES = 8 << 20
END = b"[DONE]"


class BrokenStream(Exception):
    """An engine sent what is no event, or an error amid an answer."""


async def events_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[dict[str, Any]]:
    """The JSON values of `data:` lines up to `[DONE]` or the end.

    Lines end at line feeds alone: U+2028 and U+0085, at which `str.splitlines` parts too, stand unescaped in JSON.
    """
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > MAX_EVENT_BYTES:
            raise BrokenStream("an event without an end")
        for event in _values(lines):
            if event is None:
                return
            yield event
    for event in _values([rest]):
        if event is not None:
            yield event


def _values(lines: Sequence[bytes]) -> Iterator[dict[str, Any] | None]:
    """Of each `data:` line its value; None at the end of the answer."""
    for line in lines:
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == END:
            yield None
            return
        try:
            value = orjson.loads(data)
        except ValueError as error:
            raise BrokenStream("an event that is no JSON") from error
        if not isinstance(value, dict) or "error" in value:
            raise BrokenStream("an error amid the answer")
        yield value


class StopCutter:
    """A text up to the first stop string, though it comes in pieces: what may be the beginning of one waits.

    >>> cutter = StopCutter(["END"])
    >>> [cutter.feed(piece) for piece in ("бір E", "N", "екі EN", "D үш")], cutter.flush(), cutter.is_cut
    (['бір ', '', 'ENекі ', ''], '', True)
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._longest = max(map(len, stops), default=0)
        self._held = ""
        self.is_cut = False

    def feed(self, piece: str) -> str:
        """What can be sent now."""
        if not self._stops:
            return piece
        if self.is_cut:
            return ""
        text = self._held + piece
        found = min((place for stop in self._stops if (place := text.find(stop)) >= 0), default=-1)
        if found >= 0:
            self.is_cut, self._held = True, ""
            return text[:found]
        keep = self._may_begin(text)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def flush(self) -> str:
        """What waited, at the end of the text."""
        held, self._held = self._held, ""
        return held

    def _may_begin(self, text: str) -> int:
        """How many characters at the end are the beginning of a stop string."""
        for length in range(min(self._longest - 1, len(text)), 0, -1):
            if any(stop.startswith(text[-length:]) for stop in self._stops):
                return length
        return 0
