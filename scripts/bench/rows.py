#!/usr/bin/env python
"""How fast text becomes packed rows, in megabytes of UTF-8 text per second of one core, beside the plain tokenizer.

    scripts/bench/rows.py --tokenizer llama3=DIR [--tokenizer …] --text kk=FILE[:FIELD] [--text …] [--json]

Rows of the files are joined into documents of some paragraphs, each text once: repeated text would flatter a memo. In one run:

    plain      the tokenizer's own call on batches of 256 texts, as rows were made before there was a memo
    memo       the same ids by `rows.encode`, the memo empty at the start
    later      the last third of that run, where the memo holds what came before: nearer to a long run
    to rows    from a JSONL file to rows on disk by `rows.maker`, memo empty at the start

Times are CPU times of one process. The ids of every text are compared with the tokenizer's own; one that differs ends the run.
`--tokens 50e9 --nodes 16 --cores 96` is for the estimate: tokens × bytes per token (of this text) ÷ (rate to rows × nodes × cores).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

os.environ["TOKENIZERS_PARALLELISM"] = "false"

from qaz_llm.io import read_rows
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.encode import TextEncoder
from qaz_llm.rows.maker import BATCH_TEXTS, RowMaker
from qaz_llm.rows.parts import RowPart
from qaz_llm.tokenizer.fast import load_fast_tokenizer

PARAGRAPH_ROWS, DOCUMENT_PARAGRAPHS = 5, 4
PLAIN_BATCH = 256


def documents_of(spec: str, max_bytes: float) -> list[str]:
    """Documents of some paragraphs of some rows; long rows are documents by themselves."""
    name, _, field = spec.partition(":")
    texts = (row[field or "text"] for row in read_rows(Path(name)))
    paragraphs: list[str] = []
    documents: list[str] = []
    size = 0
    while rows := [text for text in islice(texts, PARAGRAPH_ROWS) if isinstance(text, str) and text.strip()]:
        for paragraph in rows if len(rows[0]) > 2000 else [" ".join(rows)]:
            paragraphs.append(paragraph)
            if len(paragraphs) == DOCUMENT_PARAGRAPHS or len(paragraph) > 2000:
                documents.append("\n".join(paragraphs))
                size += len(documents[-1].encode())
                paragraphs = []
        if size > max_bytes:
            break
    return documents + (["\n".join(paragraphs)] if paragraphs else [])


def megabytes(texts: Sequence[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


def seconds_of(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def own_ids(tokenizer: Any, texts: Sequence[str], **how: Any) -> list[list[int]]:
    found: list[list[int]] = []
    for start in range(0, len(texts), PLAIN_BATCH):
        batch = list(texts[start : start + PLAIN_BATCH])
        found += tokenizer(batch, return_attention_mask=False, verbose=False, **how)["input_ids"]
    return found


def encode_all(encoder: TextEncoder, texts: Sequence[str]) -> list[Any]:
    batches = (texts[start : start + BATCH_TEXTS] for start in range(0, len(texts), BATCH_TEXTS))
    return [ids for batch in batches for ids in encoder(batch)]


def check(tokenizer: Any, encoder: TextEncoder, texts: Sequence[str]) -> int:
    """The number of tokens. Ends the run where one id is not the tokenizer's own."""
    eos = tokenizer.eos_token_id
    tokens = 0
    for text, own, ids in zip(
        texts, own_ids(tokenizer, texts, split_special_tokens=True), encode_all(encoder, texts), strict=True
    ):
        wanted = own if eos is None or own[-1:] == [eos] else [*own, eos]
        if ids.tolist() != wanted:
            raise SystemExit(f"the ids of {text[:80]!r} differ from the tokenizer's")
        tokens += len(wanted)
    return tokens


def measure(tokenizer: Any, texts: Sequence[str], folder: Path) -> dict[str, Any]:
    size = megabytes(texts)
    plain = seconds_of(lambda: own_ids(tokenizer, texts))
    encoder = TextEncoder(tokenizer)
    cut = len(texts) * 2 // 3
    first = seconds_of(lambda: encode_all(encoder, texts[:cut]))
    later = seconds_of(lambda: encode_all(encoder, texts[cut:]))
    file = folder / "a.jsonl"
    file.write_text("".join(json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")
    maker = RowMaker(tokenizer)
    maker.encoder  # noqa: B018  reading the vocabulary belongs to the start, not to the rate
    entry = MixEntry(name="bench", path=str(file))
    shape = RowShape(4096, chat=False, splits=True)
    to_rows = seconds_of(lambda: maker.make(entry, shape, RowPart((file,)), folder / "rows"))
    tokens = check(tokenizer, encoder, texts)
    return {
        "text_mb": round(size, 2),
        "bytes_per_token": round(size * 1e6 / tokens, 3),
        "plain_mb_per_s": round(size / plain, 2),
        "memo_mb_per_s": round(size / (first + later), 2),
        "later_mb_per_s": round(megabytes(texts[cut:]) / later, 2),
        "to_rows_mb_per_s": round(size / to_rows, 2),
        "why_plain": encoder.why_plain,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokenizer", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--text", action="append", required=True, metavar="LANGUAGE=FILE[:FIELD]")
    parser.add_argument("--max-mb", type=float, default=1e6, help="of each language")
    parser.add_argument("--tokens", type=float, default=50e9)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--cores", type=int, default=96, help="of each node")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    texts: dict[str, list[str]] = {}
    for language, _, spec in (given.partition("=") for given in arguments.text):
        left = arguments.max_mb - megabytes(texts.setdefault(language, []))
        texts[language] += documents_of(spec, left * 1e6) if left > 0 else []
    results = []
    for name, _, place in (given.partition("=") for given in arguments.tokenizer):
        tokenizer = load_fast_tokenizer(place)
        for language, documents in texts.items():
            with tempfile.TemporaryDirectory() as folder:
                row = {"tokenizer": name, "language": language, **measure(tokenizer, documents, Path(folder))}
            rate = row["to_rows_mb_per_s"] * 1e6 * arguments.nodes * arguments.cores
            row["estimated_s"] = round(arguments.tokens * row["bytes_per_token"] / rate, 1)
            row["process_peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
            results.append(row)
            if not arguments.json:
                print_row(row, arguments)
    if arguments.json:
        print(json.dumps(results))


def print_row(row: dict[str, Any], arguments: argparse.Namespace) -> None:
    print(
        f"{row['tokenizer']:<12} {row['language']:<4} {row['text_mb']:>6.1f} MB {row['bytes_per_token']:>6.2f} bytes/token"
        f"  plain {row['plain_mb_per_s']:>5.2f}  memo {row['memo_mb_per_s']:>5.2f}  later {row['later_mb_per_s']:>5.2f}"
        f"  to rows {row['to_rows_mb_per_s']:>5.2f} MB/s and core;  {arguments.tokens:.3g} tokens on"
        f" {arguments.nodes} × {arguments.cores} cores: {row['estimated_s'] / 60:,.1f} min"
        + (f"  (no memo: {row['why_plain']})" if row["why_plain"] else ""),
        flush=True,
    )


if __name__ == "__main__":
    main()
