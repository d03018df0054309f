"""Packing: nothing lost, nothing seen across documents, rows full."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from qaz_llm.records import IGNORE_INDEX, TokenizedExample
from qaz_llm.rows.packing import make_row, pack


def example(*ids: int) -> TokenizedExample:
    return TokenizedExample(tuple(ids), tuple(ids), "t")


examples = st.lists(st.lists(st.integers(1, 99), min_size=1, max_size=30).map(lambda ids: example(*ids)), max_size=40)


def test_the_worked_example_of_the_docstring() -> None:
    a, b = example(1, 2, 3, 4), example(5, 6, 7, 8, 9)
    split = list(pack([a, b], seq_len=6, overflow="split"))
    assert [row.input_ids for row in split] == [(1, 2, 3, 4, 5, 6), (7, 8, 9)]
    assert [row.position_ids for row in split] == [(0, 1, 2, 3, 0, 1), (0, 1, 2)]
    assert split[0].labels == (IGNORE_INDEX, 2, 3, 4, IGNORE_INDEX, 6)
    whole = list(pack([a, b], seq_len=6, overflow="drop"))
    assert [row.input_ids for row in whole] == [(5, 6, 7, 8, 9), (1, 2, 3, 4)]


def test_a_row_of_two_examples_by_hand() -> None:
    row = make_row([example(5, 6, 7), example(8, 9)])
    assert row.input_ids == (5, 6, 7, 8, 9)
    assert row.labels == (IGNORE_INDEX, 6, 7, IGNORE_INDEX, 9)
    assert row.position_ids == (0, 1, 2, 0, 1)


@given(examples, st.integers(2, 17))
def test_splitting_loses_no_token_and_fills_all_rows_but_the_last(given_examples, seq_len: int) -> None:
    rows = list(pack(given_examples, seq_len=seq_len, overflow="split"))
    stream = [token for e in given_examples for token in e.input_ids]
    assert [token for row in rows for token in row.input_ids] == stream
    assert all(len(row.input_ids) == seq_len for row in rows[:-1])


@given(examples, st.integers(2, 31))
def test_dropping_keeps_examples_whole_and_counts_the_rest(given_examples, seq_len: int) -> None:
    dropped: list[TokenizedExample] = []
    rows = list(pack(given_examples, seq_len=seq_len, overflow="drop", on_drop=dropped.append))
    kept = []
    for row in rows:
        assert len(row.input_ids) <= seq_len
        starts = [i for i, p in enumerate(row.position_ids) if p == 0] + [len(row.input_ids)]
        kept += [row.input_ids[a:b] for a, b in itertools.pairwise(starts)]
    wanted = sorted(e.input_ids for e in given_examples if len(e.input_ids) <= seq_len)
    assert sorted(kept) == wanted
    assert len(dropped) == sum(len(e.input_ids) > seq_len for e in given_examples)


@given(examples, st.integers(2, 31), st.sampled_from(["split", "drop"]))
def test_no_label_is_predicted_from_another_document(given_examples, seq_len: int, overflow) -> None:
    for row in pack(given_examples, seq_len=seq_len, overflow=overflow):
        for index, (token, label, position) in enumerate(zip(row.input_ids, row.labels, row.position_ids, strict=True)):
            assert label == (IGNORE_INDEX if position == 0 else token)
            assert position == 0 or position == row.position_ids[index - 1] + 1


@given(examples)
def test_two_rows_that_fit_into_one_are_not_left_apart(given_examples) -> None:
    lengths = [len(row.input_ids) for row in pack(given_examples, seq_len=31, overflow="drop")]
    assert all(a + b > 31 for i, a in enumerate(lengths) for b in lengths[i + 1 :]) or len(lengths) < 2
