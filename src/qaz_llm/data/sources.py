"""From the rows of a source to its documents.

Every row ends as part of a document or as a document with `meta["problem"]`, which the build drops and counts, so no
row is lost without a word. Problems of a row: `missing_text` (no such field, null, or no text in it), `bad_json`,
`bad_encoding`, `bad_csv`, `bad_xml`, `wrong_columns`, `line_too_long`, `too_many_values`; of a file: `empty_file`,
`damaged_file`, `file_too_long`. Where most rows of a file end so it was read in the wrong way: the build stops and says how.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.fields import getter
from qaz_llm.data.licence_names import UNKNOWN, licence_of_row, spdx
from qaz_llm.data.notices import Notices
from qaz_llm.data.opt_outs import OPTED_OUT, OptOuts, says_no
from qaz_llm.data.readers import MAX_LINE_BYTES, REMOVED, Row, read_hub, read_rows_of
from qaz_llm.data.row_checks import LOOKED_AT_ROWS, Place, Seen, check_share, checked
from qaz_llm.data.split import split_before, split_text
from qaz_llm.data.tasks import Task, tasks_of
from qaz_llm.errors import DamagedFileError, DataError
from qaz_llm.io import set_copy
from qaz_llm.language.repair import detokenise
from qaz_llm.records import Document

PROBLEM = "problem"
PLACE = "place"
"""In the meta of a document whose id is its row's own: where the row stands, which tells it apart if the id does not."""


def read_task(
    task: Task,
    *,
    root: Path | None = None,
    stop_on_bad_row: bool = False,
    notices: Notices | None = None,
    opt_outs: OptOuts | None = None,
) -> Iterator[Document]:
    """The documents of a task, in order. Their ids and texts do not depend on how the source is cut into tasks.

    What was guessed or passed over on the way is counted in `notices`; rows that `opt_outs` closes become a problem without text.

    Raises:
        InputError: no such file; no row of the first 100 of a file or part has the text field, or has text in it; more
            than `max_bad_rows_frac` of all rows cannot be read or have no text.
        DataError: a damaged archive, where on_damaged_file is `stop`; a bad row, where `stop_on_bad_row`.
    """
    reader = _Reader(task.source, stop_on_bad_row, notices or Notices(), opt_outs or OptOuts())
    return _limit(_documents_of_task(reader, task, root), task.source)


def read_first_rows(task: Task, *, is_only_file: bool = False, stop_on_bad_row: bool = False) -> None:
    """Read the first rows of the first file of a task, for what can be said of them alone. Raises as `read_task`.

    The only file of a source is to have one good row, however few there are.
    """
    reader = _Reader(task.source, stop_on_bad_row, Notices())
    path, name = task.paths[0], task.names[0]
    for _ in reader.documents(islice(_rows_of(reader, path, task), LOOKED_AT_ROWS), Place.of(path, name, task.source)):
        pass
    check_share(reader.seen, task, is_only_file=is_only_file)


def _documents_of_task(reader: _Reader, task: Task, root: Path | None) -> Iterator[Document]:
    if not task.paths:
        rows = read_hub(task.source, set_copy(task.source.path, root=root))
        yield from reader.documents(rows, Place(task.source.name))
    for path, name in zip(task.paths, task.names, strict=True):
        yield from _documents_of_file(reader, path, name, task)
    check_share(reader.seen, task)


def _rows_of(reader: _Reader, path: Path, task: Task) -> Iterator[Row]:
    if path.is_dir() and task.source.format != "acts":
        return read_hub(task.source, path, part=task.part, fields=reader.fields)
    return read_rows_of(path, task.source, part=task.part, fields=reader.fields)


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
    source, place = task.source, Place.of(path, name, task.source)
    rows = _UntilDamage(_rows_of(reader, path, task))
    if task.is_beginning:
        place.note(reader.notices, source)
    any_row = False
    for document in reader.documents(iter(rows), place):
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
    meta: Mapping[str, Any] = {}


@dataclass(frozen=True)
class _Reader:
    """What turns the rows of one source into documents."""

    source: SourceConfig
    stop_on_bad_row: bool
    notices: Notices
    opt_outs: OptOuts = field(default_factory=OptOuts)
    seen: Seen = field(default_factory=Seen)

    @cached_property
    def fields(self) -> tuple[str, ...] | None:
        """The top-level fields that are needed of a row; None where a name may be one of a nested field or of its own."""
        source = self.source
        names = (*self.text_fields, source.id_field, source.url_field, source.licence_field, source.opt_out_field)
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

    def documents(self, rows: Iterator[Row], place: Place) -> Iterator[Document]:
        """One document of every `rows_per_document` rows, or several where they are split, and one of each problem."""
        source, seen = self.source, self.seen
        joins = source.rows_per_document > 1 or source.max_document_words is not None or source.split_at is not None
        text_of, get_id, get_url = self._textgetter(), getter(source.id_field), getter(source.url_field)
        waiting: list[_Text] = []
        waiting_chars = 0
        for number, fields, problem, _ in checked(rows, place, self.source, seen):
            seen.rows += 1
            at = place.of_row(number)
            text = text_of(fields)
            own_id = get_id(fields)
            if problem is not None or text is None:
                yield self._bad_row(number, fields, problem, at if own_id is None else str(own_id), place)
                continue
            url = get_url(fields)
            if self._is_closed(url, fields):
                yield self.problem(at if own_id is None else str(own_id), OPTED_OUT)
                continue
            row = _Text(
                at,
                text,
                None if own_id is None else str(own_id),
                None if url is None else str(url),
                self._licence_of(fields),
                _meta_of(fields, place) if place.is_of_markup else {},
            )
            if not joins:
                yield self._document(row, text, dict(row.meta))
                continue
            waiting.append(row)
            waiting_chars += len(text)
            if len(waiting) == source.rows_per_document or waiting_chars > MAX_LINE_BYTES:
                yield from self._joined(waiting)
                waiting, waiting_chars = [], 0
        if waiting:
            yield from self._joined(waiting)

    def _is_closed(self, url: Any, fields: Mapping[str, Any]) -> bool:
        """Whether the row may not be learned from, by its own word or by a list."""
        if self.source.opt_out_field is not None and says_no(getter(self.source.opt_out_field)(fields)):
            return True
        if not self.opt_outs.num_entries:
            return False
        if not url:
            self.notices.add("no_address", self.source.name)
            return False
        return self.opt_outs.is_closed(str(url))

    def _bad_row(
        self, number: int, fields: Mapping[str, Any], problem: str | None, row_id: str, place: Place
    ) -> Document:
        """In place of a row that cannot be read or has no text."""
        if problem is not None and self.stop_on_bad_row:
            raise DataError(
                f"source {self.source.name}, {place.name}: row {number + 1} cannot be read ({problem})",
                hint="on_bad_row: drop counts such rows and goes on",
            )
        if problem is None:
            holds_bytes = any(isinstance(getter(name)(fields), bytes) for name in self.text_fields)
            problem = "bad_encoding" if holds_bytes else "missing_text"
        self.seen.problems[problem] += 1
        return self.problem(row_id if place.has_sure_ids else place.of_row(number), problem)

    def problem(self, place: str, problem: str) -> Document:
        """A document without text, in place of what could not be read."""
        row = _Text(place, "", None, None, self.licence)
        return self._document(row, "", {PROBLEM: problem})

    def _document(self, row: _Text, text: str, meta: dict[str, Any] | None = None, suffix: str = "") -> Document:
        meta = {} if meta is None else meta
        if row.own_id is not None:
            meta[PLACE] = row.place
        return Document(
            f"{self.source.name}/{row.own_id or row.place}{suffix}",
            text,
            self.source.name,
            self.language,
            "Zyyy",
            row.licence,
            row.url,
            meta,
        )

    def _joined(self, rows: Sequence[_Text]) -> Iterator[Document]:
        """The texts of some rows as one document, or as pieces: from one line that split_at matches to the next, or of at most
        max_document_words."""
        licences = tuple(dict.fromkeys(row.licence for row in rows))
        together = " AND ".join(f"({one})" if " OR " in one else one for one in licences)
        first = rows[0]._replace(licence=together if len(licences) > 1 else licences[0], meta=_joined_meta(rows))
        text = "\n".join(row.text.strip() for row in rows) if len(rows) > 1 else first.text
        longest, opening = self.source.max_document_words, self.source.split_at
        if opening is not None:
            pieces = split_before(text, opening, max_words=longest)
        elif longest is not None:
            pieces = split_text(text, max_words=longest)
        else:
            yield self._document(first, text, dict(first.meta))
            return
        for index, piece in enumerate(pieces):
            meta = {key: value for key, value in first.meta.items() if index == 0 or key != REMOVED}
            yield self._document(first, piece, meta, suffix=f"#{index:04d}" if len(pieces) > 1 else "")

    def _textgetter(self) -> Callable[[Mapping[str, Any]], str | None]:
        """A function from fields to text, None where there is none."""
        tidy = detokenise if self.source.detokenise else str
        getters = [getter(field) for field in self.text_fields]
        get = getters[0]

        def one(fields: Mapping[str, Any]) -> str | None:
            value = get(fields)
            if type(value) is bytes:
                value = self._decoded(value)
            return tidy(value) if isinstance(value, str) and value and not value.isspace() else None

        def lines(fields: Mapping[str, Any]) -> str | None:
            values = [getter(fields) for getter in getters]
            if not all(isinstance(value, str) and value.strip() for value in values):
                return None
            return "\n".join(tidy(" ".join(value.split())) for value in values)

        return lines if len(getters) > 1 else one

    def _decoded(self, value: bytes) -> str | None:
        """The text of a column of bytes that are not UTF-8, where the config names their encoding."""
        try:
            return value.decode(self.source.encoding) if self.source.encoding is not None else None
        except UnicodeDecodeError:
            return None

    def _licence_of(self, fields: Mapping[str, Any]) -> str:
        if self.source.licence_field is None:
            return self.licence
        value = getter(self.source.licence_field)(fields)
        licence = licence_of_row(value, self.licence)
        if licence == UNKNOWN and value:
            self.notices.add("licence_not_understood", f"{self.source.name}: {self.source.licence_field}")
        return licence


def _meta_of(fields: Mapping[str, Any], place: Place) -> dict[str, Any]:
    """What a reader of markup says of a row beside its text: what it left out, and of an act which it is."""
    names = (REMOVED, "act", "date", "repealed", "title") if place.is_of_acts else (REMOVED,)
    return {name: fields[name] for name in names if fields.get(name)}


def _joined_meta(rows: Sequence[_Text]) -> dict[str, Any]:
    """Of rows that become one document: what the first says of itself, and what was left out of all of them."""
    removed: Counter[str] = Counter()
    for row in rows:
        removed.update(row.meta.get(REMOVED, {}))
    return {**rows[0].meta, **({REMOVED: dict(removed)} if removed else {})}


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
