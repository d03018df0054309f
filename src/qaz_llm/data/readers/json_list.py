"""A file that is one JSON list of objects, as instruction sets are often passed on, read one object at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import orjson

from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Row
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import open_bytes, open_text
from qaz_llm.io.compression import naming_damage

_BOM = "\ufeff"
_HEAD_CHARS = 4096
_CHUNK_CHARS = 1 << 20
_BEFORE_VALUE = re.compile(r"[\s,]*")
_NEAR_END_CHARS = 16
"""A mistake so near the end of what was read may be no more than a value cut off there: `tru`, `\\u04`."""


def is_json_list(path: Path) -> bool:
    """Whether the first thing in a file is `[`, followed by an object or nothing."""
    with open_bytes(path) as stream, naming_damage(path):
        head = stream.read(_HEAD_CHARS).decode("utf-8", "replace").removeprefix(_BOM)
    return re.match(r"\s*\[\s*(?:\{|\]|\Z)", head) is not None


def read_json_list(path: Path) -> Iterator[Row]:
    """One row per element; `bad_json` for one that is no object.

    Memory holds the largest element. Raises DamagedFileError where the list is broken or cut off: what follows cannot be
    read; and for an element above MAX_LINE_BYTES.
    """
    decoder = json.JSONDecoder(strict=False)
    with open_text(path) as stream:
        text = stream.read(_HEAD_CHARS).removeprefix(_BOM).lstrip()[1:]
        at, number = 0, 0
        while True:
            at = _BEFORE_VALUE.match(text, at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if text.startswith("]", at):
                return
            try:
                _, end = decoder.raw_decode(text, at)
            except json.JSONDecodeError as error:
                is_unfinished = error.msg.startswith("Unterminated string") or error.pos >= len(text) - _NEAR_END_CHARS
                more = stream.read(max(_CHUNK_CHARS, len(text) - at)) if is_unfinished else ""
                if not more or len(text) - at > MAX_LINE_BYTES:
                    raise DamagedFileError(
                        f"{path}: element {number + 1} of the list is not whole JSON ({error.msg})",
                        hint="fetch the file again, or write one object per line",
                    ) from error
                text, at = text[at:] + more, 0
                continue
            yield _row(number, text[at:end])
            at, number = end, number + 1


def _row(number: int, text: str) -> Row:
    try:
        fields = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Row(number, {}, "bad_json")
    return Row(number, fields) if isinstance(fields, dict) else Row(number, {}, "bad_json")
