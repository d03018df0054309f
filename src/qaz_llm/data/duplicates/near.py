"""Near duplicates: proposed by the bands of their MinHash signatures, decided by their shingles.

Documents are taken in order of preference. One is dropped when a document that stays shares a band with it and has a Jaccard
similarity of at least `min_jaccard` with it; otherwise it stays itself. So there are no chains in which the last is unlike
the first, and no document goes on the word of a hash function alone.

Documents that share bands and are still not alike enough (stubs made from one template) cost a comparison for each two that
stay. So each pair is compared once; nearly all such pairs are told apart by 512 bits of each document; and a document that
was compared with MOST_COMPARISONS others stays.

Suffixes: _C candidates (documents that share a band with another), _B bands, _S shingles, _N all documents, _K words of a sketch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qaz_llm.data.duplicates.groups import Groups, Numbers, find_groups
from qaz_llm.data.duplicates.minhash import ShingleSets, shingle_sets
from qaz_llm.language.buffer import Hashes, Words, encode_texts, scan_words
from qaz_llm.language.kernels import kernel

MOST_COMPARISONS = 20_000
"""Bounds the time for a million stubs of one template; a near copy in such a crowd can be missed."""

_TEXTS_AT_ONCE = 256
_SKETCH_WORDS = 8
_NONE = -1


@dataclass(frozen=True)
class Candidates:
    """The documents whose texts have to be looked at, rising, and which bucket of each band they are in (-1: of none)."""

    numbers_C: Numbers
    bucket_CB: npt.NDArray[np.int32]
    num_buckets: int

    def __len__(self) -> int:
        return len(self.numbers_C)


def find_candidates(bands: Iterable[Hashes], *, work: Path | None = None, memory_bytes: int = 1 << 62) -> Candidates:
    """The documents that share a band key with another. Each item of `bands` has the keys of all documents in one band.

    The table of buckets takes 4 bytes per candidate and band; where that is over half of `memory_bytes` it is a file in
    `work`. Fewer than 2³¹ buckets are provided for: two hundred million documents in 20 bands.
    """
    buckets: list[Groups] = []
    shared_N = np.zeros(0, dtype=bool)
    for keys_N in bands:
        shared_N = shared_N if buckets else np.zeros(len(keys_N), dtype=bool)
        buckets.append(find_groups(keys_N))
        shared_N[buckets[-1].members_M] = True
    numbers_C = np.flatnonzero(shared_N)
    place_N = np.cumsum(shared_N, dtype=np.int32) - np.int32(1)
    bucket_CB = _table((len(numbers_C), len(buckets)), work, memory_bytes // 2)
    first = 0
    for band, groups in enumerate(buckets):
        bucket_CB[place_N[groups.members_M], band] = groups.of_members() + first
        first += len(groups)
    return Candidates(numbers_C, bucket_CB, first)


def _table(shape: tuple[int, int], work: Path | None, most_bytes: int) -> npt.NDArray[np.int32]:
    if work is None or 4 * shape[0] * shape[1] <= most_bytes:
        return np.full(shape, _NONE, dtype=np.int32)
    table = np.memmap(work / "buckets.i32", dtype=np.int32, mode="w+", shape=shape)
    table[:] = _NONE
    return table


def words_of_texts(texts: Iterable[str]) -> Iterator[Words]:
    """The words of many texts, a batch at a time: small batches stay in the processor's cache."""
    remaining = iter(texts)
    while batch := list(islice(remaining, _TEXTS_AT_ONCE)):
        yield scan_words(encode_texts(batch))


def sets_of_texts(texts: Iterable[str], n: int) -> Iterator[ShingleSets]:
    """The shingles of many texts, a batch at a time."""
    return (shingle_sets(words, n) for words in words_of_texts(texts))


def spool_sets(sets: Iterable[ShingleSets], path: Path) -> ShingleSets:
    """Sets written to a file one after another, and read from there through the page cache."""
    sizes = [np.zeros(1, np.int64)]
    with path.open("wb") as file:
        for batch in sets:
            file.write(batch.shingles_S.tobytes())
            sizes.append(np.diff(batch.starts_D))
    starts = np.cumsum(np.concatenate(sizes))
    return ShingleSets(np.memmap(path, np.uint64, mode="r") if starts[-1] else np.empty(0, np.uint64), starts)


def choose(
    candidates: Candidates,
    order_C: Numbers,
    sets: ShingleSets,
    *,
    min_jaccard: float,
    most_comparisons: int = MOST_COMPARISONS,
) -> Numbers:
    """For each candidate the place among the candidates of the one that stays instead of it, -1 where it stays itself.

    Args:
        order_C: the candidates' places, the most preferred first.
        sets: the shingles of each candidate. `candidates.bucket_CB` is used up.
    """
    kept_C: Numbers = _choose(
        order_C,
        candidates.bucket_CB,
        candidates.num_buckets,
        sets.shingles_S,
        sets.starts_D,
        min_jaccard,
        most_comparisons,
    )
    return kept_C


def similarities(sets: ShingleSets, first_P: Numbers, second_P: Numbers) -> npt.NDArray[np.float32]:
    """The Jaccard similarity of each pair of places. Suffix _P: pairs."""
    alike_P: npt.NDArray[np.float32] = _similarities(first_P, second_P, sets.shingles_S, sets.starts_D)
    return alike_P


def jaccard(first: Hashes, second: Hashes) -> float:
    """|A ∩ B| / |A ∪ B| of two sorted arrays without repetitions, 1 for two empty ones."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 1.0


# ---------------------------------------------------------------------------------------------------------- kernels


@kernel
def _choose(order_C, bucket_CB, num_buckets, shingles_S, starts_C, min_jaccard, most_comparisons):  # type: ignore[no-untyped-def]
    # A bucket is a list of those of its documents that stay: first and last of it here, and from each to the next in the
    # row of `bucket_CB` that held the document's buckets, which nobody asks for again.
    first = np.full(num_buckets, np.int32(_NONE))
    last = np.full(num_buckets, np.int32(_NONE))
    kept_C = np.full(len(order_C), np.int64(_NONE))
    compared_with_C = np.full(len(order_C), np.int32(_NONE))
    sketch_CK = _sketches(shingles_S, starts_C)
    num_bands = bucket_CB.shape[1]
    for place in order_C:
        own = shingles_S[starts_C[place] : starts_C[place + 1]]
        comparisons = 0
        for band in range(num_bands):
            bucket = bucket_CB[place, band]
            rival = first[bucket] if bucket != _NONE else np.int32(_NONE)
            while rival != _NONE and comparisons < most_comparisons:
                if compared_with_C[rival] != place:
                    compared_with_C[rival] = place
                    comparisons += 1
                    other = shingles_S[starts_C[rival] : starts_C[rival + 1]]
                    most_different = (len(own) + len(other)) * (1 - min_jaccard) / (1 + min_jaccard) + 1e-6
                    if _difference(sketch_CK, place, rival) <= most_different and _alike(own, other, min_jaccard):
                        kept_C[place] = rival
                        break
                rival = bucket_CB[rival, band]
            if kept_C[place] != _NONE:
                break
        if kept_C[place] != _NONE:
            continue
        for band in range(num_bands):
            bucket = bucket_CB[place, band]
            if bucket == _NONE:
                continue
            if first[bucket] == _NONE:
                first[bucket] = place
            else:
                bucket_CB[last[bucket], band] = place
            last[bucket] = place
            bucket_CB[place, band] = _NONE
    return kept_C


@kernel
def _similarities(first_P, second_P, shingles_S, starts_D):  # type: ignore[no-untyped-def]
    alike_P = np.empty(len(first_P), np.float32)
    for pair in range(len(first_P)):
        one = shingles_S[starts_D[first_P[pair]] : starts_D[first_P[pair] + 1]]
        other = shingles_S[starts_D[second_P[pair]] : starts_D[second_P[pair] + 1]]
        common = _common(one, other)
        union = len(one) + len(other) - common
        alike_P[pair] = common / union if union else 1.0
    return alike_P


@kernel
def _common(one, other):  # type: ignore[no-untyped-def]
    """How many numbers two sorted arrays without repetitions share."""
    common = i = j = 0
    while i < len(one) and j < len(other):
        if one[i] == other[j]:
            common += 1
            i += 1
            j += 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return common


@kernel
def _sketches(shingles_S, starts_C):  # type: ignore[no-untyped-def]
    """512 bits for each document; a shingle sets the one that its upper 9 bits name."""
    sketch_CK = np.zeros((len(starts_C) - 1, _SKETCH_WORDS), np.uint64)
    for place in range(len(starts_C) - 1):
        for shingle in shingles_S[starts_C[place] : starts_C[place + 1]]:
            sketch_CK[place, shingle >> np.uint64(61)] |= np.uint64(1) << ((shingle >> np.uint64(55)) & np.uint64(63))
    return sketch_CK


@kernel
def _difference(sketch_CK, one, other):  # type: ignore[no-untyped-def]
    """How many bits differ: each takes at least one shingle that only one of the two has. (Bits counted in parallel, after
    Warren, Hacker's Delight, section 5-1, which the compiler knows as one instruction.)"""
    count = np.uint64(0)
    for word in range(_SKETCH_WORDS):
        bits = sketch_CK[one, word] ^ sketch_CK[other, word]
        bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
        bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
        bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
        count += (bits * np.uint64(0x0101010101010101)) >> np.uint64(56)
    return count


@kernel
def _alike(one, other, min_jaccard):  # type: ignore[no-untyped-def]
    """Whether |A ∩ B| / |A ∪ B| of two sorted arrays without repetitions reaches the limit."""
    total = len(one) + len(other)
    needed = min_jaccard * total / (1 + min_jaccard) - 1e-6  # what A and B have to share for that, or a trifle less
    common = i = j = 0
    while i < len(one) and j < len(other):
        if common + min(len(one) - i, len(other) - j) < needed:
            return False
        if one[i] == other[j]:
            common += 1
            i += 1
            j += 1
        elif one[i] < other[j]:
            i += 1
        else:
            j += 1
    return total == common or common / (total - common) >= min_jaccard
