"""The rules of preset `qaz`, as a table: what each measures of a document, and which limit it is held to.

They are those of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1) and FineWeb-2 (Penedo et al. 2025,
https://arxiv.org/abs/2506.20920), with thresholds of our own for Kazakh. Kazakh words are long and its small words few
(what English says with prepositions Kazakh says with endings), so English limits, and stop-word lists counted from
encyclopaedia stubs, reject good prose. What each set keeps of good text and drops of bad is measured in
docs/results/data_filters.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import FilterConfig
from qaz_llm.data.quality.facts import Counts, Facts
from qaz_llm.records import Verdict

KEEP = Verdict(keep=True)
DIGITS = 6
"""Of a measured value so many decimal places are told."""


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
    max_ellipsis_lines_frac: float = 0.5
    """Lists of headlines that were cut off; novels let a third of the lines of a dialogue trail off."""
    max_bullet_lines_frac: float = 0.9
    """Lines that begin with a bullet and do not end a sentence; chronicles in bullets are prose."""
    max_short_lines_frac: float = 0.8
    """Lines of at most three words without an end of sentence: menus, tables, lists of names."""
    min_function_words_frac: float = 0.0
    """Asked of documents of MIN_WORDS_FOR_PROSE words and more, as is the next."""
    max_words_per_sentence: float = 60.0
    """Lines of four words and more count as sentences, for verse and lists in laws have no other. What is left are menus,
    tables and word lists in a row. Lines that end without a full stop, FineWeb's sign, are common in good Kazakh text."""
    max_duplicate_lines_frac: float = 0.3
    """Of the letters, those in lines that came before in the document."""
    max_top_ngram_frac: float = 0.18
    """Of the letters, those of the commonest three words in a row, where these come three times or more."""
    max_duplicate_ngrams_frac: float = 0.2
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
MIN_WORDS_FOR_PROSE = 60
MIN_WORDS_FOR_REPETITION = 20

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.int64] | npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: a document breaks it where what is measured is above the limit, or below it where that `is_least`."""

    name: str
    limit: str
    """A field of Thresholds."""
    measure: Callable[[Facts], Values]
    is_least: bool = False
    asked: Callable[[Facts], Flags] | None = None
    """Of which documents it is asked; None: of all."""

    def broken(self, facts: Facts, values_D: Values, limit: float) -> Flags:
        """Which documents break it, given what it measures of each."""
        broken: Flags = values_D < limit if self.is_least else values_D > limit
        return broken if self.asked is None else broken & self.asked(facts)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one rule says of one document. `asked` is False where the document is too short for the rule."""

    rule: str
    value: float
    limit: float
    is_least: bool
    asked: bool
    keep: bool


def share(part: Counts, whole: Counts) -> npt.NDArray[np.float64]:
    """Part ÷ whole, 0 where there is no whole."""
    shares: npt.NDArray[np.float64] = part / np.maximum(whole, 1)
    return shares


def _mean_word_length(facts: Facts) -> Values:
    return share(np.maximum(facts.word_letters_D, 1), facts.words_D)


def _words_per_sentence(facts: Facts) -> Values:
    return share(facts.words_D, facts.sentences_D + facts.open_lines_D)


def _has_lines(facts: Facts) -> Flags:
    return facts.lines_D >= MIN_LINES


def _is_prose(facts: Facts) -> Flags:
    return facts.words_D >= MIN_WORDS_FOR_PROSE


def _can_repeat(facts: Facts) -> Flags:
    return facts.words_D >= MIN_WORDS_FOR_REPETITION


RULES: Sequence[Rule] = (
    Rule("too_few_words", "min_words", lambda f: f.words_D, is_least=True),
    Rule("too_many_words", "max_words", lambda f: f.words_D),
    Rule("lost_bytes", "max_replacement_frac", lambda f: share(f.replacements_D, f.characters_D)),
    Rule("mean_word_length", "min_mean_word_length", _mean_word_length, is_least=True),
    Rule("mean_word_length", "max_mean_word_length", _mean_word_length),
    Rule("too_many_digits", "max_digit_frac", lambda f: share(f.digits_D, f.characters_D)),
    Rule("too_many_symbols", "max_symbol_frac", lambda f: share(f.symbols_D, f.characters_D)),
    Rule("too_few_letters", "min_alpha_words_frac", lambda f: share(f.lettered_pieces_D, f.pieces_D), is_least=True),
    Rule("ellipsis_lines", "max_ellipsis_lines_frac", lambda f: share(f.ellipsis_lines_D, f.lines_D), asked=_has_lines),
    Rule("bullet_lines", "max_bullet_lines_frac", lambda f: share(f.bullet_lines_D, f.lines_D), asked=_has_lines),
    Rule("short_lines", "max_short_lines_frac", lambda f: share(f.short_lines_D, f.lines_D), asked=_has_lines),
    Rule(
        "few_function_words",
        "min_function_words_frac",
        lambda f: share(f.function_words_D, f.words_D),
        is_least=True,
        asked=_is_prose,
    ),
    Rule("few_sentences", "max_words_per_sentence", _words_per_sentence, asked=_is_prose),
    Rule(
        "duplicate_lines",
        "max_duplicate_lines_frac",
        lambda f: share(f.repeated_line_characters_D, f.characters_D),
        asked=_can_repeat,
    ),
    Rule(
        "repeated_ngram",
        "max_top_ngram_frac",
        lambda f: share(f.top_run_letters_D, f.word_letters_D),
        asked=_can_repeat,
    ),
    Rule(
        "duplicate_ngrams",
        "max_duplicate_ngrams_frac",
        lambda f: share(f.repeated_run_letters_D, f.word_letters_D),
        asked=_can_repeat,
    ),
)
"""The rules in the order they are asked; a document's reason is the first that it breaks."""


def judge_facts(facts: Facts, limits: Thresholds) -> list[Verdict]:
    """The verdict on each text: the first rule that it breaks, with what was measured and the limit."""
    bounds = [getattr(limits, rule.limit) for rule in RULES]
    values = [rule.measure(facts) for rule in RULES]
    broken = np.stack([rule.broken(facts, values[n], bounds[n]) for n, rule in enumerate(RULES)])
    first_D = broken.argmax(axis=0)
    verdicts = [KEEP] * broken.shape[1]
    for place in np.flatnonzero(broken.any(axis=0)).tolist():
        number = int(first_D[place])
        value = round(values[number][place].item(), DIGITS)
        verdicts[place] = Verdict(False, RULES[number].name, value, bounds[number])
    return verdicts


def first_reasons(facts: Facts, limits: Thresholds) -> list[str | None]:
    """The first rule that each text breaks, None where it breaks none."""
    return [verdict.reason for verdict in judge_facts(facts, limits)]


def measure_rules(facts: Facts, limits: Thresholds) -> list[Measured]:
    """What every rule says of the first text of a batch."""
    found = []
    for rule in RULES:
        values_D, limit = rule.measure(facts), getattr(limits, rule.limit)
        asked = rule.asked is None or bool(rule.asked(facts)[0])
        broken = bool(rule.broken(facts, values_D, limit)[0])
        value = round(values_D[0].item(), DIGITS)
        found.append(Measured(rule.name, value, limit, rule.is_least, asked, not broken))
    return found


def thresholds_of(config: FilterConfig, language: str) -> Thresholds:
    """The preset of a language with the config's values over it; other languages have Kazakh's, without function words."""
    values: dict[str, Any] = dict(config.overrides(language))
    if language not in PRESETS:
        values = {**config.overrides("kk"), "min_function_words_frac": 0.0}
    return replace(PRESETS.get(language, PRESETS["kk"]), **values)
