"""parity.json as it was written, looked at before anything rests on it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import DamagedFileError
from qaz_llm.io import read_json


def read_summary(path: Path, *, needed: Sequence[str] = ("scores", "gaps")) -> dict[str, Any]:
    """The values of a parity.json, which has at least the objects that are `needed`.

    Raises:
        InputError: there is no such file.
        DamagedFileError: it is not what `qaz eval run` writes; the message says what of it.
    """
    values = read_json(path)
    if problem := next(_problems(values, needed), None):
        raise DamagedFileError(f"{path}: {problem}", hint="it was changed or is not whole; run the evaluation again")
    assert isinstance(values, dict)
    return values


def _problems(values: Any, needed: Sequence[str]) -> Iterator[str]:
    if not isinstance(values, Mapping):
        yield f"an object is expected, found {type(values).__name__}"
        return
    for key in needed:
        if not isinstance(values.get(key), Mapping):
            yield f"lacks {key}"
    for key in ("setting", "tasks", "doubts", "declared"):
        if not isinstance(values.get(key, {}), Mapping):
            yield f"{key} is no object"
    for table, value in (("scores", "score"), ("gaps", "gap")):
        for task, by in values.get(table, {}).items():
            rows = by if isinstance(by, Mapping) else {"": None}
            yield from (f"{table} of {task} {key}: {what}" for key, row in rows.items() for what in _of_row(row, value))
    for name, by in values.get("doubts", {}).items():
        kinds = [found for of in by.values() for found in _kinds(of)] if isinstance(by, Mapping) else [None]
        if not all(isinstance(found, Mapping) and isinstance(found.get("items"), int) for found in kinds):
            yield f"doubts of {name} are not counted"


def _kinds(of: Any) -> list[Any]:
    return list(of.values()) if isinstance(of, Mapping) else [None]


def _of_row(row: Any, value: str) -> Iterator[str]:
    """What of a score or a gap is missing or of another kind."""
    if not isinstance(row, Mapping):
        yield "no object"
        return
    if not isinstance(row.get("n"), int) or not isinstance(row.get("metric"), str):
        yield "n or metric is missing"
    if not _is_number(row.get(value)):
        yield f"{value} is {row.get(value)!r}"
    for key in ("ci_low", "ci_high"):
        if row.get(key) is not None and not _is_number(row[key]):
            yield f"{key} is {row[key]!r}"
    if not isinstance(row.get("higher_is_better"), bool):
        yield "higher_is_better is missing"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
