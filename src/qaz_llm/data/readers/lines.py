"""Formats in which a line is a row: JSONL, plain text, TSV, the aligned files of a parallel corpus; and a file as one row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import orjson

from qaz_llm.data.readers.encodings import TextForm, form_of
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.data.readers.streams import buffered as buffered
from qaz_llm.data.readers.streams import open_as_utf8, read_lines
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.io import COMPRESSIONS, has_too_many_values, naming_damage

BOM = b"\xef\xbb\xbf"


def read_jsonl(path: Path, form: TextForm, part: Part | None = None) -> Iterator[Row]:
    """One row per JSON object."""
    for number, line in read_lines(path, form, part):
        if line is None:
            yield Row(number, {}, "line_too_long")
            continue
        if has_too_many_values(line):
            yield Row(number, {}, "too_many_values")
            continue
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            if line.strip():
                yield _lenient_row(number, line)
            continue
        yield Row(number, fields) if type(fields) is dict else Row(number, {}, "bad_json")


def _lenient_row(number: int, line: bytes) -> Row:
    """A line that orjson refuses: json takes NaN, numbers of any size, bare control characters and lone surrogates.

    A comma after the object, as in a list that was cut into lines, is left out.
    """
    try:
        written = line.removeprefix(BOM).decode().rstrip().removesuffix(",")
        fields = json.loads(written, strict=False)
        return mended_row(number, fields) if isinstance(fields, dict) else Row(number, {}, "bad_json")
    except UnicodeDecodeError:
        return Row(number, {}, "bad_encoding")
    except (ValueError, RecursionError):
        return Row(number, {}, "bad_json")


def mended_row(number: int, fields: Mapping[str, Any]) -> Row:
    """The row of fields that may hold half a surrogate pair, which it says where it does."""
    mended = without_surrogates(fields)
    return Row(number, mended, is_mended=mended != fields)


def without_surrogates(value: Any) -> Any:
    """The value with each half of a surrogate pair that stands alone as U+FFFD: it has no UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return value
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(inner) for key, inner in value.items()}
    return [without_surrogates(inner) for inner in value] if isinstance(value, list) else value


# ------------------------------------------------------------------------------------------------------------- text


def decoded_lines(path: Path, form: TextForm, part: Part | None = None) -> Iterator[tuple[int, str, str | None]]:
    """Number, text without its line end, and problem of each line."""
    for number, line in read_lines(path, form, part):
        if line is None:
            yield number, "", "line_too_long"
            continue
        try:
            yield number, (line if number else line.removeprefix(BOM)).decode().rstrip("\r\n"), None
        except UnicodeDecodeError:
            yield number, "", "bad_encoding"


def read_text(path: Path, form: TextForm, field: str, part: Part | None = None) -> Iterator[Row]:
    """One row per line that is not blank."""
    for number, line, problem in decoded_lines(path, form, part):
        if problem is not None:
            yield Row(number, {}, problem)
        elif line and not line.isspace():
            yield Row(number, {field: line})


def read_paragraphs(path: Path, form: TextForm, field: str, part: Part | None = None) -> Iterator[Row]:
    """One row per run of lines that are not blank, with the number of its first line, as in CC-100."""
    first, lines, size, trouble = 0, list[str](), 0, None
    for number, line, problem in decoded_lines(path, form, part):
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


def read_whole(path: Path, form: TextForm, field: str) -> Iterator[Row]:
    """The file as one row; none where it has no text. Problems: `bad_encoding`, `file_too_long` (over MAX_LINE_BYTES)."""
    with open_as_utf8(path, form) as stream, naming_damage(path):
        data = stream.read(MAX_LINE_BYTES + 1)
    if len(data) > MAX_LINE_BYTES:
        yield Row(0, {}, "file_too_long")
        return
    try:
        text = data.removeprefix(BOM).decode()
    except UnicodeDecodeError:
        yield Row(0, {}, "bad_encoding")
        return
    if text and not text.isspace():
        yield Row(0, {field: text.replace("\r\n", "\n")})


# -------------------------------------------------------------------------------------------------------- alignment


def read_aligned(path: Path, endings: Mapping[str, str], encoding: str | None = None) -> Iterator[Row]:
    """Rows of files in which line n of one translates line n of the others: `QED.kk-ru.kk` and `QED.kk-ru.ru`.

    `path` is the file of the first ending. A line that cannot be read in one language is a problem of the row.
    Raises DamagedFileError where the files have not the same number of lines.
    """
    paths = [aligned_path(path, next(iter(endings.values())), ending) for ending in endings.values()]
    read = (decoded_lines(one, form_of(one, encoding)) for one in paths)
    for number, lines in enumerate(zip_longest(*read)):
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
