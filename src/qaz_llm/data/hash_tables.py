"""A hash table for kernels: which key of a document came before, and where.

Two arrays make a table: `keys_T` and `marks_T`. A slot is taken where its mark is at least `base`, so a table is emptied by
raising `base` instead of writing to it: one table serves every document and every length of n-gram.

    base = 1
    find_or_add(keys_T, marks_T, mask, base, key, 0)   -1: new, remembered with value 0
    find_or_add(keys_T, marks_T, mask, base, key, 7)    0: came with value 0
    base += 8                                          more than any value put in: the table is empty again

Suffix: _T slots of a table, a power of two.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import Hashes, Positions
from qaz_llm.language.kernels import inlined, kernel

_MIX = np.uint64(0xFF51AFD7ED558CCD)


def make_table(most_keys: int) -> tuple[Hashes, Positions]:
    """An empty table with room for so many keys; memory is taken only where it is written."""
    size = int(table_size(max(most_keys, 1)))
    return np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int64)


def make_set(keys: npt.NDArray[np.uint64]) -> tuple[Hashes, Positions]:
    """A table that holds these keys, the value of each being its place."""
    keys_T, marks_T = make_table(len(keys))
    for place, key in enumerate(keys):
        find_or_add(keys_T, marks_T, len(keys_T) - 1, 1, key, place)
    return keys_T, marks_T


@kernel
def table_size(most_keys):  # type: ignore[no-untyped-def]
    """Slots for so many keys: a power of two, never more than half of them taken."""
    size = 16
    while size < 2 * most_keys:
        size *= 2
    return size


@inlined
def first_slot(key, mask):  # type: ignore[no-untyped-def]
    """Where to start looking; keys may be any numbers, so their bits are mixed first."""
    return np.int64(((key ^ (key >> np.uint64(29))) * _MIX) >> np.uint64(32)) & mask


@kernel
def find_or_add(keys_T, marks_T, mask, base, key, value):  # type: ignore[no-untyped-def]
    """The value the key was first put in with, or -1 where it is new, and then it is put in."""
    slot = first_slot(key, mask)
    while marks_T[slot] >= base:
        if keys_T[slot] == key:
            return marks_T[slot] - base
        slot = (slot + 1) & mask
    keys_T[slot] = key
    marks_T[slot] = base + value
    return np.int64(-1)


@kernel
def find(keys_T, marks_T, mask, base, key):  # type: ignore[no-untyped-def]
    """The value of the key, or -1."""
    slot = first_slot(key, mask)
    while marks_T[slot] >= base:
        if keys_T[slot] == key:
            return marks_T[slot] - base
        slot = (slot + 1) & mask
    return np.int64(-1)
