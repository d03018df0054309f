"""Between cleaning and duplicate search: what each part of the input left on disk, so that memory holds no text.

    WORK/<source>-<key>/kept.jsonl          the rows of the documents that passed, as they will be written
                        dropped.jsonl       the rows of those that did not
                        columns.parquet     what the manifest counts of each kept document
                        features/           what duplicate search compares (see features.py)
                        stats.json          counts over the part

A folder is renamed into place when whole, and its key changes with all that went into it (file, range, size, date, config,
code). A build that was interrupted finds the finished parts and goes on with the rest; a build with one more source finds
all the old ones; the tasks of a job array each make some, and one of them puts all together.

The rows are not compressed: they are read twice and then removed, and zstd would take as long as all rules of quality do.
"""

from __future__ import annotations

import gc
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.cluster.job import note_progress
from qaz_llm.data.clean import Cleaned, Cleaner, batches
from qaz_llm.data.config import DataConfig
from qaz_llm.data.duplicates.dedup import FeatureWriter
from qaz_llm.data.duplicates.dedup import Part as DedupPart
from qaz_llm.data.first_rows import encodings_of
from qaz_llm.data.licence_ledger import content_hash
from qaz_llm.data.notices import Notices
from qaz_llm.data.plan import Task
from qaz_llm.data.sources import PLACE, read_task
from qaz_llm.data.tally import Tally
from qaz_llm.errors import QazError
from qaz_llm.io import (
    atomic_dir,
    code_fingerprint,
    dump_row,
    fingerprint_value,
    open_lines_for_writing,
    parse_row,
    read_json,
    read_lines,
    write_json,
)
from qaz_llm.io.arrow import number_array, numbers_of, string_array, strings_of
from qaz_llm.language.buffer import ScannedTexts
from qaz_llm.language.rescan import rescan
from qaz_llm.progress import get_logger
from qaz_llm.records import Document, Verdict

_logger = get_logger("data")

KEPT, DROPPED = "kept.jsonl", "dropped.jsonl"
COLUMNS = "columns.parquet"
STATS = "stats.json"
"""Written last of a part's files."""

NOT_IN_KEY = {"out", "work", "root", "workers", "memory_gb", "sources", "conversations", "shard_bytes", "licences"}
"""Parts of a config that a part's result does not depend on. (Refused sources are not read; see licence_field below.)"""


@dataclass(frozen=True)
class Columns:
    """What the manifest counts, of each kept document; `pii_N` holds JSON where something was replaced, else None."""

    languages_N: npt.NDArray[np.object_]
    scripts_N: npt.NDArray[np.object_]
    licences_N: npt.NDArray[np.object_]
    words_N: npt.NDArray[np.int64]
    bytes_N: npt.NDArray[np.int64]
    pii_N: npt.NDArray[np.object_]


@dataclass(frozen=True)
class Spooled:
    """The result of one task on disk."""

    folder: Path
    stats: Mapping[str, Any]
    """Counts of tally.Tally, and `source`, `documents_out`, `notices`, `encodings`, `fingerprints`."""

    @property
    def num_kept(self) -> int:
        return int(self.stats["documents_out"])

    def kept_lines(self) -> Iterator[bytes]:
        """The rows of documents that passed, as JSON lines."""
        return read_lines(self.folder / KEPT)

    def dropped_lines(self) -> Iterator[bytes]:
        return read_lines(self.folder / DROPPED)

    def texts(self, rows: npt.NDArray[np.int64]) -> Iterator[str]:
        """The texts of some kept documents, by their numbers in rising order."""
        wanted = iter(rows.tolist())
        row = next(wanted, None)
        for number, line in enumerate(self.kept_lines()):
            if row is None:
                return
            if number == row:
                yield parse_row(line)["text"]
                row = next(wanted, None)

    def places(self, rows: npt.NDArray[np.int64]) -> list[str]:
        """Where the rows of some kept documents stand, by their numbers: `b.jsonl/00000003`."""
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.folder / COLUMNS) as file:
            places = file.read(columns=[PLACE])[PLACE].take(number_array(rows)).to_pylist()
        return [place or "again" for place in places]  # a number that is another row's id has no place beside itself

    def dedup_part(self) -> DedupPart:
        return DedupPart(self.folder / "features", self.num_kept, self.texts)

    def columns(self) -> Columns:
        import pyarrow.parquet as pq

        with pq.ParquetFile(self.folder / COLUMNS) as file:
            table = file.read(columns=["language", "script", "licence", "words", "bytes", "pii"])
        strings = {name: strings_of(table[name]) for name in ("language", "script", "licence", "pii")}
        words, sizes = (numbers_of(table[name]) for name in ("words", "bytes"))
        return Columns(strings["language"], strings["script"], strings["licence"], words, sizes, strings["pii"])


def task_folder(work: Path, task: Task, config: DataConfig, items_fingerprint: str) -> Path:
    """Where a task's result lies: a name that changes with anything the result depends on."""
    values = config.model_dump(mode="json", exclude=NOT_IN_KEY)
    if task.source.licence_field is not None:
        values["licences"] = config.licences.model_dump(mode="json")
    key = [
        task.key,
        task.source.model_dump(mode="json", exclude={"citation", "homepage", "part_bytes"}),
        values,
        items_fingerprint,
        code_fingerprint("data", "language"),
    ]
    return work / f"{task.source.name}-{fingerprint_value(key)[:16]}"


def is_done(folder: Path) -> bool:
    """Whether a task's result is there, and whole: every file of it, with the size it was written with."""
    try:
        sizes: Mapping[str, int] = read_json(folder / STATS)["files"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (QazError, OSError, KeyError):
        return False


def run_task(task: Task, folder: Path, cleaner: Cleaner) -> Spooled:
    """Clean the documents of a task and leave the result in `folder`, unless it is there already."""
    if not is_done(folder):
        if folder.exists():
            _logger.warning(f"{folder} is not whole; cleaning that part again")
            shutil.rmtree(folder)
        with atomic_dir(folder) as temporary, _fewer_collections():
            _write(task, temporary, cleaner)
    return open_spooled(folder)


@contextmanager
def _fewer_collections() -> Iterator[None]:
    """Look for cycles of garbage seldom: records and lists by the ten thousand make none, and looking takes a tenth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(200_000, 20, 50)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def open_spooled(folder: Path) -> Spooled:
    return Spooled(folder, read_json(folder / STATS))


def _write(task: Task, folder: Path, cleaner: Cleaner) -> None:
    config = cleaner.config
    notices = Notices()
    stop = config.on_bad_row == "stop"
    documents = read_task(task, root=config.root, stop_on_bad_row=stop, notices=notices, opt_outs=cleaner.opt_outs)
    tally = Tally()
    with _PartWriter(folder, cleaner) as writer:
        for batch in batches(documents):
            tally.read(batch)
            cleaned, scanned = cleaner.clean(batch)
            for item in cleaned:
                tally.add(item)
            writer.add(cleaned, scanned)
    counts = {"documents_out": writer.num_kept, "notices": notices.to_list(), "encodings": encodings_of(task)}
    stats = {"source": task.source.name, **tally.to_dict(), **counts}
    files = {str(path.relative_to(folder)): path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    write_json(folder / STATS, {**stats, "fingerprints": task.fingerprints(), "files": files})
    note_progress(f"part {folder.name}")


class _PartWriter:
    """The files of one part, open for writing."""

    def __init__(self, folder: Path, cleaner: Cleaner) -> None:
        config = cleaner.config
        self.num_kept = 0
        self._folder = folder
        self._decontaminator = cleaner.decontaminator
        self._files = ExitStack()
        self._kept = self._files.enter_context(open_lines_for_writing(folder / KEPT, level=None))
        self._dropped = self._files.enter_context(open_lines_for_writing(folder / DROPPED, level=None))
        (folder / "features").mkdir()
        self._features = FeatureWriter(folder / "features", config.dedup, config.seed)
        self._columns: dict[str, list[Any]] = {
            name: [] for name in ("language", "script", "licence", "words", "bytes", "pii", PLACE)
        }

    def __enter__(self) -> _PartWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._files.close()
        if kind is None:
            self._features.close()
            self._write_columns()

    def add(self, cleaned: list[Cleaned], scanned: ScannedTexts) -> None:
        """The results of a batch; of most texts that stay, `scanned` knows the words."""
        kept = [item for item in cleaned if item.reason is None]
        for item in cleaned:
            if item.reason is not None:
                self._dropped(dump_row(dropped_row(item.document, item.verdict, **self._found(item))))
        if not kept:
            return
        scanned = rescan(scanned, [item.document.text for item in kept])
        self._features.add([item.document for item in kept], scanned)
        for item, length in zip(kept, _num_words(scanned), strict=True):
            data = item.document.text.encode()
            document = item.document
            self._kept(dump_row(kept_row(document, data)))
            pii = dump_row(item.pii).decode() if item.pii else None
            place = document.meta.get(PLACE)
            values = (document.language, document.script, document.licence, length, len(data), pii, place)
            for column, value in zip(self._columns.values(), values, strict=True):
                column.append(value)
        self.num_kept += len(kept)

    def _found(self, item: Cleaned) -> dict[str, Any]:
        """What else is known of a dropped document: the languages found in it, the evaluation item it has text of."""
        found: dict[str, Any] = {"languages": dict(item.shares)} if item.shares else {}
        if item.eval_items:
            first = item.eval_items[0]
            found |= {"file": self._decontaminator.file_of(first), "item": self._decontaminator.item_ids[first]}
        return found

    def _write_columns(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        arrays = {
            name: number_array(np.array(values, dtype=np.int64)) if name in ("words", "bytes") else string_array(values)
            for name, values in self._columns.items()
        }
        pq.write_table(pa.table(arrays), self._folder / COLUMNS, compression="zstd")


def kept_row(document: Document, data: bytes) -> dict[str, Any]:
    """The row of documents-*.jsonl.zst, with the hash of the text, given in UTF-8, by which it can be found again."""
    row = document.to_row()
    row["meta"] = {**document.meta, "hash": content_hash(data)}
    row["meta"].pop(PLACE, None)
    return row


def _num_words(scanned: ScannedTexts) -> list[int]:
    """Words of each text as segment.words counts them: parts joined by a hyphen are one word."""
    firsts = np.concatenate([[0], np.cumsum(~scanned.words.joined_W)])
    counts: list[int] = np.diff(firsts[scanned.words.doc_starts_D]).tolist()
    return counts


def dropped_row(document: Document, verdict: Verdict, **found: Any) -> dict[str, Any]:
    """The row of dropped-*.jsonl.zst: where the document came from, why it was dropped, what was measured and the limit.

    What was done to it before is in `repairs`, `pii` and `original_script`, where there was something. `found` is what a step
    found: `of` and `similarity`, the id of the copy that stays and how alike the two are; `file` and `item`, the
    evaluation item; `languages`, the share of each.
    """
    row: dict[str, Any] = {
        "id": document.id,
        "source": document.source,
        "reason": verdict.reason,
        "language": document.language,
        "text": document.text,
    }
    known = {"url": document.url, "value": verdict.value, "limit": verdict.limit}
    known |= {name: document.meta.get(name) for name in TOLD_OF_DROPPED} | found
    row |= {key: value for key, value in known.items() if value is not None}
    return row


TOLD_OF_DROPPED = ("repairs", "pii", "original_script", "alphabet", "languages", "quality")
"""What is kept of the meta of a dropped document."""
