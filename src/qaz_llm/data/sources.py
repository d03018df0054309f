"""From the rows of a source to its documents.

Every row ends as part of a document or as a document with `meta["problem"]`, which the build drops and counts, so no
row is lost without a word. Problems: `missing_text` (no such field, null, or no text in it), `bad_json`, `bad_encoding`,
`line_too_long`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.licences import spdx
from qaz_llm.data.readers import FORMAT_BY_SUFFIX, Row, read_hub, read_rows_of
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import expand_paths, resolve_path
from qaz_llm.language.repair import detokenise
from qaz_llm.language.segment import sentences, words
from qaz_llm.records import Document

PROBLEM = "problem"
LOOKED_AT_ROWS = 100
"""A field that none of so many first rows has is a mistake in the config, not a gap in the data."""


def source_files(source: SourceConfig, *, root: Path | None = None) -> list[Path]:
    """The files of a source, sorted; empty for a data set of the hub. Raises InputError where there are none."""
    if source.format == "hub":
        return []
    path = resolve_path(source.path, root=root)
    folder_suffixes = tuple(FORMAT_BY_SUFFIX) if source.format == "auto" and path.is_dir() else None
    return expand_paths(path, suffixes=folder_suffixes)


def read_documents(
    source: SourceConfig,
    *,
    shard: int = 0,
    num_shards: int = 1,
    root: Path | None = None,
    stop_on_bad_row: bool = False,
) -> Iterator[Document]:
    """The documents of one part of a source: files `shard`, `shard + num_shards`, … (rows, for a data set of the hub).

    The limits max_documents and max_bytes hold for what one call reads; a build reads a source that has them in one part.

    Raises:
        InputError: no such file, or no row of the first 100 of a file has the text field.
        DataError: a damaged archive; a bad row, where `stop_on_bad_row`.
    """
    if source.format == "hub":
        local = resolve_path(source.path, root=root)
        rows = read_hub(source, local if local.is_dir() else None, shard=shard, num_shards=num_shards)
        yield from _limit(_documents_of_rows(rows, source, source.name, stop_on_bad_row=stop_on_bad_row), source)
        return
    files = source_files(source, root=root)
    named = list(zip(files, file_names(files), strict=True))[shard::num_shards]
    yield from read_files(source, named, stop_on_bad_row=stop_on_bad_row)


def read_files(
    source: SourceConfig, named: Iterable[tuple[Path, str]], *, stop_on_bad_row: bool = False
) -> Iterator[Document]:
    """The documents of some files of a source; each file's name goes into the ids of rows without one of their own."""
    documents = chain.from_iterable(
        _documents_of_rows(read_rows_of(path, source), source, name, stop_on_bad_row=stop_on_bad_row)
        for path, name in named
    )
    return _limit(documents, source)


def file_names(files: Sequence[Path]) -> list[str]:
    """A name per file that tells it apart from the others: its path below their common folder."""
    if len(files) <= 1:
        return [file.name.partition(".")[0] for file in files]
    common = Path(*_common_parts([file.parent for file in files]))
    return [file.relative_to(common).as_posix() for file in files]


def _common_parts(folders: Sequence[Path]) -> list[str]:
    parts: list[str] = []
    for level in zip(*(folder.parts for folder in folders), strict=False):
        if len(set(level)) != 1:
            break
        parts.append(level[0])
    return parts


# -------------------------------------------------------------------------------------------------------- documents


@dataclass(frozen=True, slots=True)
class _Text:
    """The text of one row, with its place and, where the row has them, its own id and url."""

    place: str
    text: str
    own_id: str | None
    url: str | None


def _documents_of_rows(
    rows: Iterator[Row], source: SourceConfig, name: str, *, stop_on_bad_row: bool
) -> Iterator[Document]:
    waiting: list[_Text] = []
    for row in _with_text_field(rows, source, name):
        problem = row.problem
        if problem is not None and stop_on_bad_row:
            raise DataError(
                f"source {source.name}, {name}: row {row.number + 1} cannot be read ({problem})",
                hint="on_bad_row: drop counts such rows and goes on",
            )
        value = _field(row, source.text_field)
        place = f"{name}/{row.number:08d}"
        if problem is None and not (isinstance(value, str) and value.strip()):
            problem = "missing_text"
        if problem is not None:
            yield _document(source, place, "", _own_id(row, source), None, {PROBLEM: problem})
            continue
        text = detokenise(value) if source.detokenise else value
        url = _field(row, source.url_field) if source.url_field else None
        waiting.append(_Text(place, text, _own_id(row, source), str(url) if url is not None else None))
        if len(waiting) == source.rows_per_document:
            yield from _joined(waiting, source)
            waiting = []
    if waiting:
        yield from _joined(waiting, source)


def _field(row: Row, field: str) -> Any:
    """The value of a field; a dotted name goes down into nested objects where no field has the dotted name itself."""
    if field in row.fields or "." not in field:
        return row.fields.get(field)
    value: Any = row.fields
    for part in field.split("."):
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def _own_id(row: Row, source: SourceConfig) -> str | None:
    value = row.fields.get(source.id_field) if source.id_field else None
    return str(value) if value is not None else None


def _with_text_field(rows: Iterator[Row], source: SourceConfig, name: str) -> Iterator[Row]:
    first = list(islice(rows, LOOKED_AT_ROWS))
    readable = [row for row in first if row.problem is None]
    for field in (source.text_field, source.id_field):
        if field and readable and all(_field(row, field) is None for row in readable):
            if field == source.text_field and any(field in row.fields for row in readable):
                continue  # the field is there, its values are null: rows to be dropped, not a wrong name
            found = sorted({key for row in readable for key in row.fields})
            raise InputError(
                f"source {source.name}, {name}: no field {field!r} in the first {len(readable)} rows",
                hint=f"the fields found are: {', '.join(found)}; set text_field or id_field to one of them",
            )
    return chain(first, rows)


def _joined(texts: Sequence[_Text], source: SourceConfig) -> Iterator[Document]:
    first = texts[0]
    text = "\n".join(piece.text.strip() for piece in texts) if len(texts) > 1 else first.text
    if source.max_document_words is None:
        yield _document(source, first.place, text, first.own_id, first.url)
        return
    pieces = split_text(text, max_words=source.max_document_words)
    for index, piece in enumerate(pieces):
        suffix = f"#{index:04d}" if len(pieces) > 1 else ""
        own = f"{first.own_id}{suffix}" if first.own_id is not None else None
        yield _document(source, first.place + suffix, piece, own, first.url)


def _document(
    source: SourceConfig, place: str, text: str, own_id: str | None, url: str | None, meta: dict[str, Any] | None = None
) -> Document:
    document_id = f"{source.name}/{own_id if own_id is not None else place}"
    return Document(
        id=document_id.encode("utf-8", "replace").decode(),
        text=text,
        source=source.name,
        language="und" if source.language == "auto" else source.language,
        script="Zyyy",
        licence=spdx(source.licence),
        url=url,
        meta=meta or {},
    )


def split_text(text: str, *, max_words: int) -> list[str]:
    """Pieces of at most `max_words` words, cut at paragraph ends where possible, else at sentence ends, else at words.

    >>> split_text("Бір екі. Үш төрт.\\n\\nБес алты.", max_words=3)
    ['Бір екі.', 'Үш төрт.', 'Бес алты.']
    """
    pieces: list[str] = []
    current: list[str] = []
    size = 0
    for paragraph in (part.strip() for part in text.split("\n") if part.strip()):
        for unit in _units(paragraph, max_words):
            length = len(words(unit))
            if current and size + length > max_words:
                pieces.append("\n".join(current))
                current, size = [], 0
            current.append(unit)
            size += length
    if current:
        pieces.append("\n".join(current))
    return pieces


def _units(paragraph: str, max_words: int) -> list[str]:
    """The paragraph, or where it is too long its sentences joined up to the limit, or words where one is too long."""
    if len(words(paragraph)) <= max_words:
        return [paragraph]
    units: list[str] = []
    current = ""
    for sentence in sentences(paragraph):
        if len(words(sentence)) > max_words:
            tokens = sentence.split()
            pieces = [" ".join(tokens[i : i + max_words]) for i in range(0, len(tokens), max_words)]
        else:
            pieces = [sentence]
        for piece in pieces:
            longer = f"{current} {piece}" if current else piece
            if current and len(words(longer)) > max_words:
                units.append(current)
                current = piece
            else:
                current = longer
    return [*units, current] if current else units


def _limit(documents: Iterator[Document], source: SourceConfig) -> Iterator[Document]:
    if source.max_documents is None and source.max_bytes is None:
        yield from documents
        return
    size = 0
    for count, document in enumerate(documents):
        size += len(document.text.encode("utf-8", "replace"))
        if (source.max_bytes is not None and size > source.max_bytes) or (
            source.max_documents is not None and count >= source.max_documents
        ):
            return
        yield document
