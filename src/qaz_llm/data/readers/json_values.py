"""JSON that does not keep to one object per line: a list of objects, one wrapped in an object, objects over several lines.

    [{"text": …}, {"text": …}]                        rows of the list
    {"version": 1, "data": [{"text": …}, …]}          rows of the list under one of WRAPPERS
    {↵ "text": …↵}↵{↵ …}                              one row each

Objects are decoded one at a time, so that a list of any length takes no more memory than its longest object.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from qaz_llm.data.readers.encodings import TextForm
from qaz_llm.data.readers.lines import mended_row
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Row
from qaz_llm.data.readers.streams import open_as_utf8
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import file_format, has_too_many_values, naming_damage
from qaz_llm.io.reading import MAX_VALUES

WRAPPERS = frozenset({"data", "rows", "items", "examples", "documents", "records", "results", "articles", "questions"})
"""Keys under which a file that is one object has its list of rows."""

_OPENS = re.compile(r"\s*(?:\[\s*(?:\{|\]|$)|\{\s*$)")
"""A first line that opens a list of objects, or an object that goes on in the next line."""

_LIST = re.compile(r"\[\s*\{")
_BLANK = re.compile(r"\s*")
_MIN_READ = 1 << 16


def is_over_lines(path: Path, sample: str) -> bool:
    """Whether a file that begins with `sample` is of values over several lines, or a `.json` of one line."""
    first, _, rest = sample.lstrip("\ufeff \t\r\n").partition("\n")
    if _OPENS.match(first):
        return True
    return file_format(path) == ".json" and first.startswith("{") and not rest.strip()


def read_json_values(path: Path, form: TextForm) -> Iterator[Row]:
    """One row per object, numbered from 0. Problems: `bad_json` (a value that is no object), `bad_encoding`.

    Raises DamagedFileError where the JSON breaks off or is none, since nothing after that can be told apart, and where one
    value is longer than MAX_LINE_BYTES.
    """
    with open_as_utf8(path, form) as stream, naming_damage(path):
        scanner = _Scanner(path, stream)
        for number, (value, problem) in enumerate(_values(scanner)):
            if problem is None and not isinstance(value, dict):
                problem = "bad_json"
            yield mended_row(number, value) if problem is None else Row(number, {}, problem)


def _values(scanner: _Scanner) -> Iterator[tuple[Any, str | None]]:
    while char := scanner.peek():
        if char == "[":
            yield from _elements(scanner)
        elif char == "{":
            yield from _object(scanner)
        else:
            yield scanner.value()


def _elements(scanner: _Scanner) -> Iterator[tuple[Any, str | None]]:
    scanner.take("[")
    if scanner.peek() == "]":
        scanner.take("]")
        return
    while True:
        yield scanner.value()
        if scanner.take(",]") == "]":
            return


def _object(scanner: _Scanner) -> Iterator[tuple[Any, str | None]]:
    """The object itself, or the elements of the list it wraps."""
    scanner.take("{")
    fields: dict[str, Any] = {}
    problem, wraps = None, False
    if scanner.peek() == "}":
        scanner.take("}")
        yield fields, None
        return
    while True:
        key, bad_key = scanner.value()
        scanner.take(":")
        if key in WRAPPERS and scanner.opens_objects():
            wraps = True
            yield from _elements(scanner)
        else:
            fields[str(key)], bad_value = scanner.value()
            problem = problem or bad_key or bad_value
        if scanner.take(",}") == "}":
            break
    if not wraps:
        yield fields, problem


class _Scanner:
    """JSON text that is read as far as the next value needs."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        self._path = path
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._json = json.JSONDecoder(strict=False)
        self._text = ""
        self._at = 0
        self._ended = False

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            blank = _BLANK.match(self._text, self._at)
            self._at = blank.end() if blank is not None else self._at
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._read_on():
                return ""

    def opens_objects(self) -> bool:
        """Whether a list of objects comes next."""
        self.peek()
        while not (opened := _LIST.match(self._text, self._at)) and self._text[self._at :].rstrip() == "[":
            if not self._read_on():
                return False
        return opened is not None

    def take(self, wanted: str) -> str:
        """The next character, which has to be one of those wanted."""
        char = self.peek()
        if not char or char not in wanted:
            found = f"found {char!r}" if char else "it breaks off"
            raise self._damaged(f"{' or '.join(wanted)} was expected, {found}")
        self._at += 1
        return char

    def value(self) -> tuple[Any, str | None]:
        """The next value, or the problem it has."""
        is_closed = self.peek() in '{["'
        while True:
            try:
                value, end = self._json.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self._damaged("values lie too deep in one another") from error
            except ValueError as error:
                if self._read_on():
                    continue
                raise self._damaged(str(error)) from error
            if not is_closed and end == len(self._text) and self._read_on():
                continue  # a number may go on
            written = self._text[self._at : end]
            self._at = end
            return _checked(value, written)

    def _read_on(self) -> bool:
        """Add as much again as is there; False at the end of the file."""
        if self._ended:
            return False
        self._text, self._at = self._text[self._at :], 0
        if len(self._text) > MAX_LINE_BYTES or has_too_many_values(self._text):
            raise self._damaged(f"a value of more than {MAX_LINE_BYTES >> 20} MiB or {MAX_VALUES:,} parts")
        chunk = self._stream.read(max(_MIN_READ, len(self._text)))
        self._ended = not chunk
        self._text += self._decoder.decode(chunk, final=self._ended)
        return True

    def _damaged(self, what: str) -> DamagedFileError:
        return DamagedFileError(
            f"{self._path}: not JSON ({what})",
            hint="a list of objects, or an object per line, was expected; on_damaged_file: keep_read keeps what came before",
        )


def _checked(value: Any, written: str) -> tuple[Any, str | None]:
    try:
        written.encode()
    except UnicodeEncodeError:
        return None, "bad_encoding"
    return value, None
