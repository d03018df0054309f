"""Simple words, counted: against counts by hand, and in the order that real texts have."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from qaz_llm.evals.behaviour.simple_words import FLORES, FLORES_SENTENCES, readability_of
from qaz_llm.io import read_jsonl
from qaz_llm.language.readability import Readability, frequent_words, lettered_words, measure, measure_all
from qaz_llm.records import LANGUAGES, ItemScore

CORPUS = Path(os.environ.get("QAZ_CORPUS_DIR", ""))
needs_corpus = pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs real text in QAZ_CORPUS_DIR")


def test_counts_by_hand() -> None:
    """и, мы, был, нет are among the commonest; the number counts as no word, and the line without words as no sentence."""
    found = measure("Мы были дома. И нет 40!\n* * *\nЭлектрокардиография", "ru")
    assert (found.sentences, found.words) == (3, 6)
    assert found.letters == 2 + 4 + 4 + 1 + 3 + 19
    known = frequent_words("ru")
    assert found.frequent == sum(word in known for word in ("мы", "были", "дома", "и", "нет", "электрокардиография"))
    assert {"мы", "и", "нет"} <= known and "электрокардиография" not in known
    assert found.words_per_sentence == 2.0 and found.letters_per_word == 33 / 6


def test_texts_add_up_and_nothing_has_no_means() -> None:
    texts = ["Мен келдім.", "Сен қайдасың? Мен осындамын.", "", "123"]
    both = measure_all(texts, "kk")
    assert both == measure("\n".join(texts), "kk") and both.sentences == 3
    nothing = measure("", "kk")
    assert nothing == Readability() == measure("12 – 5", "kk")
    assert nothing.words_per_sentence is nothing.letters_per_word is nothing.frequent_frac is None
    with pytest.raises(KeyError):
        measure("söz", "tr")


def test_lists_are_lower_case_words_of_their_language() -> None:
    for language in LANGUAGES:
        known = frequent_words(language)
        assert 1000 < len(known) <= 1500
        assert all(word == word.lower() and lettered_words(word) == [word] for word in known)
    assert {"әрі", "және", "үшін"} & frequent_words("kk") and not {"үшін", "мен", "емес"} & frequent_words("ru")


def test_what_was_generated_is_measured_once_an_item() -> None:
    def score(item: str, metric: str, language: str, **detail: object) -> ItemScore:
        return ItemScore(item, item, item, "open", language, metric, 1.0, True, 1.0, detail)

    rows = [
        score("1", "f1", "kk", generated="Мен келдім. Сен де кел."),
        score("1", "exact_match", "kk", generated="Мен келдім. Сен де кел."),
        score("2", "f1", "kk", generated=""),
        score("3", "acc", "ru", prediction=1),
    ]
    found = readability_of(rows)
    assert set(found) == {"open"} and set(found["open"]) == {"kk"}
    assert found["open"]["kk"] | {"letters_per_word": None, "frequent_words_frac": None} == {
        "answers": 2,
        "sentences": 2,
        "words": 5,
        "words_per_sentence": 2.5,
        "letters_per_word": None,
        "frequent_words_frac": None,
    }


@needs_corpus
def test_the_figures_of_flores_are_those_of_today() -> None:
    rows = list(read_jsonl(CORPUS / "flores200" / "flores200_devtest_kk_ru_en.jsonl"))
    assert len(rows) == FLORES_SENTENCES
    assert {code: measure_all((row[code] for row in rows), code) for code in LANGUAGES} == FLORES


@needs_corpus
def test_official_text_is_harder_than_news() -> None:
    for language in ("kk", "ru"):
        rows = list(read_jsonl(CORPUS / "apertium_kaz_rus" / f"gov_corpus_{language}.jsonl.gz"))[:3000]
        official = measure_all((row["text"] for row in rows), language)
        assert (official.frequent_frac or 0) < (FLORES[language].frequent_frac or 0) - 0.05
        assert (official.letters_per_word or 0) > (FLORES[language].letters_per_word or 0) + 0.3
