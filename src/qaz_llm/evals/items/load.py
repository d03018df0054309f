"""From the rows of a data file to `EvalItem`s."""

from __future__ import annotations

import ast
import math
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from qaz_llm.config import check_language
from qaz_llm.errors import InputError, RowError
from qaz_llm.evals.items.sources import Source, find_source
from qaz_llm.evals.task import TaskConfig, load_suite
from qaz_llm.io import fingerprint_value
from qaz_llm.language.identify import identify
from qaz_llm.progress import get_logger
from qaz_llm.records import EvalItem

_logger = get_logger("eval")

SAMPLE_ITEMS, SAMPLE_CHARS, LEAST_CHARS = 50, 20_000, 500
"""Of each language so much is read to see that it is that language; less than LEAST_CHARS says too little."""
ROW_IN_SUBJECT = "@row_in_subject"
"""A column that every row has whose task names subjects: its number among those of its subject, from 1."""


def load_items(task: TaskConfig, *, root: Path | None = None, max_items: int | None = None) -> list[EvalItem]:
    """The items of a task in all its languages, in the order of the data; twins share a `group_id`.

    `max_items` keeps the first so many groups, whole.

    Raises:
        InputError: the data is not there.
        DataError: a row lacks a field, or names no valid answer.
    """
    items = [item for language, source in task_sources(task, root) for item in read_items(task, source, language)]
    if not items:
        raise RowError(f"task {task.name}: its data holds no items")
    if missing := [code for code in task.files if not any(item.language == code for item in items)]:
        raise RowError(f"task {task.name}: its file in {missing[0]} holds no items ({task.files[missing[0]]})")
    _check_languages(task, items)
    count, names = len(items), Counter((item.item_id, item.language) for item in items)
    if len(names) < count:
        (twice, language), _times = names.most_common(1)[0]
        raise RowError(f"task {task.name}: item {twice} is there twice in {language}", hint="give each item its own id")
    if max_items is None:
        return items
    groups = set(list(dict.fromkeys(item.group_id for item in items))[:max_items])
    return [item for item in items if item.group_id in groups]


def task_sources(task: TaskConfig, root: Path | None, *, fetch: bool = True) -> list[tuple[str | None, Source]]:
    """Where the items of a task lie, each place with its language where it has one. Raises InputError where one is missing."""
    named = list(task.files.items()) if task.files else [(None, task.file or "")]
    return _found(task, named, root, fetch)


def dev_sources(task: TaskConfig, root: Path | None) -> list[tuple[str | None, Source]]:
    """As `task_sources`, of the solved examples; empty where the task has none."""
    if task.dev_file is None and not task.dev_files:
        return []
    return _found(task, list(task.dev_files.items()) or [(None, task.dev_file or "")], root)


def task_files(task: TaskConfig, root: Path | None) -> list[tuple[str | None, Path]]:
    """The files among the sources of a task. Raises InputError where one is missing."""
    return [(language, path) for language, source in task_sources(task, root) for path in source.files]


def _found(
    task: TaskConfig, named: Sequence[tuple[str | None, str | tuple[str, ...]]], root: Path | None, fetch: bool = True
) -> list[tuple[str | None, Source]]:
    return [
        (language, _source(task, written, root, fetch))
        for language, several in named
        for written in ([several] if isinstance(several, str) else several)
    ]


def _source(task: TaskConfig, written: str, root: Path | None, fetch: bool) -> Source:
    return find_source(written, task=task.name, root=root, columns=task.columns, quoted=task.quoted, fetch=fetch)


def task_fingerprints(task: TaskConfig, root: Path | None) -> dict[str, str]:
    """What a score depends on besides the model: the bytes of the data, and the task with its prompts."""
    data = [source.fingerprint() for _language, source in task_sources(task, root)]
    return {"data": fingerprint_value(data), "task": fingerprint_value(task.to_dict())}


def heldout_texts(suite: str, *, root: Path | None = None) -> dict[str, list[str]]:
    """The aligned sentences of the suite's first bits-per-byte task, by language.

    Raises:
        InputError: where the suite has no such task.
    """
    task = heldout_task(suite)
    texts: dict[str, list[str]] = {language: [] for language in task.languages}
    for item in load_items(task, root=root):
        texts[item.language].append(item.text)
    return texts


def heldout_task(suite: str) -> TaskConfig:
    """The suite's first task of kind bits_per_byte. Raises InputError where it has none."""
    for task in load_suite(suite):
        if task.kind == "bits_per_byte":
            return task
    raise InputError(f"suite {suite} has no task of kind bits_per_byte", hint="add one, for instance qaz_bpb")


def read_items(task: TaskConfig, source: Source, language: str | None) -> Iterator[EvalItem]:
    """The items of one source; `language` is None where its rows or columns tell. Raises DataError as `load_items`."""
    by_column = isinstance(task.fields.text, Mapping) or isinstance(task.fields.question, Mapping)
    empty, seen = 0, Counter[Any]()
    for where, row in source.rows():
        if _is_empty(task, row, language, empty):
            empty += 1
            _logger.warning(
                "task %s: %s has no question or an empty choice and is left out, as is known of this data",
                task.name,
                where,
            )
            continue
        if task.fields.subject:
            subject = _get(row, task.fields.subject, where)
            seen[subject] += 1
            row = {**row, ROW_IN_SUBJECT: seen[subject]}
        if by_column:
            for code in task.languages:
                yield _item(task, row, code, where)
        else:
            yield _item(task, row, language or _language(task, row, where), where)


def _is_empty(task: TaskConfig, row: Mapping[str, Any], language: str | None, before: int) -> bool:
    """Whether the row is one of those that the task says to be without a question, or with an empty choice in their list."""
    if before >= task.empty_rows.get(language or "", 0):
        return False
    question, choices = task.fields.question, task.fields.choices
    listed = row.get(choices) if isinstance(choices, str) else None
    has_choices = not isinstance(listed, list) or all(str(choice or "").strip() for choice in listed)
    return not row.get(str(question)) or not has_choices


def _of_language(field: Any, language: str) -> Any:
    return field.get(language) if isinstance(field, Mapping) else field


def _item(task: TaskConfig, row: Mapping[str, Any], language: str, where: str) -> EvalItem:
    fields = task.fields
    text, question = _of_language(fields.text, language), _of_language(fields.question, language)
    base = _join(row, fields.id, where)
    choices, answer = _choices_and_answer(task, row, language, where)
    own = base if task.parallel else f"{language}:{base}"
    return EvalItem(
        item_id=base,
        group_id=_join(row, fields.group, where) if fields.group else own,
        cluster_id=_join(row, fields.cluster, where) if fields.cluster else own,
        language=language,
        task=task.name,
        text=_words(row, text, where) if text else "",
        question=_question(task, _words(row, question, where), language, where) if question else "",
        choices=choices,
        answer=answer,
        references=_references(row, fields.references, where) if fields.references else (),
        subject=_words(row, fields.subject, where) if fields.subject else "",
    )


def _check_languages(task: TaskConfig, items: Sequence[EvalItem]) -> None:
    """Raise DataError where the texts of one language read as another of the task's: files or columns were swapped."""
    for code in task.languages:
        own = [item for item in items if item.language == code][:SAMPLE_ITEMS]
        sample = "\n".join(f"{item.text}\n{item.question}\n{' '.join(item.choices)}" for item in own)
        found = identify(sample[:SAMPLE_CHARS]).main if len(sample) >= LEAST_CHARS else code
        if found != code and found in task.languages:
            raise RowError(
                f"task {task.name}: what is declared as {code} reads as {found}",
                hint="look whether its files or columns are swapped",
            )


def _language(task: TaskConfig, row: Mapping[str, Any], where: str) -> str:
    try:
        code = check_language(_get(row, str(task.fields.language), where))
    except ValueError as error:
        raise RowError(f"{where}: {error}") from error
    if code not in task.languages:
        raise RowError(f"{where}: language {code}, the task has {', '.join(task.languages)}")
    return code


def _question(task: TaskConfig, found: str, language: str, where: str) -> str:
    """The question itself, or what is asked for the kind of question that the row names."""
    words = task.question_words.get(language)
    if words is None:
        return found
    if found not in words:
        raise RowError(f"{where}: the kind of question {found!r} is not one of {', '.join(words)}")
    return words[found]


def _choices_and_answer(
    task: TaskConfig, row: Mapping[str, Any], language: str, where: str
) -> tuple[tuple[str, ...], int | None]:
    """The choices and which of them is right. Of `optional_choices` the empty ones are none, and the others move up.
    Where the data has the `right_first`, hashes of the words make the order, the same in every run and on every machine."""
    if task.scale is not None:
        return _grades(task.scale, _references(row, task.fields.references or "", where), where)
    if task.labels:
        choices = tuple(task.labels[language].values())
        return choices, _answer(task, row, language, len(choices), where)
    field = _of_language(task.fields.choices, language)
    if field is None:
        return (), None
    found = _listed(task, row, field, where)
    texts = ["" if text is None else _sound(str(text), where).strip() for text in found]
    there = [n for n, text in enumerate(texts) if text]
    if len(there) < 2 or (len(there) < len(texts) and not task.optional_choices):
        raise RowError(f"{where}: at least two choices are needed, none of them empty; found {found!r}")
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
        found = [_get(row, name, where) for name in field]
    else:
        found = _get(row, field, where)
        if isinstance(found, str):
            with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
                found = ast.literal_eval(found)
        if not isinstance(found, (list, tuple)):
            raise RowError(f"{where}: {field} is to be a list of choices, found {type(found).__name__}")
    if not all(_is_text(choice) or (choice is None and task.optional_choices) for choice in found):
        raise RowError(f"{where}: every choice is to be text, found {found!r}")
    return list(found)


def _answer(task: TaskConfig, row: Mapping[str, Any], language: str, num_choices: int, where: str) -> int:
    found = _get(row, str(task.fields.answer), where)
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


def _references(row: Mapping[str, Any], fields: str | Sequence[str], where: str) -> tuple[str, ...]:
    names = [fields] if isinstance(fields, str) else list(fields)
    field = next((name for name in names if name.split(".")[0] in row), names[-1])
    found = _get(row, field, where)
    listed = found if isinstance(found, list) else [found]
    references = tuple("" if text is None else _sound(str(text), where).strip() for text in listed)
    if not all(references) or not references:
        raise RowError(f"{where}: {field} holds no accepted answer, or an empty one: {found!r}")
    return references


def _words(row: Mapping[str, Any], field: str, where: str) -> str:
    found = _get(row, field, where)
    if not isinstance(found, str) or not found.strip():
        raise RowError(f"{where}: {field} is to be text, found {found!r}")
    return _sound(found, where).strip()


def _sound(text: str, where: str) -> str:
    """The text, if it can be written: half a surrogate pair is no character."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RowError(
            f"{where}: half of a surrogate pair at character {error.start + 1} ({text[error.start]!a})",
            hint="the file was cut or joined inside an emoji; mend the row",
        ) from error
    return text


def _join(row: Mapping[str, Any], fields: str | Sequence[str], where: str) -> str:
    names = [fields] if isinstance(fields, str) else fields
    values = [_get(row, name, where) for name in names]
    for name, value in zip(names, values, strict=True):
        if value == "" or not _is_text(value):
            raise RowError(f"{where}: {name} is to tell the item from others, found {value!r}")
    return _sound("#".join(map(str, values)), where)


def _is_text(value: Any) -> bool:
    """Whether it can be written as a word: a string or a number, but no NaN, no true or false, and nothing that holds others."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, int)) and not isinstance(value, bool)


def _get(row: Mapping[str, Any], field: str, where: str) -> Any:
    value: Any = row
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            there = ", ".join(name for name in row if not name.startswith("@"))
            raise RowError(f"{where}: no field {field!r}; the row has: {there}")
        value = value[part]
    return value
