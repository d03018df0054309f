"""Text for tokenizers: lines of `.txt`, the `text` of `.jsonl` rows, document shards, and how often each piece occurs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, file_format, open_text, read_rows


def read_texts(path: Path, *, language: str | None = None) -> Iterator[str]:
    """The texts of a file, glob or folder, one document or line at a time; folders give their `documents-*` shards.

    With `language`, rows that name another language are passed over.

    Raises:
        InputError: where the path is missing or a row has no `text`.
    """
    pattern = path / "documents-*" if path.is_dir() and any(path.glob("documents-*")) else path
    for file in expand_paths(pattern, suffixes=(".txt", ".jsonl", ".parquet")):
        if file_format(file) == ".txt":
            with open_text(file) as lines:
                yield from (line.rstrip("\r\n") for line in lines if line.strip())
        else:
            yield from _row_texts(file, language)


def _row_texts(file: Path, language: str | None) -> Iterator[str]:
    for number, row in enumerate(read_rows(file), 1):
        if language is not None and row.get("language", language) != language:
            continue
        text = row.get("text")
        if not isinstance(text, str):
            found = f"a 'text' of type {type(text).__name__}" if "text" in row else "no field 'text'"
            raise InputError(
                f"{file}: row {number} has {found}; it has: {', '.join(row)}",
                hint="rename the field, or build the corpus first with `qaz data build`",
            )
        yield text


def corpus_texts(paths: Iterable[Path], *, language: str | None = None) -> Iterator[str]:
    """The texts of several paths, one after the other."""
    for path in paths:
        yield from read_texts(path, language=language)


def first_text(path: Path) -> str:
    """The first text of a path. Raises InputError where it is missing or holds none."""
    for text in read_texts(path):
        return text
    raise InputError(f"{path}: holds no text", hint="give a file with text in it")
