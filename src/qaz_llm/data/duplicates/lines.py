"""Lines and paragraphs that many documents share: each stays in the first document that has it and goes from the others.

Most lines are in one document only. A table of small counters, one for all hashes with the same upper bits, says of nearly
all of these that they cannot be common; it never says so of one that is. What remains is counted by DuckDB, which goes to disk
where that does not fit in memory. The common ones are few, and kept in a table.

Suffixes: _B blocks (lines and paragraphs, see blocks.py), _N all documents, _T slots of a table.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.blocks import blank_lines, find_blocks
from qaz_llm.data.duplicates.features import Features, Part, read_column
from qaz_llm.data.hash_tables import find, find_or_add, make_table
from qaz_llm.errors import WorkError
from qaz_llm.io.arrow import number_array
from qaz_llm.language.buffer import Hashes, Positions, scan_texts
from qaz_llm.language.kernels import kernel

_BLOCKS_AT_ONCE = 1 << 20
_FEWEST_BYTES = 256 << 20
"""DuckDB does not start a query in much less."""
_MOST_COUNTED = 255


@dataclass(frozen=True)
class LinePlan:
    """Which documents lose lines, and what they lose."""

    touched_N: npt.NDArray[np.bool_]
    """The documents that hold a common line or paragraph which another one, or an earlier place in them, has first."""
    _keys_T: Hashes
    _marks_T: Positions
    _min_words: int

    def remove(self, number: int, text: str) -> tuple[str, int]:
        """The text of document `number` without the lines that stay elsewhere, and how many lines went.

        Where a paragraph goes, the blank lines around it become those before it. A text that loses nothing comes back
        as it is.
        """
        scanned = scan_texts([text])
        blocks = find_blocks(scanned, min_words=self._min_words)
        gone: set[int] = set()
        seen: set[int] = set()
        for key, first, last in zip(blocks.hashes_B, blocks.first_B.tolist(), blocks.last_B.tolist(), strict=True):
            if first in gone:  # with its paragraph
                continue
            stays_in = find(self._keys_T, self._marks_T, len(self._keys_T) - 1, 1, key)
            if stays_in < 0:
                continue
            if stays_in != number or int(key) in seen:
                gone.update(range(first, last + 1))
            seen.add(int(key))
        return (_without(text.split("\n"), gone, blank_lines(scanned)), len(gone)) if gone else (text, 0)


def plan_lines(
    parts: Sequence[Part], reasons_N: npt.NDArray[np.uint8], config: DedupConfig, *, work: Path, memory_bytes: int
) -> LinePlan:
    """Find the lines and paragraphs that more than `line_max_documents` of the documents that stay have in common.

    Args:
        reasons_N: not 0 for documents that are dropped already.
        work: an existing folder for what does not fit into `memory_bytes`.

    Raises:
        DataError: where a part is not whole or was made with other settings.
        WorkError: where counting fails, for instance on a full disk.
    """
    touched_N = np.zeros(len(reasons_N), dtype=bool)
    if not config.lines:
        return LinePlan(touched_N, *make_table(0), config.line_min_words)
    features = Features(parts, config)
    hashes, first_numbers = _common(features, reasons_N, config.line_max_documents, work, memory_bytes)
    table = make_table(len(hashes))
    _fill(*table, hashes, first_numbers)
    if len(hashes):
        for hashes_B, numbers_B in _blocks(features, reasons_N):
            _touch(hashes_B, numbers_B, *table, touched_N)
    return LinePlan(touched_N, *table, config.line_min_words)


def _common(
    features: Features, reasons_N: npt.NDArray[np.uint8], max_documents: int, work: Path, memory_bytes: int
) -> tuple[Hashes, Positions]:
    """The hashes that more documents have, and the first document of each."""
    import duckdb
    import pyarrow as pa

    schema = pa.schema([("hash", pa.uint64()), ("number", pa.int64())])
    perhaps = _perhaps_common(features, reasons_N, max_documents, memory_bytes // 4)
    batches = (
        pa.record_batch([number_array(hashes), number_array(numbers)], schema=schema) for hashes, numbers in perhaps
    )
    settings: dict[str, Any] = {
        "memory_limit": f"{max(memory_bytes // 2, _FEWEST_BYTES)}B",
        "temp_directory": str(work / "duckdb"),
        "preserve_insertion_order": False,
    }
    try:
        with duckdb.connect(config=settings) as connection:
            connection.register("blocks", pa.RecordBatchReader.from_batches(schema, batches))
            query = "SELECT hash, min(number) AS number FROM blocks GROUP BY hash HAVING count(*) > ?"
            found = connection.execute(query, [max_documents]).fetchnumpy()
    except duckdb.Error as error:
        raise WorkError(
            f"{work}: common lines could not be counted ({error})",
            hint="give the build more memory, or a work folder with more room",
        ) from error
    return np.asarray(found["hash"], dtype=np.uint64), np.asarray(found["number"], dtype=np.int64)


def _perhaps_common(
    features: Features, reasons_N: npt.NDArray[np.uint8], max_documents: int, most_bytes: int
) -> Iterator[tuple[Hashes, Positions]]:
    """The blocks, once per document, without those that share their counter with too few to be common."""
    num_blocks = sum(len(read_column(part.folder, "blocks")) for part in features.parts)
    bits = max(min((2 * num_blocks).bit_length(), most_bytes.bit_length() - 1), 10)
    counts_T = np.zeros(1 << bits, dtype=np.uint8)
    shift = np.uint64(64 - bits)
    for blocks in _blocks(features, reasons_N):
        _count(_once_per_document(*blocks)[0], shift, counts_T)
    enough = min(max_documents + 1, _MOST_COUNTED)
    for blocks in _blocks(features, reasons_N):
        hashes_B, numbers_B = _once_per_document(*blocks)
        perhaps_B = counts_T[hashes_B >> shift] >= enough
        yield hashes_B[perhaps_B], numbers_B[perhaps_B]


def _blocks(features: Features, reasons_N: npt.NDArray[np.uint8]) -> Iterator[tuple[Hashes, Positions]]:
    """The block hashes of the documents that stay and the document of each, a piece at a time, whole documents in it."""
    for part, offset in zip(features.parts, features.offsets[:-1], strict=True):
        hashes, ends = read_column(part.folder, "blocks"), read_column(part.folder, "block_ends")
        start = 0
        while start < part.num_documents:
            before = int(ends[start - 1]) if start else 0
            end = max(int(np.searchsorted(ends, before + _BLOCKS_AT_ONCE, side="right")), start + 1)
            numbers_B = np.repeat(np.arange(start, end) + offset, np.diff(ends[start:end], prepend=before))
            stays_B = reasons_N[numbers_B] == 0
            yield hashes[before : int(ends[end - 1])][stays_B], numbers_B[stays_B]
            start = end


def _once_per_document(hashes_B: Hashes, numbers_B: Positions) -> tuple[Hashes, Positions]:
    new = np.ones(len(hashes_B), dtype=bool)
    new[1:] = (hashes_B[1:] != hashes_B[:-1]) | (numbers_B[1:] != numbers_B[:-1])
    return hashes_B[new], numbers_B[new]


def _without(lines: Sequence[str], gone: set[int], blank: Sequence[bool]) -> str:
    kept: list[str] = []
    cut_after_blank = False
    for number, line in enumerate(lines):
        if number in gone:
            cut_after_blank = not kept or blank[number - 1] or cut_after_blank
        elif not (cut_after_blank and blank[number]):
            kept.append(line)
            cut_after_blank = False
    return "\n".join(kept).strip()


# ---------------------------------------------------------------------------------------------------------- kernels


@kernel
def _count(hashes_B, shift, counts_T):  # type: ignore[no-untyped-def]
    for block in range(len(hashes_B)):
        slot = hashes_B[block] >> shift
        if counts_T[slot] < _MOST_COUNTED:
            counts_T[slot] += 1


@kernel
def _fill(keys_T, marks_T, hashes, first_numbers):  # type: ignore[no-untyped-def]
    for place in range(len(hashes)):
        find_or_add(keys_T, marks_T, len(keys_T) - 1, 1, hashes[place], first_numbers[place])


@kernel
def _touch(hashes_B, numbers_B, keys_T, marks_T, touched_N):  # type: ignore[no-untyped-def]
    for block in range(len(hashes_B)):
        stays_in = find(keys_T, marks_T, len(keys_T) - 1, 1, hashes_B[block])
        if stays_in < 0:
            continue
        number = numbers_B[block]
        again = block > 0 and numbers_B[block - 1] == number and hashes_B[block - 1] == hashes_B[block]
        if stays_in != number or again:
            touched_N[number] = True
