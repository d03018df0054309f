"""A look at the first rows of every source before anything is cleaned, and how its files are read, for people.

What is wrong with a config shows in the first rows: a misnamed field, another encoding, another delimiter. Said now it costs
seconds; said when that file's turn comes it costs what was cleaned before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from qaz_llm.data.config import DataConfig
from qaz_llm.data.notices import Notices
from qaz_llm.data.readers import format_of, shape_of
from qaz_llm.data.sources import read_first_rows
from qaz_llm.data.tasks import Task
from qaz_llm.errors import DamagedFileError

MAX_FILES = 200
"""Of a source with more files so many, spread evenly, are looked at; the others are checked as they are read."""

FILES_NAMED = 3

T = TypeVar("T")


def check_first_rows(config: DataConfig, tasks: Sequence[Task]) -> None:
    """Read the first rows of the files of every source, none of those that are streamed.

    Raises:
        InputError: what `read_task` raises of these rows: no such field, no text in it, most rows cannot be read.
        DataError: a bad row, where on_bad_row is `stop`; a damaged archive, where on_damaged_file is.
    """
    stop = config.on_bad_row == "stop"
    for beginnings in _by_source(tasks):
        for task in _spread(beginnings):
            try:
                read_first_rows(task, is_only_file=len(beginnings) == 1 == len(task.paths), stop_on_bad_row=stop)
            except DamagedFileError:
                if task.source.on_damaged_file == "stop":
                    raise


def described_files(tasks: Sequence[Task]) -> dict[str, list[tuple[str, str]]]:
    """Of each source how its files are read, the commonest way first: `("a.csv", "csv in cp1251 (recognised), …")`."""
    described: dict[str, list[tuple[str, str]]] = {}
    for beginnings in _by_source(tasks):
        source = beginnings[0].source
        files = [pair for task in beginnings for pair in zip(task.paths, task.names, strict=True)]
        ways: dict[str, list[str]] = {}
        for path, name in _spread(files):
            if path.is_file():
                ways.setdefault(str(shape_of(path, source)), []).append(name)
        commonest = sorted(ways.items(), key=lambda way: -len(way[1]))
        described[source.name] = [(_files(names), way) for way, names in commonest]
    return described


def note_files(
    config: DataConfig, tasks: Sequence[Task], not_read: Mapping[str, Mapping[str, int]], notices: Notices
) -> None:
    """Count files that were passed over, and those of plain text that were taken for a document each unasked."""
    for name, suffixes in not_read.items():
        for suffix, count in suffixes.items():
            notices.add("files_not_read", f"{name}: {suffix}", count)
    unasked = {source.name for source in config.sources if source.rows == "auto"}
    for task in tasks:
        if task.source.rows == "file" and task.source.name in unasked:
            texts = sum(path.is_file() and format_of(path, task.source) == "text" for path in task.paths)
            notices.add("files_are_documents", task.source.name, texts)


def encodings_of(task: Task) -> dict[str, int]:
    """How many files that begin in a task are in which encoding; formats that have none are left out."""
    if not task.is_beginning:
        return {}
    shapes = (shape_of(path, task.source) for path in task.paths if path.is_file())
    return dict(Counter(shape.encoding for shape in shapes if shape.encoding is not None))


def _by_source(tasks: Iterable[Task]) -> list[list[Task]]:
    """The tasks of each source in which files begin."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        if task.paths and task.is_beginning:
            groups.setdefault(task.source.name, []).append(task)
    return list(groups.values())


def _spread(items: Sequence[T]) -> Sequence[T]:
    step = max(1, len(items) / MAX_FILES)
    return [items[int(place * step)] for place in range(min(len(items), MAX_FILES))]


def _files(names: Sequence[str]) -> str:
    if len(names) > FILES_NAMED:
        return f"{len(names):,} files"
    return ", ".join(names)
