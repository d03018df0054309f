"""The preference pairs of files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from qaz_llm.data.chat.files import LOOKED_AT_ROWS
from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import Part, Row, read_rows_of
from qaz_llm.errors import InputError
from qaz_llm.rows.config import MixEntry
from qaz_llm.rows.preference.shapes import PAIRS_HINT, Pair, has_fields, pair_of
from qaz_llm.rows.sources import is_wanted, training_files


@dataclass(frozen=True, slots=True)
class ReadPair:
    """A pair of a file, `where` being its file and row."""

    id: str
    pair: Pair
    where: str
    is_mended: bool = False
    """Half a surrogate pair in it became U+FFFD."""


def read_pairs_of(entry: MixEntry, path: Path, part: Part | None = None) -> Iterator[ReadPair]:
    """The rows of a file, or of a part of it, that one part of the mix takes; what is no pair has its reason.

    Raises:
        InputError: none of a file's first rows has both sides of a pair; what it has instead is named.
    """
    rows = read_rows_of(path, SourceConfig(name=entry.name, path=str(path)), part=part)
    head = list(islice(rows, LOOKED_AT_ROWS))
    if part is None or part.start == 0:
        _check_fields(head, path)
    for row in chain(head, rows):
        where = f"{path.name}, row {row.number + 1}"
        if row.problem is not None:
            yield ReadPair("", Pair(reason=row.problem), where)
            continue
        wanted = is_wanted(row.fields, entry, where)
        if wanted is True:
            name = str(row.fields.get("id") or row.fields.get("prompt_id") or f"{path.name}:{row.number + 1}")
            yield ReadPair(name, pair_of(row.fields), where, row.is_mended)
        elif wanted is not False:
            yield ReadPair("", Pair(reason=wanted[0]), f"{where} ({wanted[1]})")


def check_first_pairs(entry: MixEntry) -> None:
    """Look at the first rows of every file, before any work. Raises InputError as `read_pairs_of`."""
    for path in training_files(entry, chat=True):
        _check_fields(
            list(islice(read_rows_of(path, SourceConfig(name=entry.name, path=str(path))), LOOKED_AT_ROWS)), path
        )


def _check_fields(head: Sequence[Row], path: Path) -> None:
    readable = [row.fields for row in head if row.problem is None]
    if not readable or any(has_fields(fields) for fields in readable):
        return
    found = ", ".join(sorted({str(name) for fields in readable for name in fields}))
    raise InputError(
        f"{path}: none of the first {len(readable)} rows has both a chosen and a rejected answer; the fields found are: {found}",
        hint=PAIRS_HINT,
    )
