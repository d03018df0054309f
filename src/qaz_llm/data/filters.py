"""Quality rules. A filter takes a batch of documents and says of each whether it stays, and if not, by which rule.

The rules are those of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1) and FineWeb-2 (Penedo et al. 2025,
https://arxiv.org/abs/2506.20920), with thresholds of our own for Kazakh. Kazakh words are long and its small words few
(what English says with prepositions Kazakh says with endings), so English limits, and stop-word lists counted from
encyclopaedia stubs, reject good prose. What the presets keep of good text is measured in tests/unit/data/test_filters.py.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from qaz_llm.data.config import FilterConfig
from qaz_llm.language.alphabet import FUNCTION_WORDS
from qaz_llm.language.segment import words
from qaz_llm.records import Document, DocumentBatch, Verdict

KEEP = Verdict(keep=True)


class Filter(Protocol):
    """A rule, or a chain of them, over a batch of documents; verdicts in the order of the batch."""

    @property
    def name(self) -> str: ...

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]: ...


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The limits of one language. Shares are of 0–1; `*_lines_frac` rules ask for at least MIN_LINES lines."""

    min_words: int = 5
    max_words: int = 500_000
    min_mean_word_length: float = 3.0
    max_mean_word_length: float = 12.0
    min_alpha_words_frac: float = 0.6
    """Of the pieces between white space, those with a letter."""
    max_digit_frac: float = 0.25
    max_symbol_frac: float = 0.08
    """Of the characters, those of # { } < > | \\ ^ ~ _ = * @ and box drawing."""
    max_ellipsis_lines_frac: float = 0.3
    max_bullet_lines_frac: float = 0.9
    max_short_lines_frac: float = 0.8
    """Lines of at most three words without an end of sentence: menus, tables, lists of names."""
    min_function_words_frac: float = 0.0
    """Asked of documents of MIN_WORDS_FOR_FUNCTION_WORDS words and more."""
    max_duplicate_lines_frac: float = 0.3
    """Of the letters, those in lines that came before in the document."""
    max_top_ngram_frac: float = 0.18
    """Of the letters, those of the commonest three words in a row, where these come three times or more."""
    max_duplicate_ngrams_frac: float = 0.3
    """Of the letters, those in runs of five words that came before in the document."""
    max_boilerplate_frac: float = 0.5
    max_replacement_frac: float = 0.005
    """U+FFFD, left where bytes were lost."""


PRESETS: Mapping[str, Thresholds] = {
    "kk": Thresholds(max_mean_word_length=12.0, min_function_words_frac=0.01),
    "ru": Thresholds(max_mean_word_length=11.0, min_function_words_frac=0.05),
    "en": Thresholds(max_mean_word_length=10.0, min_function_words_frac=0.10),
}

MIN_LINES = 6
MIN_WORDS_FOR_FUNCTION_WORDS = 100
MIN_WORDS_FOR_REPETITION = 20

_SYMBOL = re.compile(r"[#{}<>|\\^~_=*@\u2500-\u25ff]")
_DIGIT = re.compile(r"\d")
_LETTER_IN = re.compile(r"[^\W\d_]")
_SENTENCE_FINAL = (".", "!", "?", "…", ":", ";", "»", "”", '"', ")", ",")
_BULLETS = ("•", "*", "·", "●", "▪", "►")  # no dashes: they begin the lines of a dialogue


class TextFacts:
    """What the rules ask about a text, each worked out once and only when asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @cached_property
    def words(self) -> list[str]:
        return words(self.text)

    @cached_property
    def lowered(self) -> list[str]:
        return [word.lower() for word in self.words]

    @cached_property
    def lines(self) -> list[str]:
        return [line for line in self.text.split("\n") if line.strip()]

    @cached_property
    def word_letters(self) -> int:
        """Characters in all words, the measure that shares of repetition are taken of."""
        return sum(map(len, self.words)) or 1

    @property
    def mean_word_length(self) -> float:
        return self.word_letters / max(len(self.words), 1)

    @property
    def alpha_words_frac(self) -> float:
        pieces = self.text.split()
        return sum(_LETTER_IN.search(piece) is not None for piece in pieces) / max(len(pieces), 1)

    def frac_of_characters(self, pattern: re.Pattern[str]) -> float:
        return len(pattern.findall(self.text)) / max(len(self.text), 1)

    def frac_of_lines(self, holds: Sequence[bool]) -> float:
        return sum(holds) / len(holds) if len(holds) >= MIN_LINES else 0.0

    def function_words_frac(self, language: str) -> float:
        known = FUNCTION_WORDS.get(language)
        if known is None or len(self.words) < MIN_WORDS_FOR_FUNCTION_WORDS:
            return 1.0
        return sum(word in known for word in self.lowered) / len(self.lowered)

    @property
    def duplicate_lines_frac(self) -> float:
        seen: set[str] = set()
        repeated = 0
        for line in self.lines:
            if line in seen:
                repeated += len(line)
            seen.add(line)
        return repeated / max(len(self.text), 1)

    def top_ngram_frac(self, n: int) -> float:
        """Share of the letters in the commonest n words in a row, where these come at least three times."""
        grams = Counter(zip(*(self.lowered[i:] for i in range(n)), strict=False))
        if not grams:
            return 0.0
        most = max(grams.values())
        if most < 3:
            return 0.0
        longest = max(sum(map(len, gram)) for gram, count in grams.items() if count == most)
        return most * longest / self.word_letters

    def duplicate_ngrams_frac(self, n: int) -> float:
        """Share of the letters in runs of n words that came before; each run counts once, as in Gopher.

        >>> TextFacts("а б в г д е а б в г д").duplicate_ngrams_frac(5)  # 5 of 11 letters
        0.45454545454545453
        """
        seen: set[tuple[str, ...]] = set()
        repeated = index = 0
        while index + n <= len(self.lowered):
            gram = tuple(self.lowered[index : index + n])
            if gram in seen:
                repeated += sum(map(len, gram))
                index += n
            else:
                seen.add(gram)
                index += 1
        return repeated / self.word_letters


def judge(text: str, language: str, limits: Thresholds) -> Verdict:
    """The first rule that a text breaks, cheap rules first; kept where it breaks none."""
    facts = TextFacts(text)
    reason = _length_reason(facts, limits) or _shape_reason(facts, limits) or _prose_reason(facts, language, limits)
    return KEEP if reason is None else Verdict(keep=False, reason=reason)


def _length_reason(facts: TextFacts, limits: Thresholds) -> str | None:
    if len(facts.words) < limits.min_words:
        return "too_few_words"
    if len(facts.words) > limits.max_words:
        return "too_many_words"
    return None


def _shape_reason(facts: TextFacts, limits: Thresholds) -> str | None:
    if facts.text.count("\ufffd") > limits.max_replacement_frac * len(facts.text):
        return "lost_bytes"
    if not limits.min_mean_word_length <= facts.mean_word_length <= limits.max_mean_word_length:
        return "mean_word_length"
    if facts.frac_of_characters(_DIGIT) > limits.max_digit_frac:
        return "too_many_digits"
    if facts.frac_of_characters(_SYMBOL) > limits.max_symbol_frac:
        return "too_many_symbols"
    if facts.alpha_words_frac < limits.min_alpha_words_frac:
        return "too_few_letters"
    if (
        facts.frac_of_lines([line.rstrip().endswith(("…", "...")) for line in facts.lines])
        > limits.max_ellipsis_lines_frac
    ):
        return "ellipsis_lines"
    if facts.frac_of_lines([line.lstrip().startswith(_BULLETS) for line in facts.lines]) > limits.max_bullet_lines_frac:
        return "bullet_lines"
    if facts.frac_of_lines([_is_short(line) for line in facts.lines]) > limits.max_short_lines_frac:
        return "short_lines"
    return None


def _is_short(line: str) -> bool:
    return len(words(line)) <= 3 and not line.rstrip().endswith(_SENTENCE_FINAL)


def _prose_reason(facts: TextFacts, language: str, limits: Thresholds) -> str | None:
    if facts.function_words_frac(language) < limits.min_function_words_frac:
        return "few_function_words"
    if len(facts.words) < MIN_WORDS_FOR_REPETITION:
        return None
    if facts.duplicate_lines_frac > limits.max_duplicate_lines_frac:
        return "duplicate_lines"
    if facts.top_ngram_frac(3) > limits.max_top_ngram_frac:
        return "repeated_ngram"
    if facts.duplicate_ngrams_frac(5) > limits.max_duplicate_ngrams_frac:
        return "duplicate_ngrams"
    return None


def thresholds_of(config: FilterConfig, language: str) -> Thresholds:
    """The preset of a language (Kazakh's for others) with the config's values over it."""
    preset = PRESETS.get(language, PRESETS["kk"])
    values: dict[str, Any] = dict(config.overrides(language))
    return replace(preset, **values)


@dataclass(frozen=True)
class QualityFilter:
    """The rules above, with the thresholds of each document's language."""

    limits: Mapping[str, Thresholds]
    name: str = "quality"

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]:
        return [self._judge(document) for document in batch]

    def _judge(self, document: Document) -> Verdict:
        limits = self.limits.get(document.language, self.limits["kk"])
        return judge(document.text, document.language, limits)


def make_filters(config: FilterConfig) -> tuple[Filter, ...]:
    """The filters a config asks for, in the order they are applied."""
    if config.preset == "none":
        return ()
    quality: Filter = QualityFilter({language: thresholds_of(config, language) for language in PRESETS})
    return (quality,)


def quality_score(text: str, language: str) -> float:
    """0–1, for choosing between texts, never for dropping: the share of function words against the most that good prose
    has (kk .20, ru .38, en .50), less digits, symbols and repeated runs of words. A rule of thumb, not a model of quality.
    """
    facts = TextFacts(text)
    if not facts.words:
        return 0.0
    most = {"kk": 0.20, "ru": 0.38, "en": 0.50}.get(language, 0.20)
    known = FUNCTION_WORDS.get(language, frozenset())
    prose = min(1.0, sum(word in known for word in facts.lowered) / len(facts.lowered) / most)
    dirt = facts.frac_of_characters(_DIGIT) + facts.frac_of_characters(_SYMBOL) + facts.duplicate_ngrams_frac(5)
    return round(prose * (1 - min(1.0, 3 * dirt)), 4)
