"""How the columns of a table of text are parted: by which sign, with which quotes, with which escapes.

    id,text                     id;text                     id|text                  id⇥text
    1,"Ол ""иә"" деді"          1;"Ол \\"иә\\" деді"          2|Ол "иә" деді           3⇥Ол "иә" деді
    comma, quotes doubled       semicolon, backslashes      bar, quotes are text     tab, quotes are text

Every sign is tried with every kind of quotes on the first rows, and the one that gives most rows as many values as there are
columns is taken; among equals the commonest comes first. `delimiter` in the config leaves only the quotes to be found out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

Quotes = Literal["doubled", "backslash", "none"]

SAMPLE_CHARACTERS = 1 << 16
SAMPLE_ROWS = 200
MIN_OTHER_SCORE = 0.9
"""Quotes of another kind than is usual have to fit nearly all rows."""

NO_DELIMITER = "\x1f"
"""Of a table of one column: a sign that no text has."""

_DELIMITERS = {"csv": (",", ";", "\t", "|"), "tsv": ("\t", ";", ",", "|")}
_QUOTES: dict[str, tuple[Quotes, ...]] = {
    "csv": ("doubled", "backslash", "none"),
    "tsv": ("none", "doubled", "backslash"),
}
_NAMES = {
    ",": "a comma between columns",
    ";": "a semicolon between columns",
    "\t": "a tab between columns",
    "|": "a bar between columns",
    NO_DELIMITER: "one column",
}
_ESCAPED_QUOTE = re.compile(r'(?<!\\)(?:\\\\)*\\"')
_SEP_LINE = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""By which Excel is told the delimiter."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How the rows of a table are read."""

    delimiter: str
    quotes: Quotes = "doubled"
    skipped_lines: int = 0
    """Lines before the header: `sep=;`."""

    @property
    def is_by_lines(self) -> bool:
        """Whether each line is a row, so that the file can be cut at line ends."""
        return self.quotes == "none"

    @property
    def is_usual(self) -> bool:
        """Commas with quotes, or tabs without: what nobody has to be told of."""
        return self in (Dialect(","), Dialect("\t", "none"))

    def __str__(self) -> str:
        parted = _NAMES.get(self.delimiter, f"{self.delimiter!r} between columns")
        kinds = {"doubled": "", "backslash": ", quotes after backslashes", "none": ", quotes are text"}
        return parted if self.is_usual else f"{parted}{kinds[self.quotes]}"


def sniff_dialect(sample: str, kind: str, columns: Sequence[str] = (), delimiter: str | None = None) -> Dialect:
    """The dialect of a table that begins with `sample`; `kind` is `csv` or `tsv`, `columns` its names where no line has them.

    >>> sniff_dialect("id;text\\n1;Алма, алмұрт\\n2;Шие, өрік\\n", "csv")
    Dialect(delimiter=';', quotes='doubled', skipped_lines=0)
    """
    sample = sample[:SAMPLE_CHARACTERS].removeprefix("\ufeff")
    told = _SEP_LINE.match(sample)
    if told is not None:
        sample = sample[told.end() :]
        delimiter = delimiter or told[1]
    skipped = 0 if told is None else 1
    lines = list(io.StringIO(sample, newline="\n"))
    is_cut = len(lines) > 2 and len(sample) > SAMPLE_CHARACTERS // 2
    if is_cut:
        lines.pop()
    signs = _DELIMITERS[kind] if delimiter is None else (delimiter,)
    first, *others = _QUOTES[kind]
    best, score = _best(lines, columns, [Dialect(sign, first, skipped) for sign in signs])
    if _ESCAPED_QUOTE.search(
        sample
    ):  # in a cell without quotes around it a backslash escapes no less, and breaks nothing
        escaped, escaped_score = _best(lines, columns, [replace(best, quotes="backslash")])
        # `1,",\\"` is a row where quotes are doubled; a backslash that escaped the last quote would take the next rows into it
        loses_rows = _rows_that_fit(lines, escaped, columns)[0] < _rows_that_fit(lines, best, columns)[0]
        is_left_open = not is_cut and _ends_open(lines, escaped) and not _ends_open(lines, best)
        if escaped_score >= max(score, MIN_OTHER_SCORE) and not (loses_rows or is_left_open):
            best, score = escaped, escaped_score
    if score < 1.0:
        candidates = [Dialect(sign, quotes, skipped) for quotes in others for sign in signs]
        other, other_score = _best(lines, columns, [one for one in candidates if _may_be(one, lines)])
        if other_score > max(score, MIN_OTHER_SCORE):
            best, score = other, other_score
    if score == 0.0 and delimiter is None:
        return _of_header(lines, kind, skipped)
    if best.quotes == "none" and kind == "tsv" and _looks_quoted(lines, best.delimiter):
        return replace(best, quotes="doubled")
    return best


def _best(lines: Sequence[str], columns: Sequence[str], dialects: Sequence[Dialect]) -> tuple[Dialect, float]:
    """The first of those that fit best, and how well."""
    scores = [_score(lines, dialect, columns) for dialect in dialects]
    best = scores.index(max(scores))
    return dialects[best], scores[best]


def _may_be(dialect: Dialect, lines: Sequence[str]) -> bool:
    """Whether quotes may be text: where half the cells that begin with one end with one, they are quotes."""
    if dialect.quotes != "none":
        return True
    begun = [cell for line in lines for cell in line.strip().split(dialect.delimiter) if cell.startswith('"')]
    return 2 * sum(len(cell) > 1 and cell.endswith('"') for cell in begun) < max(len(begun), 1)


def _score(lines: Sequence[str], dialect: Dialect, columns: Sequence[str]) -> float:
    """The share of the first rows that have as many values as there are columns, two at least."""
    fitting, count = _rows_that_fit(lines, dialect, columns)
    return fitting / count if count else 0.0


def _rows_that_fit(lines: Sequence[str], dialect: Dialect, columns: Sequence[str]) -> tuple[int, int]:
    """Of the first rows those that have as many values as there are columns, and of how many."""
    rows = list(islice(parse_rows(lines, dialect), SAMPLE_ROWS))
    width = len(columns) or next((len(row) for row in rows if row), 0)
    if width < 2:
        return 0, 0
    body = [row for row in rows[0 if columns else 1 :] if row != []]
    return sum(row is not None and len(row) == width for row in body), len(body)


def _ends_open(lines: Sequence[str], dialect: Dialect) -> bool:
    """Whether a quote is open at the end."""
    reader = csv_reader(lines, dialect)
    while True:
        try:
            next(reader)
        except StopIteration:
            return False
        except csv.Error as error:
            if "unexpected end" in str(error):
                return True


def _of_header(lines: Sequence[str], kind: str, skipped: int) -> Dialect:
    """Of a table whose rows do not tell: the sign that its first line has most of."""
    first = next((line for line in lines if line.strip()), "")
    sign = max(_DELIMITERS[kind], key=first.count)
    return Dialect(sign if sign in first else NO_DELIMITER, _QUOTES[kind][0], skipped)


def _looks_quoted(lines: Sequence[str], delimiter: str) -> bool:
    """Whether cells that begin with a quote all end with one and double those inside, as Excel writes tabs."""
    cells = [cell for line in lines for cell in line.rstrip("\r\n").split(delimiter) if cell.startswith('"')]
    return any('""' in cell[1:-1] for cell in cells) and all(
        len(cell) > 1 and cell.endswith('"') and '"' not in cell[1:-1].replace('""', "") for cell in cells
    )


# ----------------------------------------------------------------------------------------------------------- parsing


def header_of(sample: str, dialect: Dialect) -> tuple[str, ...]:
    """The values of the first row of a table that begins with `sample`."""
    lines = islice(io.StringIO(sample.removeprefix("\ufeff"), newline="\n"), dialect.skipped_lines, None)
    return tuple(next((row for row in parse_rows(lines, dialect) if row), ()))


def parse_rows(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str] | None]:
    """The values of each row; None for one whose quotes are not as the dialect has them. Blank lines are empty lists.

    Raises csv.Error where a quote is not closed up to the end.
    """
    reader = csv_reader(lines, dialect)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                return
            yield None


def csv_reader(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """Python's reader of the rows of a dialect."""
    if dialect.quotes == "none":
        return (line.rstrip("\r\n").split(dialect.delimiter) if line.strip("\r\n") else [] for line in lines)
    if dialect.quotes == "backslash":
        lines = _only_escapes(lines, dialect.delimiter)
        return csv.reader(lines, delimiter=dialect.delimiter, escapechar="\\", strict=True)
    return csv.reader(lines, delimiter=dialect.delimiter, strict=True)


def _only_escapes(lines: Iterable[str], delimiter: str) -> Iterator[str]:
    """Backslashes doubled where they escape nothing, as in `C:\\new` or `\\frac`: Python's reader would take them away."""
    escapes = re.compile(rf'\\([\\"\r\n]|{re.escape(delimiter)})|\\')
    return (escapes.sub(lambda found: found[0] if found[1] else "\\\\", line) for line in lines)
