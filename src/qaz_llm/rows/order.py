"""Which rows a run sees, and in what order: the parts of a mix in one numbering, shuffled by the seed alone.

Shape legend: R rows of one traversal of the mix, L seq_len.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.rows.packed import PackedDataset, Tokens

Numbers = npt.NDArray[np.signedinteger[Any]]

HANDED_OUT_ROWS = 4096
"""So many row numbers are Python's at a time; all of 12 million as a list would take 490 MB in each process."""


@dataclass(frozen=True)
class MixedDataset:
    """The rows of several packed datasets in one numbering. `parts` in the order of the mix."""

    parts: Sequence[PackedDataset]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, row: int) -> dict[str, np.ndarray[Any, Any]]:
        """As of a PackedDataset, with `part`: the number of the part that the row is of."""
        for number, part in enumerate(self.parts):
            if row < len(part):
                return part[row] | {"part": np.array(number)}
            row -= len(part)
        raise IndexError(row)

    @property
    def row_tokens_R(self) -> Tokens:
        return np.concatenate([part.row_tokens_R for part in self.parts])


def mix_rows(lengths: Sequence[int], passes: Sequence[float], *, seed: int) -> Numbers:
    """Row numbers of one traversal of the mix, unshuffled: each part's rows as often as its passes say.

    2.5 passes over 4 rows are each row twice and two rows, drawn by `seed`, a third time.
    """
    kind: type[np.signedinteger[Any]] = np.int32 if sum(lengths) < 1 << 31 else np.int64
    chosen: list[Numbers] = []
    offset = 0
    for index, (length, share) in enumerate(zip(lengths, passes, strict=True)):
        whole, rest = divmod(round(share * length), length)
        rows = np.arange(offset, offset + length, dtype=kind)
        chosen += [rows] * whole
        if rest:
            generator = np.random.default_rng([seed, 1, index])
            chosen.append(np.sort(generator.permutation(rows)[:rest]))
        offset += length
    return np.concatenate([np.empty(0, kind), *chosen])


class StepSampler:
    """The order of all rows of a run, from its seed alone: traversal after traversal of the mix, each shuffled anew.

    The n-th row is the same however many processes and micro-batches share the work, and after any resume.
    """

    def __init__(self, rows: Numbers, *, num_rows: int, seed: int) -> None:
        self.rows = rows
        self.num_rows = num_rows
        self.seed = seed
        self._shuffled: tuple[int, Numbers] = (-1, rows)  # the last traversal asked for

    def __len__(self) -> int:
        return self.num_rows

    def __iter__(self) -> Iterator[int]:
        for traversal in range(-(-self.num_rows // len(self.rows))):
            shuffled_R = self.traversal(traversal)
            end = min(self.num_rows - traversal * len(self.rows), len(shuffled_R))
            for start in range(0, end, HANDED_OUT_ROWS):
                yield from shuffled_R[start : min(start + HANDED_OUT_ROWS, end)].tolist()

    def traversal(self, number: int) -> Numbers:
        """All rows of the mix in the order of their `number`-th traversal."""
        if self._shuffled[0] != number:
            self._shuffled = (-1, self.rows)  # the former one is not held while the next is made
            self._shuffled = (number, np.random.default_rng([self.seed, 2, number]).permutation(self.rows))
        return self._shuffled[1]

    def rows_of_step(self, step: int, rows_per_step: int) -> Numbers:
        """The rows that step `step` (from 1) learns from, over all processes."""
        first, last = (step - 1) * rows_per_step, step * rows_per_step
        size = len(self.rows)
        numbers = range(first // size, -(-last // size))
        parts = [self.traversal(n)[max(first - n * size, 0) : last - n * size] for n in numbers]
        return np.concatenate(parts)
