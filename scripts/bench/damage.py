#!/usr/bin/env python3
"""Share of words that repair brings back from text broken on purpose, for each way of breaking it.

    scripts/bench/damage.py [--corpus DIR] [--every N]

The Kazakh passages of KazQAD and the Russian sentences of UD GSD in DIR (without it, the embedded documents, from which the
probabilities that repair goes by were counted) are broken with Python's own codecs; a word counts as brought back where the
repaired text has it at its place (longest common subsequence of words, difflib).
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from collections.abc import Callable, Iterator
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path

import ftfy.bad_codecs

import qaz_llm
from qaz_llm.language.repair import repair

Breaking = Callable[[str], str]
READ_AS = {
    "Latin-1": "latin-1",
    "cp1252": "sloppy-windows-1252",
    "cp1251": "sloppy-windows-1251",
    "KOI8-R": "koi8-r",
    "cp866": "cp866",
    "ISO 8859-5": "iso8859_5",
    "mac-cyrillic": "mac_cyrillic",
}
KAZAKH_LETTERS = "ӘҒҚҢӨҰҮҺәғқңөұүһ"
FONTS = {
    "font of the UDHR": "ЅЃЌЊҐЂЏЋѕѓќњґђџћ",
    "invented font 1": "ЄЎЏЃЇЉЌЊєўџѓїљќњ",
    "invented font 2": "ЊЏЉЅЃЂЎЋњџљѕѓђўћ",
}


def main() -> None:
    """Print a row for each way of breaking text: the share of words that come back, in percent."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every Nth document")
    parser.add_argument("--corpus", type=Path, help="folder of real text")
    arguments = parser.parse_args()
    ftfy.bad_codecs.ok()
    read = embedded if arguments.corpus is None else partial(real, arguments.corpus)
    documents = {language: read(language)[:: arguments.every] for language in ("kk", "ru")}
    print("| broken as | kk | ru |\n|---|---|---|")
    for name, break_text in breakings():
        cells = []
        for language, texts in documents.items():
            of_kazakh = any(kind in name for kind in ("font", "kz1048", "ptcp154"))
            if language == "ru" if of_kazakh else language == "kk" and "one byte" in name:  # lacks Kazakh letters
                cells.append("–")
                continue
            counts = [words_back(text, repair(break_text(text)).text) for text in texts]
            cells.append(f"{100 * sum(back for back, _ in counts) / sum(number for _, number in counts):.1f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def embedded(language: str) -> list[str]:
    """The embedded documents of a language, as repair leaves them when nothing is broken."""
    folder = Path(qaz_llm.__file__).parent / "embedded"
    rows = [
        line for path in sorted(folder.glob(f"documents_{language}*.jsonl")) for line in path.open(encoding="utf-8")
    ]
    return [repair(json.loads(row)["text"]).text for row in rows]


def real(folder: Path, language: str) -> list[str]:
    """Real documents of a language, ten Russian sentences to one, as repair leaves them."""
    if language == "kk":
        with gzip.open(folder / "kazqad" / "kazqad_rc_validation.jsonl.gz", "rt", encoding="utf-8") as rows:
            texts = list(dict.fromkeys(json.loads(row)["context"] for row in rows))
    else:
        lines = (folder / "ud_ru_gsd" / "ud_ru_gsd.jsonl").read_text(encoding="utf-8").splitlines()
        sentences = [json.loads(line)["text"] for line in lines]
        texts = ["\n".join(sentences[start : start + 10]) for start in range(0, len(sentences), 10)]
    return [repair(text).text for text in texts]


def words_back(text: str, repaired: str) -> tuple[int, int]:
    """How many words of a text its repaired form has in the same order, and how many there are."""
    words, found = text.split(), repaired.split()
    return sum(block.size for block in SequenceMatcher(None, words, found, autojunk=False).get_matching_blocks()), len(
        words
    )


def breakings() -> Iterator[tuple[str, Breaking]]:
    """Ways of breaking text, by name."""
    for name, encoding in READ_AS.items():
        yield f"UTF-8 as {name}", misread("utf-8", encoding)
        yield (
            f"UTF-8 as {name}, undefined bytes and hyphens dropped, no-break spaces plain",
            lossy(misread("utf-8", encoding)),
        )
        yield f"UTF-8 as {name}, twice", twice(misread("utf-8", encoding))
        yield f"UTF-8 as {name}, a third of the sentences", in_part(misread("utf-8", encoding))
        yield f"UTF-8 as {name}, five Latin look-alikes in a hundred", interrupted(misread("utf-8", encoding))
    for written in ("cp1251", "koi8-r", "cp866", "iso8859_5", "mac_cyrillic", "kz1048", "ptcp154"):
        for name, read_as in READ_AS.items():
            if READ_AS.get(name) != written and (written, name) != ("cp1251", "cp1251"):
                yield f"{written} as {name} (one byte a letter)", misread(written, read_as)
    for name, drawn in FONTS.items():
        table = str.maketrans(KAZAKH_LETTERS, drawn)
        yield name, lambda text, table=table: text.translate(table)


def misread(written: str, read_as: str) -> Breaking:
    """Characters that the first encoding lacks are left out before."""
    return lambda text: text.encode(written, "ignore").decode(read_as, "replace")


def twice(breaking: Breaking) -> Breaking:
    """Broken, and broken again."""
    return lambda text: breaking(breaking(text))


def lossy(breaking: Breaking) -> Breaking:
    """What web tools do: cp1252 and cp1251 lose what they do not define, white space is evened, soft hyphens go."""
    return lambda text: re.sub("[\x80-\x9f\xad]", "", breaking(text)).replace("\xa0", " ")


def in_part(breaking: Breaking) -> Breaking:
    """Every third sentence broken."""

    def broken(text: str) -> str:
        parts = re.split(r"(?<=[.!?]) ", text)
        return " ".join(breaking(part) if index % 3 == 0 else part for index, part in enumerate(parts))

    return broken


def interrupted(breaking: Breaking) -> Breaking:
    """One letter in twenty that has a Latin twin replaced by it before the text is broken."""
    twins = str.maketrans("асеорхі", "aceopxi")

    def broken(text: str) -> str:
        draw = random.Random(len(text))
        return breaking("".join(c.translate(twins) if draw.random() < 0.05 else c for c in text))

    return broken


if __name__ == "__main__":
    main()
