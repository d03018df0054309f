"""Kazakh words with other endings as one word: by hand, and on the nouns of UniMorph, whose lemmas are an oracle."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from qaz_llm.evals.answers.endings import same_word
from qaz_llm.evals.answers.words import same_words, token_f1
from qaz_llm.io import open_text


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("қаласында", "қала"),
        ("қалаларымызға", "қала"),
        ("кітабы", "кітап"),
        ("кітабы", "кітаптар"),
        ("алматыда", "алматы"),
        ("алматыдағы", "алматы"),
        ("синтезіне", "синтезі"),
        ("елдің", "ел"),
        ("таудан", "тауы"),
        ("үйінде", "үйден"),
        ("мектебіне", "мектеп"),
        ("ертіспен", "ертіс"),
    ],
)
def test_other_endings_are_the_same_word(one: str, other: str) -> None:
    assert same_word(one, other) and same_word(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("бала", "қала"),
        ("қаладе", "қала"),  # е after а breaks the harmony
        ("1991", "199"),
        ("1991-жылы", "1992-жылы"),
        ("кітап", "кітапхана"),  # another word, made of it
        ("москва", "москвич"),
    ],
)
def test_other_words_are_not(one: str, other: str) -> None:
    assert not same_word(one, other)


def test_f1_with_endings_stands_beside_plain_f1() -> None:
    """Two of three words agree by their stems: 2 · 2 / (2 + 3)."""
    assert token_f1("Алматы қаласында", "үлкен Алматының қаласы") == 0.0
    assert token_f1("Алматы қаласында", "үлкен Алматының қаласы", with_endings=True) == pytest.approx(0.8)
    assert token_f1("қала қала", "қалада", with_endings=True) == pytest.approx(2 / 3)  # each word in one pair
    assert token_f1("үй", "үй", with_endings=True) == 1.0


@pytest.mark.parametrize(
    ("answer", "reference", "same"),
    [
        ("3000", "3 000", True),
        ("3000 теңге", "3 000 теңге", True),
        ("−5", "5", False),
        ("−5", "-5", True),
        ("3,14", "3.14", True),
        ("(3.14)", "3,14", True),
        ("2014–2017", "2014 - 2017", True),
        ("1-ші", "1 ші", True),
        ("Обь.", "«обь»", True),
        ("", "", False),
    ],
)
def test_exact_match_of_numbers_and_marks(answer: str, reference: str, same: bool) -> None:
    assert same_words(answer, reference) is same


@pytest.mark.skipif("QAZ_CORPUS_DIR" not in os.environ, reason="needs UniMorph in QAZ_CORPUS_DIR")
def test_forms_of_real_nouns_find_their_lemma_and_no_other() -> None:
    with open_text(Path(os.environ["QAZ_CORPUS_DIR"]) / "unimorph_kaz" / "kaz.noun.tsv.gz") as lines:
        rows = [line.strip().lower().split("\t")[:2] for line in lines if line.count("\t") == 2]
    assert len(rows) > 28_000
    assert sum(same_word(lemma, form) for lemma, form in rows) / len(rows) > 0.995
    lemmas = sorted({lemma for lemma, _ in rows})[::3]
    pairs = list(combinations(lemmas, 2))
    assert sum(same_word(a, b) for a, b in pairs) / len(pairs) < 1e-4
