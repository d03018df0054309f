"""Tables: CSV with its quotes, and Parquet."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.data.readers.lines import BOM, read_lines
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import compression_of

BATCH_ROWS = 256
"""Of Parquet and Arrow so many rows are Python objects at once."""


class _CsvLines:
    """The lines of a CSV file as text for the csv module, remembering what was wrong with those of the current row."""

    def __init__(self, path: Path) -> None:
        self._lines = read_lines(path)
        self.problem: str | None = None

    def __iter__(self) -> _CsvLines:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        if line is None:
            self.problem = "line_too_long"
            return "\n"
        try:
            return (line if number else line.removeprefix(BOM)).decode()
        except UnicodeDecodeError:
            self.problem = "bad_encoding"
            return line.decode(errors="replace")


def read_csv(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    """Rows between commas, quoted as RFC 4180 says. Without `columns` the first row names them.

    Problems of a row: `bad_csv` (a quote in the wrong place), `wrong_columns` (more values than columns), `bad_encoding`,
    `line_too_long`. Raises DamagedFileError where a quote is never closed, since it takes the rest of the file with it.
    """
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _CsvLines(path)
    reader = csv.reader(lines, strict=True)
    number = -1 if columns else -2
    while True:
        number += 1
        lines.problem = None
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field larger" in str(error):
                raise DamagedFileError(
                    f"{path}: a quote that is opened in row {max(number, 0) + 1} is not closed", hint="close it"
                ) from error
            values, lines.problem = [], lines.problem or "bad_csv"
        if not columns:
            columns = values
        elif lines.problem is not None:
            yield Row(number, {}, lines.problem)
        elif len(values) > len(columns):
            yield Row(number, {}, "wrong_columns")
        elif values:
            yield Row(number, dict(zip(columns, values, strict=False)))


def read_parquet_rows(path: Path, columns: Sequence[str] | None = None, part: Part | None = None) -> Iterator[Row]:
    """Rows of Parquet, all of its columns or those named (where it has them all), of all or some row groups.

    Raises InputError if absent, DamagedFileError if damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    compression_of(path)  # a missing file, a folder, a forbidden one: the same message as for all other files
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            if columns is not None and not set(columns) <= set(file.schema_arrow.names):
                columns = None
            groups = range(part.start, part.end) if part is not None else None
            number = part.first_row if part is not None else 0
            for batch in file.iter_batches(BATCH_ROWS, row_groups=groups, columns=columns):
                yield from rows_of_batch(batch, number)
                number += batch.num_rows
    except (pa.ArrowException, OSError) as error:  # pyarrow says OSError for a damaged page
        raise DamagedFileError(f"{path}: not a readable Parquet file ({error})", hint="fetch the file again") from error


def rows_of_batch(batch: Any, number: int) -> Iterator[Row]:
    """The rows of an Arrow record batch, numbered from `number`."""
    names = batch.schema.names
    try:
        columns = [column.to_pylist() for column in batch.columns]
    except UnicodeDecodeError:  # Parquet does not check that its strings are UTF-8
        for place in range(batch.num_rows):
            try:
                yield Row(number + place, {name: batch[name][place].as_py() for name in names})
            except UnicodeDecodeError:
                yield Row(number + place, {}, "bad_encoding")
        return
    for place, values in enumerate(zip(*columns, strict=True)):
        yield Row(number + place, dict(zip(names, values, strict=True)))
