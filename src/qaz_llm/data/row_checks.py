"""What can be told of a source from its rows: fields that are not there, fields that hold no text, a file read wrongly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.fields import getter, has_field, kind_of
from qaz_llm.data.notices import Notices
from qaz_llm.data.readers import Row, Shape, shape_of
from qaz_llm.data.readers.shapes import COUNTING, FORMAT_BY_SUFFIX
from qaz_llm.data.tasks import Task
from qaz_llm.errors import InputError

LOOKED_AT_ROWS = 100
"""A field that none of so many first rows has is a mistake in the config, not a gap in the data."""

MIN_JUDGED_ROWS = 20
"""Of fewer rows no share is taken: one bad row of two says nothing of how a file was read."""

TABLES = frozenset({"csv", "tsv"})


@dataclass(frozen=True)
class Place:
    """Where rows come from: the name of their file and how it is read; no shape for what is streamed."""

    name: str
    shape: Shape | None = None

    @classmethod
    def of(cls, path: Path, name: str, source: SourceConfig) -> Place:
        return cls(name, None if path.is_dir() and source.format != "acts" else shape_of(path, source))

    def of_row(self, number: int) -> str:
        """What tells a row apart from the others of its source; of a file that is one row its name alone."""
        return self.name if self.shape is not None and self.shape.unit == "file" else f"{self.name}/{number:08d}"

    @property
    def is_of_markup(self) -> bool:
        """Whether the reader takes markup away, and says what went."""
        return self.shape is not None and self.shape.format in COUNTING

    @property
    def is_of_acts(self) -> bool:
        return self.shape is not None and self.shape.format == "acts"

    @property
    def has_sure_ids(self) -> bool:
        """False of tables of text: a row without text is a piece of a broken one as often as not, and what stands in the
        place of its id a piece of its text."""
        return self.shape is None or self.shape.format not in TABLES

    @property
    def how(self) -> str:
        return "" if self.shape is None else f", read as {self.shape}"

    def note(self, notices: Notices, source: SourceConfig) -> None:
        """Say what was recognised and not declared."""
        if self.shape is None:
            return
        where = f"{source.name}: files of plain text" if self.shape.unit == "file" else f"{source.name}: {self.name}"
        if self.shape.form.is_guess:
            notices.add("encoding_recognised", f"{where} ({self.shape.form.encoding})")
        if self.shape.dialect is not None and not self.shape.dialect.is_usual and source.delimiter is None:
            notices.add("dialect_recognised", f"{where} ({self.shape.dialect})")


@dataclass
class Seen:
    """What was read so far: rows, those that became no document by what was wrong with them, the fields of the first."""

    rows: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    fields: set[str] = field(default_factory=set)
    how: str = ""


def checked(rows: Iterator[Row], place: Place, source: SourceConfig, seen: Seen) -> Iterator[Row]:
    """The rows, after a look at the first.

    Raises:
        InputError: a field of the config is in none of them; the text field is, and holds text in none.
    """
    first = list(islice(rows, LOOKED_AT_ROWS))
    readable = [row.fields for row in first if row.problem is None]
    text_fields = tuple(source.texts.values()) or (source.text_field,)
    columns = () if place.shape is None else place.shape.columns
    found = sorted({key for fields in readable for key in fields}.union(column.strip() for column in columns))
    seen.fields.update(found)
    seen.how = place.how
    for name in (*text_fields, source.id_field, source.url_field, source.licence_field, source.opt_out_field):
        if name and readable and not any(has_field(fields, name) for fields in readable):
            shorter = name in found  # the header has it
            way_out = "the rows have fewer values: set delimiter" if shorter else _other_fields(place, source)
            raise InputError(
                f"source {source.name}, {place.name}: no field {name!r} in the first {len(readable)} rows{place.how}",
                hint=f"the fields found are: {', '.join(found)}; {way_out}",
            )
    for name in text_fields:
        kinds = {kind_of(value) for value in map(getter(name), readable) if value is not None}
        if kinds and not kinds & {"text", "bytes"}:
            raise InputError(
                f"source {source.name}, {place.name}: the field {name!r} holds {' and '.join(sorted(kinds))}, and text"
                f" was expected{place.how}",
                hint=f"the fields found are: {', '.join(found)}; a field inside an object is named a.b",
            )
    return chain(first, rows)


def _other_fields(place: Place, source: SourceConfig) -> str:
    """What to do where a field has another name here: of several files the others may have theirs, and one key cannot name both."""
    way_out = "set text_field or id_field to one of them"
    ending = Path(place.name).suffix
    if ending not in FORMAT_BY_SUFFIX or any(sign in source.path for sign in "*?["):
        return way_out
    pattern = f"{source.path.rstrip('/')}/{'**/' if '/' in place.name else ''}*{ending}"
    return f"{way_out}; where other files of the folder have other fields, make a source of each kind (path: {pattern})"


def check_share(seen: Seen, task: Task, *, is_only_file: bool = False) -> None:
    """Raises InputError where more of the rows seen than the config allows became no document.

    Of few rows it is not known whether that is the rule; of the only file of a source not one is to be good.
    """
    bad, limit = seen.problems.total(), task.source.max_bad_rows_frac * seen.rows
    is_much = bad > limit if seen.rows >= MIN_JUDGED_ROWS else is_only_file and bad == seen.rows > limit
    if not is_much:
        return
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in seen.problems.most_common())
    found = f"the fields found are: {', '.join(sorted(seen.fields))}; " if seen.fields else ""
    raise InputError(
        f"source {task.label}: {bad:,} of {seen.rows:,} rows cannot be used ({reasons}){seen.how}",
        hint=f"{found}check text_field, encoding and delimiter of the source;"
        " with max_bad_rows_frac: 1 such rows are dropped and counted",
    )
