"""Text, JSON lines, JSON and Parquet, read as they were written or refused with the place of the damage.

Nothing is read without a limit: 47 MB of gzip may unpack to 10 GB without a single line end. What is longer than the limits
below is refused by name, or left out and counted, and never held whole.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from qaz_llm.errors import DamagedFileError
from qaz_llm.io.compression import naming_damage, open_bytes
from qaz_llm.io.paths import file_format

MAX_LINE_BYTES = 64 << 20
"""A longer line, row or cell of an input is not a document but a file without line ends."""

MAX_ROW_BYTES = 2 * MAX_LINE_BYTES
"""The limit of rows that may be this project's own: an input of MAX_LINE_BYTES with its escapes, its id and its meta."""

MAX_JSON_BYTES = 64 << 20
"""Of a file that is one JSON value: a manifest, the facts of a model."""

MAX_VALUES = 4_000_000
"""In one JSON value. 64 MiB of `{},{},` are a gigabyte and a half of objects; text has a comma in some sixty letters."""

_BUFFER_BYTES = 1 << 20


def read_line(stream: IO[bytes], max_bytes: int = MAX_LINE_BYTES) -> bytes:
    """The next line with its line end; of one longer than `max_bytes` only the first `max_bytes + 1`. Empty at the end."""
    return stream.readline(max_bytes + 1)


def skip_line(stream: IO[bytes], begun: bytes) -> int:
    """Read on to the end of a line that `read_line` gave the beginning of, holding a megabyte of it; its length in bytes."""
    size, line = len(begun), begun
    while line and not line.endswith(b"\n"):
        line = stream.readline(_BUFFER_BYTES)
        size += len(line)
    return size


def has_too_many_values(written: str | bytes) -> bool:
    """Whether a JSON value has more than MAX_VALUES parts, told by its commas before it is decoded."""
    if len(written) <= MAX_VALUES:
        return False
    return (written.count(",") if isinstance(written, str) else written.count(b",")) > MAX_VALUES


@contextmanager
def open_text(path: Path) -> Iterator[Iterator[str]]:
    """The lines of `path` with their line ends, decompressed, UTF-8 with or without a mark at the beginning.

    Raises DamagedFileError, with the path and the line, on a damaged file, one that is not UTF-8, and a line of more than
    MAX_ROW_BYTES; InputError where there is no such file.
    """
    with io.BufferedReader(open_bytes(path), _BUFFER_BYTES) as stream, naming_damage(path):  # type: ignore[type-var]
        yield _text_lines(path, stream)


def _text_lines(path: Path, stream: IO[bytes]) -> Iterator[str]:
    number = 0
    while line := read_line(stream, MAX_ROW_BYTES):
        number += 1
        if len(line) > MAX_ROW_BYTES:
            raise DamagedFileError(
                f"{path}:{number}: a line of more than {MAX_ROW_BYTES >> 20} MiB, which is no row or line of text",
                hint="check what the file is; a text without line ends is cut with `fold -s`",
            )
        try:
            text = line.decode()
        except UnicodeDecodeError as error:
            raise DamagedFileError(
                f"{path}:{number}: not UTF-8 ({error.reason})", hint="convert the file to UTF-8, or leave it out"
            ) from error
        yield text.removeprefix("\ufeff") if number == 1 else text


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, compressed or not.

    Raises as `open_text`, and DamagedFileError with the line's number where one is no object.
    """
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            if has_too_many_values(line):
                raise DamagedFileError(
                    f"{path}:{number}: an object of more than {MAX_VALUES:,} values, which is no row"
                )
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise DamagedFileError(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise DamagedFileError(f"{path}:{number}: expected an object, found {type(row).__name__}")
            yield row


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file. Raises as `read_jsonl` and `read_parquet`."""
    if file_format(path) == ".parquet":
        yield from read_parquet(path)
    else:
        yield from read_jsonl(path)


def read_parquet(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, few in memory at a time.

    Raises InputError if absent, DamagedFileError if damaged or where a row is longer than MAX_ROW_BYTES.
    """
    from qaz_llm.io.parquet import LongRows, open_parquet, parquet_batches

    with open_parquet(path) as file:
        number = 0
        for batch in parquet_batches(path, file, columns, max_bytes=MAX_ROW_BYTES):
            if isinstance(batch, LongRows):
                raise DamagedFileError(
                    f"{path}: row {number + 1} has more than {MAX_ROW_BYTES >> 20} MiB, which is no document",
                    hint="check what its columns hold, or leave the file out",
                )
            yield from batch.to_pylist()
            number += len(batch)


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises InputError where it is missing, DamagedFileError where it is no JSON or longer than MAX_JSON_BYTES.
    """
    with open_bytes(path) as stream, naming_damage(path):
        data = stream.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES or has_too_many_values(data):
        raise DamagedFileError(
            f"{path}: more than {MAX_JSON_BYTES >> 20} MiB or {MAX_VALUES:,} values, one JSON value was expected",
            hint="check what the file is",
        )
    try:
        return json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(f"{path}: not JSON ({error})", hint="make the file again") from error


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that this project wrote, with their line ends. Raises DamagedFileError."""
    with io.BufferedReader(open_bytes(path), _BUFFER_BYTES) as stream, naming_damage(path):  # type: ignore[type-var]
        number = 0
        while line := read_line(stream, MAX_ROW_BYTES):
            number += 1
            if len(line) > MAX_ROW_BYTES:
                raise DamagedFileError(f"{path}:{number}: a line of more than {MAX_ROW_BYTES >> 20} MiB")
            yield line


def parse_row(line: bytes) -> dict[str, Any]:
    """The row of a line that `dump_row` wrote."""
    import orjson

    row: dict[str, Any] = orjson.loads(line)
    return row
