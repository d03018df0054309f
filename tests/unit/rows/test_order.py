"""The order of rows: bit by bit that of runs begun earlier, and no Python object for each row."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from itertools import islice

import numpy as np
import pytest

from qaz_llm.rows.order import StepSampler, mix_rows


def earlier_mix(lengths: list[int], passes: list[float], seed: int) -> np.ndarray:
    """As version 0.1 wrote it: checkpoints rest on it."""
    chosen: list[np.ndarray] = []
    offset = 0
    for index, (length, share) in enumerate(zip(lengths, passes, strict=True)):
        whole, rest = divmod(round(share * length), length)
        rows = np.arange(offset, offset + length, dtype=np.int64)
        generator = np.random.default_rng([seed, 1, index])
        chosen += [rows] * whole + [np.sort(generator.permutation(rows)[:rest])]
        offset += length
    return np.concatenate(chosen)


def earlier_order(rows: np.ndarray, num_rows: int, seed: int) -> Iterator[int]:
    for traversal in range(-(-num_rows // len(rows))):
        shuffled = np.random.default_rng([seed, 2, traversal]).permutation(rows.astype(np.int64))
        yield from shuffled[: num_rows - traversal * len(rows)].tolist()


@pytest.mark.parametrize("seed", [0, 7])
@pytest.mark.parametrize(
    ("lengths", "passes"), [([7], [1.0]), ([9000, 4096, 5], [1.0, 2.4, 0.0]), ([3, 20_000], [4.0, 0.37])]
)
def test_the_order_is_that_of_runs_begun_earlier(lengths: list[int], passes: list[float], seed: int) -> None:
    rows = mix_rows(lengths, passes, seed=seed)
    assert rows.tolist() == earlier_mix(lengths, passes, seed).tolist()
    for num_rows in (1, len(rows), 2 * len(rows) + len(rows) // 2):
        order = list(StepSampler(rows, num_rows=num_rows, seed=seed))
        assert order == list(earlier_order(rows, num_rows, seed))
        assert all(type(row) is int for row in order[:3])


def test_half_a_million_rows_take_some_bytes_each() -> None:
    rows = mix_rows([500_000], [1.0], seed=0)
    tracemalloc.start()
    try:
        order = iter(StepSampler(rows, num_rows=2 * len(rows), seed=0))
        assert sum(1 for _ in islice(order, 10_000)) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6 * len(
        rows
    )  # int32, shuffled once; a list of Python's integers alone has 8 bytes for each and 32 more
