"""Tables of text: CSV, TSV and their kin, with whichever signs and quotes they have."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from qaz_llm.data.readers.dialects import Dialect, csv_reader
from qaz_llm.data.readers.encodings import TextForm
from qaz_llm.data.readers.lines import BOM, decoded_lines
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.data.readers.streams import read_lines
from qaz_llm.errors import DamagedFileError
from qaz_llm.io.reading import MAX_VALUES

MAX_COLUMNS = 16_384
"""As many as a sheet of Excel has."""


def read_table(
    path: Path, form: TextForm, dialect: Dialect, columns: Sequence[str] = (), part: Part | None = None
) -> Iterator[Row]:
    """Rows of a table. Without `columns` its first row names them; a name that comes again gets a number.

    Problems of a row: `bad_csv` (a quote in the wrong place, and what follows it up to the next whole row), `wrong_columns`
    (more values than columns), `bad_encoding`, `line_too_long`. With fewer values the last fields are absent.
    Raises DamagedFileError where a quote is never closed, since it takes the rest of the file with it.
    """
    if dialect.is_by_lines:
        return _read_by_lines(path, form, dialect, columns, part)
    return _read_quoted(path, form, dialect, columns)


def _named(header: Sequence[str]) -> list[str]:
    """The columns of a header: `id, text, text` are id, text and text_2.

    >>> _named(["id ", "text", "text"])
    ['id', 'text', 'text_2']
    """
    names: dict[str, None] = {}
    times: Counter[str] = Counter()
    for name in (name.strip() for name in header):
        times[name] += 1
        unique = name
        while unique in names:
            unique = f"{name}_{max(times[name], 2)}"
            times[name] += unique in names
        names[unique] = None
    return list(names)


def _header_of(path: Path, cells: Sequence[str]) -> list[str]:
    """The columns that a first row names. Raises DamagedFileError where no table has so many."""
    if len(cells) > MAX_COLUMNS:
        raise DamagedFileError(
            f"{path}: a first row of {len(cells):,} columns, which is no table", hint="check the file"
        )
    return _named(cells)


def _has_too_many_cells(line: str, delimiter: str) -> bool:
    return len(line) > MAX_VALUES and line.count(delimiter) > MAX_VALUES


def _row(number: int, columns: Sequence[str], values: list[str]) -> Row:
    while len(values) > len(columns) and not values[-1]:  # a sign too many at the end of the line
        values.pop()
    if len(values) > len(columns):
        return Row(number, {}, "wrong_columns")
    return Row(number, dict(zip(columns, values, strict=False)))


# ------------------------------------------------------------------------------------------------------------- lines


def _read_by_lines(
    path: Path, form: TextForm, dialect: Dialect, columns: Sequence[str], part: Part | None
) -> Iterator[Row]:
    skipped = dialect.skipped_lines
    has_header = not columns
    if has_header:
        lines = decoded_lines(path, form)
        header, trouble = next(((line, problem) for number, line, problem in lines if number >= skipped), ("", None))
        columns = _header_of(path, header.split(dialect.delimiter, MAX_COLUMNS))
        if trouble is not None and (part is None or part.start == 0):
            yield Row(skipped, {}, trouble)
    for number, line, problem in decoded_lines(path, form, part):
        if number < skipped + has_header or not (line or problem):
            continue
        if problem is None and _has_too_many_cells(line, dialect.delimiter):
            problem = "too_many_values"
        yield _row(number, columns, line.split(dialect.delimiter)) if problem is None else Row(number, {}, problem)


# ------------------------------------------------------------------------------------------------------------ quotes


class _Lines:
    """The lines of a file as text for the csv module, remembering of the current row what they are and what is wrong."""

    def __init__(self, path: Path, form: TextForm, dialect: Dialect) -> None:
        self._lines = (pair for pair in read_lines(path, form) if pair[0] >= dialect.skipped_lines)
        self._delimiter = dialect.delimiter
        self.problem: str | None = None
        self.num_quotes = 0

    def begin_row(self) -> None:
        self.problem, self.num_quotes = None, 0

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        number, line = next(self._lines)
        if line is None:
            self.problem = "line_too_long"
            return "\n"
        self.num_quotes += line.count(b'"')
        try:
            text = (line if number else line.removeprefix(BOM)).decode()
            if not _has_too_many_cells(text, self._delimiter):
                return text
            self.problem = "too_many_values"
            return "\n"
        except UnicodeDecodeError:
            self.problem = "bad_encoding"
            return line.decode(errors="replace")


def _read_quoted(path: Path, form: TextForm, dialect: Dialect, columns: Sequence[str]) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE_BYTES)
    lines = _Lines(path, form, dialect)
    reader = csv_reader(lines, dialect)
    number = -1 if columns else -2
    is_lost = False
    while True:
        number += 1
        lines.begin_row()
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end of data" in str(error) or "field larger" in str(error):
                raise DamagedFileError(
                    f"{path}: a quote that is opened in row {max(number, 0) + 1} is not closed",
                    hint="close it; where quotes are text and columns are parted by tabs, say format: tsv",
                ) from error
            values, lines.problem = [], lines.problem or "bad_csv"
        if not columns and lines.problem == "too_many_values":
            raise DamagedFileError(f"{path}: its first row has more columns than any table", hint="check the file")
        if not columns and lines.problem in (None, "bad_encoding"):
            columns = _header_of(path, values)
            continue
        if is_lost and lines.problem is None and values:
            # what follows a quote in the wrong place is the rest of its row until a whole one comes
            is_lost = len(values) != len(columns) or lines.num_quotes % 2 == 1
            lines.problem = "bad_csv" if is_lost else None
        is_lost = is_lost or lines.problem == "bad_csv"
        if lines.problem is not None:
            yield Row(max(number, 0), {}, lines.problem)
        elif values:
            yield _row(number, columns, values)
