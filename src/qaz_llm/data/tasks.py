"""The parts of a source that processes clean apart from each other: whole files, or parts of large ones.

How a source is cut depends on its files and its config, never on the number of processes, so the output does not either.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.data.config import ConversationSourceConfig, SourceConfig
from qaz_llm.data.readers import FORMAT_BY_SUFFIX, MAX_LINE_BYTES, Part, format_of
from qaz_llm.data.readers.acts.find import act_folders, files_of
from qaz_llm.data.readers.cuts import parts_of, parts_of_saved_copy
from qaz_llm.data.readers.hub import is_saved_copy
from qaz_llm.data.readers.lines import aligned_path
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.io import compression_of, expand_paths, fingerprint_file, fingerprint_paths, resolve_path, set_copy

COMPRESSED_TIMES = 4.5
"""How much longer than a compressed file its text usually is; for the estimate only."""


MAX_GROUP_FILES = 4096
"""So many files of which each is one document are cleaned together at most."""


@dataclass(frozen=True, slots=True)
class Task:
    """A part of a source: one file or a part of it, all files where the source has a limit, none where it is streamed."""

    source: SourceConfig
    paths: tuple[Path, ...]
    names: tuple[str, ...]
    """What tells each file apart from the others of the source."""
    part: Part | None = None

    @property
    def is_beginning(self) -> bool:
        """Whether its files are read from their beginning: false of all but the first part of a file."""
        return self.part is None or self.part.start == 0

    @property
    def text_bytes(self) -> int:
        """Estimated bytes of text in it."""
        size = self.part.text_bytes if self.part is not None else sum(_text_bytes(path) for path in self.paths)
        return min(size, self.source.max_bytes) if self.source.max_bytes is not None else size

    @property
    def label(self) -> str:
        """As a person calls it: `web: part-3.jsonl [134217728-268435456]`."""
        names = self.names[0] if len(self.names) == 1 else f"{len(self.names)} files"
        cut = f" [{self.part.start}-{self.part.end}]" if self.part is not None else ""
        return f"{self.source.name}: {names}{cut}"

    @property
    def key(self) -> list[Any]:
        """JSON values that change where the files or the part of them do: names, sizes, dates, start and end."""
        files = [
            [name, file.name, file.stat().st_size, file.stat().st_mtime_ns]
            for path, name in zip(self.paths, self.names, strict=True)
            for file in _files_in(path, self.source)
        ]
        return [files, [self.part.start, self.part.end] if self.part is not None else None]

    def fingerprints(self) -> dict[str, str]:
        """The fingerprint of each file by name; of parts of bytes `NAME[START-END]`, of other parts the file's in the first."""
        named = zip(self.paths, self.names, strict=True)
        if self.source.format == "acts":  # one for all: a corpus of acts has half a million files
            others = f" … {self.names[-1]}" if len(self.names) > 1 else ""
            return {f"{self.names[0]}{others}": fingerprint_paths(self.paths)}
        if self.part is None:
            return {
                name if path == file else f"{name}/{file.name}": fingerprint_file(file)
                for path, name in named
                for file in _files_in(path, self.source)
            }
        path, name = next(named)
        start, end = self.part.start, self.part.end
        if path.is_file() and format_of(path, self.source) != "parquet":
            return {f"{name}[{start}-{end}]": fingerprint_file(path, start=start, end=end)}
        whole = Task(self.source, self.paths, self.names)
        return whole.fingerprints() if start == 0 else {}


def tasks_of(source: SourceConfig, *, root: Path | None = None) -> list[Task]:
    """The tasks of a source, in the order of its documents. Raises InputError where it has no file.

    A source that is joined or limited over its rows (rows_per_document, max_documents, max_bytes) is not cut within files.
    """
    files = source_files(source, root=root)
    names = file_names(files)
    source = _with_rows(source, files)
    if not files or source.max_documents is not None or source.max_bytes is not None:
        return [Task(source, tuple(files), tuple(names))]
    tasks = []
    for group in _groups(files, names, source):
        cuts = _parts(group[0][0], source) if source.rows_per_document == 1 and len(group) == 1 else []
        whole: Sequence[Part | None] = [None]
        paths, named = zip(*group, strict=True)
        tasks += [Task(source, paths, named, part) for part in (cuts if len(cuts) > 1 else whole)]
    return tasks


def _with_rows(source: SourceConfig, files: Sequence[Path]) -> SourceConfig:
    """The source with what one row of its plain text is, where the config leaves that to the number of files.

    Raises InputError where each file would be a document and one is too long to be any.
    """
    if source.rows != "auto" or source.format not in ("auto", "text"):
        return source
    texts = [path for path in files if path.is_file() and format_of(path, source) == "text"]
    if len(texts) < 2:
        return source.model_copy(update={"rows": "line"})
    for path in texts:
        if (size := path.stat().st_size) > MAX_LINE_BYTES:
            raise InputError(
                f"source {source.name}: {path} has {size / 1e6:,.0f} MB; of several files of plain text each is one"
                " document, and no document is as long",
                hint="say what one row is: rows: line, or rows: paragraph",
            )
    return source.model_copy(update={"rows": "file"})


def _groups(files: Sequence[Path], names: Sequence[str], source: SourceConfig) -> Iterator[Sequence[tuple[Path, str]]]:
    """Files that are read together: those that are one document each up to `part_bytes`, every other one alone."""
    group: list[tuple[Path, str]] = []
    size = 0
    for path, name in zip(files, names, strict=True):
        if not _is_one_document(path, source):
            if group:
                yield group
            group, size = [], 0
            yield [(path, name)]
            continue
        group.append((path, name))
        size += _text_bytes(path)
        if size >= source.part_bytes or len(group) == MAX_GROUP_FILES:
            yield group
            group, size = [], 0
    if group:
        yield group


def _is_one_document(path: Path, source: SourceConfig) -> bool:
    """Whether a path is a document by itself, or two: a file of plain text where each is one, the folder of an act."""
    if source.format == "acts":
        return True
    return source.rows == "file" and path.is_file() and format_of(path, source) == "text"


def _parts(path: Path, source: SourceConfig) -> list[Part]:
    if source.format == "acts":
        return []
    if path.is_dir():  # as it lies on the hub, it is read in the order of the hub, by one process
        return parts_of_saved_copy(source, path) if is_saved_copy(path) else []
    return parts_of(path, source)


def source_files(source: SourceConfig, *, root: Path | None = None) -> list[Path]:
    """The files of a source, sorted; for a local copy of a data set of the hub its files, or the folder it was saved to.

    Empty for a data set that is streamed. Raises InputError where there are none.
    """
    if source.format == "hub":
        copy = set_copy(source.path, root=root)
        if copy is None:
            return []
        if not source.hub_files or is_saved_copy(copy):
            return [copy]
        return sorted({file for pattern in source.hub_files for file in expand_paths(copy / pattern)})
    path = resolve_path(source.path, root=root)
    if source.format == "acts":
        return act_folders(path)
    return expand_paths(path, suffixes=_known_suffixes(path, source.format))


def _known_suffixes(path: Path, format_: str) -> tuple[str, ...] | None:
    """What is taken out of a folder, where the config does not say the format."""
    return tuple(FORMAT_BY_SUFFIX) if format_ == "auto" and path.is_dir() else None


def conversation_files(source: ConversationSourceConfig, *, root: Path | None = None) -> list[Path]:
    """The files of a source of conversations, sorted, or the folder of a data set of the hub; empty where it is streamed.

    Raises InputError where there are none.
    """
    if source.format == "hub":
        copy = set_copy(source.path, root=root)
        return [copy] if copy is not None else []
    path = resolve_path(source.path, root=root)
    if source.format == "acts":
        return act_folders(path)
    return expand_paths(path, suffixes=_known_suffixes(path, source.format))


def files_not_read(source: SourceConfig, *, root: Path | None = None) -> dict[str, int]:
    """How many files in the folder of a source are passed over, by suffix, since no format has it."""
    path = resolve_path(source.path, root=root)
    if source.format != "auto" or not path.is_dir():
        return {}
    read = set(source_files(source, root=root))
    return dict(sorted(Counter(file.suffix or "none" for file in expand_paths(path) if file not in read).items()))


def file_names(files: Sequence[Path]) -> list[str]:
    """A name per file that tells it apart from the others: its path below their common folder."""
    if len(files) <= 1:
        names = [file.name.partition(".")[0] for file in files]
    else:
        common = os.path.commonpath([file.parent for file in files])
        names = [file.relative_to(common).as_posix() for file in files]
    return [name.encode("utf-8", "replace").decode() for name in names]


def _files_in(path: Path, source: SourceConfig) -> list[Path]:
    """The files that are read for one path: itself, its translations, or the folder of a data set."""
    if source.format == "acts":
        return files_of([path])
    if path.is_dir():
        return sorted(file for file in path.rglob("*") if file.is_file())
    if source.format == "moses":
        first, *others = source.texts.values()
        return [path, *(aligned_path(path, first, ending) for ending in others)]
    return [path]


def _text_bytes(path: Path) -> int:
    if path.is_dir():
        return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    try:
        return round(path.stat().st_size * (COMPRESSED_TIMES if compression_of(path) else 1))
    except DamagedFileError:
        return 0
