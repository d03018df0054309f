"""Server-sent events of an engine as JSON values, and stop strings cut out of a text that comes in pieces."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from qaz_llm.serve.answers import BadAnswer

MAX_EVENT_BYTES = 1 << 20
END = b"[DONE]"


async def events_of(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Any]:
    """The JSON values of events up to `[DONE]` or the end. Raises BadAnswer.

    Lines end as the standard says (WHATWG HTML, 9.2.6), at CR, LF or both: U+2028 and U+0085, at which `str.splitlines` parts too,
    stand unescaped in JSON. Several `data:` lines of an event are one value; an event that breaks off is none.
    """
    reader = _Reader()
    async for chunk in chunks:
        for data in reader.feed(chunk):
            if data == END:
                return
            yield _value(data)
    for data in reader.feed(b"\n\n", is_end=True):
        if data == END:
            return
        try:
            yield _value(data)
        except BadAnswer:
            return  # it broke off; that the answer has no end shows by its finish_reason


class _Reader:
    """Bytes to the data of events."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._bytes = 0

    def feed(self, chunk: bytes, *, is_end: bool = False) -> list[bytes]:
        """The events that are whole now."""
        lines = (self._rest + chunk).splitlines(keepends=True)
        is_open = bool(lines) and not is_end and not lines[-1].endswith(b"\n")  # a CR may be half of a CR LF
        self._rest = lines.pop() if is_open else b""
        found = []
        for line in lines:
            if (made := self._line(line.rstrip(b"\r\n"))) is not None:
                found.append(made)
        if len(self._rest) + self._bytes > MAX_EVENT_BYTES:
            raise BadAnswer("the engine sent an event without an end")
        return found

    def _line(self, line: bytes) -> bytes | None:
        if line:
            name, _, value = line.partition(b":")
            if name == b"data":
                self._data.append(value.strip())
                self._bytes += len(value)
            return None
        data, self._data, self._bytes = b"\n".join(self._data), [], 0
        return data or None


def _value(data: bytes) -> Any:
    try:
        return json.loads(data)  # it takes half a character, which orjson refuses
    except (ValueError, RecursionError) as error:
        is_error = data.startswith(b'{"error"')  # transformers serve quotes nothing in it
        said = data.decode("utf-8", "replace") if is_error else None
        raise BadAnswer("the engine sent an event that is no JSON", said=said) from error


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
