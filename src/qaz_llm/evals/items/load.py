"""From the rows of a data file to `EvalItem`s."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.config import check_language
from qaz_llm.errors import InputError, RowError
from qaz_llm.evals.answers.numbers import read_number
from qaz_llm.evals.items.choices import choices_and_answer
from qaz_llm.evals.items.row import joined, of_language, references_of, value_of, words_of
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

    `max_items` keeps the first so many groups, whole, and of a language that is in none of them as many of its own.

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
    groups = _first_groups(items, max_items)
    return [item for item in items if item.group_id in groups]


def _first_groups(items: Sequence[EvalItem], count: int) -> set[str]:
    """The first so many groups; of a language that has no item among them, the first so many of its own."""
    by_language: dict[str, dict[str, None]] = defaultdict(dict)
    for item in items:
        by_language[item.language][item.group_id] = None
    chosen = set(list(dict.fromkeys(item.group_id for item in items))[:count])
    for groups in by_language.values():
        if chosen.isdisjoint(groups):
            chosen.update(list(groups)[:count])
    return chosen


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
    said = task.model_dump(mode="json", exclude_defaults=True)  # a key that comes with a later version changes nothing
    return {"data": fingerprint_value(data), "task": fingerprint_value(said)}


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
            subject = value_of(row, task.fields.subject, where)
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


def _item(task: TaskConfig, row: Mapping[str, Any], language: str, where: str) -> EvalItem:
    fields = task.fields
    text, question = of_language(fields.text, language), of_language(fields.question, language)
    base = joined(row, fields.id, where)
    references = references_of(row, fields.references, where) if fields.references else ()
    if task.kind == "number" and (wrong := [text for text in references if read_number(text).number is None]):
        raise RowError(f"{where}: {wrong[0][:80]!r} is to be a number, which answers are compared with")
    choices, answer = choices_and_answer(task, row, language, where)
    own = base if task.parallel else f"{language}:{base}"
    return EvalItem(
        item_id=base,
        group_id=joined(row, fields.group, where) if fields.group else own,
        cluster_id=joined(row, fields.cluster, where) if fields.cluster else own,
        language=language,
        task=task.name,
        text=words_of(row, text, where) if text else "",
        question=_question(task, words_of(row, question, where), language, where) if question else "",
        choices=choices,
        answer=answer,
        references=references,
        subject=words_of(row, fields.subject, where) if fields.subject else "",
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
        code = check_language(value_of(row, str(task.fields.language), where))
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
