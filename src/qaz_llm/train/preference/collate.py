"""Rows of whole pairs as a batch: whose token each is, and what the reference says of each sequence.

Shape legend: B rows, L tokens of the longest row, S sequences of the batch (chosen, rejected, chosen, rejected …), so 2 · pairs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from qaz_llm.records import IGNORE_INDEX
from qaz_llm.train.batches.collate import Batch, Collator

NO_SEQUENCE = -1

Row = Mapping[str, Any]


@dataclass(frozen=True)
class PairCollator:
    """A batch of `inner`, and beside it `sequences` (B, L), the number of each token's sequence, and `reference` (S,) where rows have it.

    `reference` is a numpy array, as engines turn tensors of numbers into the 16 bits of their weights. Where rows are not packed
    each sequence gets a row of its own.
    """

    inner: Collator

    def __call__(self, rows: Sequence[Row]) -> dict[str, Any]:
        import torch

        counts = [count_sequences(row) for row in rows]
        if self.inner.packs:
            numbered = list(_numbers(rows, counts))
        else:
            rows_S = [piece for row, count in zip(rows, counts, strict=True) for piece in _pieces(row)[:count]]
            numbered = [np.full(len(row["input_ids"]), number) for number, row in enumerate(rows_S)]
        batch: Batch = self.inner(rows if self.inner.packs else rows_S)
        shape = batch["input_ids"].shape  # type: ignore[union-attr]
        sequences_BL = np.full(shape, NO_SEQUENCE)
        for index, numbers_L in enumerate(numbered):
            sequences_BL[index, : len(numbers_L)] = numbers_L
        reference = {"reference": np.concatenate([row["reference"] for row in rows])} if "reference" in rows[0] else {}
        return {**batch, "sequences": torch.from_numpy(sequences_BL), **reference}


def count_sequences(row: Row) -> int:
    """How many sequences a row holds; padding, of which nothing is learned, is none."""
    return sum(bool(np.any(np.asarray(piece["labels"]) != IGNORE_INDEX)) for piece in _pieces(row))


def _numbers(rows: Sequence[Row], counts: Sequence[int]) -> Iterator[np.ndarray[Any, Any]]:
    """The number of each token's sequence, counted through the batch: positions 0 1 0 1 0 | 0 1 2 0, the last of each row
    being padding, are 0 0 1 1 − | 2 2 2 −  (where the second row held one sequence)."""
    first = 0
    for row, count in zip(rows, counts, strict=True):
        numbers_L = np.cumsum(np.asarray(row["position_ids"]) == 0) - 1
        yield np.where(numbers_L < count, numbers_L + first, NO_SEQUENCE)
        first += count


def _pieces(row: Row) -> list[dict[str, Any]]:
    """What lies between restarts of the positions."""
    keys = ("input_ids", "labels", "position_ids")
    bounds = [*np.flatnonzero(np.asarray(row["position_ids"]) == 0).tolist(), len(row["input_ids"])]
    return [{key: np.asarray(row[key])[start:end] for key in keys} for start, end in pairwise(bounds)]
