"""What each size saves and costs, against the real tokenizers; which size is suggested, against brute force."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.tokenizer.curve import CurvePoint, GainCurve, ModelCost, curve_sizes, gain_curve, knee
from qaz_llm.tokenizer.merges import Cut, LearnedMerges, append_merges, learn_merges
from qaz_llm.tokenizer.words import count_words, cut_words, unit_speller

MOST = 400
SIZES = (0, 30, 150, MOST)
HUGE_BODY = ModelCost(body_parameters=8_000_000_000, hidden_size=64)
ALL_TABLE = ModelCost(body_parameters=1_000, hidden_size=4096)


@pytest.fixture(scope="module", params=("llama3", "sentencepiece"))
def family(request: pytest.FixtureRequest, families: Any) -> Any:
    return families(request.param)


@pytest.fixture(scope="module")
def halves(family: Any, kk_documents: tuple[str, ...]) -> tuple[list[Cut], list[Cut]]:
    """Words to learn from, words to measure on."""
    return tuple(  # type: ignore[return-value]
        cut_words(family.base, count_words(family.base, texts)) for texts in (kk_documents[5:25], kk_documents[:5])
    )


@pytest.fixture(scope="module")
def learned(family: Any, halves: tuple[list[Cut], list[Cut]]) -> LearnedMerges:
    return learn_merges(family.base, halves[0], num_new_tokens=MOST)


@pytest.fixture(scope="module")
def curve(learned: LearnedMerges, halves: tuple[list[Cut], list[Cut]]) -> GainCurve:
    return gain_curve(learned, *halves, sizes=SIZES)


def test_tokens_per_word_are_those_of_the_real_tokenizers(
    learned: LearnedMerges, halves: tuple[list[Cut], list[Cut]], curve: GainCurve
) -> None:
    words, heldout = halves
    spell = unit_speller(learned.base)
    old = set(learned.base.get_vocab())
    for point in curve.points:
        model = append_merges(learned, num_new_tokens=point.new_tokens).tokenizer.backend_tokenizer.model

        def tokens(some: Sequence[Cut], model: Any = model) -> list[tuple[str, int]]:
            return [
                (token.value, count) for units, count in some for token in model.tokenize("".join(map(spell, units)))
            ]

        total, words_total = sum(count for _token, count in tokens(heldout)), sum(count for _units, count in heldout)
        assert point.tokens_per_word == total / words_total
        used: dict[str, int] = {}
        for token, count in tokens(words):
            if token not in old:
                used[token] = used.get(token, 0) + count
        assert point.rarest == min(used.values(), default=0)
        assert point.unused == point.new_tokens - len(used)
        assert point.compute_frac is None


def test_saved_per_token_adds_up_to_what_the_largest_saves(curve: GainCurve) -> None:
    points = curve.points
    assert points[0].saved_per_token == 0
    saved = sum(
        later.saved_per_token * (later.new_tokens - earlier.new_tokens) for earlier, later in itertools.pairwise(points)
    )
    assert saved == pytest.approx((points[0].tokens_per_word - points[-1].tokens_per_word) * 1e6)
    assert [point.tokens_per_word for point in points] == sorted((p.tokens_per_word for p in points), reverse=True)


def test_compute_per_word_by_hand(learned: LearnedMerges, halves: tuple[list[Cut], list[Cut]]) -> None:
    cost = ModelCost(body_parameters=1_000_000, hidden_size=512)
    base, larger = gain_curve(learned, *halves, cost=cost, sizes=(0, 100)).points
    rows = len(learned.base)
    of_base = base.tokens_per_word * (1_000_000 + 512 * rows)
    assert base.compute_frac == 1
    assert larger.compute_frac == pytest.approx(larger.tokens_per_word * (1_000_000 + 512 * (rows + 100)) / of_base)


def test_a_model_that_is_all_table_is_suggested_fewer_tokens_than_one_with_a_huge_body(
    learned: LearnedMerges, halves: tuple[list[Cut], list[Cut]]
) -> None:
    small = gain_curve(learned, *halves, cost=ALL_TABLE)
    large = gain_curve(learned, *halves, cost=HUGE_BODY)
    assert small.suggested < large.suggested
    for suggested in (small, large):
        fracs = {point.new_tokens: point.compute_frac for point in suggested.points if point.new_tokens}
        near = [size for size, frac in fracs.items() if frac is not None and frac <= min(fracs.values()) * 1.005]  # type: ignore[type-var,operator]
        assert suggested.suggested == min(near)
        assert f"{fracs[suggested.suggested]:.1%}" in suggested.reason


def test_without_a_model_the_knee_is_suggested(curve: GainCurve) -> None:
    assert curve.suggested == knee(curve.points) and "knee" in curve.reason
    written = json.loads(json.dumps(curve.to_dict()))
    assert [point["new_tokens"] for point in written["points"]] == list(SIZES)


def test_sizes_end_at_the_most_and_start_at_none() -> None:
    assert curve_sizes(1000) == [0, 26, 39, 59, 88, 132, 198, 296, 444, 667, 1000]
    assert curve_sizes(1) == [0, 1] and curve_sizes(23) == [0, 23]


@given(most=st.integers(1, 10**6))
def test_sizes_grow_by_about_a_half(most: int) -> None:
    sizes = curve_sizes(most)
    assert sizes[0] == 0 and sizes[-1] == most and len(sizes) <= 11
    assert all(1.4 < later / earlier < 1.6 for earlier, later in itertools.pairwise(sizes[1:]))


# ----------------------------------------------------------------------------------------------------------------- knee


def _points(sizes: Sequence[int], per_word: Sequence[float]) -> list[CurvePoint]:
    return [CurvePoint(size, value, 0.0, 0, 0, None) for size, value in zip(sizes, per_word, strict=True)]


def test_the_example_of_the_knee() -> None:
    assert knee(_points([0, 1, 2, 4], [4, 2, 1.5, 1])) == 1


def test_two_sizes_have_no_knee_and_some_tokens_are_better_than_none() -> None:
    assert knee(_points([0, 20], [3, 2])) == 20
    assert knee(_points([0, 20], [3, 3])) == 20


@given(
    gaps=st.lists(st.integers(1, 1000), min_size=2, max_size=12),
    drops=st.lists(st.integers(1, 1000), min_size=12, max_size=12),
)
def test_the_knee_lies_farthest_from_the_line_through_the_ends(gaps: list[int], drops: list[int]) -> None:
    """A falling convex curve; both axes scaled to 0 … 1, and the distance measured as Kneedle measures it."""
    sizes = [sum(gaps[:count]) for count in range(len(gaps) + 1)]
    slopes = sorted(drops[: len(gaps)], reverse=True)
    falls = [slope * gap for slope, gap in zip(slopes, gaps, strict=True)]
    values = [float(sum(falls) - sum(falls[:count])) for count in range(len(falls) + 1)]
    found = knee(_points(sizes, values))
    distance = {
        size: (1 - size / sizes[-1]) - value / values[0] for size, value in zip(sizes[1:], values[1:], strict=True)
    }
    assert distance[found] == pytest.approx(max(distance.values()), abs=1e-9)
