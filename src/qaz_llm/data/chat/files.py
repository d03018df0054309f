"""The rows of a file of dialogues: what the readers of documents read, and a JSON list of objects as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import Row, format_of, read_rows_of
from qaz_llm.data.readers.json_list import is_json_list, read_json_list

LOOKED_AT_ROWS = 100
"""Fields that none of so many first rows has are a mistake in the config, or no dialogues."""


def read_dialogue_rows(path: Path, reader: SourceConfig) -> Iterator[Row]:
    """One row after another, those that cannot be read with their problem. Raises DamagedFileError, InputError if absent."""
    if format_of(path, reader) == "jsonl" and is_json_list(path):
        return read_json_list(path)
    return read_rows_of(path, reader)
