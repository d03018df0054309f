"""Formats in which a line is a row: JSONL, plain text, TSV, and the aligned files of a parallel corpus."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson

from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.io import COMPRESSIONS, naming_damage, open_bytes

BOM = b"\xef\xbb\xbf"
_BUFFER_BYTES = 1 << 20
_JSON_OVER_LINES = re.compile(rb"\s*(?:\[\s*(?:\{|$)|\{\s*$)")
"""A first line that opens a list of objects, or an object that goes on in the next line."""


class _UpToDamage(io.RawIOBase):
    """The bytes of a compressed stream in small portions: what a larger read had unpacked when it met the damage is lost."""

    PORTION_BYTES = 64 << 10

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        portion: bytes = self._stream.read1(min(len(buffer), self.PORTION_BYTES))
        buffer[: len(portion)] = portion
        return len(portion)

    def close(self) -> None:
        self._stream.close()
        super().close()


def buffered(path: Path) -> io.BufferedReader:
    """The uncompressed bytes of a file with a buffer that makes short reads cheap."""
    stream: Any = open_bytes(path)
    if isinstance(stream, io.BufferedReader):  # a plain file, whose own buffer is small
        stream = stream.detach()
    return io.BufferedReader(stream if isinstance(stream, io.RawIOBase) else _UpToDamage(stream), _BUFFER_BYTES)


def read_lines(path: Path, part: Part | None = None) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines with their line ends; None for a line over MAX_LINE_BYTES.

    Raises DamagedFileError on a damaged archive.
    """
    with buffered(path) as stream, naming_damage(path):
        number, left_bytes = 0, None
        if part is not None:
            stream.seek(part.start)
            number, left_bytes = part.first_row, part.end - part.start
        while line := stream.readline(MAX_LINE_BYTES + 1):
            size = len(line)
            if size > MAX_LINE_BYTES:
                while line and not line.endswith(b"\n"):
                    line = stream.readline(_BUFFER_BYTES)
                    size += len(line)
                yield number, None
            else:
                yield number, line
            number += 1
            if left_bytes is not None:
                left_bytes -= size
                if left_bytes <= 0:
                    return


def read_jsonl(path: Path, part: Part | None = None) -> Iterator[Row]:
    """One row per JSON object. Raises InputError where the file is one JSON value over several lines."""
    if part is None or part.start == 0:
        _refuse_json_over_lines(path)
    for number, line in read_lines(path, part):
        if line is None:
            yield Row(number, {}, "line_too_long")
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.strip():
                yield _lenient_row(number, line)
            continue
        yield Row(number, fields) if type(fields) is dict else Row(number, {}, "bad_json")


def _refuse_json_over_lines(path: Path) -> None:
    with open_bytes(path) as stream, naming_damage(path):
        head = stream.read(256).removeprefix(BOM)
    if _JSON_OVER_LINES.match(head.lstrip().partition(b"\n")[0]):
        raise InputError(
            f"{path}: holds one JSON value over several lines, or a list; a JSON object per line was expected",
            hint=f"write one object per line, for a list: jq -c '.[]' {path.name} > {path.stem}.jsonl",
        )


def _lenient_row(number: int, line: bytes) -> Row:
    """A line that orjson refuses: json takes NaN, numbers of any size, bare control characters and lone surrogates."""
    try:
        fields = json.loads(line.removeprefix(BOM).decode(), strict=False)
        return Row(number, _without_surrogates(fields)) if isinstance(fields, dict) else Row(number, {}, "bad_json")
    except UnicodeDecodeError:
        return Row(number, {}, "bad_encoding")
    except (ValueError, RecursionError):
        return Row(number, {}, "bad_json")


def _without_surrogates(value: Any) -> Any:
    """The value with each half of a surrogate pair that stands alone as U+FFFD: it has no UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(inner) for key, inner in value.items()}
    return [_without_surrogates(inner) for inner in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------------------- text


def _decoded(path: Path, part: Part | None = None) -> Iterator[tuple[int, str, str | None]]:
    """Number, text without its line end, and problem of each line."""
    for number, line in read_lines(path, part):
        if line is None:
            yield number, "", "line_too_long"
            continue
        try:
            yield number, (line if number else line.removeprefix(BOM)).decode().rstrip("\r\n"), None
        except UnicodeDecodeError:
            yield number, "", "bad_encoding"


def read_text(path: Path, field: str, part: Part | None = None) -> Iterator[Row]:
    """One row per line that is not blank."""
    for number, line, problem in _decoded(path, part):
        if problem is not None:
            yield Row(number, {}, problem)
        elif line and not line.isspace():
            yield Row(number, {field: line})


def read_paragraphs(path: Path, field: str, part: Part | None = None) -> Iterator[Row]:
    """One row per run of lines that are not blank, with the number of its first line, as in CC-100."""
    first, lines, size, trouble = 0, list[str](), 0, None
    for number, line, problem in _decoded(path, part):
        if problem is None and (not line or line.isspace()):
            if lines:
                yield _paragraph(first, field, lines, trouble)
            lines, size, trouble = [], 0, None
            continue
        if not lines:
            first = number
        size += len(line)
        if size > MAX_LINE_BYTES:
            lines, problem = [""], "line_too_long"
        trouble = trouble or problem
        lines.append(line)
    if lines:
        yield _paragraph(first, field, lines, trouble)


def _paragraph(number: int, field: str, lines: Sequence[str], problem: str | None) -> Row:
    return Row(number, {field: "\n".join(lines)}) if problem is None else Row(number, {}, problem)


# --------------------------------------------------------------------------------------------------- tabs, alignment


def read_tsv(path: Path, columns: Sequence[str], part: Part | None = None) -> Iterator[Row]:
    """Rows of values between tabs; no quoting. Without `columns` the first line names them.

    A row with more values than columns has the problem `wrong_columns`; with fewer, the last fields are absent.
    """
    header = not columns
    if header:
        columns = next((line.split("\t") for _, line, _ in _decoded(path)), [])
    for number, line, problem in _decoded(path, part):
        if (header and number == 0) or not (line or problem):
            continue
        values = line.split("\t")
        if problem is None and len(values) > len(columns):
            problem = "wrong_columns"
        yield Row(number, dict(zip(columns, values, strict=False))) if problem is None else Row(number, {}, problem)


def read_aligned(path: Path, endings: Mapping[str, str]) -> Iterator[Row]:
    """Rows of files in which line n of one translates line n of the others: `QED.kk-ru.kk` and `QED.kk-ru.ru`.

    `path` is the file of the first ending. A line that cannot be read in one language is a problem of the row.
    Raises DamagedFileError where the files have not the same number of lines.
    """
    paths = [aligned_path(path, next(iter(endings.values())), ending) for ending in endings.values()]
    for number, lines in enumerate(zip_longest(*map(_decoded, paths))):
        if None in lines:
            counts = " and ".join(one.name for one, line in zip(paths, lines, strict=True) if line is None)
            raise DamagedFileError(
                f"{path}: {counts} ends after {number:,} lines and its translation does not", hint="fetch both again"
            )
        problem = next((problem for _, _, problem in lines if problem is not None), None)
        fields = {ending: line for ending, (_, line, _) in zip(endings.values(), lines, strict=True)}
        yield Row(number, fields) if problem is None else Row(number, {}, problem)


def aligned_path(path: Path, ending: str, other: str) -> Path:
    """The file of another language.

    >>> aligned_path(Path("QED.kk-ru.kk.gz"), "kk", "ru").name
    'QED.kk-ru.ru.gz'
    """
    compression = path.suffix if path.suffix in COMPRESSIONS else ""
    bare = path.name.removesuffix(compression)
    if not bare.endswith(f".{ending}"):
        raise InputError(
            f"{path}: the name of the first file of a parallel source ends with .{ending}",
            hint="texts gives the endings, in the order of the languages: texts: {kk: kk, ru: ru}",
        )
    return path.with_name(f"{bare.removesuffix(ending)}{other}{compression}")
