"""Quality rules. A filter says of each document of a batch whether it stays, and if not, by which rule.

Two sets of rules: `qaz`, below, and `fineweb2`, which are FineWeb-2's to the letter (fineweb2/). The rules of `qaz` are
those of Gopher (Rae et al. 2021, https://arxiv.org/abs/2112.11446, table A1) and FineWeb-2 (Penedo et al. 2025,
https://arxiv.org/abs/2506.20920), with thresholds of our own for Kazakh. Kazakh words are long and its small words few
(what English says with prepositions Kazakh says with endings), so English limits, and stop-word lists counted from
encyclopaedia stubs, reject good prose. What each set keeps of good text and drops of bad is measured in
docs/results/data_filters.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import FilterConfig
from qaz_llm.data.quality.facts import Counts, Facts, measure
from qaz_llm.data.quality.fineweb2.preset import THRESHOLDS as FINEWEB2
from qaz_llm.data.quality.fineweb2.preset import judge_batch
from qaz_llm.language.buffer import ScannedTexts, TextBatch, encode_texts, scan_texts
from qaz_llm.records import DocumentBatch, Verdict

KEEP = Verdict(keep=True)


class Filter(Protocol):
    """A rule, or a chain of them, over a batch of documents; verdicts in the order of the batch."""

    @property
    def name(self) -> str: ...

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]: ...

    def judge(self, scanned: ScannedTexts, languages: Sequence[str]) -> Sequence[Verdict]:
        """The same for texts that are scanned already, with the language of each."""
        ...


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
Shares = npt.NDArray[np.float64]

RULES: Sequence[tuple[str, Callable[[Facts, Thresholds], Flags]]] = (
    ("too_few_words", lambda f, limits: f.words_D < limits.min_words),
    ("too_many_words", lambda f, limits: f.words_D > limits.max_words),
    ("lost_bytes", lambda f, limits: f.replacements_D > limits.max_replacement_frac * f.characters_D),
    ("mean_word_length", lambda f, limits: _outside(f, limits.min_mean_word_length, limits.max_mean_word_length)),
    ("too_many_digits", lambda f, limits: _share(f.digits_D, f.characters_D) > limits.max_digit_frac),
    ("too_many_symbols", lambda f, limits: _share(f.symbols_D, f.characters_D) > limits.max_symbol_frac),
    ("too_few_letters", lambda f, limits: _share(f.lettered_pieces_D, f.pieces_D) < limits.min_alpha_words_frac),
    ("ellipsis_lines", lambda f, limits: _of_lines(f, f.ellipsis_lines_D) > limits.max_ellipsis_lines_frac),
    ("bullet_lines", lambda f, limits: _of_lines(f, f.bullet_lines_D) > limits.max_bullet_lines_frac),
    ("short_lines", lambda f, limits: _of_lines(f, f.short_lines_D) > limits.max_short_lines_frac),
    ("few_function_words", lambda f, limits: _lacks_function_words(f, limits.min_function_words_frac)),
    ("few_sentences", lambda f, limits: _lacks_sentences(f, limits.max_words_per_sentence)),
    (
        "duplicate_lines",
        lambda f, limits: _repeats(f, f.repeated_line_characters_D, f.characters_D, limits.max_duplicate_lines_frac),
    ),
    (
        "repeated_ngram",
        lambda f, limits: _repeats(f, f.top_run_letters_D, f.word_letters_D, limits.max_top_ngram_frac),
    ),
    (
        "duplicate_ngrams",
        lambda f, limits: _repeats(f, f.repeated_run_letters_D, f.word_letters_D, limits.max_duplicate_ngrams_frac),
    ),
)
"""The rules in the order they are asked; a document's reason is the first that it breaks."""


def _share(part: Counts, whole: Counts) -> Shares:
    shares: Shares = part / np.maximum(whole, 1)
    return shares


def _outside(facts: Facts, least: float, most: float) -> Flags:
    mean = _share(np.maximum(facts.word_letters_D, 1), facts.words_D)
    return (mean < least) | (mean > most)


def _of_lines(facts: Facts, lines: Counts) -> Shares:
    return np.where(facts.lines_D >= MIN_LINES, _share(lines, facts.lines_D), 0.0)


def _lacks_function_words(facts: Facts, least: float) -> Flags:
    return (facts.words_D >= MIN_WORDS_FOR_PROSE) & (_share(facts.function_words_D, facts.words_D) < least)


def _lacks_sentences(facts: Facts, most_words: float) -> Flags:
    sentences = facts.sentences_D + facts.open_lines_D
    return (facts.words_D >= MIN_WORDS_FOR_PROSE) & (_share(facts.words_D, sentences) > most_words)


def _repeats(facts: Facts, part: Counts, whole: Counts, most: float) -> Flags:
    return (facts.words_D >= MIN_WORDS_FOR_REPETITION) & (_share(part, whole) > most)


def first_reasons(facts: Facts, limits: Thresholds) -> list[str | None]:
    """The first rule that each text breaks, None where it breaks none."""
    broken = np.stack([*(rule(facts, limits) for _, rule in RULES), np.ones_like(facts.words_D, dtype=bool)])
    names = [*(name for name, _ in RULES), None]
    return [names[place] for place in broken.argmax(axis=0)]


def thresholds_of(config: FilterConfig, language: str) -> Thresholds:
    """The preset of a language with the config's values over it; other languages have Kazakh's, without function words."""
    values: dict[str, Any] = dict(config.overrides(language))
    if language not in PRESETS:
        values = {**config.overrides("kk"), "min_function_words_frac": 0.0}
    return replace(PRESETS.get(language, PRESETS["kk"]), **values)


@dataclass(frozen=True)
class QualityFilter:
    """The rules above, with the thresholds of each document's language."""

    config: FilterConfig
    name: str = "quality"

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]:
        return self.judge(scan_texts([document.text for document in batch]), [document.language for document in batch])

    def judge(self, scanned: ScannedTexts, languages: Sequence[str]) -> Sequence[Verdict]:
        facts = measure(scanned, languages)
        reasons = {code: first_reasons(facts, thresholds_of(self.config, code)) for code in set(languages)}
        return [_verdict(reasons[code][place]) for place, code in enumerate(languages)]


@dataclass(frozen=True)
class FineWeb2Filter:
    """FineWeb-2's filters for the languages that it has thresholds for here; `others` judges the rest."""

    others: QualityFilter
    name: str = "fineweb2"

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]:
        texts = [document.text for document in batch]
        return self._judge(texts, encode_texts(texts), [document.language for document in batch])

    def judge(self, scanned: ScannedTexts, languages: Sequence[str]) -> Sequence[Verdict]:
        return self._judge(scanned.texts, scanned.batch, languages)

    def _judge(self, texts: Sequence[str], batch: TextBatch, languages: Sequence[str]) -> Sequence[Verdict]:
        verdicts = [KEEP] * len(languages)
        for code, thresholds in FINEWEB2.items():
            places = np.array([place for place, language in enumerate(languages) if language == code], dtype=np.int64)
            for place, reason in zip(places, judge_batch(batch, places, thresholds), strict=True):
                verdicts[place] = _verdict(reason)
        rest = [place for place, language in enumerate(languages) if language not in FINEWEB2]
        if rest:
            scanned = scan_texts([texts[place] for place in rest])
            judged = self.others.judge(scanned, [languages[place] for place in rest])
            for place, verdict in zip(rest, judged, strict=True):
                verdicts[place] = verdict
        return verdicts


def _verdict(reason: str | None) -> Verdict:
    return KEEP if reason is None else Verdict(keep=False, reason=reason)


GOOD_FUNCTION_WORDS_FRAC: Mapping[str, float] = {"kk": 0.10, "ru": 0.25, "en": 0.38}
"""The share of function words in the middle document of real prose (docs/results/data_filters.md)."""


def quality_scores(scanned: ScannedTexts, languages: Sequence[str]) -> list[float]:
    """0–1 for each text, for choosing between texts, never for dropping; a rule of thumb, not a model of quality.

    The product of what prose has much of and what it has none of: function words (up to the share of the middle document of
    real prose), sentences that begin as sentences do, and no digits, symbols, short lines, repeated lines or repeated runs.
    Two words of each kind are lent to every document, so that short texts are judged on more than chance.
    """
    facts = measure(scanned, languages)
    most = np.array([GOOD_FUNCTION_WORDS_FRAC.get(language, 0.10) for language in languages], dtype=np.float64)
    function_words = np.minimum((facts.function_words_D + 2 * most) / (facts.words_D + 2) / most, 1)
    order = (facts.sentence_starts_D + 2) / (facts.sentence_ends_D + 2)
    dirt = _share(facts.digits_D + facts.symbols_D + 10 * facts.replacements_D, facts.characters_D)
    lists = _share(facts.short_lines_D, facts.lines_D + 2)
    repeated = np.maximum(
        _share(facts.repeated_line_characters_D, facts.characters_D),
        _share(facts.repeated_run_letters_D, facts.word_letters_D),
    )
    scores = function_words * (0.5 + 0.5 * order) * (1 - np.minimum(3 * dirt, 1)) * (1 - lists / 2) * (1 - repeated)
    return np.where(facts.words_D > 0, scores, 0.0).round(4).tolist()  # type: ignore[no-any-return]


def make_filters(config: FilterConfig) -> tuple[Filter, ...]:
    """The filters a config asks for, in the order they are applied."""
    if config.preset == "none":
        return ()
    quality = QualityFilter(config)
    return (FineWeb2Filter(others=quality),) if config.preset == "fineweb2" else (quality,)
