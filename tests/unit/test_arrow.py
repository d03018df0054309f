"""Arrow arrays made from buffers are those that pyarrow makes itself, without pandas."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest

from qaz_llm.io.arrow import number_array, numbers_of, string_array, strings_of

STRINGS = [
    [],
    ["kk", "ru", "kk"],
    [None, "қазақ", "", None, "😀"],
    [None] * 9,
    ["a"] * 8 + [None] + ["ә"] * 9,
]


@pytest.mark.parametrize("values", STRINGS)
def test_strings_are_those_of_pyarrow(values: list[str | None]) -> None:
    found = string_array(values)
    found.validate(full=True)
    assert found.equals(pa.array(values, pa.string()))
    assert found.null_count == values.count(None)
    assert strings_of(found).tolist() == values


@pytest.mark.parametrize("dtype", ["i8", "u8", "i4", "f8"])
def test_numbers_are_those_of_pyarrow(dtype: str) -> None:
    values = np.arange(20).astype(dtype)
    for some in (values, values[3:9], values[::2], values[:0]):
        assert number_array(some).equals(pa.array(some))
        assert numbers_of(number_array(some)).tolist() == some.tolist()
        assert numbers_of(number_array(some)).dtype == some.dtype


def test_slices_and_chunks_are_read_in_order() -> None:
    words, codes = ["kk", None, "ru", "kk", "en"], np.arange(5)
    for first in range(5):
        parts = [string_array(words[:first]), string_array(words).slice(first)]
        assert strings_of(pa.chunked_array(parts, pa.string())).tolist() == words
        parts = [number_array(codes).slice(0, first), number_array(codes[first:])]
        assert numbers_of(pa.chunked_array(parts, pa.int64())).tolist() == codes.tolist()
    assert strings_of(pa.chunked_array([], pa.string())).tolist() == []
    assert numbers_of(pa.chunked_array([], pa.int64())).tolist() == []


def test_equal_strings_are_one_object() -> None:
    found = strings_of(pa.chunked_array([string_array(["kk", "ru"]), string_array(["kk"])], pa.string()))
    assert found[0] is found[2]


def test_pandas_is_not_imported() -> None:
    code = (
        "import sys, numpy as np; from qaz_llm.io.arrow import *; from qaz_llm.io.arrow import number_array;"
        "numbers_of(number_array(np.arange(3))); strings_of(string_array(['a', None])); sys.exit('pandas' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
