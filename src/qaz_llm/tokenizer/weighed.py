"""Merges weighed by what they give in the new language and what they cost in the languages that are to be kept.

A base that spells Russian letter by letter has learned what follows which letter. A merge learned from Kazakh alone, `а` + `л`,
also joins every `ал` of Russian into a token that the model has never seen there. So the words of the kept languages are merged
along, and each pair is worth

    its count in the new language  −  weight × its count in the kept ones, scaled to as much text

    kk "қала" 10, "ала" 2; ru "сала" 9, weight 1, both of the same size:    қ+а  10        а+л  12 − 9 = 3

The pair worth most is merged next, in both, as long as it is worth min_frequency. With weight 0, or without kept words, that
is ordinary BPE (Sennrich et al. 2016, arXiv 1508.07909). What is Kazakh only (ал next to қ) is joined early and then
by itself; what both languages share is joined where Kazakh needs it much more often, and else stays as the base has it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from qaz_llm.progress import get_logger, progress
from qaz_llm.tokenizer.words import Cut, KeptWords, Unit

Piece = tuple[Unit, ...]
Pair = tuple[int, int]

MAX_DISTINCT_WORDS = 400_000
"""Per language; rarer words are left out. About 3 kB each while merges are learned."""

WORTH_STEPS = 1024
"""Worth is kept in multiples of 1/1024, whose sums are exact: a pair is worth the same whatever was added in which order."""

_logger = get_logger("tokenizer")


def weighed_merges(
    words: Sequence[Cut],
    kept: Sequence[KeptWords],
    *,
    running_words: int,
    num_merges: int,
    min_frequency: int,
    weight: float,
) -> list[tuple[Piece, Piece]]:
    """At most `num_merges` merges, the one worth most first, each side as the units it stands for.

    Args:
        words: of the new language, cut by the base, with their counts.
        kept: words of each language to be kept, cut likewise; its counts are scaled to a text as long as the new one's.
        running_words: of the whole text in the new language.
        min_frequency: what a pair must be worth.
        weight: how much a use in a kept language counts against one in the new language.
    """
    costs = [weight * running_words / max(language.running_words, 1) for language in kept]
    state = _Words(words, list(zip(kept, costs, strict=True)) if weight else [])
    heap = [(-worth, pair) for pair, worth in state.worth.items() if worth >= min_frequency]
    heapq.heapify(heap)
    merges: list[tuple[Piece, Piece]] = []
    with progress("learn merges", total=num_merges, unit="merges") as advance:
        while heap and len(merges) < num_merges:
            noted, pair = heapq.heappop(heap)
            if -noted != state.worth[pair]:  # noted before other merges changed it; it was noted anew then
                continue
            merges.append((state.pieces[pair[0]], state.pieces[pair[1]]))
            for changed in state.merge(pair):
                if state.worth[changed] >= min_frequency:
                    heapq.heappush(heap, (-state.worth[changed], changed))
            advance(1)
    return merges


class _Words:
    """All words as rows of piece numbers, what each word weighs, and what each pair of neighbours is worth."""

    def __init__(self, words: Sequence[Cut], kept: Sequence[tuple[KeptWords, float]]) -> None:
        self.pieces: list[Piece] = []
        self._numbers: dict[Piece, int] = {}
        self._words: list[list[int]] = []
        self._weights: list[float] = []
        self.worth: Counter[Pair] = Counter()
        self._where: defaultdict[Pair, set[int]] = defaultdict(set)
        self._add(_most_frequent(words), 1.0)
        for language, cost in kept:
            self._add(_most_frequent(language.cuts), -cost)

    def _add(self, words: Sequence[Cut], factor: float) -> None:
        for units, count in words:
            index, weight = len(self._words), round(factor * count * WORTH_STEPS) / WORTH_STEPS
            self._words.append([self._number((unit,)) for unit in units])
            self._weights.append(weight)
            for pair in pairwise(self._words[index]):
                self.worth[pair] += weight  # type: ignore[assignment]  # a Counter of floats
                self._where[pair].add(index)

    def _number(self, piece: Piece) -> int:
        if piece not in self._numbers:
            self._numbers[piece] = len(self.pieces)
            self.pieces.append(piece)
        return self._numbers[piece]

    def merge(self, pair: Pair) -> list[Pair]:
        """Join the pair wherever it stands; the pairs whose worth has changed, and can still be merged."""
        joined = self._number(self.pieces[pair[0]] + self.pieces[pair[1]])
        changed: dict[Pair, None] = {}  # in the order met
        for index in sorted(self._where.pop(pair)):
            before, weight = self._words[index], self._weights[index]
            after = self._words[index] = list(_joined(before, pair, joined))
            for gone in pairwise(before):
                self.worth[gone] -= weight  # type: ignore[assignment]
                changed[gone] = None
            for made in pairwise(after):
                self.worth[made] += weight  # type: ignore[assignment]
                self._where[made].add(index)
                changed[made] = None
        del self.worth[pair]
        changed.pop(pair, None)
        return list(changed)


def _joined(word: Sequence[int], pair: Pair, joined: int) -> Iterator[int]:
    """From left to right, as BPE does: a a a with (a, a) → aa a."""
    index = 0
    while index < len(word):
        if word[index] == pair[0] and index + 1 < len(word) and word[index + 1] == pair[1]:
            yield joined
            index += 2
        else:
            yield word[index]
            index += 1


def _most_frequent(words: Sequence[Cut]) -> Sequence[Cut]:
    """All of them, or the MAX_DISTINCT_WORDS most frequent, with a word about the rest."""
    if len(words) <= MAX_DISTINCT_WORDS:
        return words
    kept = sorted(words, key=lambda cut: (-cut[1], cut[0]))[:MAX_DISTINCT_WORDS]
    left_out = sum(count for _units, count in words) - sum(count for _units, count in kept)
    _logger.info(
        "of %s different words the %s most frequent are learned from; the others are %s occurrences",
        f"{len(words):,}", f"{MAX_DISTINCT_WORDS:,}", f"{left_out:,}",
    )  # fmt: skip
    return kept
