"""Runs of words that many items hold, looked up in batches of text: a bit table, then an open-addressed table.

    index = build_index(scan_texts(["а б в г"]), np.array([7]), ngram_words=3, min_words=3)
    index.find(scan_texts(["жоқ", "ия: А, Б, В!"]))         →   documents [1], items [7]

The hash of words i … i+n-1 is Σ h(i+k)·Pⁿ⁻¹⁻ᵏ modulo 2⁶⁴. With S(i+1) = S(i)·P + h(i) over the whole batch it is
S(i+n) - S(i)·Pⁿ, so that every length costs one product per word. Most runs end at the bit table of their length, which
the processor's cache holds.

Suffixes: _W words of a batch, _D its documents, _N n-gram lengths, _B words of the bit tables, _S slots of the table,
_R distinct n-grams (the rows of the postings), _P postings, _M matches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import Hashes, Positions, ScannedTexts
from qaz_llm.language.kernels import inlined, kernel

BITS_PER_NGRAM = 16
"""One bit is set per n-gram, so one run of words in 16 of those that are in no item goes on to the table."""

MIN_BITS = 1 << 12

_BASE = np.uint64(0xD6E8FEB86659FD93)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_LENGTH_SALT = np.uint64(0x9E3779B97F4A7C15)


Number = TypeVar("Number", np.int64, np.uint64)


@dataclass(frozen=True, slots=True)
class NgramIndex:
    """Which items hold which runs of words; the items of row r are `items_P[starts_R[r]:starts_R[r + 1]]`."""

    lengths_N: Positions
    bit_starts_N: Positions
    """Where the bit table of each length begins in `bits_B`; one more than there are lengths."""
    bits_B: npt.NDArray[np.uint64]
    keys_S: Hashes
    rows_S: npt.NDArray[np.int32]
    starts_R: Positions
    items_P: Positions

    def find(self, scanned: ScannedTexts) -> tuple[Positions, Positions]:
        """Documents and the items they have a run of words in common with: pairs, sorted, each once."""
        words = scanned.words
        docs_M, rows_M = _find(
            words.hashes_W,
            words.doc_starts_D,
            self.lengths_N,
            self.bit_starts_N,
            self.bits_B,
            self.keys_S,
            self.rows_S,
        )
        if not len(docs_M):
            return docs_M, rows_M
        counts_M = self.starts_R[rows_M + 1] - self.starts_R[rows_M]
        offsets = np.arange(counts_M.sum()) - np.repeat(np.cumsum(counts_M) - counts_M, counts_M)
        items = self.items_P[np.repeat(self.starts_R[rows_M], counts_M) + offsets]
        return unique_pairs(np.repeat(docs_M, counts_M), items)


def build_index(scanned: ScannedTexts, items_D: Positions, *, ngram_words: int, min_words: int) -> NgramIndex:
    """The index of texts, text d of which belongs to item `items_D[d]`.

    A text of fewer than `ngram_words` words is one run; one of fewer than `min_words` is left out.
    """
    words = scanned.words
    sums, lengths, items = _runs_of_texts(words.hashes_W, words.doc_starts_D, items_D, ngram_words, min_words)
    lengths_N, counts_N = np.unique(lengths, return_counts=True)
    sizes_N = np.array([_power_of_two(BITS_PER_NGRAM * count, MIN_BITS) // 64 for count in counts_N.tolist()], np.int64)
    bit_starts_N = np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes_N)))
    keys, bits_B = _keys_of_runs(sums, lengths, lengths_N, bit_starts_N)
    keys, items = unique_pairs(keys, items)
    distinct, starts = np.unique(keys, return_index=True)
    starts_R = np.append(starts, len(keys)).astype(np.int64)
    keys_S, rows_S = _build_table(distinct, _power_of_two(2 * len(distinct), 64))
    return NgramIndex(lengths_N, bit_starts_N, bits_B, keys_S, rows_S, starts_R, items)


def unique_pairs(first: npt.NDArray[Number], second: Positions) -> tuple[npt.NDArray[Number], Positions]:
    """The distinct pairs of two arrays, sorted."""
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    new = np.ones(len(first), np.bool_)
    new[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    return first[new], second[new]


def _power_of_two(least: int, floor: int) -> int:
    return max(floor, 1 << (least - 1).bit_length()) if least > 0 else floor


@inlined
def _finish(value, length):  # type: ignore[no-untyped-def]
    value ^= np.uint64(length) * _LENGTH_SALT
    value ^= value >> np.uint64(32)
    value *= _MIX
    value ^= value >> np.uint64(29)
    return value | np.uint64(1)  # 0 marks an empty slot


@kernel
def _runs_of_texts(hashes_W, doc_starts_D, items_D, ngram_words, min_words):  # type: ignore[no-untyped-def]
    """The sum, the length and the item of every run of words that is looked for."""
    total = 0
    for doc in range(len(items_D)):
        count = doc_starts_D[doc + 1] - doc_starts_D[doc]
        if count >= max(min_words, 1):
            total += count - min(ngram_words, count) + 1
    sums = np.empty(total, np.uint64)
    lengths = np.empty(total, np.int64)
    items = np.empty(total, np.int64)
    at = 0
    for doc in range(len(items_D)):
        start = doc_starts_D[doc]
        count = doc_starts_D[doc + 1] - start
        if count < max(min_words, 1):
            continue
        length = min(ngram_words, count)
        for first in range(start, start + count - length + 1):
            value = np.uint64(0)
            for word in range(first, first + length):
                value = value * _BASE + hashes_W[word]
            sums[at] = value
            lengths[at] = length
            items[at] = items_D[doc]
            at += 1
    return sums, lengths, items


@kernel
def _keys_of_runs(sums, lengths, lengths_N, bit_starts_N):  # type: ignore[no-untyped-def]
    bits_B = np.zeros(bit_starts_N[-1], np.uint64)
    keys = np.empty_like(sums)
    for run in range(len(sums)):
        place = np.searchsorted(lengths_N, lengths[run])
        bit = _bit_of(sums[run], bit_starts_N[place + 1] - bit_starts_N[place])
        bits_B[bit_starts_N[place] + np.int64(bit >> np.uint64(6))] |= np.uint64(1) << (bit & np.uint64(63))
        keys[run] = _finish(sums[run], lengths[run])
    return keys, bits_B


@inlined
def _bit_of(value, num_words):  # type: ignore[no-untyped-def]
    """The bit of a run; words' hashes are mixed, so that bits of their sum serve as they are."""
    return (value >> np.uint64(24)) & np.uint64(num_words * 64 - 1)


@kernel
def _build_table(keys_R, num_slots):  # type: ignore[no-untyped-def]
    keys_S = np.zeros(num_slots, np.uint64)
    rows_S = np.zeros(num_slots, np.int32)
    mask = np.uint64(num_slots - 1)
    for row in range(len(keys_R)):
        key = keys_R[row]
        slot = (key >> np.uint64(20)) & mask
        while keys_S[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        keys_S[slot] = key
        rows_S[slot] = row
    return keys_S, rows_S


@kernel
def _find(hashes_W, doc_starts_D, lengths_N, bit_starts_N, bits_B, keys_S, rows_S):  # type: ignore[no-untyped-def]
    num_words = len(hashes_W)
    sums_W = np.empty(num_words + 1, np.uint64)
    value = np.uint64(0)
    sums_W[0] = value
    for word in range(num_words):
        value = value * _BASE + hashes_W[word]
        sums_W[word + 1] = value
    docs_M = np.empty(64, np.int64)
    rows_M = np.empty(64, np.int64)
    count = 0
    mask = np.uint64(len(keys_S) - 1)
    for place in range(len(lengths_N)):
        length = lengths_N[place]
        bits = bits_B[bit_starts_N[place] : bit_starts_N[place + 1]]
        power = np.uint64(1)
        for _ in range(length):
            power *= _BASE
        for doc in range(len(doc_starts_D) - 1):
            for word in range(doc_starts_D[doc], doc_starts_D[doc + 1] - length + 1):
                total = sums_W[word + length] - sums_W[word] * power
                bit = _bit_of(total, len(bits))
                if not (bits[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
                    continue
                key = _finish(total, length)
                slot = (key >> np.uint64(20)) & mask
                while keys_S[slot] != 0 and keys_S[slot] != key:
                    slot = (slot + np.uint64(1)) & mask
                if keys_S[slot] == 0:
                    continue
                if count == len(docs_M):
                    docs_M = np.concatenate((docs_M, np.empty_like(docs_M)))
                    rows_M = np.concatenate((rows_M, np.empty_like(rows_M)))
                docs_M[count] = doc
                rows_M[count] = rows_S[slot]
                count += 1
    return docs_M[:count], rows_M[:count]
