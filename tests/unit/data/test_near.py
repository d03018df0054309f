from itertools import chain

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.duplicates.minhash import ShingleSets
from qaz_llm.data.duplicates.near import _difference, _sketches, choose, find_candidates, similarities

DOCUMENT = st.tuples(st.sets(st.integers(0, 8)), st.tuples(st.integers(0, 3), st.integers(0, 3)))
"""Shingles and the keys of two bands; so few of each that many meet."""


@given(st.lists(DOCUMENT, max_size=14), st.randoms(use_true_random=False), st.sampled_from([0.2, 0.5, 0.75, 1.0]))
@settings(max_examples=150, deadline=None)
def test_choice_against_plain_python(documents: list[tuple[set[int], tuple[int, int]]], rng, limit: float) -> None:  # type: ignore[no-untyped-def]
    keys = np.array([keys for _, keys in documents], dtype=np.uint64).reshape(-1, 2)
    candidates = find_candidates(np.ascontiguousarray(keys.T))
    numbers = candidates.numbers_C.tolist()
    assert numbers == [
        i for i, (_, a) in enumerate(documents) if any(i != j and meet(a, b) for j, (_, b) in enumerate(documents))
    ]
    spread = np.uint64(1) << np.uint64(60)  # shingles are mixed hashes: their upper bits differ
    shingles = [np.array(sorted(documents[number][0]), np.uint64) * spread for number in numbers]
    starts = np.cumsum([0, *map(len, shingles)])
    sets = ShingleSets(np.array(list(chain.from_iterable(shingles)), dtype=np.uint64), starts)
    order = rng.sample(range(len(numbers)), len(numbers))
    found = choose(candidates, np.array(order, dtype=np.int64), sets, min_jaccard=limit).tolist()
    stay: list[int] = []
    for place in order:
        own, bands = documents[numbers[place]]
        alike = [
            other
            for other in stay
            if meet(bands, documents[numbers[other]][1]) and similar(own, documents[numbers[other]][0], limit)
        ]
        if alike:
            assert found[place] in alike
        else:
            assert found[place] == -1
            stay.append(place)


def meet(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return any(a == b for a, b in zip(one, other, strict=True))


def similar(one: set[int], other: set[int], limit: float) -> bool:
    return one == other or len(one & other) / len(one | other) >= limit


def test_bits_that_differ_are_counted() -> None:
    rng = np.random.default_rng(0)
    for size in (0, 1, 30, 2000):
        ones, others = (np.unique(rng.integers(0, 2**64, size=size, dtype=np.uint64)) for _ in range(2))
        sketch = _sketches(np.concatenate([ones, others]), np.array([0, len(ones), len(ones) + len(others)]))
        bits = [{int(shingle) >> 55 for shingle in shingles} for shingles in (ones, others)]
        assert int(_difference(sketch, 0, 1)) == len(bits[0] ^ bits[1]) <= len(ones) + len(others)


def test_a_document_is_not_compared_without_end() -> None:
    """All in one bucket and unlike one another but for the last, which is like the first that stayed: found early."""
    count = 102
    shingles = np.arange(count, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    for twin in (0, count - 2):
        shingles[-1] = shingles[twin]
        candidates = find_candidates(np.zeros((1, count), np.uint64))
        sets = ShingleSets(shingles, np.arange(count + 1))
        found = choose(candidates, np.arange(count), sets, min_jaccard=0.75, most_comparisons=100)
        assert (found[:-1] == -1).all()
        assert found[-1] == (0 if twin == 0 else -1)


@given(st.lists(st.sets(st.integers(0, 30)), min_size=2, max_size=8), st.randoms(use_true_random=False))
def test_similarities_against_sets(documents: list[set[int]], rng) -> None:  # type: ignore[no-untyped-def]
    shingles = [np.array(sorted(document), np.uint64) for document in documents]
    sets = ShingleSets(np.concatenate(shingles), np.cumsum([0, *map(len, shingles)]))
    pairs = [rng.sample(range(len(documents)), 2) for _ in range(5)]
    found = similarities(sets, np.array([a for a, _ in pairs]), np.array([b for _, b in pairs]))
    unions = [documents[a] | documents[b] for a, b in pairs]
    expected = [
        len(documents[a] & documents[b]) / len(union) if union else 1.0
        for (a, b), union in zip(pairs, unions, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
