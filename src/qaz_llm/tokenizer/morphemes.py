"""Does a tokenizer cut words where their morphemes meet?

The gold standard is text in which "·" marks the boundaries inside words. Each word is cut as the tokenizer cuts it in
running text, after a space, and the places where one token ends and the next begins are held against the marks:

    gold        тіл·дер·дің      boundaries at 3, 6     (characters from the start of the word)
    tokens      тіл | дерд | ің  boundaries at 3, 7     → one right of two predicted, one found of two

A byte-level tokenizer may also cut inside a character: [Ò][£] for ң. Such a boundary is predicted and can never be right.

Precision, recall and F1 of boundaries are those of the Morpho Challenge tradition, over running words. Their relative,
MorphScore (Arnett & Bergen, "Why do language models perform worse for morphologically complex languages?", COLING 2025,
arXiv 2411.14198), asks of each distinct word whether its one marked boundary, the stem's end in most, is among the
token boundaries, and leaves out words that are one token. The differences here: all boundaries count, not one; running
words, not distinct ones; the word has its space; words kept whole stay in (as missed boundaries of recall, with their
share shown); and precision counts what is cut elsewhere, which a mean of hits cannot see. `recall_in_cut_words`
leaves the whole words out as MorphScore does.

Agreement is no goal in itself: over 70 languages it explains little of what models can do (Arnett, Hudspeth & O'Connor,
arXiv 2507.06378). It tells how a tokenizer cuts, beside what it costs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.io import read_rows

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MARK = "·"
CONTEXT = "a "
"""What stands before a word when it is cut: a tokenizer that puts a space before every text (SentencePiece) puts it before
the `a`, so every word is cut as after a space in running text."""
CHUNK_WORDS = 10_000
EXAMPLES = 8


@dataclass(frozen=True)
class SegmentedWords:
    """The running words of a segmented corpus: `counts` of each distinct `тіл·дер`, without words that have no letter."""

    counts: Mapping[str, int]
    rows: int
    skipped_rows: int
    """Rows whose segmentation spells another text than the one it belongs to."""


@dataclass(frozen=True)
class Cut:
    """Where a tokenizer cuts a word: at character borders (1 … length - 1), and inside characters (their indices, one
    for each boundary inside)."""

    borders: frozenset[int]
    broken: tuple[int, ...] = ()

    @property
    def boundaries(self) -> int:
        return len(self.borders) + len(self.broken)

    def show(self, word: str) -> str:
        """`тіл·дер·ді⟨ң⟩`: a dot at each cut, brackets around a character that is cut into bytes."""
        shown = (f"⟨{char}⟩" if index in self.broken else char for index, char in enumerate(word))
        return "".join(MARK * (index in self.borders) + char for index, char in enumerate(shown))


@dataclass(frozen=True)
class MorphemeAgreement:
    """Counts over running words, and the ratios made of them; a "segmented" word has at least two morphemes."""

    rows: int
    skipped_rows: int
    words: int
    distinct_words: int
    segmented_words: int
    segmented_words_whole: int
    """Segmented words without a token boundary inside (a space that is a token of its own does not count as a cut)."""
    segmented_words_cut_at_morphemes: int
    """Segmented words that are cut, and at no other place than morpheme boundaries."""
    gold_boundaries: int
    gold_boundaries_in_cut_words: int
    predicted_boundaries: int
    boundaries_in_characters: int
    right_boundaries: int
    possible_boundaries: int
    """Borders between two characters of a word, over all words."""
    examples: tuple[tuple[str, str], ...] = ()
    """Frequent words of three morphemes or more, as segmented and as the tokenizer cuts them."""

    @property
    def precision(self) -> float | None:
        """Share of the tokenizer's boundaries that are morpheme boundaries; None where it cuts no word."""
        return _ratio(self.right_boundaries, self.predicted_boundaries)

    @property
    def recall(self) -> float | None:
        """Share of the morpheme boundaries at which the tokenizer cuts."""
        return _ratio(self.right_boundaries, self.gold_boundaries)

    @property
    def f1(self) -> float | None:
        return _ratio(2 * self.right_boundaries, self.gold_boundaries + self.predicted_boundaries)

    @property
    def recall_in_cut_words(self) -> float | None:
        """Recall over the words that are cut at all, as MorphScore leaves words of one token out."""
        return _ratio(self.right_boundaries, self.gold_boundaries_in_cut_words)

    @property
    def chance_precision(self) -> float | None:
        """Expected precision of boundaries thrown at random among all character borders: gold ÷ possible, whatever their
        number."""
        return _ratio(self.gold_boundaries, self.possible_boundaries)

    @property
    def chance_recall(self) -> float | None:
        """Expected recall of as many random boundaries as the tokenizer has at character borders: those ÷ possible."""
        return _ratio(self.predicted_boundaries - self.boundaries_in_characters, self.possible_boundaries)

    @property
    def in_characters_frac(self) -> float | None:
        """Share of the tokenizer's boundaries that lie inside a character."""
        return _ratio(self.boundaries_in_characters, self.predicted_boundaries)

    @property
    def whole_frac(self) -> float | None:
        """Share of the segmented words that are kept whole."""
        return _ratio(self.segmented_words_whole, self.segmented_words)

    @property
    def cut_at_morphemes_frac(self) -> float | None:
        """Share of the segmented words that are cut, and only at morpheme boundaries."""
        return _ratio(self.segmented_words_cut_at_morphemes, self.segmented_words)

    def to_dict(self) -> dict[str, float | None]:
        ratios = (
            "precision",
            "recall",
            "f1",
            "recall_in_cut_words",
            "chance_precision",
            "chance_recall",
            "in_characters_frac",
            "whole_frac",
            "cut_at_morphemes_frac",
        )
        counts = {name: value for name, value in vars(self).items() if name != "examples"}
        return {**counts, **{name: getattr(self, name) for name in ratios}}


def read_segmented_words(path: Path) -> SegmentedWords:
    """The words of a file of rows `{"text": …, "segmented": …}` (JSONL or Parquet).

    A row whose `segmented` without marks is not `text`, word for word, is counted and left out.

    Raises:
        InputError: where a row lacks a field, or no row has a boundary.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="give rows with `text` and `segmented` (тіл·дер·дің)")
    counts: Counter[str] = Counter()
    rows = skipped = 0
    for rows, row in enumerate(read_rows(path), 1):
        for name in ("text", "segmented"):
            if not isinstance(row.get(name), str):
                raise InputError(
                    f"{path}: row {rows} has no text in the field '{name}'; it has: {', '.join(row)}",
                    hint=f"rows need `text` and `segmented`, the same words with {MARK} between their morphemes",
                )
        if row["segmented"].replace(MARK, "").split() == row["text"].split():
            counts.update(word for word in row["segmented"].split() if any(map(str.isalpha, word)))
        else:
            skipped += 1
    if not any(gold_borders(word) for word in counts):
        raise InputError(
            f"{path}: no word with a morpheme boundary in {rows:,} rows, {skipped:,} of them skipped"
            " because `segmented` spells another text",
            hint=f"`segmented` repeats `text` with {MARK} between morphemes",
        )
    return SegmentedWords(counts, rows, skipped)


def gold_borders(segmented: str) -> frozenset[int]:
    """The boundaries inside a segmented word, in characters from its start: `тіл·дер·дің` → {3, 6}.

    A mark at the start or the end of a word, or a second in a row, bounds nothing (`емес·`).
    """
    ends, length = set(), 0
    for morpheme in segmented.split(MARK):
        length += len(morpheme)
        ends.add(length)
    return frozenset(ends - {0, length})


def token_cuts(tokenizer: PreTrainedTokenizerFast, words: Sequence[str]) -> Iterator[tuple[str, Cut]]:
    """Each word and where the tokenizer cuts it in running text, after a space."""
    start = len(CONTEXT)
    for chunk in (words[i : i + CHUNK_WORDS] for i in range(0, len(words), CHUNK_WORDS)):
        texts = [CONTEXT + word for word in chunk]
        spans = tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        for word, of_word in zip(chunk, spans, strict=True):
            yield word, _cut([(first - start, end - start) for first, end in of_word], len(word))


def _cut(spans: Sequence[tuple[int, int]], length: int) -> Cut:
    """The cut of a word by the character spans of its tokens, counted from the word's start.

    The bytes of one character all have its span, so two neighbours that overlap are cut inside a character:

        [Ġ] [Ò] [£] [лар]   →  (-1, 0) (0, 1) (0, 1) (1, 4)   →  inside character 0, and at border 1
    """
    borders, broken = set(), []
    for (_, end), (first, _) in pairwise(spans):
        if end > max(first, 0):
            broken.append(end - 1)
        elif 0 < first < length:
            borders.add(first)
    return Cut(frozenset(borders), tuple(broken))


def measure_morphemes(tokenizer: PreTrainedTokenizerFast, gold: SegmentedWords) -> MorphemeAgreement:
    """How far the tokenizer's boundaries are those of the morphemes, over all running words of `gold`."""
    cuts = dict(token_cuts(tokenizer, sorted({word.replace(MARK, "") for word in gold.counts})))
    total: Counter[str] = Counter()
    for segmented, count in gold.counts.items():
        word = segmented.replace(MARK, "")
        for name, value in _count_word(cuts[word], gold_borders(segmented), len(word)).items():
            total[name] += count * value
    names = [name for name in MorphemeAgreement.__dataclass_fields__ if name in total]
    return MorphemeAgreement(
        rows=gold.rows,
        skipped_rows=gold.skipped_rows,
        distinct_words=len(cuts),
        examples=tuple((word, cuts[word.replace(MARK, "")].show(word.replace(MARK, ""))) for word in _examples(gold)),
        **{name: total[name] for name in names},
    )


def _count_word(cut: Cut, gold: frozenset[int], length: int) -> dict[str, int]:
    """What one occurrence of a word adds to the counts of `MorphemeAgreement`."""
    is_cut = cut.boundaries > 0
    return {
        "words": 1,
        "segmented_words": bool(gold),
        "segmented_words_whole": bool(gold) and not is_cut,
        "segmented_words_cut_at_morphemes": bool(gold) and is_cut and not cut.broken and cut.borders <= gold,
        "gold_boundaries": len(gold),
        "gold_boundaries_in_cut_words": len(gold) if is_cut else 0,
        "predicted_boundaries": cut.boundaries,
        "boundaries_in_characters": len(cut.broken),
        "right_boundaries": len(cut.borders & gold),
        "possible_boundaries": length - 1,
    }


def _examples(gold: SegmentedWords) -> list[str]:
    """The most frequent words of at least three morphemes; of equally frequent ones the first in the alphabet."""
    long = [word for word in gold.counts if len(gold_borders(word)) >= 2]
    return sorted(long, key=lambda word: (-gold.counts[word], word))[:EXAMPLES]


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None
