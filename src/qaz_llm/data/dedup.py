"""Duplicates across all documents of a build: equal texts, near-equal texts, and lines that many documents share.

Which copy stays does not depend on the order of the files: the freer licence, then the better quality score, then the
longer text, then the smaller id. A near duplicate is dropped only against a document that is itself kept and whose exact
Jaccard similarity with it reaches the limit, so there are no chains in which the last is unlike the first.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.hashing import Hashes, line_hash, shingles
from qaz_llm.language.segment import match_words

Signature = npt.NDArray[np.uint32]

_CHUNK = 4096
"""Shingles hashed at a time: 4096 × 120 products of 8 bytes stay within a few megabytes."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What duplicate search keeps in memory of a document."""

    id: str
    text_hash: str
    licence_rank: int
    quality: float
    num_words: int

    @property
    def preference(self) -> tuple[int, float, int, str]:
        """Sorts the copy that is to stay first."""
        return (self.licence_rank, -self.quality, -self.num_words, self.id)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A document to drop, by its index, and the index of the one that stays in its place."""

    index: int
    kept: int
    reason: str


def exact_duplicates(entries: Sequence[Entry]) -> list[Duplicate]:
    """All but the preferred copy of each text."""
    groups: dict[str, list[int]] = defaultdict(list)
    for index, entry in enumerate(entries):
        groups[entry.text_hash].append(index)
    found = []
    for group in groups.values():
        if len(group) > 1:
            kept = min(group, key=lambda index: entries[index].preference)
            found += [Duplicate(index, kept, "exact_duplicate") for index in group if index != kept]
    return sorted(found, key=lambda duplicate: duplicate.index)


# ---------------------------------------------------------------------------------------------------------- MinHash


@dataclass(frozen=True)
class MinHasher:
    """MinHash signatures: for each of bands × rows hash functions the smallest value over a text's shingles.

    The functions are multiply-shift, h(x) = (a·x + b mod 2⁶⁴) >> 32 with odd a (Dietzfelbinger et al. 1997).
    """

    config: DedupConfig
    seed: int

    def signature(self, text: str) -> Signature:
        """The bands × rows 32-bit minima of a text."""
        a, b = self._parameters()
        values = shingles(text, self.config.shingle_words) >> np.uint64(32)
        smallest = np.full(len(a), np.iinfo(np.uint32).max, dtype=np.uint32)
        for start in range(0, len(values), _CHUNK):
            products = values[start : start + _CHUNK, None] * a[None, :] + b[None, :]
            smallest = np.minimum(smallest, (products >> np.uint64(32)).astype(np.uint32).min(axis=0))
        return smallest

    def _parameters(self) -> tuple[Hashes, Hashes]:
        generator = np.random.default_rng(self.seed)
        count = self.config.bands * self.config.rows
        a = generator.integers(0, 2**63, size=count, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
        b = generator.integers(0, 2**63, size=count, dtype=np.uint64)
        return a, b

    def band_keys(self, signatures: npt.NDArray[np.uint32]) -> Hashes:
        """One 64-bit key per document and band, shape (documents, bands), equal where all rows of the band are."""
        rows = signatures.reshape(len(signatures), self.config.bands, self.config.rows).astype(np.uint64)
        key = np.zeros(rows.shape[:2], dtype=np.uint64)
        for row in range(self.config.rows):
            key = (key ^ rows[:, :, row]) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(29)
        return key


def near_candidates(keys: Hashes) -> list[int]:
    """The documents that share a band with another one, by index: the only ones whose text is looked at again."""
    shared = np.zeros(len(keys), dtype=bool)
    for band in range(keys.shape[1] if keys.size else 0):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        shared |= counts[inverse] > 1
    return [int(index) for index in np.flatnonzero(shared)]


def near_duplicates(
    entries: Sequence[Entry], keys: Hashes, shingles_of: Mapping[int, Hashes], *, min_jaccard: float
) -> list[Duplicate]:
    """Documents whose Jaccard similarity with a preferred document that stays is at least `min_jaccard`.

    Args:
        keys: band keys, a row per entry.
        shingles_of: sorted distinct shingles of each candidate, by index.
    """
    buckets: dict[tuple[int, int], list[int]] = defaultdict(list)
    found = []
    for index in sorted(shingles_of, key=lambda i: entries[i].preference):
        places = [(band, int(key)) for band, key in enumerate(keys[index])]
        rivals = dict.fromkeys(other for place in places for other in buckets.get(place, ()))
        kept = next((o for o in rivals if jaccard(shingles_of[index], shingles_of[o]) >= min_jaccard), None)
        if kept is not None:
            found.append(Duplicate(index, kept, "near_duplicate"))
            continue
        for place in places:
            buckets[place].append(index)
    return sorted(found, key=lambda duplicate: duplicate.index)


def jaccard(first: Hashes, second: Hashes) -> float:
    """|A ∩ B| / |A ∪ B| of two sorted arrays without repetitions."""
    common = len(np.intersect1d(first, second, assume_unique=True))
    union = len(first) + len(second) - common
    return common / union if union else 1.0


# ------------------------------------------------------------------------------------------------------------ lines


def line_hashes(text: str, *, min_words: int) -> Hashes:
    """Hashes of the distinct lines of a text that have at least `min_words` words."""
    lines = {line_hash(line) for line in text.split("\n") if len(match_words(line)) >= min_words}
    return np.array(sorted(lines), dtype=np.uint64)


def common_lines(per_document: Iterable[Hashes], *, max_documents: int) -> frozenset[int]:
    """The lines that more than `max_documents` documents have."""
    arrays = list(per_document)
    if not arrays:
        return frozenset()
    values, counts = np.unique(np.concatenate(arrays), return_counts=True)
    return frozenset(values[counts > max_documents].tolist())


class LineRemover:
    """Takes common lines out of documents given in order; each stays where it is met first."""

    def __init__(self, common: frozenset[int], *, min_words: int) -> None:
        self._common = common
        self._min_words = min_words
        self._seen: set[int] = set()

    def __call__(self, text: str) -> tuple[str, int]:
        """The text without the lines met before, and their number."""
        kept: list[str] = []
        removed = 0
        for line in text.split("\n"):
            if len(match_words(line)) >= self._min_words:
                value = line_hash(line)
                if value in self._common:
                    if value in self._seen:
                        removed += 1
                        continue
                    self._seen.add(value)
            kept.append(line)
        return ("\n".join(kept).strip(), removed) if removed else (text, 0)
