"""Batches and shares: each row once, little padding, and what stands side by side is what stood alone."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.evals.scoring.batches import PADDING_FRAC, Sizes, make_batches, share_of, size_of
from qaz_llm.evals.scoring.encoding import Encoded
from qaz_llm.evals.scoring.rows import Row, common_length, plan_rows, side_by_side

SIZES = Sizes(most_tokens=2048, least_tokens=256, most_logits=40_000)


def texts(seed: int, count: int, *, shared: int = 0, longest: int = 90) -> list[Encoded]:
    numbers = random.Random(seed)

    def ids(length: int) -> tuple[int, ...]:
        return tuple(numbers.randrange(3, 1000) for _ in range(length))

    beginning = (0, *ids(shared))
    questions = [beginning + ids(numbers.randint(5, longest)) for _ in range(count)]
    return [Encoded(question, ids(numbers.randint(1, 6)), False) for question in questions for _ in range(3)]


def targets_of(rows: list[Row]) -> Counter[tuple[int, int]]:
    return Counter((request, token) for row in rows for request, _index, token in row.targets)


@given(seed=st.integers(0, 1000), count=st.integers(1, 60), shared=st.sampled_from([0, 50, 400]))
def test_each_question_is_in_one_batch_of_one_process(seed: int, count: int, shared: int) -> None:
    asked = texts(seed, count, shared=shared)
    rows = plan_rows(asked, max_length=4096, trees=True, prefixes=True)
    made = list(make_batches(rows, SIZES, vocab_size=1000))
    expected = Counter((n, token) for n, one in enumerate(asked) for token in one.continuation)
    assert targets_of([row for batch in made for row in batch]) == expected
    for batch in made:
        assert len(batch) == 1 or size_of(batch) <= SIZES.most_tokens
        assert sum(len(row.targets) for row in batch) * 1000 <= SIZES.most_logits or len(batch) == 1
        assert len({row.prefix for row in batch}) == 1
    shares = [share_of(made, rank, 3) for rank in range(3)]
    assert targets_of([row for share in shares for batch in share for row in batch]) == expected
    loads = [sum(map(size_of, share)) for share in shares]
    assert max(loads) - min(loads) <= max(map(size_of, made))


def test_padding_is_a_small_part_of_many_texts() -> None:
    rows = plan_rows(texts(5, 300, longest=400), max_length=4096, trees=True, prefixes=True)
    made = list(make_batches(rows, SIZES, vocab_size=100))
    assert sum(map(size_of, made)) <= (1 + 2 * PADDING_FRAC) * sum(len(row.input_ids) for row in rows)


def test_whole_texts_do_not_share_a_row_for_their_start_token() -> None:
    """Attention over a row of 50 texts costs more than 49 start tokens; four answers to a question stay together."""
    whole = [Encoded((0,), tuple(range(n, n + 150)), False) for n in range(50)]
    rows = plan_rows(whole, max_length=8192, trees=True, prefixes=True)
    assert [len(row.input_ids) for row in rows] == [150] * 50
    answers = [Encoded(tuple(range(50)), tuple(range(n, n + 10)), False) for n in range(4)]
    (row,) = plan_rows(answers, max_length=8192, trees=True, prefixes=True)
    assert len(row.input_ids) == 50 + 4 * 9


def test_side_by_side_by_hand() -> None:
    """Behind a prefix of two tokens: a b with branches c and d e, and beside it f g."""
    tree = Row((11, 12, 13, 14, 15), ((0, 1, 13), (1, 4, 99)), (0, 0, 1, 2, 2), (-1, 0, 0), (1, 2))
    plain = Row((16, 17), ((2, 1, 98),), prefix=(1, 2))
    both = side_by_side([tree, plain])
    assert both.input_ids == (11, 12, 13, 14, 15, 16, 17)
    assert both.segment_L == (0, 0, 1, 2, 2, 3, 3) and both.parents == (-1, 0, 0, -1)
    assert both.positions == [2, 3, 4, 4, 5, 2, 3]
    assert both.targets == ((0, 1, 13), (1, 4, 99), (2, 6, 98))
    assert both.seen == [
        [True, False, False, False],
        [True, True, False, False],
        [True, False, True, False],
        [False, False, False, True],
    ]
    assert side_by_side([plain]) is plain


@pytest.mark.parametrize(("kept", "is_cut"), [((), False), ((0, *range(3, 43)), True), ((0, 3, 4), False)])
def test_a_single_question_shares_what_is_still_there(kept: tuple[int, ...], is_cut: bool) -> None:
    question = Encoded((0, *range(3, 60)), (7, 8), False)
    (row,) = plan_rows([question], max_length=512, trees=True, prefixes=True, kept_prefix=kept)
    assert row.prefix == (kept if is_cut else ())
    assert row.prefix + row.input_ids == (*question.context, 7)


def test_common_length() -> None:
    assert [common_length("абв", other) for other in ("абг", "аб", "абвг", "", "х")] == [2, 2, 3, 0, 0]
