from collections import defaultdict
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from qaz_llm.data.duplicates.groups import find_groups

NEAR_EACH_OTHER = st.integers(0, 5) | st.integers(2**63, 2**63 + 5) | st.integers(2**64 - 5, 2**64 - 1)
"""Keys that are alike in their upper bits without being equal."""


def by_hand(keys: list[object]) -> set[tuple[int, ...]]:
    groups: dict[object, list[int]] = defaultdict(list)
    for number, key in enumerate(keys):
        groups[key].append(number)
    return {tuple(group) for group in groups.values() if len(group) > 1}


def as_tuples(keys: list[int], more: list[int] | None = None) -> list[tuple[int, ...]]:
    other = None if more is None else np.array(more, dtype=np.uint64)
    groups = find_groups(np.array(keys, dtype=np.uint64), other)
    starts = groups.starts_G
    return [tuple(groups.members_M[a:b].tolist()) for a, b in pairwise(starts)]


@given(st.lists(NEAR_EACH_OTHER, max_size=40))
@settings(max_examples=200, deadline=None)
def test_groups_of_equal_keys(keys: list[int]) -> None:
    found = as_tuples(keys)
    assert len(found) == len(set(found))
    assert set(found) == by_hand(list(keys))


@given(st.lists(st.tuples(NEAR_EACH_OTHER, st.integers(0, 2)), max_size=40))
@settings(max_examples=200, deadline=None)
def test_groups_of_equal_pairs(pairs: list[tuple[int, int]]) -> None:
    found = as_tuples([one for one, _ in pairs], [other for _, other in pairs])
    assert set(found) == by_hand(list(pairs))


def test_many_keys() -> None:
    keys = np.random.default_rng(0).integers(0, 30_000, size=50_000, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    assert set(as_tuples(keys.tolist())) == by_hand(keys.tolist())


def test_the_group_of_each_member() -> None:
    groups = find_groups(np.array([7, 3, 7, 9, 3, 7], dtype=np.uint64))
    assert groups.members_M.tolist() == [1, 4, 0, 2, 5]
    assert groups.of_members().tolist() == [0, 0, 1, 1, 1]
