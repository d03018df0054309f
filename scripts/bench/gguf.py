"""GGUF files of real models, held against a real llama.cpp on 1,000 real texts.

    python scripts/bench/gguf.py --texts DIR --model NAME=DIR [--model NAME=DIR …] [--type f32 …] [--out FILE]

`--texts` is a folder of real text (or the environment variable QAZ_CORPUS_DIR): Kazakh in Cyrillic, Latin and Arabic letters, Russian,
English, code and markup, and what is cut oddly: emoji, runs of spaces and line ends, digits. Each model is written by the same call as
`qaz export --to gguf`, which compares ids of all texts and the likeliest tokens; here the texts are shared out over the beginnings, too.
`--out` gets one row of a table for each model and precision; what failed is a row as well, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from qaz_llm.errors import QazError
from qaz_llm.io import read_jsonl
from qaz_llm.model.gguf.export import GgufFile, export_gguf

PLAN = {
    "kk in Cyrillic": 300,
    "kk in Latin": 200,
    "kk in Arabic": 120,
    "ru": 140,
    "en": 100,
    "code and markup": 60,
    "odd": 80,
}
"""How many texts of each kind; 1,000 in all."""

HEADERS = ("model", "type", "bytes", "cut as", "ids equal", "likeliest token equal", "log-probabilities apart, at most", "weights apart, at most", "ends", "s")  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, default=os.environ.get("QAZ_CORPUS_DIR"), required=False)
    parser.add_argument("--model", action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--type", action="append", dest="types", help="f32 alone where none is named")
    parser.add_argument("--out", type=Path, help="a file that rows are added to")
    arguments = parser.parse_args()
    if arguments.texts is None:
        parser.error("name a folder of real text with --texts, or in QAZ_CORPUS_DIR")
    texts = real_texts(Path(arguments.texts))
    print(f"{len(texts):,} texts: " + ", ".join(f"{kind} {number}" for kind, number in PLAN.items()), flush=True)
    print("| " + " | ".join(HEADERS) + " |\n" + "|---" * len(HEADERS) + "|", flush=True)
    failed = False
    for name, _, folder in (model.partition("=") for model in arguments.model):
        for kind in arguments.types or ["f32"]:
            row, passed = measured(name, Path(folder), kind, texts)
            failed |= not passed
            print(row, flush=True)
            if arguments.out:
                with arguments.out.open("a", encoding="utf-8") as file:
                    file.write(row + "\n")
    return int(failed)


def measured(name: str, folder: Path, kind: str, texts: Sequence[str]) -> tuple[str, bool]:
    """A row of the table, and whether the file was written."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as temporary:
        try:
            made = export_gguf(folder, Path(temporary) / "model.gguf", precision=kind, texts=texts)  # type: ignore[arg-type]
        except QazError as error:
            return f"| {name} | {kind} | {error.message} |" + " |" * (len(HEADERS) - 3), False
        cells = [name, made.precision, f"{made.path.stat().st_size:,}", made.pre, *figures(made)]
    return "| " + " | ".join([*cells, f"{time.monotonic() - started:.0f}"]) + " |", True


def figures(made: GgufFile) -> Iterator[str]:
    """The figures in what the checks said."""
    said = " ".join(check.said for check in made.checks)
    for pattern in (r"equal for ([\d,]+ of [\d,]+) texts", r"the same at ([\d,]+ of [\d,]+) places", r"at most (\S+) apart", r"at most (\S+) of the largest", r"at (\d+ of \d+) end tokens"):  # fmt: skip
        found = re.search(pattern, said)
        yield found[1] if found else "not seen"


# ----------------------------------------------------------------------------------------------------------------- texts


def real_texts(folder: Path) -> list[str]:
    """1,000 different texts by PLAN. Raises SystemExit where the folder has too few of a kind."""
    kinds: Mapping[str, Iterator[str]] = {
        "kk in Cyrillic": fields(folder / "flores200/flores200_devtest_kk_ru_en.jsonl", "kk"),
        "kk in Latin": fields(folder / "tumlu/tumlu_kk_test.jsonl.gz", "question_latn"),
        "kk in Arabic": fields(folder / "mediawiki_i18n/mediawiki_ext_kk3scripts_ru_en.jsonl", "kk_arab"),
        "ru": fields(folder / "flores200/flores200_devtest_kk_ru_en.jsonl", "ru"),
        "en": fields(folder / "flores200/flores200_devtest_kk_ru_en.jsonl", "en"),
        "code and markup": code(folder),
        "odd": odd(folder),
    }
    texts: dict[str, str] = {}
    for kind, found in kinds.items():
        for text in found:
            if list(texts.values()).count(kind) == PLAN[kind]:
                break
            texts.setdefault(text, kind)
        if (number := list(texts.values()).count(kind)) < PLAN[kind]:
            raise SystemExit(f"{folder}: {number} texts for {kind}, {PLAN[kind]} are wanted")
    return list(texts)


def fields(path: Path, name: str) -> Iterator[str]:
    seen: set[str] = set()
    for row in read_jsonl(path):
        text = str(row.get(name) or "")
        if text and text not in seen:
            seen.add(text)
            yield text


def code(folder: Path) -> Iterator[str]:
    """Fenced code of a book about Rust, with its comments in Kazakh, then interface strings with markup."""
    for text in fields(folder / "rust_book_kk/rust_book_kk.jsonl", "text"):
        yield from (block.strip("`") for block in re.findall(r"```.*?```", text, re.S))
    yield from (
        text for text in fields(folder / "mediawiki_i18n/mediawiki_ext_kk3scripts_ru_en.jsonl", "kk") if "<" in text
    )


def odd(folder: Path) -> Iterator[str]:
    """Real sentences in odd dress: with emoji, runs of spaces, line ends, digits, in capitals, joined, reversed."""
    sentences = list(islice(fields(folder / "flores200/flores200_devtest_kk_ru_en.jsonl", "kk"), 400, None))
    dresses = (
        lambda text: f"🚀 {text} 👩‍👩‍👧‍👦🇰🇿",
        lambda text: text.replace(" ", "  ").replace(",", "   ,"),
        lambda text: "\n\n".join(text.split(",")) + "\r\n\t\n",
        lambda text: "".join(str(ord(letter)) if number % 7 == 0 else letter for number, letter in enumerate(text)),
        str.upper,
        lambda text: text.title().replace(" ", ""),
        lambda text: "\t" + text[::-1] + "\u00a0\u200b",
        lambda text: re.sub(r"(\w)", "\\1\u0301", text[:80]),
    )
    for number, text in enumerate(sentences):
        yield dresses[number % len(dresses)](text)


if __name__ == "__main__":
    sys.exit(main())
