"""The kernel against a replacement by a regular expression."""

import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.language import word_table
from qaz_llm.language.buffer import encode_texts
from qaz_llm.language.word_table import WordTable, decode

LETTERS = "abcç"


def convert(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """Doubled and in capitals; words with b are left."""
    return [word if "b" in word else 2 * word.upper() for word in words], {word: "b" for word in words if "b" in word}


def expected(text: str, spans: Sequence[tuple[int, int]] = ()) -> tuple[str, int]:
    pieces, position, left = [], 0, 0
    for start, end in (*spans, (len(text), len(text))):
        piece = text[position:start]
        left += sum("b" in word for word in re.findall("[abcç][abcç']*", piece))
        converted = re.sub("[abcç][abcç']*", lambda match: convert([match.group()])[0][0], piece)
        pieces += [converted.replace("!", "?"), text[start:end].replace("!", "?")]
        position = end
    return "".join(pieces), left


@given(st.lists(st.text(alphabet=LETTERS + "' !🦉", max_size=30), max_size=5))
@settings(max_examples=200, deadline=None)
def test_each_word_is_what_the_function_makes_of_it(texts: list[str]) -> None:
    table = WordTable(convert, LETTERS, "'", {ord("!"): ord("?")})
    for text in texts + texts:
        converted, left = table.convert(encode_texts([text]).codes_C)
        assert (decode(converted), left.get("b", 0)) == expected(text)


@given(st.text(alphabet=LETTERS + "' !", max_size=30), st.sets(st.integers(0, 30), max_size=6))
@settings(max_examples=200, deadline=None)
def test_spans_are_left_as_they_are(text: str, cuts: set[int]) -> None:
    bounds = sorted(cut for cut in cuts if cut <= len(text))
    spans = list(zip(bounds[::2], bounds[1::2], strict=False))
    table = WordTable(convert, LETTERS, "'", {ord("!"): ord("?")})
    places = np.array(spans, np.int64).reshape(-1, 2)
    converted, left = table.convert(encode_texts([text]).codes_C, places)
    # a word that a span begins in the middle of is cut there
    assert (decode(converted), left.get("b", 0)) == expected(text, spans) or re.search("[abcç']'", text)


def test_a_word_is_converted_once() -> None:
    seen: list[str] = []

    def remember(words: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        seen.extend(words)
        return list(words), {}

    table = WordTable(remember, LETTERS)
    for _ in range(3):
        table.convert(encode_texts(["ab ac ab"]).codes_C)
    assert sorted(seen) == ["ab", "ac"]


def test_more_words_than_the_table_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(word_table, "MOST_WORDS", 300)
    monkeypatch.setattr(word_table, "FIRST_SLOTS", 16)
    table = WordTable(convert, "abcdefghij")
    for start in range(0, 2000, 100):
        words = [
            str(number).translate(str.maketrans("0123456789", "abcdefghij")) for number in range(start, start + 100)
        ]
        converted, _ = table.convert(encode_texts([" ".join(words)]).codes_C)
        assert decode(converted).split() == convert(words)[0]


def test_a_run_of_letters_that_is_no_word_is_left_as_it_is() -> None:
    run = "a" * (word_table.LONGEST_WORD + 1)
    converted, _ = WordTable(convert, LETTERS).convert(encode_texts([f"ac {run} {run[1:]}"]).codes_C)
    assert decode(converted) == f"ACAC {run} {2 * run[1:].upper()}"
