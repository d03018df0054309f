"""Rows of Parquet, and of other batches of Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.io.parquet import LongRows, as_text, open_parquet, parquet_batches, plain_values


def read_parquet_rows(path: Path, columns: Sequence[str] | None = None, part: Part | None = None) -> Iterator[Row]:
    """Rows of Parquet, all of its columns or those named (where it has them all), of all or some row groups.

    Columns of bytes are text where they are UTF-8. Problems: `bad_encoding`, `line_too_long` (over MAX_LINE_BYTES).
    Raises InputError if absent, DamagedFileError if damaged.
    """
    with open_parquet(path) as file:
        if columns is not None and not set(columns) <= set(file.schema_arrow.names):
            columns = None
        groups = range(part.start, part.end) if part is not None else None
        number = part.first_row if part is not None else 0
        for batch in parquet_batches(path, file, columns, groups, max_bytes=MAX_LINE_BYTES):
            if isinstance(batch, LongRows):
                yield from (Row(number + place, {}, "line_too_long") for place in range(batch.num_rows))
            else:
                yield from rows_of_batch(batch, number)
            number += batch.num_rows


def rows_of_batch(batch: Any, number: int) -> Iterator[Row]:
    """The rows of an Arrow record batch, numbered from `number`."""
    names = batch.schema.names
    try:
        columns = [plain_values(column) for column in batch.columns]
    except UnicodeDecodeError:  # Parquet does not check that its strings are UTF-8
        for place in range(batch.num_rows):
            try:
                yield Row(number + place, {name: as_text(batch[name][place].as_py()) for name in names})
            except UnicodeDecodeError:
                yield Row(number + place, {}, "bad_encoding")
        return
    for place, values in enumerate(zip(*columns, strict=True)):
        yield Row(number + place, dict(zip(names, values, strict=True)))
