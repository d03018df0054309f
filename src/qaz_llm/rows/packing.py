"""Several examples in one row, so that no compute goes into padding, and no example sees another.

Worked example, seq_len 6, examples A = a b c d (4 tokens) and B = e f g h i (5 tokens):

    split (plain text, nothing is lost)      row 1   a b c d e f     positions 0 1 2 3 0 1
                                             row 2   g h i           positions 0 1 2
    drop  (dialogues stay whole)             row 1   e f g h i       positions 0 1 2 3 4
                                             row 2   a b c d         positions 0 1 2 3

Each example's first label is IGNORE_INDEX; so is the first of a piece that continues one, since it cannot look back.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Literal, TypeVar

from qaz_llm.records import IGNORE_INDEX, PackedRow, TokenizedExample

T = TypeVar("T")

Overflow = Literal["split", "drop"]

WINDOW_EXAMPLES = 4096
"""Examples that best fit looks at together: enough that rows come out full, few enough to hold in memory."""


def pack(
    examples: Iterable[TokenizedExample],
    *,
    seq_len: int,
    overflow: Overflow,
    on_drop: Callable[[TokenizedExample], None] | None = None,
) -> Iterator[PackedRow]:
    """Rows of at most `seq_len` tokens.

    `split` fills every row but the last, in the order given, and continues what does not fit in the next row.
    `drop` keeps examples whole, placing each where the least room is left over (best fit, longest first, within a
    window of WINDOW_EXAMPLES); an example longer than a row is handed to `on_drop`.
    """
    if overflow == "split":
        yield from _fill(examples, seq_len)
    else:
        yield from _best_fit(examples, seq_len, on_drop)


def one_by_one(
    examples: Iterable[TokenizedExample],
    *,
    seq_len: int,
    overflow: Overflow,
    on_drop: Callable[[TokenizedExample], None] | None = None,
) -> Iterator[PackedRow]:
    """A row for each example, in the order given; one that is too long takes as many rows as it needs, or is dropped."""
    for example in examples:
        if overflow == "split":
            yield from _fill([example], seq_len)
        else:
            yield from _best_fit([example], seq_len, on_drop)


def make_row(pieces: Iterable[TokenizedExample]) -> PackedRow:
    """One row of whole pieces: positions restart, first labels are ignored."""
    input_ids: list[int] = []
    labels: list[int] = []
    position_ids: list[int] = []
    for piece in pieces:
        input_ids += piece.input_ids
        labels += (IGNORE_INDEX, *piece.labels[1:])
        position_ids += range(len(piece.input_ids))
    return PackedRow(tuple(input_ids), tuple(labels), tuple(position_ids))


def _fill(examples: Iterable[TokenizedExample], seq_len: int) -> Iterator[PackedRow]:
    row: list[TokenizedExample] = []
    room = seq_len
    for example in examples:
        start = 0
        while start < len(example.input_ids):
            end = start + room
            piece = TokenizedExample(example.input_ids[start:end], example.labels[start:end], example.source_id)
            row.append(piece)
            start += len(piece.input_ids)
            room -= len(piece.input_ids)
            if room == 0:
                yield make_row(row)
                row, room = [], seq_len
    if row:
        yield make_row(row)


def _best_fit(
    examples: Iterable[TokenizedExample], seq_len: int, on_drop: Callable[[TokenizedExample], None] | None
) -> Iterator[PackedRow]:
    for row in best_fit(examples, lambda example: len(example.input_ids), seq_len, on_drop):
        yield make_row(row)


def best_fit(
    items: Iterable[T], size: Callable[[T], int], room_in_all: int, on_drop: Callable[[T], None] | None
) -> Iterator[list[T]]:
    """Whole items together, as many as there is room for, longest first; empty ones are left out, too long ones handed to `on_drop`."""
    stream = iter(items)
    while window := list(islice(stream, WINDOW_EXAMPLES)):
        rows: list[list[T]] = []
        rooms: list[tuple[int, int]] = []  # (room that is left, index of row), ascending
        for item in sorted(window, key=lambda item: -size(item)):
            length = size(item)
            if length > room_in_all:
                if on_drop is not None:
                    on_drop(item)
                continue
            if length == 0:
                continue
            place = bisect_left(rooms, (length, -1))
            if place < len(rooms):
                room, index = rooms.pop(place)
            else:
                room, index = room_in_all, len(rows)
                rows.append([])
            rows[index].append(item)
            insort(rooms, (room - length, index))
        yield from rows
