"""Merges learned once, and the tokenizers that the first of them make."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.merges import Cut, LearnedMerges, append_merges, first_tokens, learn_merges
from qaz_llm.tokenizer.usage import token_counts
from qaz_llm.tokenizer.words import count_words, cut_words

MOST = 350
SIZES = (0, 1, 5, 40, 200, MOST)
KAZAKH_WORDS = "қазақ қазақстан қала қалалар ғылым ғылыми өңір өнер үлкен ұлттық жаңа әдебиет іс"


@pytest.fixture(scope="module")
def few_documents(kk_documents: tuple[str, ...]) -> tuple[str, ...]:
    return kk_documents[:20]


@pytest.fixture(scope="module")
def learned(family: Any, few_documents: tuple[str, ...]) -> LearnedMerges:
    return learn_merges(
        family.base, cut_words(family.base, count_words(family.base, few_documents)), num_new_tokens=MOST
    )


def _new_tokens(extended: ExtendedTokenizer) -> list[tuple[int, str]]:
    return [(index, extended.tokenizer.convert_ids_to_tokens(index)) for index in extended.new_ids]


def _merges(tokenizer: PreTrainedTokenizerFast) -> list[list[str]]:
    merges: list[list[str]] = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    return merges


def test_a_smaller_extension_is_the_beginning_of_a_larger_one(learned: LearnedMerges) -> None:
    made = [append_merges(learned, num_new_tokens=size) for size in SIZES]
    largest = made[-1]
    for size, extended in zip(SIZES, made, strict=True):
        assert _new_tokens(extended) == _new_tokens(largest)[:size]
        assert len(extended.sub_tokens) == size
        assert extended.sub_tokens.items() <= largest.sub_tokens.items()
        merges = _merges(extended.tokenizer)
        assert merges == _merges(largest.tokenizer)[: len(merges)]
        assert first_tokens(learned, size).num_tokens == size


def test_learning_fewer_is_learning_more_and_taking_the_first(
    family: Any, learned: LearnedMerges, few_documents: tuple[str, ...]
) -> None:
    words = cut_words(family.base, count_words(family.base, few_documents))
    assert learn_merges(family.base, words, num_new_tokens=150).merges == first_tokens(learned, 150).merges


def test_sub_tokens_are_what_the_base_gives_for_a_token_it_cuts_alone(family: Any, learned: LearnedMerges) -> None:
    """A token that is a whole word: the base's own cut of that word is what it stands for."""
    model = family.base.backend_tokenizer.model
    extended = append_merges(learned)
    for index, token in _new_tokens(extended):
        assert [piece.id for piece in model.tokenize(token)] == list(extended.sub_tokens[index]), token


def test_the_merges_of_the_base_stay_first_and_none_is_named_twice(family: Any, learned: LearnedMerges) -> None:
    merges = _merges(append_merges(learned).tokenizer)
    base_merges = _merges(family.base)
    assert merges[: len(base_merges)] == base_merges
    assert len(set(map(tuple, merges))) == len(merges)


def test_every_new_token_can_be_reached(family: Any, learned: LearnedMerges) -> None:
    extended = append_merges(learned)
    model = extended.tokenizer.backend_tokenizer.model
    for index, token in _new_tokens(extended):
        assert [piece.id for piece in model.tokenize(token)] == [index]


def test_none_taken_is_the_base(family: Any, learned: LearnedMerges, few_documents: tuple[str, ...]) -> None:
    extended = append_merges(learned, num_new_tokens=0)
    assert not extended.sub_tokens
    assert extended.tokenizer.get_vocab() == family.base.get_vocab()
    text = "\n".join(few_documents[:5])
    assert family.ids(extended.tokenizer, text) == family.ids(family.base, text)


def test_swapped_ids_are_taken_before_new_ones(family: Any, learned: LearnedMerges) -> None:
    vocab = family.base.get_vocab()
    last = max(index for token, index in vocab.items() if token not in family.base.get_added_vocab())
    by_id = {index: token for token, index in vocab.items()}
    swap = {by_id[last]: last, by_id[last - 1]: last - 1}
    extended = append_merges(learned, num_new_tokens=4, swap=swap)
    plain = append_merges(learned, num_new_tokens=4)
    assert extended.new_ids == (last - 1, last, plain.base_size, plain.base_size + 1)
    assert extended.swapped_ids == (last - 1, last)
    assert [token for _id, token in _new_tokens(extended)] == [token for _id, token in _new_tokens(plain)]
    assert not swap.keys() & extended.tokenizer.get_vocab().keys()
    assert extended.base_size == plain.base_size


def test_more_than_were_learned_name_the_number_there_is(learned: LearnedMerges) -> None:
    with pytest.raises(InputError, match="supports 40 new tokens, 41 were asked for"):
        append_merges(first_tokens(learned, 40), num_new_tokens=41)


# ------------------------------------------------------- a base whose tokens can be reached on paths that it does not take

SYNTHETIC_MERGES = (("б", "в"), ("а", "б"), ("аб", "в"), ("абв", "г"), ("абвг", "е"), ("г", "д"))
"""`абв` is a token, but `бв` goes first: the base never reaches it from letters, only new merges do."""


@functools.cache
def _synthetic_base() -> PreTrainedTokenizerFast:
    split = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)

    def spell(text: str) -> str:
        return split.pre_tokenize_str(text)[0][0]

    letters = [spell(letter) for letter in "абвгдежз"]
    pairs = [(letter[0], letter[1]) for letter in letters] + [(spell(a), spell(b)) for a, b in SYNTHETIC_MERGES]
    tokens = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in pairs)]
    vocab = {token: index for index, token in enumerate(dict.fromkeys(tokens))}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=pairs))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def _learned_on_synthetic(texts: Sequence[str]) -> tuple[LearnedMerges, list[Cut]]:
    base = _synthetic_base()
    words = cut_words(base, count_words(base, texts))
    return learn_merges(base, words, num_new_tokens=30), words


def test_a_new_path_to_an_old_token_costs_no_id() -> None:
    learned, _words = _learned_on_synthetic(["абв абв абв"] * 5)
    base = _synthetic_base().get_vocab()
    old = [merge.token for merge in learned.merges if merge.token in base]
    extended = append_merges(learned)
    assert len(old) == 1 and len(extended.sub_tokens) == learned.num_tokens == len(learned.merges) - 1
    assert extended.tokenizer.convert_tokens_to_ids(old[0]) == base[old[0]]
    assert len(_synthetic_base()("абв")["input_ids"]) == 2
    assert len(extended.tokenizer("абв")["input_ids"]) == 1


synthetic_texts = st.lists(
    st.lists(st.text(alphabet="абвгдежз", min_size=1, max_size=7), min_size=1, max_size=6).map(" ".join),
    min_size=1,
    max_size=8,
).map(lambda texts: texts * 3)


@settings(max_examples=150, deadline=None)
@given(texts=synthetic_texts)
def test_merges_that_the_base_has_already_keep_their_rank(texts: list[str]) -> None:
    learned, words = _learned_on_synthetic([*texts, "еабвгд жабвгд забвг дабвгд еабвге забвгд", "жж жж"] * 2)
    extended = append_merges(learned)
    base_merges = _merges(_synthetic_base())
    merges = _merges(extended.tokenizer)
    assert merges[: len(base_merges)] == base_merges
    assert len(set(map(tuple, merges))) == len(merges)
    for text in texts:
        ids = extended.tokenizer(text)["input_ids"]
        assert len(ids) <= len(_synthetic_base()(text)["input_ids"])
        assert extended.tokenizer.decode(ids) == text
    # every token's text, put back together, is that of the words
    counts = token_counts(learned, words)
    assert sum(len(token) * count for token, count in counts.items()) == sum(
        count * sum(len(_synthetic_base().convert_ids_to_tokens(unit[0])) for unit in units) for units, count in words
    )


@settings(max_examples=40, deadline=None)
@given(size=st.integers(0, 60))
def test_any_size_of_a_small_corpus_loads_and_gives_text_back(families: Any, size: int) -> None:
    for name in ("gpt2", "sentencepiece"):
        base = families(name).base
        words = cut_words(base, count_words(base, [KAZAKH_WORDS] * 3))
        learned = learn_merges(base, words, num_new_tokens=60)
        extended = append_merges(learned, num_new_tokens=min(size, learned.num_tokens))
        assert extended.tokenizer.decode(extended.tokenizer(KAZAKH_WORDS, add_special_tokens=False)["input_ids"]) == (
            KAZAKH_WORDS
        )
