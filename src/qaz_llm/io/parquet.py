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
    file: pq.ParquetFile, columns: Sequence[str] | None = None, groups: Sequence[int] | None = None, *, max_bytes: int
) -> Iterator[pa.RecordBatch | LongRows]:
    """The rows of some row groups, or all, in their order; LongRows in place of those of more than `max_bytes`."""
    for group in range(file.metadata.num_row_groups) if groups is None else groups:
        num_rows, row_bytes = _size_of(file, group, columns)
        if row_bytes > max_bytes:
            yield LongRows(num_rows)
            continue
        size = max(1, min(BATCH_ROWS, BATCH_BYTES // max(row_bytes, 1)))
        for batch in file.iter_batches(size, row_groups=[group], columns=None if columns is None else list(columns)):
            yield from _without_long_rows(batch, max_bytes) if batch.nbytes > max_bytes else (batch,)


def _size_of(file: pq.ParquetFile, group: int, columns: Sequence[str] | None) -> tuple[int, int]:
    """The rows of a group, and how many bytes of the columns asked for a row has in the mean."""
    metadata = file.metadata.row_group(group)
    chunks = (metadata.column(index) for index in range(metadata.num_columns))
    wanted = None if columns is None else set(columns)
    num_bytes = sum(
        chunk.total_uncompressed_size
        for chunk in chunks
        if wanted is None or chunk.path_in_schema.partition(".")[0] in wanted
    )
    return metadata.num_rows, num_bytes // max(metadata.num_rows, 1)


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
