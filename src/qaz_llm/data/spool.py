"""Between cleaning and duplicate search: what each task left on disk, so that memory holds hashes and no text.

A task's folder is renamed into place when whole, and named after what went into it (file, size, date, config, code). A build
that was interrupted finds the finished ones and goes on with the rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.clean import Cleaned, Cleaner
from qaz_llm.data.config import DataConfig
from qaz_llm.data.dedup import Entry, MinHasher, line_hashes
from qaz_llm.data.hashing import Hashes, text_hash
from qaz_llm.data.licences import rank
from qaz_llm.data.plan import Task
from qaz_llm.data.sources import read_documents, read_files
from qaz_llm.io import (
    atomic_dir,
    code_fingerprint,
    fingerprint_file,
    fingerprint_value,
    open_jsonl_for_writing,
    read_json,
    read_jsonl,
    write_json,
)
from qaz_llm.language.segment import match_words
from qaz_llm.records import Document

BATCH_DOCUMENTS = 256


@dataclass(frozen=True)
class Spooled:
    """The result of one task on disk."""

    folder: Path
    stats: Mapping[str, Any]
    """`source`, `documents_in`, `bytes_in`, `dropped`, `repairs`, `found_languages`, `original_scripts`, `fingerprints`."""

    def kept(self) -> Iterator[tuple[Document, Mapping[str, int]]]:
        """Documents that passed, each with the personal data replaced in it, by type."""
        for row in read_jsonl(self.folder / "kept.jsonl.zst"):
            yield Document.from_row(row["document"]), row["pii"]

    def dropped(self) -> Iterator[dict[str, Any]]:
        """Rows of what was dropped: id, source, reason, the beginning of the text."""
        yield from read_jsonl(self.folder / "dropped.jsonl.zst")

    def entries(self) -> Iterator[Entry]:
        for row in read_jsonl(self.folder / "entries.jsonl.zst"):
            yield Entry(**row)

    def signatures(self) -> npt.NDArray[np.uint32]:
        signatures: npt.NDArray[np.uint32] = np.load(self.folder / "signatures.npy", allow_pickle=False)
        return signatures

    def lines(self) -> list[Hashes]:
        """The distinct line hashes of each kept document."""
        with np.load(self.folder / "lines.npz", allow_pickle=False) as arrays:
            return list(np.split(arrays["hashes"], arrays["ends"][:-1])) if len(arrays["ends"]) else []


def task_folder(spool: Path, task: Task, config: DataConfig) -> Path:
    """Where a task's result lies: a name that changes with anything the result depends on."""
    files = [(name, path.stat().st_size, path.stat().st_mtime_ns) for path, name in _named(task)]
    values = config.model_dump(mode="json", exclude={"out", "workers", "sources", "conversations", "shard_bytes"})
    key = [task.source.model_dump(mode="json"), files, values, code_fingerprint("data", "language")]
    return spool / f"{task.source.name}-{fingerprint_value(key)[:16]}"


def _named(task: Task) -> list[tuple[Path, str]]:
    return list(zip(task.paths, task.names, strict=True))


def run_task(task: Task, folder: Path, cleaner: Cleaner) -> Spooled:
    """Clean the documents of a task and leave the result in `folder`, unless it is there already."""
    if not (folder / "stats.json").exists():
        with atomic_dir(folder) as temporary:
            _write(task, temporary, cleaner)
    return Spooled(folder, read_json(folder / "stats.json"))


def _write(task: Task, folder: Path, cleaner: Cleaner) -> None:
    config = cleaner.config
    stop = config.on_bad_row == "stop"
    documents = (
        read_files(task.source, _named(task), stop_on_bad_row=stop)
        if task.paths
        else read_documents(task.source, root=config.root, stop_on_bad_row=stop)
    )
    hasher = MinHasher(config.dedup, config.seed)
    tally = _Tally()
    signatures: list[npt.NDArray[np.uint32]] = []
    lines: list[Hashes] = []
    with (
        open_jsonl_for_writing(folder / "kept.jsonl.zst", compressed=True) as write_kept,
        open_jsonl_for_writing(folder / "entries.jsonl.zst", compressed=True) as write_entry,
        open_jsonl_for_writing(folder / "dropped.jsonl.zst", compressed=True) as write_dropped,
    ):
        while batch := list(islice(documents, BATCH_DOCUMENTS)):
            for before, item in zip(batch, cleaner(batch), strict=True):
                tally.add(before, item)
                if item.reason is not None:
                    write_dropped(dropped_row(item.document, item.reason))
                    continue
                write_kept({"document": item.document.to_row(), "pii": item.pii})
                write_entry(_entry_row(item.document))
                if config.dedup.near:
                    signatures.append(hasher.signature(item.document.text))
                if config.dedup.lines:
                    lines.append(line_hashes(item.document.text, min_words=config.dedup.line_min_words))
    width = config.dedup.bands * config.dedup.rows
    np.save(folder / "signatures.npy", np.array(signatures, dtype=np.uint32).reshape(-1, width))
    ends = np.cumsum([len(array) for array in lines], dtype=np.int64)
    np.savez(folder / "lines.npz", hashes=np.concatenate(lines) if lines else np.empty(0, np.uint64), ends=ends)
    write_json(
        folder / "stats.json",
        {
            "source": task.source.name,
            **tally.to_dict(),
            "fingerprints": {n: fingerprint_file(p) for p, n in _named(task)},
        },
    )


def dropped_row(document: Document, reason: str, *, of: str | None = None) -> dict[str, Any]:
    """The row of dropped-*.jsonl.zst; `of` is the id of the copy that stays."""
    row = {
        "id": document.id,
        "source": document.source,
        "reason": reason,
        "language": document.language,
        "text": document.text,
    }
    return row if of is None else {**row, "of": of}


def _entry_row(document: Document) -> dict[str, Any]:
    return {
        "id": document.id,
        "text_hash": text_hash(document.text),
        "licence_rank": rank(document.licence),
        "quality": document.meta.get("quality", 0.0),
        "num_words": len(match_words(document.text)),
    }


class _Tally:
    """Counts over the documents of a task."""

    def __init__(self) -> None:
        self.documents_in = 0
        self.bytes_in = 0
        self.counts: dict[str, Counter[str]] = {
            name: Counter() for name in ("dropped", "repairs", "found_languages", "original_scripts")
        }

    def add(self, before: Document, after: Cleaned) -> None:
        self.documents_in += 1
        self.bytes_in += len(before.text.encode("utf-8", "replace"))
        if after.reason is not None:
            self.counts["dropped"][after.reason] += 1
        self.counts["repairs"].update(after.repairs)
        self.counts["found_languages"][after.found_language] += 1
        script = after.document.meta.get("original_script", after.document.script)
        self.counts["original_scripts"][str(script)] += 1

    def to_dict(self) -> dict[str, Any]:
        sizes = {"documents_in": self.documents_in, "bytes_in": self.bytes_in}
        return {**sizes, **{name: dict(sorted(counter.items())) for name, counter in self.counts.items()}}
