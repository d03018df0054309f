"""Cutting large files into parts that can be read apart, at places that depend on the file and the size asked for alone.

A part of lines begins where a line does, a part of a dump where a bz2 stream does, a part of Parquet with a row group. Text
in UTF-16, quoted tables and JSON over several lines have no line ends that could be trusted, and are read from end to end.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Sequence
from itertools import accumulate, pairwise
from pathlib import Path

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import shape_of
from qaz_llm.data.readers.hub import load_saved_copy
from qaz_llm.data.readers.rows import Part
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import BZ2_STREAM, compression_of

BZ2_TIMES = 4.5
"""How much longer a dump's text is than its bz2; for the estimate only."""

_BLOCK_BYTES = 1 << 20
_WINDOW_BYTES = 64 << 20
_OVERLAP_BYTES = 4 << 10
"""More than what stands before a part is long."""

_LINE_END = re.compile(rb"\n")
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_STREAM = re.compile(rb"(?=" + BZ2_STREAM + rb")")


def parts_of(path: Path, source: SourceConfig) -> list[Part]:
    """The parts of a file, in its order; none where it is short, or is of a format that is only read as a whole."""
    if path.stat().st_size <= source.part_bytes:
        return []
    try:
        compression = compression_of(path)
    except DamagedFileError:
        return []  # reading it says so, and obeys on_damaged_file
    shape = shape_of(path, source)
    match shape.format, compression:
        case "jsonl" | "csv" | "tsv" | "text", None if shape.is_cut_at_lines:
            return _of_lines(path, source.part_bytes, _BLANK_LINE if shape.unit == "paragraph" else _LINE_END)
        case "parquet", _:
            return _of_row_groups(path, source.part_bytes)
        case "wikipedia", None:
            return [Part(a, b, a, b - a) for a, b in pairwise(_starts(path, source.part_bytes, _LINE_END))]
        case "wikipedia", "bz2":
            starts = _starts(path, source.part_bytes, _STREAM)
            return [Part(a, b, a, round((b - a) * BZ2_TIMES)) for a, b in pairwise(starts)]
        case _:
            return []


def parts_of_saved_copy(source: SourceConfig, folder: Path) -> list[Part]:
    """The parts of what `save_to_disk` wrote: ranges of rows. Raises InputError."""
    table = load_saved_copy(source, folder)
    if not len(table):
        return []
    num_bytes = table.data.nbytes
    step = max(1, source.part_bytes * len(table) // max(num_bytes, 1))
    starts = range(0, len(table), step)
    return [Part(a, b, a, num_bytes * (b - a) // len(table)) for a, b in pairwise([*starts, len(table)])]


def _starts(path: Path, part_bytes: int, before: re.Pattern[bytes]) -> list[int]:
    """Where parts start, and the file's size: the first ends of `before` at or after each multiple of part_bytes."""
    size = path.stat().st_size
    starts = [0]
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for aim in range(part_bytes, size, part_bytes):
            if aim <= starts[-1]:
                continue
            found = _first(before, content, aim - 1, size)
            if found is None or found.end() >= size:
                break
            if found.end() > starts[-1]:
                starts.append(found.end())
    return [*starts, size]


def _first(before: re.Pattern[bytes], content: mmap.mmap, start: int, size: int) -> re.Match[bytes] | None:
    """The first place at or after `start`; what was looked through is not held, as a file may be without any."""
    for place in range(start, size, _WINDOW_BYTES):
        found = before.search(content, place, min(place + _WINDOW_BYTES + _OVERLAP_BYTES, size))
        if found is not None:
            return found
        content.madvise(mmap.MADV_DONTNEED)
    return None


def _of_lines(path: Path, part_bytes: int, before: re.Pattern[bytes]) -> list[Part]:
    starts = _starts(path, part_bytes, before)
    firsts = accumulate(_line_ends(path, starts[:-1]), initial=0)
    return [Part(a, b, first, b - a) for (a, b), first in zip(pairwise(starts), firsts, strict=False)]


def _line_ends(path: Path, starts: Sequence[int]) -> list[int]:
    """The number of line ends in each part, some 4 GB/s: as numbers of rows must be those of the whole file."""
    import numpy as np

    counts = []
    with path.open("rb") as stream:
        for start, end in pairwise(starts):
            count = 0
            for place in range(start, end, _BLOCK_BYTES):
                block = np.frombuffer(stream.read(min(_BLOCK_BYTES, end - place)), dtype=np.uint8)
                count += int(np.count_nonzero(block == ord("\n")))
            counts.append(count)
    return counts


def _of_row_groups(path: Path, part_bytes: int) -> list[Part]:
    """Row groups together up to part_bytes of their columns' uncompressed size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            groups = [file.metadata.row_group(index) for index in range(file.metadata.num_row_groups)]
            sizes = [(group.num_rows, group.total_byte_size) for group in groups]
    except (pa.ArrowException, OSError):
        return []  # reading it says what is wrong, and obeys on_damaged_file
    parts: list[Part] = []
    start, first_row, num_rows, num_bytes = 0, 0, 0, 0
    for index, (group_rows, group_bytes) in enumerate(sizes):
        num_rows, num_bytes = num_rows + group_rows, num_bytes + group_bytes
        if num_bytes >= part_bytes or index == len(sizes) - 1:
            parts.append(Part(start, index + 1, first_row, num_bytes))
            start, first_row, num_rows, num_bytes = index + 1, first_row + num_rows, 0, 0
    return parts
