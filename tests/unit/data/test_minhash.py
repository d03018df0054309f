from itertools import combinations

import numpy as np
from dedup_corpus import CONFIG, corpus, similarity
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.minhash import MinHasher, ShingleSets, join_shingle_sets, shingle_sets, text_hashes
from qaz_llm.data.duplicates.near import jaccard
from qaz_llm.language.buffer import Words, encode_texts, scan_words
from qaz_llm.language.segment import match_words

TEXTS = st.lists(
    st.lists(st.sampled_from(["қар", "су", "Қар", "жол,", "1-ші", "–"]), max_size=12).map(" ".join), max_size=6
)


def words_of(texts: list[str]) -> Words:
    return scan_words(encode_texts(texts))


@given(TEXTS, st.integers(1, 5))
@settings(max_examples=60, deadline=None)
def test_shingles_are_the_distinct_runs_of_words(texts: list[str], n: int) -> None:
    sets = shingle_sets(words_of(texts), n)
    seen: dict[tuple[str, ...], int] = {}
    for text, hashes in zip(texts, (sets[i].tolist() for i in range(len(sets))), strict=True):
        words = match_words(text)
        size = min(n, len(words))
        runs = {tuple(words[i : i + size]) for i in range(len(words) - size + 1)} if words else set()
        assert len(hashes) == len(runs)
        assert hashes == sorted(set(hashes))
        for run in runs:  # one run has one hash, whichever text it is in
            only = set(shingle_sets(words_of([" ".join(run)]), n)[0].tolist())
            assert only <= set(hashes)
            assert seen.setdefault(run, min(only)) == min(only)
    assert len(set(seen.values())) == len(seen)


@given(TEXTS)
@settings(max_examples=60, deadline=None)
def test_text_hashes_are_equal_where_the_words_are(texts: list[str]) -> None:
    hashes = [tuple(row) for row in text_hashes(words_of(texts)).tolist()]
    words = [tuple(match_words(text)) for text in texts]
    for i, j in combinations(range(len(texts)), 2):
        assert (hashes[i] == hashes[j]) == (words[i] == words[j])


def test_both_halves_of_a_text_hash_tell_texts_apart() -> None:
    texts = ["бір екі үш", "бір үш екі", "екі бір үш", "бір екі", "бір", "", "бір бір", "біре кі үш"]
    first, second = text_hashes(words_of(texts)).T
    assert len(set(first.tolist())) == len(set(second.tolist())) == len(texts)


def test_jaccard_is_that_of_the_sets_of_strings() -> None:
    texts = corpus(1, families=8)
    sets = shingle_sets(words_of(texts), 5)
    for i, j in combinations(range(len(texts)), 2):
        assert abs(jaccard(sets[i], sets[j]) - similarity(texts[i], texts[j])) < 1e-12


def test_signatures_estimate_jaccard() -> None:
    texts = corpus(2, families=20)
    signatures = MinHasher(DedupConfig(bands=64, rows=8), seed=0).signatures(words_of(texts))
    errors = [
        np.mean(signatures[i] == signatures[j]) - similarity(texts[i], texts[j])
        for i, j in combinations(range(len(texts)), 2)
    ]
    assert abs(np.mean(errors)) < 0.01
    assert np.max(np.abs(errors)) < 5 * 0.5 / np.sqrt(512)  # five standard errors of 512 hashes


def test_minima_are_those_of_the_functions() -> None:
    """In Python's integers: h(x) = a·x + b mod 2³² of the upper half of each shingle."""
    texts = [*corpus(3, families=2), "екі сөз", "", "!"]
    hasher = MinHasher(CONFIG, seed=5)
    sets = shingle_sets(words_of(texts), CONFIG.shingle_words)
    signatures = hasher.signatures(words_of(texts))
    generator = np.random.default_rng(5)
    a = (generator.integers(0, 2**31, size=120, dtype=np.uint32) * 2 + 1).tolist()
    b = generator.integers(0, 2**32, size=120, dtype=np.uint32).tolist()
    for number, row in enumerate(signatures.tolist()):
        halves = [shingle >> 32 for shingle in sets[number].tolist()]
        assert row == [min(((p * x + q) % 2**32 for x in halves), default=2**32 - 1) for p, q in zip(a, b, strict=True)]


def test_band_keys_are_equal_where_all_rows_of_the_band_are() -> None:
    texts = corpus(4, families=30)
    hasher = MinHasher(CONFIG, seed=0)
    keys = hasher.band_keys(words_of(texts))
    rows = hasher.signatures(words_of(texts)).reshape(len(texts), CONFIG.bands, CONFIG.rows)
    assert keys.shape == (len(texts), CONFIG.bands)
    for i, j in combinations(range(len(texts)), 2):
        assert ((keys[i] == keys[j]) == (rows[i] == rows[j]).all(axis=1)).all()


def test_a_text_has_the_same_keys_in_any_batch_and_others_with_another_seed() -> None:
    texts = corpus(5, families=4)
    together = MinHasher(CONFIG, seed=0).band_keys(words_of(texts))
    alone = np.concatenate([MinHasher(CONFIG, seed=0).band_keys(words_of([text])) for text in texts])
    assert (together == alone).all()
    assert not (together == MinHasher(CONFIG, seed=1).band_keys(words_of(texts))).any()


def test_joined_sets_are_those_of_the_batches() -> None:
    texts = ["бір екі үш төрт бес алты", "", "жеті сегіз", "тоғыз он"]
    whole = shingle_sets(words_of(texts), 2)
    joined = join_shingle_sets([shingle_sets(words_of(texts[:2]), 2), shingle_sets(words_of(texts[2:]), 2)])
    assert [joined[i].tolist() for i in range(4)] == [whole[i].tolist() for i in range(4)]
    empty: ShingleSets = join_shingle_sets([])
    assert len(empty) == 0
