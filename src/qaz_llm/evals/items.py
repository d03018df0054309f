"""From the rows of a data file to `EvalItem`s."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.config import check_language
from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.task import TaskConfig, load_suite
from qaz_llm.io import CORPUS_DIR_VARIABLE, fingerprint_file, fingerprint_value, read_rows, resolve_path
from qaz_llm.records import EvalItem


def load_items(task: TaskConfig, *, root: Path | None = None, max_items: int | None = None) -> list[EvalItem]:
    """The items of a task in all its languages, in the order of the data; twins share a `group_id`.

    `max_items` keeps the first so many groups, whole.

    Raises:
        InputError: the data is not there.
        DataError: a row lacks a field, or names no valid answer.
    """
    items = [item for language, path in task_files(task, root) for item in _read_file(task, path, language)]
    if not items:
        raise DataError(f"task {task.name}: its data holds no items")
    if max_items is None:
        return items
    groups = set(list(dict.fromkeys(item.group_id for item in items))[:max_items])
    return [item for item in items if item.group_id in groups]


def task_files(task: TaskConfig, root: Path | None) -> list[tuple[str | None, Path]]:
    """The data files of a task, each with its language where it has one. Raises InputError where one is missing."""
    named = list(task.files.items()) if task.files else [(None, str(task.file))]
    found = [(language, resolve_path(path, root=root)) for language, path in named]
    for _language, path in found:
        if not path.is_file():
            raise InputError(
                f"task {task.name}: its data {path} is not there",
                hint=f"set eval root (--config, or root=DIR) or {CORPUS_DIR_VARIABLE} to the folder that holds it",
            )
    return found


def task_fingerprints(task: TaskConfig, root: Path | None) -> dict[str, str]:
    """What a score depends on besides the model: the bytes of the data, and the task with its prompts."""
    data = [fingerprint_file(path) for _language, path in task_files(task, root)]
    return {"data": fingerprint_value(data), "task": fingerprint_value(task.to_dict())}


def heldout_texts(suite: str, *, root: Path | None = None) -> dict[str, list[str]]:
    """The aligned sentences of the suite's first bits-per-byte task, by language.

    Raises:
        InputError: where the suite has no such task.
    """
    for task in load_suite(suite):
        if task.kind == "bits_per_byte":
            texts: dict[str, list[str]] = {language: [] for language in task.languages}
            for item in load_items(task, root=root):
                texts[item.language].append(item.text)
            return texts
    raise InputError(f"suite {suite} has no task of kind bits_per_byte", hint="add one, for instance qaz_bpb")


def _read_file(task: TaskConfig, path: Path, language: str | None) -> Iterator[EvalItem]:
    for number, row in enumerate(read_rows(path), 1):
        where = f"{path}:{number}"
        if isinstance(task.fields.text, Mapping):
            for code, field in task.fields.text.items():
                yield _item(task, row, code, _get(row, field, where), where)
            continue
        code = language or check_language(_get(row, str(task.fields.language), where))
        text = _get(row, task.fields.text, where) if task.fields.text else ""
        yield _item(task, row, code, text, where)


def _item(task: TaskConfig, row: Mapping[str, Any], language: str, text: str, where: str) -> EvalItem:
    fields = task.fields
    base = _join(row, fields.id, where)
    choices = _choices(task, row, language, where)
    references = _get(row, fields.references, where) if fields.references else ()
    return EvalItem(
        item_id=base,
        group_id=_join(row, fields.group, where) if fields.group else base,
        cluster_id=_join(row, fields.cluster, where) if fields.cluster else base,
        language=language,
        task=task.name,
        text=text.strip(),
        question=_get(row, fields.question, where).strip() if fields.question else "",
        choices=choices,
        answer=_answer(task, row, language, len(choices), where) if choices else None,
        references=tuple(references) if isinstance(references, (list, tuple)) else (str(references),),
    )


def _choices(task: TaskConfig, row: Mapping[str, Any], language: str, where: str) -> tuple[str, ...]:
    if task.labels:
        return tuple(task.labels[language].values())
    if task.fields.choices is None:
        return ()
    if isinstance(task.fields.choices, str):
        return tuple(str(choice).strip() for choice in _get(row, task.fields.choices, where))
    return tuple(str(_get(row, field, where)).strip() for field in task.fields.choices)


def _answer(task: TaskConfig, row: Mapping[str, Any], language: str, num_choices: int, where: str) -> int:
    found = _get(row, str(task.fields.answer), where)
    if task.labels:
        names = list(task.labels[language])
        if found not in names:
            raise DataError(f"{where}: the label {found!r} is not one of {', '.join(names)}")
        return names.index(found)
    index = int(found) - task.first_answer
    if not 0 <= index < num_choices:
        raise DataError(f"{where}: answer {found!r} names none of {num_choices} choices")
    return index


def _join(row: Mapping[str, Any], fields: str | Sequence[str], where: str) -> str:
    names = [fields] if isinstance(fields, str) else fields
    return "#".join(str(_get(row, name, where)) for name in names)


def _get(row: Mapping[str, Any], field: str, where: str) -> Any:
    value: Any = row
    for part in field.split("."):
        if not isinstance(value, Mapping) or part not in value:
            raise DataError(f"{where}: no field {field!r}; the row has: {', '.join(row)}")
        value = value[part]
    return value
