"""Ids with the memo are the tokenizer's own, for every kind of tokenizer and any text; where that is not proven there is none."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Regex, pre_tokenizers
from tokenizers_of_kinds import CORPUS, O200K, QWEN2, QWEN35, with_memo, without_memo

from qaz_llm.rows import encode
from qaz_llm.rows.cuts import GPT2_PATTERN, cuts_of, pattern_cuts
from qaz_llm.rows.encode import SpecialTokens, TextEncoder
from qaz_llm.tokenizer.base import LLAMA3_PATTERN

PATTERNS = {"llama3": LLAMA3_PATTERN, "gpt2": GPT2_PATTERN, "qwen2": QWEN2, "qwen3.5": QWEN35, "o200k": O200K}

WORDS = [
    "қала",
    "Астана",
    "it's",
    "'",
    "1999",
    "5",
    ">",
    "</td>",
    "<td> x",
    "<|im_start|>",
    "<|eos|>",
    "x",
    "/",
    "...",
    "🙂",
]
BLANKS = [
    " ",
    " ",
    " ",
    "  ",
    "\n",
    "\n",
    "\n\n",
    "\r\n",
    "\t",
    "\xa0",
    "\x1c",
    "\x85",
    "\u2003",
    "\u3000",
    "\u200b",
    "\ufeff",
]
MARKS = ["\u0301", "\u0306", "й", "й", "▁", "Ġ", "²", "ſ", "中文", "е" * 60, "é", "\x00"]
texts = st.one_of(
    st.lists(st.sampled_from([*WORDS, *BLANKS, *MARKS]), max_size=24).map("".join),
    st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40),
)


@pytest.fixture(scope="module")
def kinds():
    return with_memo()


def own_ids(tokenizer, text: str) -> list[int]:
    """What the tokenizer itself makes of a text whose special tokens are text, closed by the end-of-text token."""
    inner = tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"]
    return [tokenizer.bos_token_id, *inner, tokenizer.eos_token_id] if inner else []


@pytest.mark.parametrize("kind", sorted(with_memo()))
@settings(max_examples=150, deadline=None)
@given(given_texts=st.lists(texts, min_size=1, max_size=6))
@example(given_texts=["", " ", "a", "a b", "a > </td> b", "> </td>", "x\n\ny", "x\n y", " a", "a ", "\na", "a\n"])
@example(given_texts=["й ̆", "a ̆b", "x <td> x y", "a\n/b !\n/c", "a ▁b Ġc", "5 5 5", "a 5"])
def test_ids_with_a_memo_are_those_of_the_tokenizer(kinds, kind: str, given_texts: list[str]) -> None:
    tokenizer = kinds[kind]
    encoder = TextEncoder(tokenizer)
    assert encoder.why_plain is None
    wanted = [own_ids(tokenizer, text) for text in given_texts]
    assert [ids.tolist() for ids in encoder(given_texts)] == wanted
    assert [ids.tolist() for ids in encoder(given_texts)] == wanted  # from the memo alone


@pytest.mark.parametrize("kind", sorted(without_memo()))
def test_where_cuts_are_not_proven_texts_are_tokenised_whole(kind: str) -> None:
    tokenizer = without_memo()[kind]
    encoder = TextEncoder(tokenizer)
    assert encoder.why_plain, cuts_of(tokenizer)
    given_texts = ["a b a", "a  b\nab", "", *CORPUS[:3]]
    assert [ids.tolist() for ids in encoder(given_texts)] == [own_ids(tokenizer, text) for text in given_texts]


@pytest.mark.parametrize("name", sorted(PATTERNS))
@settings(max_examples=150, deadline=None)
@given(text=texts)
def test_a_proven_expression_gives_the_same_pieces_in_cut_texts(name: str, text: str) -> None:
    """The expression itself cuts, by the library's own engine: whole, and each piece alone."""
    at_spaces, at_line_ends = pattern_cuts(PATTERNS[name])
    assert at_spaces
    assert at_line_ends == (name != "o200k")  # its `[\r\n/]*` goes on behind a line end
    split = pre_tokenizers.Split(Regex(PATTERNS[name]), behavior="isolated")

    def pieces(part: str) -> list[str]:
        return [piece for piece, _ in split.pre_tokenize_str(part)]

    cut = r"(?<=\S)(?= \S)" + (r"|(?<=\S\n)(?=\S)" if at_line_ends else "")
    assert [piece for part in re.split(cut, text) for piece in pieces(part)] == pieces(text)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        (r"\w+ \w+|\s+", "a match reaches across a space"),
        (r"\p{L}+ ?|\s+", "a space is taken with the word before it"),
        (r"[^\d]+|\s+", "everything but digits is one piece"),
        (r"\s?\p{L}+|\s+x?", "a letter may follow white space"),
        (r" ?\p{L}+", "white space alone is no piece"),
        (r"(?<=a) b|\s+", "it looks back"),
        (r"\p{L}+(?= b)|\s+", "it looks ahead"),
        (r".+|\s+", "anything"),
        (r"[a- ]+|\s+", "a range with a space in it"),
        (r"(a b)+|\s+", "a group with a space in it"),
        (r"\p{Z}+\p{L}|\s+", "separators, then a letter"),
        (r"[\s\S]|\s+\S", "white space and what follows"),
        (r"\x20\p{L}|a\x20b|\s+", "spelled by its number"),
    ],
)
def test_expressions_that_may_reach_across_are_not_proven(pattern: str, why: str) -> None:
    assert pattern_cuts(pattern) == (False, False), why


def test_line_ends_are_left_where_a_match_goes_on_behind_them() -> None:
    assert pattern_cuts(r"\s?\p{L}+|\s+") == (False, False)
    assert pattern_cuts(r"[^\s\p{L}]+[\r\n/]*| ?\p{L}+|\s+") == (True, False)


def test_a_full_memo_begins_anew_and_long_words_are_not_kept(kinds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encode, "MAX_WORDS", 5)
    monkeypatch.setattr(encode, "JOINED_WORDS", 2)
    tokenizer = kinds["llama3"]
    encoder = TextEncoder(tokenizer)
    rng = np.random.default_rng(0)
    for _ in range(40):
        some = [" ".join(rng.choice(["а", "бб", "ввв", "г" * 80, "д.", "е\n"], 7)) for _ in range(3)]
        assert [ids.tolist() for ids in encoder(some)] == [own_ids(tokenizer, text) for text in some]
        assert len(encoder._memo._ids) <= 12  # type: ignore[union-attr]
        assert not [word for word in encoder._memo._ids if len(word) > encode.MAX_WORD_CHARS]  # type: ignore[union-attr]


def test_the_tokenizer_is_left_as_it_was(kinds) -> None:
    tokenizer = kinds["llama3"]
    before = tokenizer("a <|im_start|> b")["input_ids"]
    assert tokenizer.convert_tokens_to_ids("<|im_start|>") in before
    TextEncoder(tokenizer)(["a <|im_start|> b"])
    assert tokenizer.backend_tokenizer.encode("<|im_start|>", add_special_tokens=False).tokens == ["<|im_start|>"]
    assert tokenizer("a <|im_start|> b")["input_ids"] == before


def test_special_tokens_are_found_in_texts(kinds) -> None:
    special = SpecialTokens(kinds["llama3"])
    assert special.first_in("туралы: <|im_start|>user") == "<|im_start|>"
    assert special.first_in("<|im_end|> <| бос |>") is None
    assert special.first_in("") is None
