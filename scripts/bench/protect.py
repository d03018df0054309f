"""Speed, false alarms and recall of what protects a corpus: personal data, decontamination, boilerplate lines.

    python scripts/bench/protect.py --corpus DIR          (or QAZ_CORPUS_DIR)

Rates are MB of UTF-8 per second of CPU time on one core, best of three runs over batches of about 1 MB. Values found are
never printed, only counts.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from invented import examples

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.protect.decontaminate import make_decontaminator, read_items
from qaz_llm.data.protect.pii import redact_texts
from qaz_llm.data.quality.boilerplate import strip_boilerplates
from qaz_llm.io import CORPUS_DIR_VARIABLE, read_jsonl
from qaz_llm.language.buffer import scan_texts

PROSE = {
    "encyclopaedia kk": ("kazqad/kazqad_rc_validation.jsonl.gz", "context", 1),
    "news kk": ("kaznerd/kaznerd_valid.jsonl.gz", "text", 8),
    "government kk": ("apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "text", 8),
    "government ru": ("apertium_kaz_rus/gov_corpus_ru.jsonl.gz", "text", 8),
    "sentences en": ("ud_en_ewt/ud_en_ewt.jsonl.gz", "text", 10),
}
"""File, field and rows joined to one document."""

EVALUATION = ("flores200", "sib200", "belebele_kk", "kazqad/kazqad-topics-v1.0-kk-*.tsv", "tatoeba", "gsm8k", "mgsm")
BATCH_CHARS = 600_000
MIN_BYTES = 8_000_000
"""Smaller sources are repeated up to so many bytes, so that the clock has something to measure."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get(CORPUS_DIR_VARIABLE), required=False)
    parser.add_argument("--random", type=int, default=1_000_000, help="random numbers of twelve digits")
    options = parser.parse_args()
    if options.corpus:
        print_rates(options.corpus)
    else:
        print("no corpus: rates are left out; name one by --corpus or QAZ_CORPUS_DIR")
    print_false_alarms(options.random)
    print_recall()


def print_rates(corpus: Path) -> None:
    config = DecontaminateConfig(paths=EVALUATION)
    index = make_decontaminator(read_items(config, root=corpus), config)
    print(f"decontamination index: {len(index.item_ids):,} items, {index.describe()['ngrams']:,} n-grams")
    print(
        f"{'':18}{'redact':>10}{'decontaminate':>15}{'boilerplate':>13}   personal data, lines removed, documents hit"
    )
    for name, (file, field, rows) in PROSE.items():
        documents = list(_documents(corpus / file, field, rows))
        size = sum(len(text.encode()) for text in documents)
        batches = list(_batches(documents * max(1, MIN_BYTES // size)))
        scanned = [scan_texts(batch) for batch in batches]
        total = sum(len(text.encode()) for batch in batches for text in batch)
        rates = [
            total / 1e6 / _seconds(redact_texts, batches),
            total / 1e6 / _seconds(index.hits, scanned),
            total / 1e6 / _seconds(strip_boilerplates, scanned),
        ]
        found = sum((Counter(item.counts) for item in redact_texts(documents)), Counter[str]())
        once = scan_texts(documents)
        lines = sum(item.lines for item in strip_boilerplates(once))
        hit = sum(name is not None for name in index.hits(once))
        print(f"{name:18}{rates[0]:7.0f}MB/s{rates[1]:11.0f}MB/s{rates[2]:9.0f}MB/s   {dict(found)} {lines} {hit}")


def _documents(path: Path, field: str, rows: int) -> Iterator[str]:
    texts = [row[field] for row in read_jsonl(path)]
    for start in range(0, len(texts), rows):
        yield "\n".join(texts[start : start + rows])


def _batches(documents: Sequence[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    chars = 0
    for text in documents:
        batch.append(text)
        chars += len(text)
        if chars >= BATCH_CHARS:
            yield batch
            batch, chars = [], 0
    if batch:
        yield batch


def _seconds(work: Callable[..., object], batches: Sequence[object]) -> float:
    work(batches[0])  # compiled, or read from the cache
    times = []
    for _ in range(3):
        started = time.process_time()
        for batch in batches:
            work(batch)
        times.append(time.process_time() - started)
    return min(times)


def print_false_alarms(count: int) -> None:
    rng = random.Random(1)
    numbers: Counter[str] = Counter()
    for start in range(0, count, 10_000):
        batch = [f"{rng.randrange(10**12):012d}" for _ in range(min(10_000, count - start))]
        for item in redact_texts(batch):
            numbers.update(item.counts)
    shares = {kind: f"{100 * number / count:.3f} %" for kind, number in sorted(numbers.items())}
    print(
        f"\nrandom numbers of 12 digits without context: {count:,}; alarms {100 * numbers.total() / count:.3f} %, {shares}"
    )
    for name, make in TABLES.items():
        rows = [make(rng) for _ in range(20_000)]
        alarms = sum((Counter(item.counts) for item in redact_texts(rows)), Counter[str]())
        print(f"{name}: {len(rows):,} rows, alarms {1000 * alarms.total() / len(rows):.2f} per thousand {dict(alarms)}")


def _parted(value: int) -> str:
    return f"{value:,}".replace(",", " ")


TABLES: dict[str, Callable[[random.Random], str]] = {
    "seven columns of counts, thousands parted by spaces": lambda rng: " ".join(
        _parted(rng.randrange(10 ** rng.randint(1, 8))) for _ in range(7)
    ),
    "seven columns of counts, tabs": lambda rng: "\t".join(
        str(rng.randrange(10 ** rng.randint(1, 8))) for _ in range(7)
    ),
    "years and sums in words": lambda rng: (
        f"{rng.randint(1900, 2026)} жылы {_parted(rng.randrange(10**11))} теңге, {rng.randint(1, 400)}-бет"
    ),
    "coordinates": lambda rng: f"{rng.uniform(40, 55):.6f}, {rng.uniform(46, 87):.6f}",
    "ISBN": lambda rng: f"ISBN 978-601-{rng.randint(10, 99)}-{rng.randrange(10**4):04d}-{rng.randrange(10)}",
    "laws": lambda rng: (
        f"{rng.randint(1991, 2026)} жылғы {rng.randint(1, 28)} мамырдағы № {rng.randrange(1000)}-IV Заңы"
    ),
    "barcodes (EAN-13 of Kazakhstan)": lambda rng: f"487{rng.randrange(10**10):010d}",
}


def print_recall() -> None:
    found: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for example in examples(seed=1, count=2000):
        total[example.kind] += 1
        redacted = redact_texts([example.text])[0]
        found[example.kind] += example.value not in redacted.text and example.kind in redacted.counts
    print("\nrecall on invented numbers in sentences and rows of kk, ru and en:")
    for kind, number in total.items():
        print(f"  {kind:10}{found[kind]:6,} of {number:6,}   {100 * found[kind] / number:.2f} %")


if __name__ == "__main__":
    main()
