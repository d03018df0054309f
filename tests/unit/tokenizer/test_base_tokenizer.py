"""The tokenizer made on the spot for runs without a checkpoint."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.base import SPECIAL_TOKENS, train_base_tokenizer


def test_special_tokens_come_first_and_the_size_is_kept(ru_documents: tuple[str, ...]) -> None:
    tokenizer = train_base_tokenizer(ru_documents, vocab_size=600)
    assert len(tokenizer) == 600
    assert sorted(tokenizer.get_vocab().values()) == list(range(600))
    assert tokenizer.convert_tokens_to_ids(list(SPECIAL_TOKENS)) == [0, 1, 2, 3, 4]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (0, 1, 2)
    assert tokenizer("су")["input_ids"][0] == 0
    assert 0 not in tokenizer("су", add_special_tokens=False)["input_ids"]
    assert tokenizer("су", "от")["input_ids"].count(0) == 2


def test_digits_come_in_groups_of_three(ru_documents: tuple[str, ...]) -> None:
    tokenizer = train_base_tokenizer([*ru_documents, "1234567 " * 50], vocab_size=700)
    assert tokenizer.tokenize("1234567") == ["123", "456", "7"]


@settings(max_examples=40, deadline=None)
@given(text=st.text(max_size=60))
def test_it_reads_any_text(text: str) -> None:
    assert _small().decode(_small()(text, add_special_tokens=False)["input_ids"]) == text


def _small() -> object:
    if not _cache:
        _cache.append(train_base_tokenizer(["бұл қала, өзен мен көл"] * 4, vocab_size=270))
    return _cache[0]


_cache: list[object] = []


def test_too_little_text_names_the_size_that_would_do() -> None:
    texts = ["бұл қала"] * 3
    with pytest.raises(InputError, match="were asked for") as caught:
        train_base_tokenizer(texts, vocab_size=5_000)
    assert caught.value.hint is not None
    most = int(caught.value.hint.split()[4].strip(","))
    assert len(train_base_tokenizer(texts, vocab_size=most)) == most
