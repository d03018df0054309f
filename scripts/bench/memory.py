"""Memory and time of duplicate search by number of documents, on made-up parts, and what 25 million documents would take.

    python scripts/bench/memory.py [--documents 250000 500000 1000000 2000000] [--folder DIR] [--memory-gb 2]

No text is needed but that of candidates, so the columns of a part are written straight away: per 100 documents 60 of their
own, 15 copies of others and 25 near copies that share three bands in ten and three quarters of their words; 20 lines each, of
which one in twenty is one of a thousand that many documents have. Each size runs in a process of its own: grouping,
verification, the plan of common lines, ids of the copies that stay.

  anonymous   what the process itself holds; the kernel cannot take it back
  resident    with the pages of mapped files (columns, shingles), which it takes back when memory is short
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.dedup import REASONS, Part, find_duplicates, plan_lines, read_ids
from qaz_llm.data.duplicates.features import INDEX, column_path, index_of
from qaz_llm.io import write_json

CONFIG = DedupConfig()
PART_DOCUMENTS = 250_000
BLOCKS = 20
WORDS = 150
TARGET = 25_000_000

Numbers = npt.NDArray[np.uint64]


def mixed(*values: Numbers | int) -> Numbers:
    """One hash of several numbers (splitmix64)."""
    key = np.zeros(1, np.uint64)
    for value in values:
        key = key ^ np.asarray(value, np.uint64)
        key = key + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        key ^= key >> np.uint64(31)
    return key


def original_of(numbers: Numbers) -> Numbers:
    """The document that each is a copy of, or itself."""
    place = numbers % np.uint64(100)
    back = np.where(place >= 60, np.uint64(60), np.uint64(0))
    return np.where(place >= 60, numbers - back, numbers)  # 60–74 copy 0–14, 75–99 resemble 15–39


def is_near_copy(numbers: Numbers) -> npt.NDArray[np.bool_]:
    return numbers % np.uint64(100) >= 75


def write_part(folder: Path, first: int) -> None:
    """The columns of the documents first … first + PART_DOCUMENTS."""
    folder.mkdir(parents=True)
    numbers = np.arange(first, first + PART_DOCUMENTS, dtype=np.uint64)
    text = np.where(is_near_copy(numbers), numbers, original_of(numbers))
    ids = [f"web-kk/{number:012d}#{number % 977:08d}".encode() for number in numbers.tolist()]
    blocks = mixed(text[:, None], np.arange(BLOCKS, dtype=np.uint64)[None, :])
    shared = mixed(blocks, 1) % np.uint64(20) == 0
    blocks = np.sort(np.where(shared, mixed(mixed(blocks, 2) % np.uint64(1000)), blocks), axis=1)
    columns = {
        "ids": np.frombuffer(b"".join(ids), np.uint8),
        "id_ends": np.cumsum([len(one) for one in ids]),
        "id_hashes": np.stack([mixed(numbers, 3), mixed(numbers, 4)], axis=1),
        "text_hashes": np.stack([mixed(text, 5), mixed(text, 6)], axis=1),
        "licences": np.full(PART_DOCUMENTS, 1, np.uint8),
        "qualities": (mixed(text, 7) % np.uint64(100)).astype(np.float32) / 100,
        "num_words": np.full(PART_DOCUMENTS, WORDS, np.uint32),
        "blocks": blocks,
        "block_ends": np.arange(1, PART_DOCUMENTS + 1) * BLOCKS,
    }
    for name, values in columns.items():
        values.tofile(column_path(folder, name))
    with column_path(folder, "bands").open("wb") as file:
        for band in range(CONFIG.bands):
            lost = is_near_copy(numbers) & (mixed(numbers, 8, band) % np.uint64(10) >= 3)
            mixed(np.where(lost, text, original_of(numbers)), 9, band).tofile(file)
    write_json(folder / INDEX, {**index_of(CONFIG, 0), "num_documents": PART_DOCUMENTS})


def open_part(folder: Path, first: int, vocabulary: list[str]) -> Part:
    def texts(rows: npt.NDArray[np.int64]) -> Iterator[str]:
        numbers = rows.astype(np.uint64) + np.uint64(first)
        begins = mixed(original_of(numbers), 10) % np.uint64(len(vocabulary) - WORDS)
        for number, begin, near in zip(numbers.tolist(), begins.tolist(), is_near_copy(numbers).tolist(), strict=True):
            words = vocabulary[begin : begin + WORDS]
            yield " ".join([*words[:-10], *(f"өз{number}{i}" for i in range(10))] if near else words)

    return Part(folder, PART_DOCUMENTS, texts)


class Watch:
    """The most memory held while the block runs, looked at a hundred times a second."""

    def __enter__(self) -> Watch:
        self.anonymous = self.resident = 0
        self._start, self._cpu = time.perf_counter(), time.process_time()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()
        return self

    def _look(self) -> None:
        while not self._done.wait(0.01):
            rows = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
            sizes = {row[0]: int(row[1]) << 10 for row in rows if row[0] in {"RssAnon:", "VmRSS:"}}
            self.anonymous = max(self.anonymous, sizes["RssAnon:"])
            self.resident = max(self.resident, sizes["VmRSS:"])

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.wall_s = time.perf_counter() - self._start
        self.cpu_s = time.process_time() - self._cpu

    def to_dict(self) -> dict[str, float]:
        sizes = {name: getattr(self, name) for name in ("anonymous", "resident")}
        return {**sizes, "wall_s": round(self.wall_s, 1), "cpu_s": round(self.cpu_s, 1)}


def run_once(folder: Path, count: int, memory_bytes: int) -> dict[str, object]:
    vocabulary = [f"сөз{number}" for number in range(100_000)]
    starts = range(0, count, PART_DOCUMENTS)
    parts = [open_part(folder / f"part-{first}", first, vocabulary) for first in starts]
    work = folder / "work"
    work.mkdir()
    with Watch() as grouping:
        decisions = find_duplicates(parts, CONFIG, work=work, memory_bytes=memory_bytes)
    with Watch() as lines:
        plan = plan_lines(parts, decisions.reasons_N, CONFIG, work=work, memory_bytes=memory_bytes)
    with Watch() as ids:
        read_ids(parts, decisions.kept_N)
    counts = np.bincount(decisions.reasons_N, minlength=len(REASONS)).tolist()
    return {
        "documents": count,
        "reasons": dict(zip(REASONS, counts, strict=True)),
        "touched": int(plan.touched_N.sum()),
        "phases": {"duplicates": grouping.to_dict(), "lines": lines.to_dict(), "ids": ids.to_dict()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, nargs="+", default=[250_000, 500_000, 1_000_000, 2_000_000])
    parser.add_argument(
        "--folder", type=Path, help="on a disk, not in memory; default: the system's for temporary files"
    )
    parser.add_argument("--memory-gb", type=float, default=2.0)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    memory_bytes = int(arguments.memory_gb * 1e9)
    if arguments.child is not None:
        print(json.dumps(run_once(arguments.child, arguments.documents[0], memory_bytes)))
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        results = []
        for count in sorted(-(-count // PART_DOCUMENTS) * PART_DOCUMENTS for count in arguments.documents):
            for first in range(0, count, PART_DOCUMENTS):
                if not (folder / f"part-{first}").exists():
                    write_part(folder / f"part-{first}", first)
            command = [sys.executable, __file__, "--child", name, "--documents", str(count)]
            answer = subprocess.run(
                [*command, "--memory-gb", str(arguments.memory_gb)], check=True, capture_output=True
            )
            shutil.rmtree(folder / "work")
            results.append(json.loads(answer.stdout))
            print(json.dumps(results[-1]), flush=True)
    report(results)


def report(results: list[dict[str, object]]) -> None:
    """Slope of each phase by least squares, and the line through it at TARGET."""
    counts = [result["documents"] for result in results]
    if len(set(counts)) < 2:
        return
    for phase in ("duplicates", "lines", "ids"):
        for kind in ("anonymous", "resident", "cpu_s"):
            slope, base = np.polyfit(counts, [result["phases"][phase][kind] for result in results], 1)  # type: ignore[index]
            at_target = base + slope * TARGET
            if kind == "cpu_s":
                print(f"{phase:11} {kind:10} {slope * 1e6:8.1f} s per million, {at_target:,.0f} s at {TARGET:,}")
            else:
                print(f"{phase:11} {kind:10} {slope:8.0f} bytes a document, {at_target / 1e9:.1f} GB at {TARGET:,}")


if __name__ == "__main__":
    main()
