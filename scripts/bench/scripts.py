#!/usr/bin/env python3
"""How well and how fast Kazakh in Latin and Arabic letters is recognised and brought to Cyrillic: the figures of docs/scripts.md.

    QAZ_CORPUS_DIR=DIR scripts/bench/scripts.py [--corpus DIR] [--only words,twins,recognised,neighbours,speed] [--show 20]

The embedded documents and real Cyrillic text are written in each script by the tables of tests/unit/language/script_writers.py,
which know nothing of those that read them. Words are compared with capitals aside. Speeds are megabytes of UTF-8 per second of
CPU time on one core, compilation of the kernels left out: `new` with every word seen for the first time, `known` the same again.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from qaz_llm.language.arabic import arabic_to_cyrillic
from qaz_llm.language.latin import latin_to_cyrillic
from qaz_llm.language.latin_alphabets import alphabet_named
from qaz_llm.language.scripts import to_cyrillic

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "unit" / "language"))
from script_writers import TABLES, embedded_kazakh, write_latin, write_tote

_WORD = re.compile("[а-яёәғқңөұүһі]+")
WRITERS: dict[str, Callable[[str], str]] = {
    **{name: partial(write_latin, name=name) for name in TABLES},
    "tote-mediawiki": partial(write_tote, style="mediawiki"),
    "tote-china": partial(write_tote, style="china"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"))
    parser.add_argument("--only", default="words,twins,recognised,neighbours,speed")
    parser.add_argument("--show", type=int, default=12, help="print this many of the words that come out wrong")
    arguments = parser.parse_args()
    if arguments.corpus is None or not Path(arguments.corpus).is_dir():
        parser.error("name the folder of real text by --corpus DIR or QAZ_CORPUS_DIR")
    corpus = Path(arguments.corpus)
    for part in arguments.only.split(","):
        print(f"\n== {part}")
        PARTS[part](corpus, arguments.show)


def read_rows(path: Path) -> list[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def flores(corpus: Path) -> list[str]:
    return [row["kk"] for row in read_rows(corpus / "flores200" / "flores200_devtest_kk_ru_en.jsonl")]


def passages(corpus: Path) -> list[str]:
    rows = read_rows(corpus / "kazqad" / "kazqad_rc_validation.jsonl.gz")
    return list(dict.fromkeys(row["context"] for row in rows))


# ------------------------------------------------------------------------------------------------------------ words


def reader_of(name: str) -> Callable[[str], str]:
    if name.startswith("tote"):
        return arabic_to_cyrillic
    return partial(latin_to_cyrillic, alphabet=alphabet_named(name))


def compare(right: Sequence[str], found: Sequence[str]) -> tuple[int, int, Counter[tuple[str, str]]]:
    """Words that agree, all words of the texts with as many on both sides, and the pairs that differ."""
    same = total = 0
    wrong: Counter[tuple[str, str]] = Counter()
    for one, other in zip(right, found, strict=True):
        ours, theirs = _WORD.findall(one.lower()), _WORD.findall(other.lower())
        if len(ours) == len(theirs):
            total += len(ours)
            pairs = [pair for pair in zip(ours, theirs, strict=True) if pair[0] != pair[1]]
            same += len(ours) - len(pairs)
            wrong.update(pairs)
    return same, total, wrong


def print_words(corpus: Path, show: int) -> None:
    sources = {"embedded": embedded_kazakh(), "FLORES": flores(corpus), "passages": passages(corpus)}
    for name, write in WRITERS.items():
        read = reader_of(name)
        for source, texts in sources.items():
            same, total, wrong = compare(texts, [read(write(text)) for text in texts])
            worst = ", ".join(f"{one} {other}" for (one, other), _ in wrong.most_common(show))
            print(f"{name:16}{source:9}{same:7} of {total:6} {same / total:8.2%}   {worst}")


def print_twins(corpus: Path, show: int) -> None:
    """School questions that exist in Cyrillic and in the alphabet of 2021, item by item."""
    rows = read_rows(corpus / "tumlu" / "tumlu_kk_test.jsonl.gz")
    cyrillic = [text for row in rows for text in (row["question"], *row["choices"])]
    latin = [text for row in rows for text in (row["question_latn"], *row["choices_latn"])]
    read = reader_of("latin-2021")
    converted = [read(text) for text in latin]
    same, total, wrong = compare(cyrillic, converted)
    print(f"tumlu: {same} of {total} words, {same / total:.2%}; wrong:")
    print("  ", ", ".join(f"{one} {other}" for (one, other), _ in wrong.most_common(show)))
    counts = Counter[str]()
    for one, other in zip(cyrillic, converted, strict=True):
        words, others = one.lower().split(), other.lower().split()
        for word, found in zip(words, others, strict=False):
            if re.search("[а-яёәғқңөұүһі]", word) and len(words) == len(others):
                kind = "mixed with Latin letters in Cyrillic" if re.search("[a-z]", word) else "Cyrillic"
                counts[f"{kind}, {'right' if word == found else 'wrong'}"] += 1
    print("   words by white space:", dict(counts))


# ------------------------------------------------------------------------------------------------------ recognition


def print_recognised(corpus: Path, show: int) -> None:
    sentences = flores(corpus)
    for size in (1, 2, 8):
        texts = [" ".join(sentences[start : start + size]) for start in range(0, len(sentences) - size + 1, size)]
        for name, write in WRITERS.items():
            found = Counter[str]()
            for text in texts:
                written = write(text)
                conversion = to_cyrillic(written)
                expected = "arabic-tote" if name.startswith("tote") else name
                if conversion is None:
                    found["no"] += 1
                elif conversion.alphabet == expected or conversion.text == reader_of(name)(written):
                    found["yes"] += 1
                else:
                    found[f"as {conversion.alphabet}"] += 1
            shares = ", ".join(f"{kind} {count / len(texts):.1%}" for kind, count in found.most_common())
            print(f"{size} sentences  {name:16}{len(texts):5} texts: {shares}")


_LATIN_OF = {
    "kaa": "а=a ә=á б=b в=v г=g ғ=ǵ д=d е=e ж=j з=z и=i й=y к=k қ=q л=l м=m н=n ң=ń о=o ө=ó п=p р=r с=s т=t у=u ү=ú ў=w ф=f х=x ҳ=h "
    "ц=c ч=ch ш=sh щ=sh ы=ı э=e ё=yo ю=yu я=ya ъ= ь=",
    "ba": "а=a ә=ä б=b в=v г=g ғ=ğ д=d ҙ=ź е=e ё=yo ж=j з=z и=i й=y к=k ҡ=q л=l м=m н=n ң=ñ о=o ө=ö п=p р=r с=s ҫ=ś т=t у=u ү=ü ф=f "
    "х=x һ=h ц=ts ч=ç ш=ş щ=şç ы=ı э=e ю=yu я=ya ъ= ь=",
    "ky": "а=a б=b в=v г=g д=d е=e ё=yo ж=j з=z и=i й=y к=k л=l м=m н=n ң=ñ о=o ө=ö п=p р=r с=s т=t у=u ү=ü ф=f х=h ц=ts ч=ç ш=ş "
    "щ=şç ы=ı э=e ю=yu я=ya ъ= ь=",
}
"""Karakalpak as of 2016, Bashkir and Kyrgyz as their Latin texts are written: the rows of these languages are in Cyrillic."""


def print_neighbours(corpus: Path, show: int) -> None:
    """How many texts of another language are taken for Kazakh."""
    for code in ("tr", "az", "uz", "en", "kaa", "ba", "ky"):
        texts = [row[code] for row in read_rows(corpus / "xwmt" / f"xwmt_kk_{code}.jsonl.gz")]
        if code in _LATIN_OF:
            table = dict(pair.split("=") for pair in _LATIN_OF[code].split())
            texts = ["".join(_cased(letter, table) for letter in text) for text in texts]
        for size in (1, 5):
            pieces = [" ".join(texts[start : start + size]) for start in range(0, len(texts) - size + 1, size)]
            taken = [piece for piece in pieces if to_cyrillic(piece) is not None]
            print(
                f"{code:4}{size} sentences: {len(taken)} of {len(pieces)} taken for Kazakh",
                *(p[:70] for p in taken[:2]),
            )


def _cased(letter: str, table: dict[str, str]) -> str:
    latin = table.get(letter.lower(), letter)
    return latin if letter == letter.lower() else latin.capitalize()


# ------------------------------------------------------------------------------------------------------------ speed


def print_speed(corpus: Path, show: int) -> None:
    lines = [row["text"] for row in read_rows(corpus / "apertium_kaz_rus" / "gov_corpus_kk.jsonl.gz")]
    lines += [row["text"] for row in read_rows(corpus / "kaznerd" / "kaznerd_valid.jsonl.gz")]
    texts = passages(corpus) + ["\n".join(lines[start : start + 20]) for start in range(0, len(lines), 20)]
    for name in ("latin-2021", "latin-2018", "latin-wikipedia", "tote-mediawiki"):
        written = [WRITERS[name](text) for text in texts]
        megabytes = sum(len(text.encode("utf-8")) for text in written) / 1e6
        to_cyrillic(written[0])
        rates = []
        for _ in range(4):
            started = time.process_time()
            for text in written:
                to_cyrillic(text)
            rates.append(megabytes / (time.process_time() - started))
        print(
            f"{name:16}{megabytes:5.1f} MB in {len(written)} texts: new {rates[0]:5.1f} MB/s, known {max(rates[1:]):5.1f} MB/s"
        )


PARTS: dict[str, Callable[[Path, int], None]] = {
    "words": print_words,
    "twins": print_twins,
    "recognised": print_recognised,
    "neighbours": print_neighbours,
    "speed": print_speed,
}

if __name__ == "__main__":
    main()
