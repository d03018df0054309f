"""Rows out of files of every format, one at a time, with what is wrong with a row said instead of hidden.

A reader yields `Row`s. A row that cannot be read has a `problem` (`bad_json`, `bad_encoding` …) and no fields, so that it is
counted as dropped and the rest of the file is still read. A damaged archive ends the reading: DamagedFileError. What can be
cut (lines, row groups, bz2 streams) is read in `Part`s, whose rows together are those of the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.acts.find import open_act
from qaz_llm.data.readers.acts.read import read_documents, read_pairs
from qaz_llm.data.readers.hub import is_saved_copy, read_saved_copy, stream_rows
from qaz_llm.data.readers.json_values import read_json_values
from qaz_llm.data.readers.lines import read_aligned, read_jsonl, read_paragraphs, read_text, read_whole
from qaz_llm.data.readers.mediawiki import read_wikipedia
from qaz_llm.data.readers.parquet import read_parquet_rows
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, REMOVED, Part, Row
from qaz_llm.data.readers.shapes import FORMAT_BY_SUFFIX, Shape, format_of, shape_of
from qaz_llm.data.readers.tables import read_table
from qaz_llm.data.readers.tmx import read_tmx
from qaz_llm.errors import InputError

__all__ = [
    "FORMAT_BY_SUFFIX",
    "MAX_LINE_BYTES",
    "REMOVED",
    "Part",
    "Row",
    "Shape",
    "format_of",
    "read_hub",
    "read_rows_of",
    "shape_of",
]


def read_rows_of(
    path: Path, source: SourceConfig, *, part: Part | None = None, fields: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of one file, or of a part of it; `fields` are those needed, where leaving others out saves time."""
    shape = shape_of(path, source)
    match shape.format:
        case "jsonl" if shape.is_over_lines:
            return read_json_values(path, shape.form)
        case "jsonl":
            return read_jsonl(path, shape.form, part)
        case "parquet":
            return read_parquet_rows(path, fields, part)
        case "csv" | "tsv" if shape.dialect is not None:
            return read_table(path, shape.form, shape.dialect, source.columns, part)
        case "text" if shape.unit == "file":
            return read_whole(path, shape.form, source.text_field)
        case "text" if shape.unit == "paragraph":
            return read_paragraphs(path, shape.form, source.text_field, part)
        case "text":
            return read_text(path, shape.form, source.text_field, part)
        case "moses":
            return read_aligned(path, source.texts, source.encoding)
        case "tmx":
            return read_tmx(path)
        case "wikipedia":
            return read_wikipedia(path, source.text_field, part)
        case "acts":
            return (read_pairs if source.texts else read_documents)([open_act(path)])
        case other:
            raise InputError(f"{path}: a file cannot have the format {other!r}")


def read_hub(
    source: SourceConfig, folder: Path | None, *, part: Part | None = None, fields: Sequence[str] | None = None
) -> Iterator[Row]:
    """The rows of a data set of the hub, from a saved copy where `folder` is one, else streamed."""
    if folder is not None and is_saved_copy(folder):
        return read_saved_copy(source, folder, fields, part)
    return stream_rows(source, folder)
