"""Rows in batches that pad little and fit into memory, and each process's share of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from qaz_llm.evals.scoring.rows import Row, side_by_side

PADDING_FRAC = 0.04
"""A batch of `least_tokens` that another row would bring above this share of padding is closed."""
NARROWEST = 256
"""Tokens that rows of one prefix fill side by side, at least; else as many as the prefix has, so that what one sees of the
others, and has to be masked, is not more than what it needs to see."""


@dataclass(frozen=True)
class Sizes:
    """What a device takes at once: `most_tokens` with padding, `least_tokens` that keep it busy, and so many logits."""

    most_tokens: int
    least_tokens: int
    most_logits: int


def make_batches(rows: Sequence[Row], sizes: Sizes, *, vocab_size: int) -> Iterator[list[Row]]:
    """Rows of like length together, and those of one prefix side by side in rows as wide as pays.

    Longest first, so that the largest batch comes first and memory trouble shows at once. Rows of one prefix come one after the other.
    """
    ordered = sorted(rows, key=lambda r: (r.prefix, -len(r.input_ids), r.input_ids))
    most_targets = max(sizes.most_logits // vocab_size, 1)
    for prefix, of_prefix in groupby(ordered, key=lambda row: row.prefix):
        group = list(of_prefix)
        if prefix:
            width = min(max(len(prefix), NARROWEST), 2 * sizes.least_tokens)
            yield from ([side_by_side(some)] for some in _filled(group, width, most_targets))
        else:
            yield from _alike(group, sizes, most_targets)


def _filled(rows: Sequence[Row], width: int, most_targets: int) -> Iterator[list[Row]]:
    some: list[Row] = []
    tokens = targets = 0
    for row in rows:
        if some and (tokens + len(row.input_ids) > width or targets + len(row.targets) > most_targets):
            yield some
            some, tokens, targets = [], 0, 0
        some.append(row)
        tokens += len(row.input_ids)
        targets += len(row.targets)
    if some:
        yield some


def _alike(rows: Sequence[Row], sizes: Sizes, most_targets: int) -> Iterator[list[Row]]:
    batch: list[Row] = []
    filled = targets = 0
    for row in rows:
        length = len(row.input_ids)
        longest = len(batch[0].input_ids) if batch else length
        padded = longest * (len(batch) + 1)
        full = padded > sizes.most_tokens or targets + len(row.targets) > most_targets
        loose = filled >= sizes.least_tokens and filled + length < (1 - PADDING_FRAC) * padded
        if batch and (full or loose):
            yield batch
            batch, filled, targets = [], 0, 0
        batch.append(row)
        filled += length
        targets += len(row.targets)
    if batch:
        yield batch


def size_of(batch: Sequence[Row]) -> int:
    """Tokens that a batch runs, padding included, without its prefix."""
    return len(batch) * max(len(row.input_ids) for row in batch)


def share_of(batches: Sequence[list[Row]], rank: int, processes: int) -> list[list[Row]]:
    """The batches of one of several processes: each goes to the one that has least to do so far.

    All processes plan the same batches, so each text is in the same company as in one process, and gets the same score to the last bit.
    """
    loads = [0] * processes
    own = []
    for batch in batches:
        least = loads.index(min(loads))
        loads[least] += size_of(batch)
        if least == rank:
            own.append(batch)
    return own
