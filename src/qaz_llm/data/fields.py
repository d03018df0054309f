"""The fields of a row by name, those inside objects too: `meta.url` is the field `url` of the object in `meta`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any


def getter(name: str | None) -> Callable[[Mapping[str, Any]], Any]:
    """A function from fields to the value of one; a dotted name goes down where no field has the dotted name itself."""
    if name is None:
        return lambda fields: None
    if "." not in name:
        return lambda fields: fields.get(name)
    return lambda fields: fields[name] if name in fields else _nested(fields, name.split("."))


def _nested(value: Any, parts: Sequence[str]) -> Any:
    for part in parts:
        if not isinstance(value, dict):
            return None
        value = value.get(part)
    return value


def has_field(fields: Mapping[str, Any], name: str) -> bool:
    """Whether a row has a field, be it null; of a dotted name the object it lies in counts."""
    if name in fields or "." not in name:
        return name in fields
    *parents, last = name.split(".")
    inner = _nested(fields, parents)
    return isinstance(inner, dict) and last in inner


def kind_of(value: Any) -> str:
    """What a value is, as a person calls it.

    >>> kind_of([{"role": "user"}]), kind_of(7)
    ('lists of objects', 'numbers')
    """
    if isinstance(value, list | tuple):
        inner = {kind_of(one) for one in value[:10]}
        return f"lists of {' and '.join(sorted(inner))}" if inner else "empty lists"
    if isinstance(value, bool):
        return "true and false"
    names = ((str, "text"), (bytes, "bytes"), (int | float, "numbers"), (Mapping, "objects"))
    return next((name for kind, name in names if isinstance(value, kind)), f"values of type {type(value).__name__}")
