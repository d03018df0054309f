#!/usr/bin/env python3
"""How fast and how well texts are repaired and brought to Cyrillic, on real Kazakh text.

    QAZ_CORPUS_DIR=DIR scripts/bench/repair.py [--corpus DIR] [--show 10]

Speeds are megabytes of UTF-8 per second of CPU time on one core, compilation of the kernels left out; batches are of 256
texts. Dirt is added to real text by a seeded function: what an ordinary web page has, and in every eighth text a broken
encoding besides. The Latin and Arabic texts are interface texts of MediaWiki that people wrote in all three scripts.
"""

from __future__ import annotations

import argparse
import difflib
import gzip
import json
import os
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.language.alphabet import CYRILLIC_TO_LATIN
from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.repair import repair_texts
from qaz_llm.language.scripts import detect_scripts, to_cyrillic

BATCH_TEXTS = 256
SEED = 7
PASSES = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--show", type=int, default=0, help="print this many texts before and after repair")
    arguments = parser.parse_args()
    if arguments.corpus is None or not Path(arguments.corpus).is_dir():
        parser.error("name the folder of real text by --corpus DIR or QAZ_CORPUS_DIR")
    corpus = Path(arguments.corpus)
    clean = [repaired.text for repaired in repair_texts(list(kazakh_texts(corpus)))]
    rng = random.Random(SEED)
    dirty = [make_dirty(text, rng) for text in clean]
    broken = [break_encoding(text, rng) if number % 8 == 0 else text for number, text in enumerate(dirty)]
    for name, texts in (("clean", clean), ("web dirt", dirty), ("web dirt, 1 in 8 broken encoding", broken)):
        size = megabytes_of(texts)
        print(f"{name:34}{size:6.1f} MB{speed(repair_texts, batches(texts), size):8.1f} MB/s  repair_texts")
    scanned = [scan_texts(batch) for batch in batches(clean)]
    print(
        f"{'clean':34}{megabytes_of(clean):6.1f} MB{speed(detect_scripts, scanned, megabytes_of(clean)):8.1f} MB/s  detect_scripts"
    )
    print_repairs(dirty, arguments.show)
    print_three_scripts(corpus)


def kazakh_texts(corpus: Path) -> Iterator[str]:
    """Encyclopaedia passages as they are, and lines of government pages joined to texts of some 2 kB."""
    passages = {row["context"]: None for row in read_rows(corpus / "kazqad" / "kazqad_rc_validation.jsonl.gz")}
    yield from passages
    lines = [row["text"] for row in read_rows(corpus / "apertium_kaz_rus" / "gov_corpus_kk.jsonl.gz")]
    yield from ("\n".join(lines[start : start + 10]) for start in range(0, len(lines), 10))


def read_rows(path: Path) -> list[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


# ------------------------------------------------------------------------------------------------------------- dirt


def make_dirty(text: str, rng: random.Random) -> str:
    """One word in a hundred with look-alikes, three spaces in a hundred doubled or not breaking, some tags, entities and
    soft hyphens."""
    words = text.split(" ")
    for number, word in enumerate(words):
        chance = rng.random()
        if chance < 0.01:
            words[number] = "".join(CYRILLIC_TO_LATIN.get(c, c) if rng.random() < 0.5 else c for c in word)
        elif chance < 0.03:
            words[number] = word + " "
        elif chance < 0.04:
            words[number] = word + "\u00a0"
        elif chance < 0.043:
            words[number] = f"<b>{word}</b>"
        elif chance < 0.046:
            words[number] = f"&quot;{word}&quot;"
        elif chance < 0.048:
            words[number] = word[:3] + "\u00ad" + word[3:]
    return " ".join(words).replace("\n", rng.choice(["\n", "\r\n", " \n", "\n\n\n"]))


def break_encoding(text: str, rng: random.Random) -> str:
    return text.encode("utf-8").decode(rng.choice(["latin-1", "koi8-r", "cp866"]), "replace")


# ------------------------------------------------------------------------------------------------------------ speed


def batches(texts: Sequence[str]) -> list[Sequence[str]]:
    return [texts[start : start + BATCH_TEXTS] for start in range(0, len(texts), BATCH_TEXTS)]


def speed(work: Callable[[Any], object], pieces: Sequence[Any], megabytes: float) -> float:
    """Megabytes per second of CPU time in the best of several passes; other work on the machine only ever slows one."""
    work(pieces[0])
    fastest = float("inf")
    for _ in range(PASSES):
        started = time.process_time()
        for piece in pieces:
            work(piece)
        fastest = min(fastest, time.process_time() - started)
    return megabytes / fastest


def megabytes_of(texts: Iterable[str]) -> float:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts) / 1e6


def print_repairs(texts: Sequence[str], number: int) -> None:
    totals: Counter[str] = Counter()
    for repaired in repair_texts(texts):
        totals.update(repaired.counts)
    print("repairs in the dirty texts:", dict(sorted(totals.items())))
    for text in texts[:: max(1, len(texts) // max(number, 1))][:number]:
        print(f"\n--- {text[:300]!r}\n+++ {repair_texts([text])[0].text[:300]!r}")


# ---------------------------------------------------------------------------------------------------- three scripts

_WORD = re.compile("[а-яәғқңөұүһіё]+")
_NO_WORDS = re.compile(r"<[^<>]*>|&[a-z]+;|\{\{[^{}|]*:|https?:\S+|\$\w+|\n")


def print_three_scripts(corpus: Path) -> None:
    rows = read_rows(corpus / "mediawiki_i18n" / "mediawiki_ext_kk3scripts_ru_en.jsonl")
    rows = [row for row in rows if "kk_latn" in row and "kk_arab" in row]
    for key in ("kk_latn", "kk_arab"):
        texts = [" ".join(row[key] for row in rows[start : start + 20]) for start in range(0, len(rows), 20)]
        rate = speed(to_cyrillic, texts, megabytes_of(texts))
        print(f"{key + ', words seen before':40}{rate:8.1f} MB/s  to_cyrillic")
    print(f"\n{len(rows)} texts in three scripts; words of the same wording that come back as in Cyrillic:")
    for key in ("kk_latn", "kk_arab"):
        texts = [_NO_WORDS.sub(" ", row[key]) for row in rows]
        conversion = to_cyrillic("\n".join(texts))
        if conversion is None:
            print(f"{key}: not recognised")
            continue
        right = 0
        wrong: Counter[tuple[str, str]] = Counter()
        for row, converted in zip(rows, conversion.text.split("\n"), strict=True):
            same, different = compare(converted, _NO_WORDS.sub(" ", row["kk"]))
            right += same
            wrong.update(different)
        total = right + wrong.total()
        print(f"{key} ({conversion.alphabet}): {right} of {total}, {right / total:.4f}; wrong:")
        print("   ", ", ".join(f"{one} for {other}" for one, other in wrong))


def compare(converted: str, cyrillic: str) -> tuple[int, list[tuple[str, str]]]:
    """How many words agree in an alignment of two texts, and the pairs that differ in spelling but not in wording."""
    ours, theirs = (_WORD.findall(text.lower()) for text in (converted, cyrillic))
    same, different = 0, []
    for kind, i, i_end, j, j_end in difflib.SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind == "equal":
            same += i_end - i
        elif kind == "replace" and i_end - i == j_end - j:
            pairs = zip(ours[i:i_end], theirs[j:j_end], strict=True)
            different += [pair for pair in pairs if difflib.SequenceMatcher(None, *pair).ratio() >= 0.7]
    return same, different


if __name__ == "__main__":
    main()
