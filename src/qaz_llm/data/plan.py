"""What a build will read, in which parts, and about how long it will take: made before any work, printed by a dry run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from qaz_llm.data.config import ConversationSourceConfig, DataConfig
from qaz_llm.data.first_rows import described_files
from qaz_llm.data.licence_names import spdx
from qaz_llm.data.licences import refusal
from qaz_llm.data.tasks import Task, conversation_files, files_not_read, tasks_of
from qaz_llm.errors import InputError
from qaz_llm.progress import format_duration

__all__ = ["BuildPlan", "Task", "make_build_plan"]

MB_PER_SECOND = 5.0
"""Megabytes of text per second and process, from file to file, measured on one shared core over Kazakh text
(docs/results/data_speed.md). The first build on a machine compiles the kernels as well, a minute or so."""

START_UP_S = 4.0


@dataclass(frozen=True)
class BuildPlan:
    """The tasks of a build, the sources its licence policy refuses (name: why), and an estimate."""

    tasks: tuple[Task, ...]
    refused: Mapping[str, str]
    workers: int
    conversations: tuple[str, ...] = ()
    """Of each source of conversations a line: its files, or why it is not read."""
    not_read: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Files in the folders of sources that no format reads: by source and suffix."""

    @property
    def text_bytes(self) -> int:
        return sum(task.text_bytes for task in self.tasks)

    @property
    def estimated_s(self) -> float:
        """Seconds the cleaning takes; no shorter than its longest task."""
        longest = max((task.text_bytes for task in self.tasks), default=0)
        busiest = max(self.text_bytes / self.workers, longest)
        return START_UP_S + busiest / 1e6 / MB_PER_SECOND

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        files: dict[str, set[Path]] = {}
        sizes: Counter[str] = Counter()
        for task in self.tasks:
            files.setdefault(task.source.name, set()).update(task.paths)
            sizes[task.source.name] += task.text_bytes
        ways = described_files(self.tasks)
        read = [
            line
            for name, paths in files.items()
            for line in _source_lines(name, len(paths), sizes[name], ways.get(name, []))
        ]
        return [
            *read,
            *(f"{name}: not read, of no known format: {_counted(found)}" for name, found in self.not_read.items()),
            *(f"{name}: not read, its licence is refused ({why})" for name, why in self.refused.items()),
            *self.conversations,
            *([self._size_line()] if self.tasks else []),
        ]

    def _size_line(self) -> str:
        return (
            f"{len(self.tasks)} parts, about {self.text_bytes / 1e6:,.1f} MB of text, "
            f"{self.workers} process{'es' if self.workers > 1 else ''}, about {format_duration(self.estimated_s)}; "
            "meanwhile about as much on disk in the work folder"
        )


def _source_lines(name: str, num_files: int, text_bytes: int, ways: Sequence[tuple[str, str]]) -> list[str]:
    if not num_files:
        return [f"{name}: streamed, its size is not known"]
    size = f"{name}: {num_files:,} file{'s' if num_files > 1 else ''}, about {text_bytes / 1e6:,.1f} MB of text"
    if len(ways) == 1:
        return [f"{size}: {ways[0][1]}"]
    return [size, *(f"  {files}: {way}" for files, way in ways)]


def _counted(found: Mapping[str, int]) -> str:
    return ", ".join(f"{suffix} {count:,}" for suffix, count in found.items())


def make_build_plan(config: DataConfig) -> BuildPlan:
    """Look up every file of every source and apply the licence policy.

    Raises InputError where a source has no file, or the policy leaves no source.
    """
    tasks: list[Task] = []
    refused: dict[str, str] = {}
    for source in config.sources:
        why = refusal(spdx(source.licence), config.licences)
        if why is not None:
            refused[source.name] = why
            continue
        tasks += tasks_of(source, root=config.root)
    of_conversations = {source.name: conversation_refusal(source, config) for source in config.conversations}
    if not tasks and all(of_conversations.values()):
        refusals = {**refused, **of_conversations}
        raise InputError(
            "the licence policy refuses every source",
            hint=f"refused: {', '.join(f'{name} ({why})' for name, why in refusals.items())}; change licences",
        )
    found = {source.name: files_not_read(source, root=config.root) for source in config.sources}
    not_read = {name: suffixes for name, suffixes in found.items() if suffixes and name not in refused}
    lines = tuple(_conversation_line(source, config) for source in config.conversations)
    return BuildPlan(tuple(tasks), refused, config.workers, lines, not_read)


def conversation_refusal(source: ConversationSourceConfig, config: DataConfig) -> str | None:
    """Why a source of conversations is not read: its licence is refused, and its rows have none of their own."""
    return None if source.licence_field is not None else refusal(spdx(source.licence), config.licences)


def _conversation_line(source: ConversationSourceConfig, config: DataConfig) -> str:
    name, why = f"conversations {source.name}", conversation_refusal(source, config)
    if why is not None:
        return f"{name}: not read, its licence is refused ({why})"
    files = conversation_files(source, root=config.root)
    return f"{name}: {len(files):,} file{'s' if len(files) > 1 else ''}" if files else f"{name}: streamed"
