"""Text for tokenizers: lines of `.txt`, the `text` of `.jsonl` rows, document shards, and how often each piece occurs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, file_format, open_text, read_rows

T = TypeVar("T")


def read_texts(path: Path, *, language: str | None = None) -> Iterator[str]:
    """The texts of a file, glob or folder, one document or line at a time; folders give their `documents-*` shards.

    With `language`, rows that name another language are passed over.

    Raises:
        InputError: where the path is missing or a row has no `text`.
    """
    for file in text_files(path):
        if file_format(file) == ".txt":
            with open_text(file) as lines:
                yield from (line.rstrip("\r\n") for line in lines if line.strip())
        else:
            yield from row_texts(file, language=language, hint=_rename)


def text_files(path: Path) -> Iterator[Path]:
    """The files of a file, glob or folder; of a folder that a data build made its `documents-*` shards.

    Raises:
        InputError: where there is none.
    """
    pattern = path / "documents-*" if path.is_dir() and any(path.glob("documents-*")) else path
    yield from expand_paths(pattern, suffixes=(".txt", ".jsonl", ".parquet"))


def row_texts(
    file: Path, *, field: str = "text", language: str | None = None, hint: Callable[[Mapping[str, Any]], str]
) -> Iterator[str]:
    """A field of each row; with `language`, rows that name another language are passed over.

    Raises:
        InputError: where a row lacks the field; `hint` says of the row what to do about it.
    """
    for number, row in enumerate(read_rows(file), 1):
        if language is not None and row.get("language", language) != language:
            continue
        text = row.get(field)
        if not isinstance(text, str):
            found = f"a '{field}' of type {type(text).__name__}" if field in row else f"no field '{field}'"
            raise InputError(f"{file}: row {number} has {found}; it has: {', '.join(row)}", hint=hint(row))
        yield text


def _rename(_row: Mapping[str, Any]) -> str:
    return "rename the field, or build the corpus first with `qaz data build`"


def corpus_texts(paths: Iterable[Path], *, language: str | None = None) -> Iterator[str]:
    """The texts of several paths, one after the other."""
    for path in paths:
        yield from read_texts(path, language=language)


def first_text(path: Path) -> str:
    """The first text of a path. Raises InputError where it is missing or holds none."""
    for text in read_texts(path):
        return text
    raise InputError(f"{path}: holds no text", hint="give a file with text in it")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter: a b c d e by 2 → [a, b], [c, d], [e]."""
    remaining = iter(items)
    while batch := list(itertools.islice(remaining, size)):
        yield batch
