"""What a build will read, in which parts, and about how long it will take: made before any work, printed by a dry run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.data.config import DataConfig, SourceConfig
from qaz_llm.data.licences import refusal, spdx
from qaz_llm.data.sources import file_names, source_files
from qaz_llm.errors import InputError
from qaz_llm.io import COMPRESSIONS
from qaz_llm.progress import format_duration

MB_PER_SECOND = 0.45
"""Megabytes of text cleaned per second and process, measured on one shared laptop core over Kazakh, Russian and English."""

START_UP_S = 4.0
COMPRESSED_TIMES = 4.5
"""How much longer than a compressed file its text usually is; for the estimate only."""


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a source that one process cleans on its own: one file, or all files where the source has a limit."""

    source: SourceConfig
    paths: tuple[Path, ...]
    names: tuple[str, ...]

    @property
    def text_bytes(self) -> int:
        """Estimated bytes of text in it."""
        size = sum(_text_bytes(path) for path in self.paths)
        return min(size, self.source.max_bytes) if self.source.max_bytes is not None else size


def _text_bytes(path: Path) -> int:
    return round(path.stat().st_size * (COMPRESSED_TIMES if path.suffix in COMPRESSIONS else 1))


@dataclass(frozen=True)
class BuildPlan:
    """The tasks of a build, the sources its licence policy refuses (name: why), and an estimate."""

    tasks: tuple[Task, ...]
    refused: Mapping[str, str]
    workers: int

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
        sizes: dict[str, tuple[int, int]] = {}
        for task in self.tasks:
            files, size = sizes.get(task.source.name, (0, 0))
            sizes[task.source.name] = (files + len(task.paths), size + task.text_bytes)
        return [
            *(f"{name}: {files} files, about {size / 1e6:,.1f} MB of text" for name, (files, size) in sizes.items()),
            *(f"{name}: not read, its licence is refused ({why})" for name, why in self.refused.items()),
            f"{len(self.tasks)} parts, about {self.text_bytes / 1e6:,.1f} MB of text, "
            f"{self.workers} process{'es' if self.workers > 1 else ''}, about {format_duration(self.estimated_s)}",
        ]


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
        tasks += _tasks_of(source, config.root)
    if not tasks:
        raise InputError(
            "the licence policy refuses every source",
            hint=f"refused: {', '.join(f'{name} ({why})' for name, why in refused.items())}; change licences",
        )
    return BuildPlan(tuple(tasks), refused, config.workers)


def _tasks_of(source: SourceConfig, root: Path | None) -> list[Task]:
    files = source_files(source, root=root)
    names = file_names(files)
    whole = source.format == "hub" or source.max_documents is not None or source.max_bytes is not None
    if whole:
        return [Task(source, tuple(files), tuple(names))]
    return [Task(source, (path,), (name,)) for path, name in zip(files, names, strict=True)]
