"""Values out of a row of data, each checked; errors name the row, the field and what was found."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qaz_llm.errors import RowError


def of_language(field: Any, language: str) -> Any:
    """The field of a language, where a task names one for each."""
    return field.get(language) if isinstance(field, Mapping) else field


def value_of(row: Mapping[str, Any], field: str, where: str) -> Any:
    """What a field holds; a dot goes into an object. Raises RowError where there is none, with the fields there are."""
    value: Any = row
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            there = ", ".join(name for name in row if not name.startswith("@"))
            raise RowError(f"{where}: no field {field!r}; the row has: {there}")
        value = value[part]
    return value


def references_of(row: Mapping[str, Any], fields: str | Sequence[str], where: str) -> tuple[str, ...]:
    """Accepted answers, from the first of several fields that the row has. Raises RowError where one is empty."""
    names = [fields] if isinstance(fields, str) else list(fields)
    field = next((name for name in names if name.split(".")[0] in row), names[-1])
    found = value_of(row, field, where)
    listed = found if isinstance(found, list) else [found]
    if not all(text is None or is_text(text) for text in listed):
        raise RowError(f"{where}: {field} is to hold answers, found {found!r}")
    references = tuple("" if text is None else sound(str(text), where).strip() for text in listed)
    if not all(references) or not references:
        raise RowError(f"{where}: {field} holds no accepted answer, or an empty one: {found!r}")
    return references


def words_of(row: Mapping[str, Any], field: str, where: str) -> str:
    """A text without blanks at its ends. Raises RowError where it is none."""
    found = value_of(row, field, where)
    if not isinstance(found, str) or not found.strip():
        raise RowError(f"{where}: {field} is to be text, found {found!r}")
    return sound(found, where).strip()


def sound(text: str, where: str) -> str:
    """The text, if it can be written: half a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError(
            f"{where}: half of a surrogate pair at character {error.start + 1} ({text[error.start]!a})",
            hint="the file was cut or joined inside an emoji; mend the row",
        ) from error
    return text


def joined(row: Mapping[str, Any], fields: str | Sequence[str], where: str) -> str:
    """What tells an item from others: "L#2" of link and question_number. Raises RowError where a part is empty."""
    names = [fields] if isinstance(fields, str) else fields
    values = [value_of(row, name, where) for name in names]
    for name, value in zip(names, values, strict=True):
        if value == "" or not is_text(value):
            raise RowError(f"{where}: {name} is to tell the item from others, found {value!r}")
    return sound("#".join(map(str, values)), where)


def is_text(value: Any) -> bool:
    """Whether it can be written as a word: a string or a number, but no NaN, no true or false, and nothing that holds others."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, int)) and not isinstance(value, bool)
