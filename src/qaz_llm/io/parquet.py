"""Parquet in batches that fit in memory whatever its cells hold.

A file says of each group of rows how many bytes its columns unpack to; so few rows are read at once that these are some tens
of megabytes, and a group whose rows are longer than a row may be is not unpacked at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from qaz_llm.errors import DamagedFileError
from qaz_llm.io.compression import compression_of

BATCH_ROWS = 256
"""So many rows are Python objects at once, fewer where they are long."""

BATCH_BYTES = 64 << 20
USUAL_DICTIONARY_BYTES = 4 << 20
"""Most writers give a column up to a megabyte of dictionary, and none where it needs more. Of a longer one a row may hold all:
a text of 30 MiB that 10,000 rows repeat is in the file once, and so few rows are read at once as if each had it."""

MAX_DICTIONARY_BYTES = 256 << 20
"""A longer one is not unpacked."""

_DICTIONARY_PAGE = 2


@dataclass(frozen=True, slots=True)
class LongRows:
    """In place of a batch: so many rows in a row that are too long to be read."""

    num_rows: int


@contextmanager
def open_parquet(path: Path) -> Iterator[pq.ParquetFile]:
    """The file, open. Raises InputError if absent, DamagedFileError where it is damaged, then or while it is read."""
    compression_of(path)  # a missing file, a folder, a forbidden one: the same message as for all other files
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:  # pyarrow says OSError for a damaged page
        raise DamagedFileError(f"{path}: not a readable Parquet file ({error})", hint="fetch the file again") from error


def parquet_batches(
    path: Path,
    file: pq.ParquetFile,
    columns: Sequence[str] | None = None,
    groups: Sequence[int] | None = None,
    *,
    max_bytes: int,
) -> Iterator[pa.RecordBatch | LongRows]:
    """The rows of some row groups, or all, in their order; LongRows in place of those of more than `max_bytes`.

    `path` is where `file` lies.
    """
    for group in range(file.metadata.num_row_groups) if groups is None else groups:
        metadata = file.metadata.row_group(group)
        chunks = _chunks_of(metadata, columns)
        row_bytes = sum(chunk.total_uncompressed_size for chunk in chunks) // max(metadata.num_rows, 1)
        dictionary_bytes = sum(_dictionary_bytes(path, chunks))
        if row_bytes > max_bytes or dictionary_bytes > MAX_DICTIONARY_BYTES:
            yield LongRows(metadata.num_rows)
            continue
        longest = max(row_bytes, dictionary_bytes if dictionary_bytes > USUAL_DICTIONARY_BYTES else 1)
        size = max(1, min(BATCH_ROWS, BATCH_BYTES // longest))
        for batch in file.iter_batches(size, row_groups=[group], columns=None if columns is None else list(columns)):
            yield from _without_long_rows(batch, max_bytes) if batch.nbytes > max_bytes else (batch,)


def _chunks_of(group: pq.RowGroupMetaData, columns: Sequence[str] | None) -> list[pq.ColumnChunkMetaData]:
    """The columns asked for of a group of rows; all of those that a struct or a list is parted into."""
    chunks = (group.column(index) for index in range(group.num_columns))
    return [chunk for chunk in chunks if columns is None or chunk.path_in_schema.partition(".")[0] in columns]


def _dictionary_bytes(path: Path, chunks: Sequence[pq.ColumnChunkMetaData]) -> Iterator[int]:
    """How many bytes the dictionary of each column unpacks to, 0 where there is none.

    The file's own metadata do not say it; the header before the page does: a PageHeader of Thrift's compact protocol begins
    with two numbers, the kind of the page and its size unpacked (https://parquet.apache.org/docs/file-format/metadata/).
    """
    with path.open("rb") as stream:
        for chunk in chunks:
            stream.seek(chunk.dictionary_page_offset or chunk.data_page_offset)
            header = stream.read(12)
            kind, rest = _thrift_number(header)
            size, _ = _thrift_number(rest)
            yield size if kind == _DICTIONARY_PAGE else 0


def _thrift_number(field: bytes) -> tuple[int, bytes]:
    """The number after the byte that names a field (zigzag, seven bits a byte, least first), and what follows it.

    >>> _thrift_number(bytes([0x15, 0xac, 0x02, 0x15]))
    (150, b'\\x15')
    """
    value = 0
    for place, byte in enumerate(field[1:]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), field[place + 2 :]
    return 0, b""


def _without_long_rows(batch: pa.RecordBatch, max_bytes: int) -> Iterator[pa.RecordBatch | LongRows]:
    start = 0
    for place in range(batch.num_rows):
        if batch.slice(place, 1).nbytes > max_bytes:
            if place > start:
                yield batch.slice(start, place - start)
            yield LongRows(1)
            start = place + 1
    if start < batch.num_rows:
        yield batch.slice(start)


def plain_values(column: Any) -> list[Any]:
    """The values of an Arrow column as Python objects, bytes that are UTF-8 as text.

    Many writers leave out the mark that says that a column of bytes is one of strings. Bytes that are no UTF-8 stay bytes.
    Raises UnicodeDecodeError where a column that is said to be of strings is none.
    """
    values: list[Any] = column.to_pylist()
    if not _holds_bytes(column.type):
        return values
    return [as_text(value) for value in values]


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
    )


def as_text(value: Any) -> Any:
    """Bytes as the text they are in UTF-8, without the NULs that fill up a column of fixed size; anything else as it is.

    >>> as_text("қар".encode() + bytes(2)), as_text(b"\\xff"), as_text(7)
    ('қар', b'\\xff', 7)
    """
    if not isinstance(value, bytes):
        return value
    try:
        return value.rstrip(b"\0").decode()
    except UnicodeDecodeError:
        return value
