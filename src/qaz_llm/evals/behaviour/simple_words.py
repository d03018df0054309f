"""How simple the words of written answers are (language/readability.py), beside those of FLORES-200 in the same language.

Counts, and no grade: an answer of one word is simple and may be no answer at all, so scores stand beside it. Answers are measured by the words
of the language that was asked in; where a model answers in another one, the share of frequent words falls, and the languages of answers say why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from qaz_llm.language.readability import Readability, measure_all
from qaz_llm.records import LANGUAGES, ItemScore

FLORES_SENTENCES = 1012
FLORES: Mapping[str, Readability] = {
    "kk": Readability(sentences=1195, words=17008, letters=115246, frequent=5551),
    "ru": Readability(sentences=1180, words=19295, letters=118669, frequent=7756),
    "en": Readability(sentences=1156, words=21681, letters=107020, frequent=13875),
}
"""The sentences of devtest: news and encyclopaedias, for grown-ups."""


def readability_of(scores: Iterable[ItemScore]) -> dict[str, dict[str, dict[str, Any]]]:
    """Task → language asked in → figures, over one row per item whose `detail` holds what was generated."""
    texts: dict[str, dict[str, dict[str, str]]] = {}
    for score in scores:
        text = score.detail.get("generated")
        if isinstance(text, str) and score.language in LANGUAGES:
            texts.setdefault(score.task, {}).setdefault(score.language, {})[score.item_id] = text
    return {
        task: {language: figures(measure_all(by_id.values(), language), len(by_id)) for language, by_id in by.items()}
        for task, by in texts.items()
    }


def figures(found: Readability, answers: int) -> dict[str, Any]:
    """As JSON values; means are None where there is no word."""
    return {
        "answers": answers,
        "sentences": found.sentences,
        "words": found.words,
        "words_per_sentence": found.words_per_sentence,
        "letters_per_word": found.letters_per_word,
        "frequent_words_frac": found.frequent_frac,
    }
