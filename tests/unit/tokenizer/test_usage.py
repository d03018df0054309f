"""How often tokens are used, against what the real extended tokenizer gives; what goes where training would not see it."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.tokenizer import usage
from qaz_llm.tokenizer.merges import Cut, LearnedMerges, append_merges, first_tokens, learn_merges
from qaz_llm.tokenizer.usage import count_tokens, least_frequency, prune_rare, token_counts
from qaz_llm.tokenizer.words import count_chunks, count_words, cut_words, unit_speller

MOST = 500


@pytest.fixture(scope="module")
def few_documents(kk_documents: tuple[str, ...]) -> tuple[str, ...]:
    return kk_documents[:20]


@pytest.fixture(scope="module")
def words(family: Any, few_documents: tuple[str, ...]) -> list[Cut]:
    return cut_words(family.base, count_words(family.base, few_documents))


@pytest.fixture(scope="module")
def learned(family: Any, words: list[Cut]) -> LearnedMerges:
    return learn_merges(family.base, words, num_new_tokens=MOST)


def _counts_by_the_real_tokenizer(learned: LearnedMerges, words: list[Cut]) -> Counter[str]:
    model = append_merges(learned).tokenizer.backend_tokenizer.model
    spell = unit_speller(learned.base)
    counts: Counter[str] = Counter()
    for units, count in words:
        for token in model.tokenize("".join(map(spell, units))):
            counts[token.value] += count
    return counts


@pytest.mark.parametrize("size", [0, 3, 200, MOST])
def test_counts_are_those_of_the_real_tokenizer(learned: LearnedMerges, words: list[Cut], size: int) -> None:
    taken = first_tokens(learned, size)
    assert token_counts(taken, words) == _counts_by_the_real_tokenizer(taken, words)


def test_counts_of_other_words_are_those_of_the_real_tokenizer(
    family: Any, learned: LearnedMerges, ru_documents: tuple[str, ...]
) -> None:
    """Words that hold tokens of the base which no word learned from holds, and lack many that those do."""
    other = cut_words(family.base, count_words(family.base, [*ru_documents[:10], "қаңбақ ۋە ελλάδα ғғғ"]))
    assert token_counts(learned, other) == _counts_by_the_real_tokenizer(learned, other)
    assert token_counts(learned, []) == Counter()


def test_a_token_loses_what_later_ones_take(families: Any) -> None:
    base = families("gpt2").base
    words = cut_words(base, count_words(base, ["ққғғ"] * 10 + ["ққ"] * 7))
    learned = learn_merges(base, words, num_new_tokens=20)
    counts = token_counts(learned, words)
    assert sorted(counts.values()) == [7, 10]
    assert sum(len(token) for token in counts) == 12  # 4 bytes and 8 bytes, one character each


# -------------------------------------------------------------------------------------------------------------- pruning


@pytest.mark.parametrize(("asked", "least"), [(200, 20), (MOST, 5), (MOST, 10**9), (MOST, 1)])
def test_what_is_kept_is_used_often_or_part_of_what_is(
    learned: LearnedMerges, words: list[Cut], asked: int, least: int
) -> None:
    kept = prune_rare(first_tokens(learned, asked), words, least=least)
    extended = append_merges(kept)
    new = extended.tokenizer.convert_ids_to_tokens(list(extended.new_ids))
    assert len(new) == kept.num_tokens <= asked
    used = _counts_by_the_real_tokenizer(kept, words)
    parts = {side for merge in kept.merges for side in (merge.left, merge.right)}
    letters = {letter for letter, _unit in kept.characters}
    assert [token for token in new if used[token] < least and token not in parts | letters] == []
    if least == 10**9:
        assert set(new) == letters


@pytest.mark.parametrize("least", [3, 20])
def test_pruning_is_learning_with_that_least_frequency(
    family: Any, learned: LearnedMerges, words: list[Cut], least: int
) -> None:
    """What a merge joined can only be lost to merges that it is part of; when those go, it comes back.

    So a token goes exactly where its pair was already too rare when it was learned, and later pairs are no more frequent.
    """
    kept = prune_rare(learned, words, least=least)
    at_once = learn_merges(family.base, words, num_new_tokens=MOST, min_frequency=least)
    both = min(len(kept.merges), len(at_once.merges))  # letters of one's own are kept however rare, and take places
    assert kept.merges[:both] == at_once.merges[:both]
    assert abs(len(kept.merges) - len(at_once.merges)) <= len(kept.characters) - len(at_once.characters)


def test_nothing_goes_where_all_are_used(learned: LearnedMerges, words: list[Cut]) -> None:
    assert prune_rare(learned, words, least=0) == learned


def test_what_a_rare_token_was_used_for_falls_back_to_its_parts(families: Any) -> None:
    base = families("gpt2").base
    # ққғғ, six times, is one token; without it ққ and ғғ, which seven more words hold each
    words = cut_words(base, count_words(base, ["ққғғ"] * 6 + ["ққ"] * 7 + ["ғғ"] * 7))
    learned = learn_merges(base, words, num_new_tokens=20)
    everything, kept = token_counts(learned, words), prune_rare(learned, words, least=10)
    assert sorted(everything.values()) == [6, 7, 7]
    assert sorted(token_counts(kept, words).values()) == [13, 13]


# ------------------------------------------------------------------------------------------------------------- by hand


def test_least_frequency_by_hand() -> None:
    assert least_frequency(min_seen=100, corpus_tokens=2_000_000, planned_tokens=1_000_000) == 200
    assert least_frequency(min_seen=100, corpus_tokens=1_000, planned_tokens=3_000) == 34  # 33.3
    assert least_frequency(min_seen=1, corpus_tokens=10, planned_tokens=10**12) == 1


@given(seen=st.integers(1, 10**4), corpus=st.integers(1, 10**12), planned=st.integers(1, 10**12))
def test_so_frequent_a_token_is_seen_so_often(seen: int, corpus: int, planned: int) -> None:
    least = least_frequency(min_seen=seen, corpus_tokens=corpus, planned_tokens=planned)
    assert Fraction(least * planned, corpus) >= Fraction(seen) * (1 - Fraction(1, 10**12))
    assert least == 1 or math.isclose(least, seen * corpus / planned, abs_tol=1, rel_tol=1e-12)


def test_tokens_of_chunks_are_tokens_of_the_texts(
    family: Any, few_documents: tuple[str, ...], en_documents: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [" ".join(text.split()) for text in (*few_documents, *en_documents[:20])]
    chunks = count_chunks(texts)
    monkeypatch.setattr(usage, "_BATCH_CHUNKS", 100)  # several batches, the last one not full
    for tokenizer in (family.base, family.extended.tokenizer):
        counted = count_tokens(tokenizer, chunks)
        real = sum(len(family.ids(tokenizer, text)) for text in texts)
        assert counted == real, family.name
    assert count_tokens(family.base, {}) == 0
