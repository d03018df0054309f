"""Which of many documents have a hash in common: sorted in memory, one hash column at a time.

    find_groups([7, 3, 7, 9, 3, 7])       members_M: 1 4 0 2 5    starts_G: 0 2 5    (3 at 1 and 4; 7 at 0, 2 and 5)

Peak memory is about 40 bytes a document, so 25 million documents take a gigabyte.

Suffixes: _N all documents, _M those that share their hash, _G groups (arrays of starts have one more).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import Hashes, Positions

Numbers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Groups:
    """Groups of two or more documents; those of group g are `members_M[starts_G[g]:starts_G[g + 1]]`, rising."""

    members_M: npt.NDArray[np.uint32]
    starts_G: Positions

    def __len__(self) -> int:
        return len(self.starts_G) - 1

    def of_members(self) -> Numbers:
        """The number of the group of each member."""
        return np.repeat(np.arange(len(self)), np.diff(self.starts_G))


def find_groups(keys_N: Hashes, more_N: Hashes | None = None) -> Groups:
    """The documents with equal keys, equal in `more_N` (the other half of a 128-bit hash) too where that is given.

    Sorting pairs of a key and a number is slow; sorting one 64-bit number is vectorised and five times as fast. So the
    upper bits of the key and the document's number share one, and the few that meet by their upper bits are told apart
    by the whole key.
    """
    numbers = _alike_in_upper_bits(keys_N)
    keys = keys_N[numbers]
    if more_N is None:
        order = keys.argsort(kind="stable")  # nearly in order already, which this kind of sort is quick with
        new = np.diff(keys[order]) != 0
    else:
        more = more_N[numbers]
        order = np.lexsort((more, keys))
        new = (np.diff(keys[order]) != 0) | (np.diff(more[order]) != 0)
    starts = np.concatenate([[0], np.flatnonzero(new) + 1, [len(order)]]) if len(order) else np.zeros(1, np.int64)
    sizes = np.diff(starts)
    together = sizes > 1
    members_M = numbers[order][np.repeat(together, sizes)].astype(np.uint32)
    return Groups(members_M, np.concatenate([[0], np.cumsum(sizes[together])]).astype(np.int64))


def _alike_in_upper_bits(keys_N: Hashes) -> Numbers:
    """The documents whose key has the upper bits of another's, in the order of these bits, then of their numbers."""
    bits = np.uint64(max(len(keys_N) - 1, 1).bit_length())
    low = (np.uint64(1) << bits) - np.uint64(1)
    packed = keys_N & ~low
    packed |= np.arange(len(keys_N), dtype=np.uint64)
    packed.sort()
    alike = np.zeros(len(packed) + 1, dtype=bool)
    alike[1:-1] = (packed[1:] ^ packed[:-1]) <= low
    return (packed[alike[1:] | alike[:-1]] & low).astype(np.int64)
