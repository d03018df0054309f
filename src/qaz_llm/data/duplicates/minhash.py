"""Texts as sets of word n-grams: the numbers by which equal and nearly equal texts are found.

A shingle is a run of n words as one 64-bit hash, worked out from the words' hashes of a scanned batch. MinHash keeps of a
text's shingles only the smallest value of each of bands × rows hash functions; texts that agree in all rows of a band have
equal band keys and are worth comparing shingle by shingle.

64-bit shingles are taken for the n-grams themselves: two texts of a thousand words hold an unequal pair with equal hashes
once in 10¹³ comparisons.

Suffixes: _W words of the batch, _S shingles, _D documents (arrays of starts have one more), _H hash functions, _B bands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.language.buffer import Hashes, Positions, Words
from qaz_llm.language.kernels import inlined, kernel

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_LANES = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
"""Odd multipliers of the two halves of a text's hash."""


@dataclass(frozen=True)
class ShingleSets:
    """Distinct shingles in rising order; those of document d are `shingles_S[starts_D[d]:starts_D[d + 1]]`."""

    shingles_S: Hashes
    starts_D: Positions

    def __len__(self) -> int:
        return len(self.starts_D) - 1

    def __getitem__(self, number: int) -> Hashes:
        return self.shingles_S[self.starts_D[number] : self.starts_D[number + 1]]


class MinHasher:
    """Band keys of texts. The functions are h(x) = a·x + b mod 2³² with odd a, on the upper halves of the shingles.

    Such a function only permutes the 32-bit numbers, which is no minwise-independent family in theory (Broder et al.
    1998); the shingles, being mixed hashes, bring the chance with them. Multiplying 32 bits fills a vector register,
    the 64 bits of a multiply-shift do not.
    """

    def __init__(self, config: DedupConfig, seed: int) -> None:
        generator = np.random.default_rng(seed)
        count = config.bands * config.rows
        self._n = config.shingle_words
        self._bands = config.bands
        self._a_H = generator.integers(0, 2**31, size=count, dtype=np.uint32) * np.uint32(2) + np.uint32(1)
        self._b_H = generator.integers(0, 2**32, size=count, dtype=np.uint32)

    def signatures(self, words: Words) -> npt.NDArray[np.uint32]:
        """The minima, shape (documents, bands × rows); all ones for a text without words."""
        minima_DH: npt.NDArray[np.uint32] = _minima(words.hashes_W, words.doc_starts_D, self._n, self._a_H, self._b_H)
        return minima_DH

    def band_keys(self, words: Words) -> Hashes:
        """One 64-bit key per document and band, shape (documents, bands), equal where all rows of the band are."""
        keys_DB: Hashes = _band_keys(self.signatures(words), self._bands)
        return keys_DB


def shingle_sets(words: Words, n: int) -> ShingleSets:
    """The distinct runs of n words of each text; a text of fewer words is one shingle, one without words has none."""
    shingles_S, starts_D = _shingles(words.hashes_W, words.doc_starts_D, n)
    sort_each(shingles_S, starts_D)
    return ShingleSets(*_without_repetitions(shingles_S, starts_D))


def sort_each(hashes_S: Hashes, starts_D: Positions) -> None:
    """Sort the hashes of each document in place. numpy's sort is vectorised, that of a kernel is not: four times as fast."""
    for start, end in zip(starts_D[:-1].tolist(), starts_D[1:].tolist(), strict=True):
        hashes_S[start:end].sort()


def join_shingle_sets(parts: Sequence[ShingleSets]) -> ShingleSets:
    """The sets of several batches as those of one."""
    sizes = [np.diff(part.starts_D) for part in parts]
    starts_D = np.concatenate([np.zeros(1, np.int64), np.cumsum(np.concatenate([*sizes, np.empty(0, np.int64)]))])
    return ShingleSets(np.concatenate([*(part.shingles_S for part in parts), np.empty(0, np.uint64)]), starts_D)


def text_hashes(words: Words) -> Hashes:
    """A 128-bit hash of the words of each text, shape (documents, 2), blind to case, punctuation and layout."""
    hashes_D2: Hashes = _text_hashes(words.hashes_W, words.doc_starts_D, *_LANES)
    return hashes_D2


# ---------------------------------------------------------------------------------------------------------- kernels


@inlined
def run_hash(hashes_W, start, count):  # type: ignore[no-untyped-def]
    """The hash of `count` words in a row: a polynomial in their hashes, mixed."""
    total = np.uint64(0)
    for word in range(start, start + count):
        total = total * _MULTIPLIER + hashes_W[word]
    return (total ^ (total >> np.uint64(33))) * _MIX


@kernel
def _minima(hashes_W, starts_D, n, a_H, b_H):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    minima_DH = np.full((num_docs, len(a_H)), np.uint32(0xFFFFFFFF))
    longest = 1
    for doc in range(num_docs):
        longest = max(longest, starts_D[doc + 1] - starts_D[doc])
    values = np.empty(longest, np.uint32)
    for doc in range(num_docs):
        num_words = starts_D[doc + 1] - starts_D[doc]
        if num_words == 0:
            continue
        size = min(n, num_words)
        count = num_words - size + 1
        for place in range(count):
            values[place] = np.uint32(run_hash(hashes_W, starts_D[doc] + place, size) >> np.uint64(32))
        for function in range(len(a_H)):
            a = a_H[function]
            b = b_H[function]
            smallest = np.uint32(0xFFFFFFFF)
            for place in range(count):  # the loop that becomes vector code: keep it free of anything else
                smallest = min(smallest, np.uint32(a * values[place] + b))
            minima_DH[doc, function] = smallest
    return minima_DH


@kernel
def _band_keys(minima_DH, bands):  # type: ignore[no-untyped-def]
    num_docs, num_functions = minima_DH.shape
    rows = num_functions // bands
    keys_DB = np.empty((num_docs, bands), np.uint64)
    for doc in range(num_docs):
        for band in range(bands):
            key = np.uint64(0)
            for row in range(band * rows, (band + 1) * rows):
                key = (key ^ np.uint64(minima_DH[doc, row])) * _MULTIPLIER
                key ^= key >> np.uint64(29)
            keys_DB[doc, band] = key * _MIX
    return keys_DB


@kernel
def _shingles(hashes_W, starts_D, n):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    shingles_S = np.empty(len(hashes_W), np.uint64)
    ends_D = np.zeros(num_docs + 1, np.int64)
    count = 0
    for doc in range(num_docs):
        num_words = starts_D[doc + 1] - starts_D[doc]
        if num_words:
            size = min(n, num_words)
            for place in range(starts_D[doc], starts_D[doc + 1] - size + 1):
                shingles_S[count] = run_hash(hashes_W, place, size)
                count += 1
        ends_D[doc + 1] = count
    return shingles_S[:count], ends_D


@kernel
def _without_repetitions(sorted_S, starts_D):  # type: ignore[no-untyped-def]
    count = 0
    kept_starts_D = np.zeros(len(starts_D), np.int64)
    for doc in range(len(starts_D) - 1):
        first = count
        for place in range(starts_D[doc], starts_D[doc + 1]):
            if count == first or sorted_S[place] != sorted_S[count - 1]:
                sorted_S[count] = sorted_S[place]
                count += 1
        kept_starts_D[doc + 1] = count
    return sorted_S[:count].copy(), kept_starts_D


@kernel
def _text_hashes(hashes_W, starts_D, first_multiplier, second_multiplier):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    hashes_D2 = np.empty((num_docs, 2), np.uint64)
    for doc in range(num_docs):
        first = np.uint64(0)
        second = np.uint64(starts_D[doc + 1] - starts_D[doc])
        for word in range(starts_D[doc], starts_D[doc + 1]):
            first = first * first_multiplier + hashes_W[word]
            second = (second ^ hashes_W[word]) * second_multiplier
            second ^= second >> np.uint64(31)
        hashes_D2[doc, 0] = (first ^ (first >> np.uint64(33))) * _MIX
        hashes_D2[doc, 1] = second
    return hashes_D2
