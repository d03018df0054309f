"""The bytes of a file as UTF-8 lines, whatever its compression, encoding and line ends: what every reader of text reads.

A byte that is no letter in the file's encoding becomes one that is none in UTF-8, so that its row is a bad row and the
others are not lost with it.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from qaz_llm.data.readers.encodings import TextForm
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part
from qaz_llm.io import naming_damage, open_bytes, read_line, skip_line

_BUFFER_BYTES = 1 << 20
_PORTION_BYTES = 64 << 10
_NO_LETTER = "qaz-no-letter"


def _no_letter(error: UnicodeError) -> tuple[str, int]:
    """In place of what cannot be decoded the surrogate that is encoded as the byte 0x80, which begins nothing in UTF-8."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udc80", error.end


codecs.register_error(_NO_LETTER, _no_letter)


class _UpToDamage(io.RawIOBase):
    """The bytes of a compressed stream in small portions: what a larger read had unpacked when it met the damage is lost."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        portion: bytes = self._stream.read1(min(len(buffer), _PORTION_BYTES))
        buffer[: len(portion)] = portion
        return len(portion)

    def close(self) -> None:
        self._stream.close()
        super().close()


class _AsUtf8(io.RawIOBase):
    """A stream of another form, or its part up to `end`, as UTF-8 with line feeds."""

    def __init__(self, stream: io.BufferedReader, form: TextForm, left_bytes: int | None) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(form.encoding)(_NO_LETTER)
        self._has_cr_ends = form.has_cr_ends
        self._left_bytes = left_bytes
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            wanted = _PORTION_BYTES if self._left_bytes is None else min(_PORTION_BYTES, self._left_bytes)
            portion = self._stream.read1(wanted) if wanted else b""
            if self._left_bytes is not None:
                self._left_bytes -= len(portion)
            text = self._decoder.decode(portion, final=not portion)
            if self._has_cr_ends:
                text = text.replace("\r", "\n")
            self._ready = memoryview(text.encode("utf-8", "surrogateescape"))
            if not portion and not self._ready:
                return 0
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def buffered(path: Path) -> io.BufferedReader:
    """The uncompressed bytes of a file with a buffer that makes short reads cheap."""
    stream: Any = open_bytes(path)
    if isinstance(stream, io.BufferedReader):  # a plain file, whose own buffer is small
        stream = stream.detach()
    return io.BufferedReader(stream if isinstance(stream, io.RawIOBase) else _UpToDamage(stream), _BUFFER_BYTES)


def open_as_utf8(path: Path, form: TextForm, part: Part | None = None) -> io.BufferedReader:
    """The text of a file in UTF-8; of a part from its start on, and no further than its end where the form is not plain."""
    stream = buffered(path)
    if part is not None:
        stream.seek(part.start)
    if form.is_plain:
        return stream
    return io.BufferedReader(_AsUtf8(stream, form, None if part is None else part.end - part.start), _BUFFER_BYTES)


def read_lines(path: Path, form: TextForm, part: Part | None = None) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines in UTF-8 with their line ends; None for a line over MAX_LINE_BYTES.

    Raises DamagedFileError on a damaged archive.
    """
    with open_as_utf8(path, form, part) as stream, naming_damage(path):
        number = 0 if part is None else part.first_row
        left_bytes = None if part is None or not form.is_plain else part.end - part.start
        for size, line in _sized_lines(stream):
            yield number, line
            number += 1
            if left_bytes is not None:
                left_bytes -= size
                if left_bytes <= 0:
                    return


def _sized_lines(stream: IO[bytes]) -> Iterator[tuple[int, bytes | None]]:
    while line := read_line(stream):
        if len(line) > MAX_LINE_BYTES:
            size, line = skip_line(stream, line), b""
            yield size, None
        else:
            yield len(line), line
