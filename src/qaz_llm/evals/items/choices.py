"""The choices of a question, and which of them is right."""

from __future__ import annotations

import ast
import math
import string
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from qaz_llm.errors import RowError
from qaz_llm.evals.items.row import is_text, of_language, references_of, sound, value_of
from qaz_llm.evals.task import TaskConfig
from qaz_llm.io import fingerprint_value


def choices_and_answer(
    task: TaskConfig, row: Mapping[str, Any], language: str, where: str
) -> tuple[tuple[str, ...], int | None]:
    """The choices and which of them is right. Of `optional_choices` the empty ones are none, and the others move up.
    Where the data has the `right_first`, hashes of the words make the order, the same in every run and on every machine."""
    if task.scale is not None:
        return _grades(task.scale, references_of(row, task.fields.references or "", where), where)
    if task.labels:
        choices = tuple(task.labels[language].values())
        return choices, _answer(task, row, language, len(choices), where)
    field = of_language(task.fields.choices, language)
    if field is None:
        return (), None
    found = _listed(task, row, field, where)
    texts = ["" if text is None else sound(str(text), where).strip() for text in found]
    there = [n for n, text in enumerate(texts) if text]
    if len(there) < 2 or (len(there) < len(texts) and not task.optional_choices):
        raise RowError(f"{where}: at least two choices are needed, none of them empty; found {found!r}")
    if task.kind == "minimal_pairs" and len(there) != 2:
        raise RowError(f"{where}: a good text and a bad one are expected, found {len(there)}: {found!r}")
    is_first = task.kind == "minimal_pairs" or task.right_first
    answer = 0 if is_first else _answer(task, row, language, len(texts), where)
    if answer not in there:
        raise RowError(f"{where}: the answer is choice {answer + 1}, which is empty; found {found!r}")
    if task.right_first:
        there.sort(key=lambda n: fingerprint_value(texts[n]))
    return tuple(texts[n] for n in there), there.index(answer)


def _grades(scale: tuple[int, int], graded: Sequence[str], where: str) -> tuple[tuple[str, ...], int]:
    """The whole grades of a scale, and which of them is nearest to the one that people gave."""
    low, high = scale
    try:
        grade = float(graded[0])
    except ValueError:
        grade = math.nan
    if len(graded) > 1 or not low <= grade <= high:
        raise RowError(f"{where}: one grade from {low} to {high} is expected, found {', '.join(graded)!r}")
    return tuple(map(str, range(low, high + 1))), round(grade) - low


def _listed(task: TaskConfig, row: Mapping[str, Any], field: str | Sequence[str], where: str) -> list[Any]:
    """A list of choices, from a column for each or from one that holds the list (or, in a table, writes it out)."""
    if not isinstance(field, str):
        found = [value_of(row, name, where) for name in field]
    else:
        found = value_of(row, field, where)
        if isinstance(found, str):
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                found = ast.literal_eval(found)
        if not isinstance(found, (list, tuple)):
            raise RowError(f"{where}: {field} is to be a list of choices, found {type(found).__name__}")
    if not all(is_text(choice) or (choice is None and task.optional_choices) for choice in found):
        raise RowError(f"{where}: every choice is to be text, found {found!r}")
    return list(found)


def _answer(task: TaskConfig, row: Mapping[str, Any], language: str, num_choices: int, where: str) -> int:
    found = value_of(row, str(task.fields.answer), where)
    if task.labels:
        names = list(task.labels[language])
        if found not in names:
            raise RowError(f"{where}: the label {found!r} is not one of {', '.join(names)}")
        return names.index(found)
    numbers = range(task.first_answer, task.first_answer + num_choices)
    letters = string.ascii_uppercase[:num_choices]
    if isinstance(found, str) and len(found.strip()) == 1 and found.strip().upper() in letters:
        return letters.index(found.strip().upper())
    if str(found) not in map(str, numbers):
        raise RowError(f"{where}: answer {found!r} names none of the choices {numbers[0]} to {numbers[-1]}")
    return int(found) - task.first_answer
