#!/usr/bin/env python
"""How fast documents are read, in megabytes of UTF-8 text per second of one core, by format and compression.

    scripts/bench/readers.py --corpus DIR [--mb 64] [--json]

DIR holds `.jsonl`, `.jsonl.gz` … files with a `text` field (or the one that --field names). Their texts, repeated up to --mb, are
written in each format to a temporary folder and read back; times are CPU times, the best of three.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import io
import json
import lzma
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.sources import read_documents
from qaz_llm.io import read_jsonl

COMPRESS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": lambda data: gzip.compress(data, 6),
    ".zst": lambda data: zstandard.ZstdCompressor(level=6).compress(data),
    ".bz2": bz2.compress,
    ".xz": lambda data: lzma.compress(data, preset=1),
}


def corpus_texts(folder: Path, field: str, megabytes: float) -> list[str]:
    """Texts of the corpus, again from the start where there are too few."""
    found = [row[field] for path in sorted(folder.rglob("*.jsonl*")) for row in read_jsonl(path) if row.get(field)]
    if not found:
        raise SystemExit(f"{folder}: no JSONL file there has a field {field!r}")
    texts, size = [], 0
    for text in cycle(found):
        texts.append(text)
        size += len(text.encode())
        if size >= megabytes * 1e6:
            return texts
    return texts


def as_jsonl(texts: Sequence[str]) -> bytes:
    return "".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts).encode()


def as_csv(texts: Sequence[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream).writerows([["text"], *([text] for text in texts)])
    return stream.getvalue().encode()


def write_all(texts: Sequence[str], folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Each file's name and the config values that it is read with."""
    cases: list[tuple[str, dict[str, Any]]] = []
    for suffix, compress in COMPRESS.items():
        (folder / f"a.jsonl{suffix}").write_bytes(compress(as_jsonl(texts)))
        cases.append((f"a.jsonl{suffix}", {}))
    cases.append(("a.jsonl", {"part_bytes": 8 << 20}))
    pq.write_table(pa.table({"text": list(texts), "url": [""] * len(texts)}), folder / "a.parquet", compression="zstd")
    flat = [" ".join(text.split()) for text in texts]
    (folder / "a.txt").write_text("\n".join(flat))
    (folder / "a.tsv").write_text("\n".join(["text", *flat]))
    (folder / "p.txt").write_text("\n\n".join("\n".join(text.split("\n")) for text in texts))
    (folder / "a.csv").write_bytes(as_csv(texts))
    return [*cases, ("a.parquet", {}), ("a.txt", {}), ("a.tsv", {}), ("p.txt", {"rows": "paragraphs"}), ("a.csv", {})]


def measure(path: Path, values: Mapping[str, Any]) -> tuple[float, int, int]:
    """Megabytes of text per second, documents, bytes of text."""
    source = SourceConfig(name="bench", path=str(path), **values)
    best, count, size = float("inf"), 0, 0
    for _ in range(3):
        started = time.process_time()
        count = sum(1 for _ in read_documents(source))
        best = min(best, time.process_time() - started)
    size = sum(len(document.text.encode()) for document in read_documents(source))
    return size / 1e6 / best, count, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--field", default="text")
    parser.add_argument("--mb", type=float, default=64)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts = corpus_texts(arguments.corpus, arguments.field, arguments.mb)
    results = []
    with tempfile.TemporaryDirectory() as name:
        for file, values in write_all(texts, Path(name)):
            rate, count, size = measure(Path(name) / file, values)
            results.append({"file": file, **values, "mb_per_s": round(rate, 1), "documents": count, "text_bytes": size})
    if arguments.json:
        print(json.dumps(results))
        return
    print(f"{'file':<12} {'options':<24} {'MB/s of text':>12} {'documents':>10} {'text MB':>8}")
    for row in results:
        options = " ".join(f"{key}={row[key]}" for key in ("part_bytes", "rows") if key in row)
        print(
            f"{row['file']:<12} {options:<24} {row['mb_per_s']:>12,.0f} {row['documents']:>10,} "
            f"{row['text_bytes'] / 1e6:>8.1f}"
        )


if __name__ == "__main__":
    main()
