"""Rows out of files of every format, one at a time, with what is wrong with a row said instead of hidden.

A reader yields `Row`s. A row that cannot be read has a `problem` (`bad_json`, `bad_encoding` …) and no fields, so that it is
counted as dropped and the rest of the file is still read. A damaged archive ends the reading: DamagedFileError. What can be
cut (lines, row groups, bz2 streams) is read in `Part`s, whose rows together are those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.hub import is_saved_copy, read_saved_copy, stream_rows
from qaz_llm.data.readers.lines import read_aligned, read_jsonl, read_paragraphs, read_text, read_tsv
from qaz_llm.data.readers.mediawiki import read_wikipedia
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.data.readers.tables import read_csv, read_parquet_rows
from qaz_llm.data.readers.tmx import read_tmx
from qaz_llm.errors import InputError
from qaz_llm.io import file_format

__all__ = ["FORMAT_BY_SUFFIX", "MAX_LINE_BYTES", "Part", "Row", "format_of", "read_hub", "read_rows_of"]

FORMAT_BY_SUFFIX: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
    ".tmx": "tmx",
    ".xml": "wikipedia",
}


def format_of(path: Path, source: SourceConfig) -> str:
    """The format of a file: what the config says, or what its suffix says. Raises InputError where neither does."""
    if source.format not in ("auto", "hub"):
        return source.format
    suffix = file_format(path)
    if suffix not in FORMAT_BY_SUFFIX:
        raise InputError(
            f"{path}: the format of {suffix or 'a file without suffix'} is not known",
            hint=f"say it in the source: format: one of {', '.join(sorted(set(FORMAT_BY_SUFFIX.values())))}",
        )
    return FORMAT_BY_SUFFIX[suffix]


def read_rows_of(
    path: Path, source: SourceConfig, *, part: Part | None = None, fields: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of one file, or of a part of it; `fields` are those needed, where leaving others out saves time."""
    match format_of(path, source):
        case "jsonl":
            return read_jsonl(path, part)
        case "parquet":
            return read_parquet_rows(path, fields, part)
        case "csv":
            return read_csv(path, source.columns)
        case "tsv":
            return read_tsv(path, source.columns, part)
        case "text" if source.rows == "paragraphs":
            return read_paragraphs(path, source.text_field, part)
        case "text":
            return read_text(path, source.text_field, part)
        case "moses":
            return read_aligned(path, source.texts)
        case "tmx":
            return read_tmx(path)
        case "wikipedia":
            return read_wikipedia(path, source.text_field, part)
        case other:
            raise InputError(f"{path}: a file cannot have the format {other!r}")


def read_hub(
    source: SourceConfig, folder: Path | None, *, part: Part | None = None, fields: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a data set of the hub, from a saved copy where `folder` is one, else streamed."""
    if folder is not None and is_saved_copy(folder):
        return read_saved_copy(source, folder, fields, part)
    return stream_rows(source, folder)
