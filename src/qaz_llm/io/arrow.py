"""Arrow arrays made from buffers.

    number_array(np.array([1, 2]))          int64 [1, 2], the same memory
    string_array(["kk", None])              string ["kk", null]

`pyarrow.array` looks whether it was given something of pandas, and imports pandas to do so where that is installed: a fifth
of a second and 50 MB that a small build would spend on nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt


def number_array(values: npt.NDArray[Any]) -> Any:
    """A pyarrow array of the numbers' own type, over their memory."""
    import pyarrow as pa

    values = np.ascontiguousarray(values)
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def string_array(values: Sequence[str | None]) -> Any:
    """A pyarrow array of strings, of at most 2 GiB together; None is null."""
    import pyarrow as pa

    data = [(value or "").encode() for value in values]
    ends = np.zeros(len(data) + 1, dtype=np.int64)
    np.cumsum([len(one) for one in data], out=ends[1:])
    if ends[-1] > np.iinfo(np.int32).max:
        raise ValueError(f"{ends[-1]:,} bytes of strings; one array holds at most 2 GiB")
    is_null = np.array([value is None for value in values], dtype=np.bool_)
    validity = pa.py_buffer(np.packbits(~is_null, bitorder="little")) if is_null.any() else None
    buffers = [validity, pa.py_buffer(ends.astype(np.int32)), pa.py_buffer(b"".join(data))]
    return pa.Array.from_buffers(pa.string(), len(data), buffers, int(is_null.sum()))


def numbers_of(values: Any) -> npt.NDArray[Any]:
    """The numbers of a pyarrow array or chunked array without nulls."""
    import pyarrow as pa

    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    dtype = np.dtype(values.type.to_pandas_dtype())
    found = [
        np.frombuffer(chunk.buffers()[1], dtype, len(chunk), chunk.offset * dtype.itemsize)
        for chunk in chunks
        if len(chunk)
    ]
    return np.concatenate(found) if found else np.empty(0, dtype)


def strings_of(values: Any) -> npt.NDArray[np.object_]:
    """The strings of a pyarrow array or chunked array, None for null; equal ones are one object."""
    import pyarrow as pa

    encoded = values.dictionary_encode(null_encoding="encode")
    chunks = encoded.chunks if isinstance(encoded, pa.ChunkedArray) else [encoded]
    if not chunks:
        return np.empty(0, dtype=np.object_)
    known: dict[str | None, str | None] = {}
    found = []
    for chunk in chunks:
        strings = [known.setdefault(value, value) for value in chunk.dictionary.to_pylist()]
        found.append(np.array([*strings, None], dtype=np.object_)[numbers_of(chunk.indices)])
    return np.concatenate(found)
