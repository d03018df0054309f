"""Text, JSON lines, JSON and Parquet, read as they were written or refused with the place of the damage."""

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


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """The text of `path`, decompressed, UTF-8. Raises DamagedFileError on a damaged file, with the path."""
    stream = io.TextIOWrapper(io.BufferedReader(open_bytes(path), 1 << 20), encoding="utf-8", newline="\n")  # type: ignore[type-var]
    with stream, naming_damage(path):
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise DamagedFileError(
                f"{path}:{_first_undecodable_line(path)}: not UTF-8 ({error.reason})",
                hint="convert the file to UTF-8, or leave it out",
            ) from error


def _first_undecodable_line(path: Path) -> int:
    """The number of the line that no UTF-8 decoder reads; the error itself counts from the start of a buffer."""
    number = 1
    with io.BufferedReader(open_bytes(path)) as lines:  # type: ignore[type-var]
        for line in lines:
            try:
                line.decode()
            except UnicodeDecodeError:
                break
            number += 1
    return number


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, compressed or not. Raises DamagedFileError with the line's number where one is no object."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DamagedFileError(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise DamagedFileError(f"{path}:{number}: expected an object, found {type(row).__name__}")
            yield row


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file."""
    if file_format(path) == ".parquet":
        yield from read_parquet(path)
    else:
        yield from read_jsonl(path)


def read_parquet(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, one batch in memory at a time. Raises InputError if absent, DamagedFileError if damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_bytes(path).close()  # a missing file, a folder, a forbidden one: the same message as for all other files
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:  # pyarrow says OSError for a damaged page
        raise DamagedFileError(f"{path}: not a readable Parquet file ({error})", hint="fetch the file again") from error


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises InputError where it is missing, DamagedFileError where it is no JSON."""
    with open_text(path) as stream:
        try:
            return json.load(stream)
        except ValueError as error:
            raise DamagedFileError(f"{path}: not JSON ({error})", hint="make the file again") from error


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that this project wrote, with their line ends. Raises DamagedFileError."""
    with open_bytes(path) as stream, naming_damage(path):
        yield from io.BufferedReader(stream, 1 << 20)  # type: ignore[type-var]


def parse_row(line: bytes) -> dict[str, Any]:
    """The row of a line that `dump_row` wrote."""
    import orjson

    row: dict[str, Any] = orjson.loads(line)
    return row
