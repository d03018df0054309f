"""Old tokens used like a new one: each step against a plain double loop, the whole against a corpus made for it."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

from qaz_llm.tokenizer import similar
from qaz_llm.tokenizer.extend import learn_from_corpus
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.merges import append_merges
from qaz_llm.tokenizer.similar import similar_tokens


@pytest.fixture(scope="module")
def texts(kk_documents: tuple[str, ...], ru_documents: tuple[str, ...], en_documents: tuple[str, ...]) -> list[str]:
    return [text for row in zip(kk_documents, ru_documents, en_documents, strict=False) for text in row]


@pytest.fixture(scope="module")
def found(families: Any, texts: list[str]) -> dict[int, tuple[tuple[int, float], ...]]:
    return similar_tokens(families("llama3").extended, texts, dimensions=32)


# --------------------------------------------------------------------------------------------------------- guarantees


def test_every_new_token_has_shares_of_old_ones_that_add_up_to_one(families: Any, found: dict[int, Any]) -> None:
    extended = families("llama3").extended
    assert tuple(sorted(found)) == extended.new_ids
    for new, pairs in found.items():
        ids = [index for index, _share in pairs]
        assert len(set(ids)) == len(ids) or ids == list(extended.sub_tokens[new])  # which may hold an old token twice
        assert all(0 <= index < extended.base_size for index in ids)
        assert all(share > 0 for _index, share in pairs)
        assert sum(share for _index, share in pairs) == pytest.approx(1, abs=1e-9)
        assert len(ids) <= 10 or ids == list(extended.sub_tokens[new])


def test_the_nearest_come_first(families: Any, found: dict[int, Any]) -> None:
    extended = families("llama3").extended
    for new, pairs in found.items():
        shares = [share for _index, share in pairs]
        if [index for index, _share in pairs] != list(extended.sub_tokens[new]):
            assert shares[1:] == sorted(shares[1:], reverse=True)
            assert all(shares[0] > share - 0.006 for share in shares), "it takes what rounding leaves"


def test_rare_tokens_get_equal_shares_of_their_sub_tokens(
    families: Any, texts: list[str], found: dict[int, Any]
) -> None:
    extended = families("llama3").extended
    counts = dict.fromkeys(extended.new_ids, 0)
    for text in texts:
        for index in extended.tokenizer(text, add_special_tokens=False)["input_ids"]:
            if index in counts:
                counts[index] += 1
    rare = [index for index, count in counts.items() if count < 5]
    assert rare and len(rare) < len(counts)
    for new in rare:
        old = extended.sub_tokens[new]
        assert found[new] == tuple((index, 1 / len(old)) for index in old)
    assert any(found[new] != tuple((i, 1 / len(old)) for i in old) for new, old in extended.sub_tokens.items())


def test_the_same_texts_give_the_same_shares(families: Any, texts: list[str], found: dict[int, Any]) -> None:
    assert similar_tokens(families("llama3").extended, iter(texts), dimensions=32) == found


def test_a_token_used_as_one_old_word_is_finds_that_word_first(families: Any) -> None:
    """Each Kazakh word stands in exactly the sentences of one English word: its row of the table is the same."""
    base = families("gpt2").base
    known = sorted(token[1:] for token in base.get_vocab() if re.fullmatch("Ġ[a-z]{4,}", token) and token[1:].isascii())
    new_words = ("қағаз", "көмір", "өзен", "жұлдыз")
    old_words, around = known[:4], known[4:28]
    corpus = []
    for number, pair in enumerate(zip(new_words, old_words, strict=True)):
        before, after = around[6 * number : 6 * number + 3], around[6 * number + 3 : 6 * number + 6]
        corpus += [" ".join(["", *before, word, *after]) for word in pair for _ in range(60)]
    learned = learn_from_corpus(base, corpus, num_new_tokens=500)
    extended = append_merges(learned)
    found = similar_tokens(extended, corpus, dimensions=12)
    for new_word, old_word in zip(new_words, old_words, strict=True):
        (new,) = extended.tokenizer(f" {new_word}", add_special_tokens=False)["input_ids"]
        (old,) = extended.tokenizer(f" {old_word}", add_special_tokens=False)["input_ids"]
        assert new in extended.sub_tokens
        assert found[new][0][0] == old, extended.tokenizer.convert_ids_to_tokens(
            [index for index, _share in found[new]]
        )


def test_a_text_that_holds_too_little_gives_none(families: Any, en_documents: tuple[str, ...]) -> None:
    extended = families("gpt2").extended
    for texts in ([], [""], ["the cat"], list(en_documents[:20])):
        assert similar_tokens(extended, texts) == {}


def test_more_text_than_needed_is_thinned_evenly(
    families: Any, kk_documents: tuple[str, ...], en_documents: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(similar, "_BATCH_TEXTS", 7)
    extended = families("gpt2").extended
    texts = [*kk_documents, *en_documents]
    lengths = [len(extended.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts]
    for limit in (10**9, sum(lengths) // 2, sum(lengths) // 7):
        ids_T = similar._token_ids(extended, texts, limit)
        kept = [part for part in "".join("|" if i < 0 else "x" for i in ids_T.tolist()).split("|") if part]
        strides = [n for n in range(1, 64) if [len(part) for part in kept] == [x for x in lengths[::n] if x]]
        assert strides, "not every n-th text"
        assert sum(map(len, kept)) <= limit
        assert sum(map(len, kept)) >= min(limit, sum(lengths)) / 4


def test_new_tokens_that_stand_alone_get_equal_shares(families: Any) -> None:
    """No token of these texts stands near another one: there is nothing to compare by."""
    extended: ExtendedTokenizer = families("gpt2").extended
    spell = extended.tokenizer.decode
    alone = [spell([index]) for index in (*extended.new_ids[:40], *range(100, 400))]
    alone = [t for t in alone if len(extended.tokenizer(t, add_special_tokens=False)["input_ids"]) == 1]
    found = similar_tokens(extended, alone * 6)
    assert found == {new: tuple((i, 1 / len(old)) for i in old) for new, old in extended.sub_tokens.items()}


# --------------------------------------------------------------------------------------------------------------- parts


@settings(max_examples=80, deadline=None)
@given(ids=st.lists(st.integers(-1, 9), max_size=60), batch=st.integers(1, 25))
def test_nearness_is_what_a_double_loop_counts(ids: list[int], batch: int) -> None:
    kinds = sorted({index for index in ids if index >= 0 and ids.count(index) >= 2}) or [0]
    expected = np.zeros((len(kinds), len(kinds)))
    for (i, a), (j, b) in itertools.combinations(enumerate(ids), 2):
        if j - i <= similar.WINDOW and a in kinds and b in kinds:
            expected[kinds.index(a), kinds.index(b)] += 1 / (j - i)
            expected[kinds.index(b), kinds.index(a)] += 1 / (j - i)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(similar, "_BATCH_TOKENS", batch)
        near = similar._near(np.array(ids, dtype=np.int64), np.array(kinds))
    assert near.shape == expected.shape
    np.testing.assert_allclose(near.toarray(), expected, rtol=1e-5)


def test_the_example_of_nearness() -> None:
    near = similar._near(np.array([7, 8, 9]), np.array([7, 8, 9]))
    assert near.toarray().tolist() == [[0, 1, 0.5], [1, 0, 1], [0.5, 1, 0]]


def test_mutual_information_by_hand() -> None:
    """Rows 2, 3 and 5 of a total of 10; context a has the smoothed probability 2^¾ / (2^¾ + 3^¾ + 5^¾), and so on."""
    near = np.array([[0, 0, 2], [0, 0, 3], [2, 3, 0]])
    smoothed = [2**0.75, 3**0.75, 5**0.75]
    sums = [2, 3, 5]
    ppmi = similar._ppmi(csr_array(near.astype(np.float32))).toarray()
    for a, b in itertools.product(range(3), repeat=2):
        if not near[a, b]:
            assert ppmi[a, b] == 0
            continue
        joint, first, context = near[a, b] / 10, sums[a] / 10, smoothed[b] / sum(smoothed)
        assert ppmi[a, b] == pytest.approx(max(0.0, math.log(joint / (first * context))), rel=1e-5)


def test_pairs_that_meet_less_than_by_chance_count_nothing() -> None:
    near = np.array([[90, 1], [1, 90]])
    ppmi = similar._ppmi(csr_array(near.astype(np.float32)))
    assert ppmi.toarray()[0, 1] == ppmi.toarray()[1, 0] == 0 and ppmi.nnz == 2


def test_only_the_contexts_that_stand_near_most_are_kept() -> None:
    near = csr_array(np.array([[0, 5, 1, 2], [5, 0, 1, 9], [1, 1, 0, 1], [2, 9, 1, 0]], dtype=np.float32))
    whole = similar._ppmi(near).toarray()
    assert (similar._ppmi(near, max_contexts=2).toarray() == whole[:, [1, 3]]).all()  # columns add up to 8, 15, 3, 12
    assert (similar._ppmi(near, max_contexts=3).toarray() == whole[:, [0, 1, 3]]).all()


@given(weights=st.lists(st.floats(1e-6, 1), min_size=1, max_size=10))
def test_rounded_shares_still_add_up_to_one(weights: list[float]) -> None:
    shares = np.array(sorted(weights, reverse=True)) / sum(weights)
    rounded = similar._in_thousandths(shares)
    assert sum(round(1000 * share) for share in rounded) == 1000
    assert all(share >= 0 for share in rounded)
    np.testing.assert_allclose(rounded[1:], shares[1:], atol=0.000501)
    assert abs(rounded[0] - shares[0]) < 0.0055


def test_vectors_have_the_angles_of_a_dense_decomposition(monkeypatch: pytest.MonkeyPatch) -> None:
    """An SVD leaves the sign of each direction open; the cosines do not depend on it."""
    rng = np.random.default_rng(5)
    half = rng.random((30, 30)) * (rng.random((30, 30)) < 0.4)
    matrix = half + half.T
    matrix[7] = matrix[:, 7] = 0  # one that stands near nothing
    vectors = similar._vectors(csr_array(matrix), 6)
    left, values, _right = np.linalg.svd(matrix)
    expected = left[:, :6] * np.sqrt(values[:6])
    length = np.linalg.norm(expected, axis=1, keepdims=True)
    expected = np.divide(expected, length, out=np.zeros_like(expected), where=length > 1e-9)
    np.testing.assert_allclose(vectors @ vectors.T, expected @ expected.T, atol=1e-7)
    assert not vectors[7].any()
    lengths = np.linalg.norm(np.delete(vectors, 7, axis=0), axis=1)
    np.testing.assert_allclose(lengths, 1)


@pytest.mark.parametrize("dimensions", [3, 39])
def test_what_stands_near_nothing_has_no_direction(dimensions: int) -> None:
    """Two pairs span four directions; where more are asked for, rounding must not become a direction of length 1."""
    matrix = np.zeros((40, 40))
    matrix[0, 1] = matrix[1, 0] = 1.3
    matrix[2, 3] = matrix[3, 2] = 0.9
    vectors = similar._vectors(csr_array(matrix), dimensions)
    assert not vectors[4:].any()
    np.testing.assert_allclose(np.linalg.norm(vectors[:2], axis=1), 1)
    np.testing.assert_allclose(vectors[:2] @ vectors[2:].T, 0, atol=1e-7)


def test_shares_are_a_softmax_of_the_cosine_by_hand() -> None:
    new = np.array([[1.0, 0.0], [0.0, -1.0], [0.0, 0.0]])
    old = np.array([[0.8, 0.6], [1.0, 0.0], [0.6, 0.8]])
    found = similar._nearest(new, old, np.array([50, 51, 52]), np.array([3, 4, 9]))
    weights = [math.exp(cosine / 0.1) for cosine in (1.0, 0.8, 0.6)]
    assert found.keys() == {50}, "51 is like none, 52 stands near nothing"
    assert [index for index, _share in found[50]] == [4, 3, 9]
    assert [share for _index, share in found[50]] == pytest.approx(
        [weight / sum(weights) for weight in weights], abs=1e-3
    )
