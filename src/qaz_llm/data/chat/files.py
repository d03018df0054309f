"""The rows of a file of dialogues: what the readers of documents read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import Row, read_rows_of

LOOKED_AT_ROWS = 100
"""Fields that none of so many first rows has are a mistake in the config, or no dialogues."""


def read_dialogue_rows(path: Path, reader: SourceConfig) -> Iterator[Row]:
    """One row after another, those that cannot be read with their problem. Raises DamagedFileError, InputError if absent."""
    return read_rows_of(path, reader)
