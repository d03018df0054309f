"""Filters: of each document of a batch, whether it stays, and if not, by which rule, with what was measured and the limit.

Two sets of rules: `qaz` (rules.py), and `fineweb2`, which are FineWeb-2's to the letter (fineweb2/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from qaz_llm.data.config import FilterConfig
from qaz_llm.data.quality.facts import measure
from qaz_llm.data.quality.fineweb2.preset import THRESHOLDS as FINEWEB2
from qaz_llm.data.quality.fineweb2.preset import judge_batch, measure_text
from qaz_llm.data.quality.rules import KEEP, Measured, judge_facts, measure_rules, share, thresholds_of
from qaz_llm.language.buffer import ScannedTexts, TextBatch, encode_texts, scan_texts
from qaz_llm.records import DocumentBatch, Verdict


class Filter(Protocol):
    """A rule, or a chain of them, over a batch of documents; verdicts in the order of the batch."""

    @property
    def name(self) -> str: ...

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]: ...

    def judge(self, scanned: ScannedTexts, languages: Sequence[str]) -> Sequence[Verdict]:
        """The same for texts that are scanned already, with the language of each."""
        ...

    def measured(self, text: str, language: str) -> Sequence[Measured]:
        """What every rule of it says of one text, for people who ask."""
        ...


@dataclass(frozen=True)
class QualityFilter:
    """The rules above, with the thresholds of each document's language."""

    config: FilterConfig
    name: str = "quality"

    def __call__(self, batch: DocumentBatch) -> Sequence[Verdict]:
        return self.judge(scan_texts([document.text for document in batch]), [document.language for document in batch])

    def judge(self, scanned: ScannedTexts, languages: Sequence[str]) -> Sequence[Verdict]:
        facts = measure(scanned, languages)
        verdicts = {code: judge_facts(facts, thresholds_of(self.config, code)) for code in set(languages)}
        return [verdicts[code][place] for place, code in enumerate(languages)]

    def measured(self, text: str, language: str) -> list[Measured]:
        return measure_rules(measure(scan_texts([text]), [language]), thresholds_of(self.config, language))


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
            for place, verdict in zip(places, judge_batch(batch, places, thresholds), strict=True):
                verdicts[place] = verdict
        rest = [place for place, language in enumerate(languages) if language not in FINEWEB2]
        if rest:
            scanned = scan_texts([texts[place] for place in rest])
            judged = self.others.judge(scanned, [languages[place] for place in rest])
            for place, verdict in zip(rest, judged, strict=True):
                verdicts[place] = verdict
        return verdicts

    def measured(self, text: str, language: str) -> list[Measured]:
        if language not in FINEWEB2:
            return self.others.measured(text, language)
        return measure_text(text, FINEWEB2[language])


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
    dirt = share(facts.digits_D + facts.symbols_D + 10 * facts.replacements_D, facts.characters_D)
    lists = share(facts.short_lines_D, facts.lines_D + 2)
    repeated = np.maximum(
        share(facts.repeated_line_characters_D, facts.characters_D),
        share(facts.repeated_run_letters_D, facts.word_letters_D),
    )
    scores = function_words * (0.5 + 0.5 * order) * (1 - np.minimum(3 * dirt, 1)) * (1 - lists / 2) * (1 - repeated)
    return np.where(facts.words_D > 0, scores, 0.0).round(4).tolist()  # type: ignore[no-any-return]


def make_filters(config: FilterConfig) -> tuple[Filter, ...]:
    """The filters a config asks for, in the order they are applied."""
    if config.preset == "none":
        return ()
    quality = QualityFilter(config)
    return (FineWeb2Filter(others=quality),) if config.preset == "fineweb2" else (quality,)
