"""What every reader yields, and the part of a file that it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from qaz_llm.io import MAX_LINE_BYTES

__all__ = ["MAX_LINE_BYTES", "REMOVED", "Part", "Row"]

REMOVED = "removed"
"""The field under which readers of markup (COUNTING in shapes.py) say how many pieces of which kind they left out of a text."""


class Row(NamedTuple):
    """One row of a source: its number in the file, and its fields or the problem it has.

    The number is the place among the lines, rows or units of the whole file, from 0, or a Wikipedia page's own id: it does
    not depend on how the file is cut into parts.
    """

    number: int
    fields: Mapping[str, Any]
    problem: str | None = None
    is_mended: bool = False
    """Half of a surrogate pair stood alone in its text, as where an emoji was cut in two, and is U+FFFD now."""


@dataclass(frozen=True, slots=True)
class Part:
    """From `start` to before `end` of a file: bytes of lines, of bz2 streams or of XML, row groups of Parquet, rows of Arrow."""

    start: int
    end: int
    first_row: int
    """The number of the first row in it."""
    text_bytes: int
    """About so many bytes of text are in it."""
