"""What is read and what is counted of a text, beside counting by hand."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from qaz_llm.model import fit_samples
from qaz_llm.model.fit_samples import FitSample, packed_samples, text_samples


def counts_of(sample: FitSample) -> dict[int, int]:
    return {int(i): int(sample.counts_V[i]) for i in np.flatnonzero(sample.counts_V)}


def test_all_is_counted_but_the_starts_and_a_part_is_read_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_samples, "READ_TOKENS", 50)
    monkeypatch.setattr(fit_samples, "MAX_ROW_TOKENS", 10)
    draw = random.Random(0)
    rows = [[1000, *(draw.randrange(100) for _ in range(20))] for _ in range(40)]
    sample = FitSample.of(rows)
    assert counts_of(sample) == Counter(i for row in rows for i in row[1:])
    assert sample.rows == [row[:10] for row in rows[::8]]  # 400 tokens can be read, 50 are to be


def test_counting_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_samples, "COUNTED_TOKENS", 6)
    endless = ([9, n, n] for n in iter(int, 1))
    assert counts_of(FitSample.of(endless)) == {0: 4}


def test_documents_of_packed_rows() -> None:
    row = {
        "input_ids": [0, 5, 6, 0, 7, 2, 2, 2],
        "position_ids": [0, 1, 2, 0, 1, 0, 1, 2],
    }  # the last three are padding
    full, empty = packed_samples([[row], []])
    assert (full.rows, counts_of(full)) == ([[0, 5, 6], [0, 7]], {5: 1, 6: 1, 7: 1})
    assert (empty.rows, counts_of(empty)) == ([], {})


def test_rows_are_spread_over_a_whole_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_samples, "COUNTED_TOKENS", 12)
    part = [{"input_ids": [0, n, n + 1], "position_ids": [0, 1, 2]} for n in range(10, 90, 10)]
    (sample,) = packed_samples([part])
    assert sample.rows == [[0, n, n + 1] for n in (10, 30, 50, 70)]


def test_texts_begin_with_the_start_token() -> None:
    class Letters:
        bos_token_id, eos_token_id = None, 9

        def __call__(self, texts: list[str], *, add_special_tokens: bool) -> dict[str, Any]:
            assert not add_special_tokens
            return {"input_ids": [[ord(char) for char in text] for text in texts]}

    first, second = text_samples(Letters(), [["ab"], iter(["c"])])  # type: ignore[arg-type]
    assert (first.rows, second.rows) == ([[9, 97, 98]], [[9, 99]])
    assert counts_of(first) == {97: 1, 98: 1}
