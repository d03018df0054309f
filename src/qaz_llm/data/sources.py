"""From the rows of a source to its documents.

Every row ends as part of a document or as a document with `meta["problem"]`, which the build drops and counts, so no
row is lost without a word. Problems of a row: `missing_text` (no such field, null, or no text in it), `bad_json`,
`bad_encoding`, `bad_csv`, `bad_xml`, `wrong_columns`, `line_too_long`; of a file: `empty_file`, `damaged_file`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.licence_names import UNKNOWN, licence_of_row, spdx
from qaz_llm.data.notices import Notices
from qaz_llm.data.readers import Row, read_hub, read_rows_of
from qaz_llm.data.split import split_text
from qaz_llm.data.tasks import Task, tasks_of
from qaz_llm.errors import DamagedFileError, DataError, InputError
from qaz_llm.io import resolve_path
from qaz_llm.language.repair import detokenise
from qaz_llm.records import Document

PROBLEM = "problem"
LOOKED_AT_ROWS = 100
"""A field that none of so many first rows has is a mistake in the config, not a gap in the data."""


def read_task(
    task: Task, *, root: Path | None = None, stop_on_bad_row: bool = False, notices: Notices | None = None
) -> Iterator[Document]:
    """The documents of a task, in order. Their ids and texts do not depend on how the source is cut into tasks.

    What was guessed or passed over on the way is counted in `notices`.

    Raises:
        InputError: no such file; no row of the first 100 of a file or part has the text field.
        DataError: a damaged archive, where on_damaged_file is `stop`; a bad row, where `stop_on_bad_row`.
    """
    reader = _Reader(task.source, stop_on_bad_row, notices or Notices())
    if not task.paths:
        folder = resolve_path(task.source.path, root=root)
        documents = reader.documents(read_hub(task.source, folder if folder.is_dir() else None), task.source.name)
    else:
        named = zip(task.paths, task.names, strict=True)
        documents = chain.from_iterable(_documents_of_file(reader, path, name, task) for path, name in named)
    return _limit(documents, task.source)


def read_documents(
    source: SourceConfig,
    *,
    shard: int = 0,
    num_shards: int = 1,
    root: Path | None = None,
    stop_on_bad_row: bool = False,
) -> Iterator[Document]:
    """The documents of one share of a source: those of its tasks `shard`, `shard + num_shards`, …  Raises as `read_task`."""
    for task in tasks_of(source, root=root)[shard::num_shards]:
        yield from read_task(task, root=root, stop_on_bad_row=stop_on_bad_row)


def _documents_of_file(reader: _Reader, path: Path, name: str, task: Task) -> Iterator[Document]:
    """The documents of one file, and of what is wrong with the file as a whole."""
    source, fields = task.source, reader.fields
    rows = _UntilDamage(
        read_hub(source, path, part=task.part, fields=fields)
        if path.is_dir()
        else read_rows_of(path, source, part=task.part, fields=fields)
    )
    any_row = False
    for document in reader.documents(iter(rows), name):
        any_row = True
        yield document
    if rows.damage is not None:
        if source.on_damaged_file == "stop":
            raise rows.damage
        yield reader.problem(f"{name}/damaged_file", "damaged_file")
    elif not any_row and task.part is None:
        if reader.stop_on_bad_row:
            raise DataError(
                f"source {source.name}: {path} holds no row", hint="on_bad_row: drop counts such files and goes on"
            )
        yield reader.problem(f"{name}/empty_file", "empty_file")


@dataclass
class _UntilDamage:
    """Rows up to where the file is damaged, and what was said of the damage: the rows before it are not lost."""

    rows: Iterator[Row]
    damage: DamagedFileError | None = None

    def __iter__(self) -> Iterator[Row]:
        try:
            yield from self.rows
        except DamagedFileError as error:
            self.damage = error


# -------------------------------------------------------------------------------------------------------- documents


class _Text(NamedTuple):
    """The text of one row, with its place and, where the row has them, its own id, url and licence."""

    place: str
    text: str
    own_id: str | None
    url: str | None
    licence: str


@dataclass(frozen=True)
class _Reader:
    """What turns the rows of one source into documents."""

    source: SourceConfig
    stop_on_bad_row: bool
    notices: Notices

    @cached_property
    def fields(self) -> tuple[str, ...] | None:
        """The top-level fields that are needed of a row; None where a name may be one of a nested field or of its own."""
        names = (*self.text_fields, self.source.id_field, self.source.url_field, self.source.licence_field)
        needed = tuple(dict.fromkeys(name for name in names if name is not None))
        return None if any("." in name for name in needed) else needed

    @cached_property
    def text_fields(self) -> tuple[str, ...]:
        return tuple(self.source.texts.values()) or (self.source.text_field,)

    @cached_property
    def licence(self) -> str:
        return spdx(self.source.licence)

    @cached_property
    def language(self) -> str:
        return "und" if self.source.language == "auto" else self.source.language

    def documents(self, rows: Iterator[Row], name: str) -> Iterator[Document]:
        """One document of every `rows_per_document` rows, or several where they are split, and one of each problem."""
        source = self.source
        joins = source.rows_per_document > 1 or source.max_document_words is not None
        text_of, get_id, get_url = self._text_getter(), _getter(source.id_field), _getter(source.url_field)
        waiting: list[_Text] = []
        for number, fields, problem in self._checked(rows, name):
            place = f"{name}/{number:08d}"
            text = text_of(fields)
            own_id = get_id(fields)
            if problem is not None or text is None:
                if problem is not None and self.stop_on_bad_row:
                    raise DataError(
                        f"source {source.name}, {name}: row {number + 1} cannot be read ({problem})",
                        hint="on_bad_row: drop counts such rows and goes on",
                    )
                yield self.problem(place if own_id is None else str(own_id), problem or "missing_text")
                continue
            url = get_url(fields)
            row = _Text(
                place,
                text,
                None if own_id is None else str(own_id),
                None if url is None else str(url),
                self._licence_of(fields),
            )
            if not joins:
                yield self._document(row, text)
                continue
            waiting.append(row)
            if len(waiting) == source.rows_per_document:
                yield from self._joined(waiting)
                waiting = []
        if waiting:
            yield from self._joined(waiting)

    def problem(self, place: str, problem: str) -> Document:
        """A document without text, in place of what could not be read."""
        row = _Text(place, "", None, None, self.licence)
        return self._document(row, "", {PROBLEM: problem})

    def _document(self, row: _Text, text: str, meta: dict[str, Any] | None = None, suffix: str = "") -> Document:
        place = row.place if row.own_id is None else row.own_id
        return Document(
            f"{self.source.name}/{place}{suffix}",
            text,
            self.source.name,
            self.language,
            "Zyyy",
            row.licence,
            row.url,
            {} if meta is None else meta,
        )

    def _joined(self, rows: Sequence[_Text]) -> Iterator[Document]:
        """The texts of some rows as one document, or as pieces of at most max_document_words."""
        licences = tuple(dict.fromkeys(row.licence for row in rows))
        together = " AND ".join(f"({one})" if " OR " in one else one for one in licences)
        first = rows[0]._replace(licence=together if len(licences) > 1 else licences[0])
        text = "\n".join(row.text.strip() for row in rows) if len(rows) > 1 else first.text
        if self.source.max_document_words is None:
            yield self._document(first, text)
            return
        pieces = split_text(text, max_words=self.source.max_document_words)
        for index, piece in enumerate(pieces):
            yield self._document(first, piece, suffix=f"#{index:04d}" if len(pieces) > 1 else "")

    def _text_getter(self) -> Callable[[Mapping[str, Any]], str | None]:
        """A function from fields to text, None where there is none."""
        tidy = detokenise if self.source.detokenise else str
        getters = [_getter(field) for field in self.text_fields]
        get = getters[0]

        def one(fields: Mapping[str, Any]) -> str | None:
            value = get(fields)
            return tidy(value) if isinstance(value, str) and value and not value.isspace() else None

        def lines(fields: Mapping[str, Any]) -> str | None:
            values = [getter(fields) for getter in getters]
            if not all(isinstance(value, str) and value.strip() for value in values):
                return None
            return "\n".join(tidy(" ".join(value.split())) for value in values)

        return lines if len(getters) > 1 else one

    def _licence_of(self, fields: Mapping[str, Any]) -> str:
        if self.source.licence_field is None:
            return self.licence
        value = _getter(self.source.licence_field)(fields)
        licence = licence_of_row(value, self.licence)
        if licence == UNKNOWN and value:
            self.notices.add("licence_not_understood", f"{self.source.name}: {self.source.licence_field}")
        return licence

    def _checked(self, rows: Iterator[Row], name: str) -> Iterator[Row]:
        """The rows, after a look at the first. Raises InputError where a field of the config is in none of them."""
        first = list(islice(rows, LOOKED_AT_ROWS))
        readable = [row.fields for row in first if row.problem is None]
        source = self.source
        for field in (*self.text_fields, source.id_field, source.url_field, source.licence_field):
            if field and readable and not any(_has(fields, field) for fields in readable):
                found = sorted({key for fields in readable for key in fields})
                raise InputError(
                    f"source {source.name}, {name}: no field {field!r} in the first {len(readable)} rows",
                    hint=f"the fields found are: {', '.join(found)}; set text_field or id_field to one of them",
                )
        return chain(first, rows)


def _getter(field: str | None) -> Callable[[Mapping[str, Any]], Any]:
    """A function from fields to the value of one; a dotted name goes down where no field has the dotted name itself."""
    if field is None:
        return lambda fields: None
    if "." not in field:
        return lambda fields: fields.get(field)
    return lambda fields: fields[field] if field in fields else _nested(fields, field.split("."))


def _nested(value: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _has(fields: Mapping[str, Any], field: str) -> bool:
    """Whether a row has a field, be it null; of a dotted name the object it lies in counts."""
    if field in fields or "." not in field:
        return field in fields
    *parents, last = field.split(".")
    inner = _nested(fields, parents)
    return isinstance(inner, dict) and last in inner


def _limit(documents: Iterator[Document], source: SourceConfig) -> Iterator[Document]:
    if source.max_documents is None and source.max_bytes is None:
        yield from documents
        return
    size = 0
    for count, document in enumerate(documents):
        size += len(document.text.encode())
        if (source.max_bytes is not None and size > source.max_bytes) or (
            source.max_documents is not None and count >= source.max_documents
        ):
            return
        yield document
