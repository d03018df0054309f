"""Rows of a task's data file, whatever its format: JSONL, Parquet, or a table as CSV or TSV, with a line of names or without."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import RowError
from qaz_llm.io import open_text, read_rows
from qaz_llm.io.paths import file_format

TABLES = {".csv": ",", ".tsv": "\t"}
MAX_CELL_CHARS = 1 << 24
"""Python's own limit of 131,072 characters would end at a book's chapter; one of its readers is told for all of a process."""


def read_task_rows(
    path: Path, columns: Sequence[str] | None, *, quoted: bool | None = None
) -> Iterator[dict[str, Any]]:
    """The rows of a file, each with its number as `row` where it has no such field.

    Args:
        columns: the names of a table's columns, where its first line is already a row.
        quoted: whether quotes hold a cell together; by default in a CSV, and not in a TSV.

    Raises:
        DataError: a line of a table has more or fewer fields than there are names, two columns have one name, or a quote is not closed.
        DamagedFileError, InputError: as `read_rows`.
    """
    separator = TABLES.get(file_format(path))
    rows = read_rows(path) if separator is None else _table(path, separator, columns, quoted)
    for number, row in enumerate(rows, 1):
        yield {**row, "row": row.get("row", number)}


def _table(path: Path, separator: str, columns: Sequence[str] | None, quoted: bool | None) -> Iterator[dict[str, Any]]:
    """In a TSV quotes are letters like others; in a CSV they hold what has commas or line ends."""
    is_quoted = separator == "," if quoted is None else quoted
    with open_text(path) as lines:
        csv.field_size_limit(MAX_CELL_CHARS)
        # Strict: else an open quote would take the rest of the file into its cell, without a word.
        reader = csv.reader(
            lines, delimiter=separator, quoting=csv.QUOTE_MINIMAL if is_quoted else csv.QUOTE_NONE, strict=True
        )
        rows = _cells(path, reader)
        names = list(columns) if columns is not None else next(rows, [])
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise RowError(f"{path}: two columns are called {twice[0]!r}", hint="give each column a name of its own")
        for cells in rows:
            if len(cells) != len(names):
                raise RowError(
                    f"{path}:{reader.line_num}: {len(cells)} fields, expected {len(names)} ({', '.join(names)})",
                    hint="a table without a line of names needs `columns` in the task file",
                )
            yield dict(zip(names, cells, strict=True))


def _cells(path: Path, reader: Any) -> Iterator[list[str]]:
    """The lines that are not empty. Raises DataError where quotes are not as a table has them."""
    started = 0
    try:
        for cells in reader:
            started = reader.line_num
            if cells:
                yield cells
    except csv.Error as error:
        raise RowError(
            f"{path}:{started + 1}: a table cannot be read from this line on ({error})",
            hint='close each quote, and write a quote within a cell twice (""); quoted: false in the task file takes quotes as letters',
        ) from error
