"""Which words new tokens are learned from, and how the base cuts them."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.tokenizer import words

LEARNABLE = ["қала", " қала", "ҚАЗАҚСТАН", "Әлем", " өң", "город", "й" + "\u0306", "ا", "καλα"]
NOT_LEARNABLE = [
    "",
    " ",
    "  қала",
    "school",
    "iPhoneға",
    "ғa",
    "қ2",
    "2024",
    "«қала",
    "қала,",
    "қала\n",
    "\tқала",
    "-",
    "naïve",
    "é",
    " ö",
    "\u0306а",
]


@pytest.mark.parametrize("text", LEARNABLE)
def test_words_of_other_letters_are_learned_from(text: str) -> None:
    assert words._is_learnable(text)


@pytest.mark.parametrize("text", NOT_LEARNABLE)
def test_words_with_ascii_digits_or_signs_are_not(text: str) -> None:
    assert not words._is_learnable(text)


def test_pieces_start_at_spaces_and_where_letters_begin() -> None:
    assert list(words._split_before_spaces("▁бұл▁қала,▁2024▁▁жыл(өң)")) == [
        "▁бұл", "▁қала", ",", "▁2024", "▁", "▁жыл", "(", "өң", ")",
    ]  # fmt: skip
    assert list(words._split_before_spaces("")) == []
    assert list(words._split_before_spaces("қ")) == ["қ"]


@given(text=st.text(alphabet="▁ қалa2,", max_size=30))
def test_splitting_loses_nothing(text: str) -> None:
    pieces = list(words._split_before_spaces(text))
    assert "".join(pieces) == text
    assert all("▁" not in piece[1:] for piece in pieces)


def test_bytes_of_one_character_form_one_unit() -> None:
    ka = [(10, "<0xD2>"), (11, "<0x9B>")]
    assert words._join_bytes([(1, "▁"), *ka, (2, "а"), (3, "ла")]) == ((1,), (10, 11), (2,), (3,))
    assert words._join_bytes([*ka, *ka]) == ((10, 11), (10, 11))
    assert words._join_bytes([(10, "<0xD2>"), (2, "а"), (12, "<0x41>")]) == ((10,), (2,), (12,))
    assert words._join_bytes([(2, "а"), (10, "<0xD2>")]) == ((2,), (10,))


def test_every_cut_spells_its_word(family: Any) -> None:
    text = "Қазақстанның ең үлкен қаласы — Алматы, iPhoneға 2024 жылы «қалада» қала."
    counts = words.count_words(family.base, [text, text])
    spell = words.unit_speller(family.base)
    cut = words.cut_words(family.base, counts)
    assert len(cut) == len(counts)
    spelled = Counter({"".join(map(spell, units)): count for units, count in cut})
    assert spelled == counts
    plain = {word.replace("▁", "").replace("Ġ", "") for word in counts} if not family.byte_level else None
    if plain is not None:
        expected = {"Қазақстанның", "ең", "үлкен", "қаласы", "Алматы", "жылы", "қалада", "қала"}
        assert expected <= plain
        assert not plain & {"iPhoneға", "2024", "—"}
    assert all(count % 2 == 0 for count in counts.values())


def _words_text_by_text(base: Any, texts: list[str]) -> Counter[str]:
    """The plain way: ask the base's own parts about each whole text."""
    backend = base.backend_tokenizer
    decode = words._piece_decoder(base)
    writes_no_spaces = words.SPACE not in "".join(base.tokenize("a a"))
    counts: Counter[str] = Counter()
    for text in texts:
        normalised = backend.normalizer.normalize_str(text) if backend.normalizer is not None else text
        pieces = [normalised]
        if backend.pre_tokenizer is not None:
            pieces = [piece for piece, _span in backend.pre_tokenizer.pre_tokenize_str(normalised)]
        for piece in pieces:
            for word in [piece] if writes_no_spaces else words._split_before_spaces(piece):
                counts[word] += words._is_learnable(decode(word))
    return +counts


def test_counting_by_chunks_is_counting_text_by_text(family: Any, kk_documents: tuple[str, ...]) -> None:
    odd = [
        "қала\tқала  қала\r\nқала «қала», (қала)қала",
        " \u00a0қала…қала\n\nқала",
        "қала\u2003қала -қала 5қала",
        "\tқала",
    ]
    texts = [*kk_documents, *odd]
    assert words.count_words(family.base, texts) == _words_text_by_text(family.base, texts)


def test_rare_chunks_are_forgotten_where_there_are_too_many() -> None:
    texts = ["қала қала қала бала бала"] * 5 + [f"сөз{n}" for n in range(40)]
    counts = words.count_chunks(texts, max_distinct=20)
    assert counts[" қала"] == 10
    assert counts["қала"] == 5
    assert counts[" бала"] == 10
    assert len(counts) <= 20
    assert words.count_chunks(texts)["сөз0"] == 1
