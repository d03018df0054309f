"""Evaluation items, read like any other rows.

    questions.csv in windows-1251, header and all   →   EvaluationItem("tests/questions.csv", "1", texts)

A file that cannot be read as items ends the build: it would be looked for in vain, and the corpus called clean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.data.config import DecontaminateConfig, SourceConfig
from qaz_llm.data.notices import Notices
from qaz_llm.data.readers import FORMAT_BY_SUFFIX, Row, Shape, read_rows_of, shape_of
from qaz_llm.data.readers.tables import read_table
from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, resolve_path

SHIPPED = (
    "embedded:mc_items.jsonl",
    "embedded:parallel_sentences.jsonl",
    "embedded:service_items.jsonl",
    "embedded:law_items.jsonl",
    "embedded:school_items.jsonl",
)
"""The evaluation files that come with the project."""

ID_FIELDS = ("item_id", "id", "qid", "index_id", "key")
MAX_UNNAMED_COLUMNS = 64
MAX_HEADER_WORDS = 3
HEADER_NAMES = frozenset(
    [
        "id",
        "question",
        "q",
        "query",
        "text",
        "context",
        "passage",
        "sentence",
        "premise",
        "hypothesis",
        "prompt",
        "instruction",
        "input",
        "output",
        "target",
        "answer",
        "answers",
        "choice",
        "choices",
        "option",
        "options",
        "label",
        "labels",
        "category",
        "subject",
        "a",
        "b",
        "c",
        "d",
        "e",
        "kk",
        "ru",
        "en",
        "kaz",
        "rus",
        "eng",
        "сұрақ",
        "жауап",
        "мәтін",
        "нұсқа",
        "вопрос",
        "ответ",
        "текст",
        "вариант",
    ]
)
"""Names of columns by which the first line of a table is known to be one of names."""

_NAME = re.compile(r"[^\W\d][\w. -]{0,40}")


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """A row of an evaluation file: the file's name, the row's id (else its number from 1), every text in it."""

    file: str
    item_id: str
    texts: tuple[str, ...]


# ------------------------------------------------------------------------------------------------------------ reading


def evaluation_files(config: DecontaminateConfig, *, root: Path | None = None) -> list[Path]:
    """The files that a config names, and those that ship with the project where it says so; each once.

    Raises InputError where a path leads to no file.
    """
    entries = (*(SHIPPED if config.shipped else ()), *config.paths)
    paths = (path for entry in entries for path in _files_of(resolve_path(entry, root=root)))
    return list(dict.fromkeys(path.absolute() for path in paths))


def _files_of(path: Path) -> list[Path]:
    """The files of a path; in a folder those of a known format, so that a README among them is no item."""
    return expand_paths(path, suffixes=tuple(FORMAT_BY_SUFFIX) if path.is_dir() else None)


def note_item_files(config: DecontaminateConfig, notices: Notices, *, root: Path | None = None) -> None:
    """Say what was recognised of evaluation files and not declared, and which files in their folders are not read."""
    paths = evaluation_files(config, root=root)
    for path, name in zip(paths, _short_names(paths), strict=True):
        shape = shape_of(path, _source_of(path))
        if shape.form.is_guess:
            notices.add("encoding_recognised", f"evaluation items: {name} ({shape.form.encoding})")
    for entry in config.paths:
        folder = resolve_path(entry, root=root)
        if folder.is_dir():
            for path in sorted(set(expand_paths(folder)) - set(_files_of(folder))):
                notices.add("files_not_read", f"evaluation items: {path.suffix or 'none'}")


def read_items(config: DecontaminateConfig, *, root: Path | None = None) -> Iterator[EvaluationItem]:
    """The items of the evaluation files of a config: rows of JSON and Parquet, of tables with or without a header; lines.

    Raises:
        InputError: a path that leads to no file; a file without items, without text, or with a row that cannot be read.
        DamagedFileError: a file that cannot be read to its end.
    """
    paths = evaluation_files(config, root=root)
    for path, name in zip(paths, _short_names(paths), strict=True):
        number, has_text = 0, False
        for number, row in enumerate(_rows(path, config), 1):
            chosen = row.values() if config.fields is None else [row.get(field) for field in config.fields]
            texts = tuple(dict.fromkeys(text for value in chosen for text in _strings(value)))
            has_text = has_text or any(map(str.strip, texts))
            yield EvaluationItem(name, _id_of(row, number), texts)
        if not has_text:
            what = f"no text in its {number:,} rows" if number else "no row"
            raise InputError(
                f"evaluation file {path}: {what}; nothing could be looked for",
                hint="check decontaminate.fields, or leave the file out of decontaminate.paths",
            )


def _source_of(path: Path) -> SourceConfig:
    return SourceConfig(name="items", path=str(path), rows="line")


def _rows(path: Path, config: DecontaminateConfig) -> Iterator[Mapping[str, Any]]:
    """The fields of each row. Raises InputError where one cannot be read, or no row has a field that is asked for."""
    source = _source_of(path)
    shape = shape_of(path, source)
    columns = _unnamed_columns(shape) if shape.dialect is not None and config.fields is None else ()
    rows = (
        read_table(path, shape.form, shape.dialect, columns)
        if shape.dialect is not None and columns
        else read_rows_of(path, source)
    )
    missing = set(config.fields or ())
    found: dict[str, None] = {}
    for fields in _readable(path, rows):
        if missing:
            missing -= fields.keys()
            found.update(dict.fromkeys(fields))
        yield _cells(fields[source.text_field]) if shape.format == "text" else fields
    if missing:
        raise InputError(
            f"evaluation file {path}: no row has a field {sorted(missing)[0]!r}",
            hint=f"decontaminate.fields names fields of every file; those found here are: {', '.join(found)}",
        )


def _cells(line: str) -> Mapping[str, str]:
    return {str(place): cell for place, cell in enumerate(line.split("\t"))}


def _unnamed_columns(shape: Shape) -> tuple[str, ...]:
    """Names for the columns of a table whose first row is an item; none where that row names them."""
    width = max(len(shape.columns), MAX_UNNAMED_COLUMNS)
    return () if _is_header(shape.columns) else tuple(map(str, range(width)))


def _readable(path: Path, rows: Iterator[Row]) -> Iterator[Mapping[str, Any]]:
    for number, row in enumerate(rows, 1):
        if row.problem is not None:
            raise InputError(
                f"evaluation file {path}: row {number} cannot be read ({row.problem})",
                hint="mend the file: an item that is not read cannot be kept out of the training text",
            )
        yield row.fields


def _is_header(cells: Sequence[str]) -> bool:
    """Whether the first row of a table names its columns; where that is not plain, it is taken for an item."""
    words = [cell.split() for cell in cells]
    if len(set(cells)) < len(cells) or not all(0 < len(cell) <= MAX_HEADER_WORDS for cell in words):
        return False
    if any(cell.strip().lower() in HEADER_NAMES for cell in cells):
        return True
    return all(_NAME.fullmatch(cell.strip()) and cell.isascii() for cell in cells)


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Folder and name of each file, and more of its path where two files have these in common.

    >>> _short_names([Path("/a/x/dev.jsonl"), Path("/b/x/dev.jsonl"), Path("/b/other.tsv")])
    ['a/x/dev.jsonl', 'b/x/dev.jsonl', 'b/other.tsv']
    """
    names = []
    for path in paths:
        parts = 2
        while parts < len(path.parts) and sum(other.parts[-parts:] == path.parts[-parts:] for other in paths) > 1:
            parts += 1
        names.append("/".join(path.parts[-parts:]))
    return names


def _id_of(row: Mapping[str, Any], number: int) -> str:
    found = next((row[field] for field in ID_FIELDS if isinstance(row.get(field), str | int)), number)
    return str(found)


def _strings(value: Any) -> Iterator[str]:
    """The strings in a JSON value; numbers and the like hold no text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
