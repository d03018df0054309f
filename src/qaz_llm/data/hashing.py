"""Words as numbers: the hashes that duplicate search and decontamination compare instead of strings.

64-bit hashes of n-grams are taken for the n-grams themselves: among 10⁹ of them the chance of any two unequal ones
meeting is about 3 %, and of one that decides a verdict far smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import xxhash

from qaz_llm.language.segment import match_words

Hashes = npt.NDArray[np.uint64]

_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


@lru_cache(maxsize=1 << 18)
def _word_hash(word: str) -> int:
    return xxhash.xxh3_64_intdigest(word.encode())


def word_hashes(words: Sequence[str]) -> Hashes:
    """One 64-bit hash per word."""
    return np.fromiter(map(_word_hash, words), dtype=np.uint64, count=len(words))


def ngram_hashes(hashes: Hashes, n: int) -> Hashes:
    """The hash of each run of n words: a polynomial in the words' hashes, mixed; `len(hashes) - n + 1` of them.

    >>> a, b = word_hashes("x y z y x".split()), word_hashes("y x".split())
    >>> (ngram_hashes(a, 2) == ngram_hashes(b, 2)[0]).tolist()
    [False, False, False, True]
    """
    count = len(hashes) - n + 1
    if count <= 0:
        return np.empty(0, dtype=np.uint64)
    total = hashes[:count].copy()
    for offset in range(1, n):
        total = total * _MULTIPLIER + hashes[offset : offset + count]
    return (total ^ (total >> np.uint64(33))) * _MIX


def shingles(text: str, n: int) -> Hashes:
    """The distinct runs of n words of a text, sorted; a text of fewer words is one shingle."""
    hashes = word_hashes(match_words(text))
    return np.unique(ngram_hashes(hashes, min(n, max(len(hashes), 1))))


def text_hash(text: str) -> str:
    """A 128-bit hash of the words of a text, blind to case, punctuation and layout. Equal hashes are equal texts."""
    return xxhash.xxh3_128_hexdigest(" ".join(match_words(text)).encode())


def line_hash(line: str) -> int:
    return xxhash.xxh3_64_intdigest(" ".join(match_words(line)).encode())
