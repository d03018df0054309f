#!/usr/bin/env python3
"""Right verdicts on real text: unlabelled texts are never called labelled, labelled ones are known after each treatment.

    python scripts/check_labels.py --corpus DIR --texts 10000 --labelled 200 [--json FILE]

Texts are Kazakh paragraphs of the files below DIR, drawn by a seed. Of those that get a label each is treated in all ways that are
listed at the end, and its verdict held against the one that is right.
"""

from __future__ import annotations

import argparse
import gzip
import html
import json
import random
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from qaz_llm.io import write_json
from qaz_llm.labels.keys import ROOT, make_keys, open_keys, read_roots
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.reading import read_labels
from qaz_llm.language.repair import repair_texts

SEED = 11
KAZAKH = frozenset("әғқңөұүһі")
Treatment = Callable[[str, str, str], str]
TREATMENTS: dict[str, tuple[str, Treatment]] = {
    "as it is": ("trusted", lambda labelled, text, other: labelled),
    "pasted into another text": ("none trusted none", lambda labelled, text, other: f"{other}\n{labelled}\n{other}"),
    "pasted twice": ("trusted none trusted", lambda labelled, text, other: f"{labelled}\n{labelled}"),
    "NFD": ("trusted", lambda labelled, text, other: unicodedata.normalize("NFD", labelled)),
    "CRLF": ("trusted", lambda labelled, text, other: labelled.replace("\n", "\r\n")),
    "HTML": ("trusted", lambda labelled, text, other: html.escape(labelled)),
    "JSON": ("none trusted none", lambda labelled, text, other: json.dumps({"answer": labelled})),
    "UTF-16": ("trusted", lambda labelled, text, other: labelled.encode("utf-16").decode("utf-16")),
    "a letter changed": ("changed", lambda labelled, text, other: _edited(labelled, text)),
    "a word taken out": ("changed", lambda labelled, text, other: _without_word(labelled, text)),
    "translated": ("changed", lambda labelled, text, other: "Это другой текст. " + labelled[len(text) :]),
    "label cut off": ("changed", lambda labelled, text, other: labelled[: len(text) + 900]),
    "label gone": ("none", lambda labelled, text, other: text),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--texts", type=int, default=10_000)
    parser.add_argument("--labelled", type=int, default=200)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    texts = list(dict.fromkeys(kazakh_texts(arguments.corpus)))
    random.Random(SEED).shuffle(texts)
    chosen = texts[: arguments.texts]
    started = time.process_time()
    called = sum(read_labels(text).is_labelled for text in chosen)
    seconds = time.process_time() - started
    seen = sum("label" in made.counts for made in repair_texts(chosen))
    megabytes = sum(len(text.encode()) for text in chosen) / 1e6
    print(
        f"{len(chosen):,} unlabelled texts ({megabytes:.1f} MB, {seconds:.1f} s): {called} called labelled, {seen} by repair"
    )
    right, wrong = treated(chosen[: arguments.labelled], chosen[-1])
    for name in TREATMENTS:
        print(f"{name:28}{right[name]:6,} right {wrong[name]:6,} wrong")
    if arguments.json:
        write_json(arguments.json, {"texts": len(chosen), "called": called, "right": right, "wrong": wrong})
    return 1 if called or seen or wrong.total() else 0


def treated(texts: list[str], other: str) -> tuple[Counter[str], Counter[str]]:
    """How often the verdict on each treatment is the right one, and how often another."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        keys = Path(folder) / "keys"
        make_keys(keys)
        labeller, roots = Labeller(open_keys(keys), model="check"), read_roots([keys / ROOT])
        for text in texts:
            labelled = labeller.label(text)
            for name, (expected, treat) in TREATMENTS.items():
                made = read_labels(treat(labelled, unicodedata.normalize("NFC", text), other), roots=roots)
                found = " ".join(segment.state for segment in made.segments)
                if expected == made.segments[-1].state == "changed" and set(made.counts) <= {"changed", "none"}:
                    found = expected  # where changed text began is a guess, and what is before it has no label
                (right if found == expected else wrong)[name] += 1
    return right, wrong


def kazakh_texts(corpus: Path) -> Iterator[str]:
    """Strings of fifty characters and more that have Kazakh letters, of all JSON lines and text files."""
    for path in sorted(corpus.rglob("*")):
        if path.suffix not in {".gz", ".jsonl", ".txt", ".tsv"}:
            continue
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", errors="ignore") as lines:
            for line in lines:
                yield from (text for text in strings_of(_value(line)) if is_kazakh(text))


def is_kazakh(text: str) -> bool:
    return len(text) >= 50 and len(KAZAKH & set(text)) >= 3 and len(text.split()) > 5


def _value(line: str) -> object:
    try:
        return json.loads(line)
    except ValueError:
        return line


def strings_of(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value.strip()
    elif isinstance(value, dict):
        for item in value.values():
            yield from strings_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from strings_of(item)


def _without_word(labelled: str, text: str) -> str:
    word = text.split()[1]
    start = text.index(word)
    return labelled[:start] + labelled[start + len(word) + 1 :]


def _edited(labelled: str, text: str) -> str:
    place = next(place for place in range(len(text) // 2, len(text)) if text[place].isalpha())
    return labelled[:place] + ("а" if labelled[place] != "а" else "е") + labelled[place + 1 :]


if __name__ == "__main__":
    sys.exit(main())
