#!/usr/bin/env python3
"""How often Kazakh is kept as Kazakh, and how often its neighbours are taken for it, in documents of five sentences and in single ones.

    QAZ_CORPUS_DIR=DIR scripts/bench/neighbours.py [--show 3]

Reads xwmt/xwmt_kk_XX.jsonl.gz (the test sets of the Turkic X-WMT, MIT): the same Kazakh sentences beside Azerbaijani, Bashkir,
English, Karakalpak, Kyrgyz, Russian, Sakha, Turkish and Uzbek. A document is what a build would file it under: repaired, told,
and, where it is in Latin letters, tried as Kazakh in Latin script. Documents are rows 1–5, 6–10 … of a file.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from qaz_llm.language.buffer import scan_texts
from qaz_llm.language.identify import identify_texts
from qaz_llm.language.repair import repair_texts
from qaz_llm.language.scripts import to_cyrillic

TYPED = str.maketrans("ўҳЎҲ", "ухУХ")
"""Karakalpak as it is typed on keyboards without its two own letters."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=os.environ.get("QAZ_CORPUS_DIR"), help="folder of real text")
    parser.add_argument("--show", type=int, default=0, help="misjudged texts to print of each set")
    arguments = parser.parse_args()
    if not arguments.corpus:
        parser.error("give --corpus DIR or set QAZ_CORPUS_DIR")
    print("| language | texts | n | told right | taken for kk | as |")
    print("|---|---|---|---|---|---|")
    kazakh: dict[str, None] = {}
    for path in sorted(Path(arguments.corpus, "xwmt").glob("xwmt_kk_*.jsonl.gz")):
        code = path.name.split("_")[2].split(".")[0]
        with gzip.open(path, "rt", encoding="utf-8") as rows:
            pairs = [json.loads(line) for line in rows]
        kazakh |= dict.fromkeys(pair["kk"] for pair in pairs)
        print_set(code, [pair[code] for pair in pairs], arguments.show)
        if code == "kaa":
            print_set(
                "kaa", [pair[code].translate(TYPED) for pair in pairs], arguments.show, how=", typed with у and х"
            )
    print_set("kk", list(kazakh), arguments.show)


def print_set(code: str, sentences: Sequence[str], show: int, how: str = "") -> None:
    fives = [" ".join(sentences[start : start + 5]) for start in range(0, len(sentences) - 4, 5)]
    for name, texts in (("five sentences", fives), ("one sentence", sentences)):
        found = file_under(texts)
        right, kk = (sum(one == wanted for one in found) / len(texts) for wanted in (code, "kk"))
        print(
            f"| {code}{how} | {name} | {len(texts)} | {right:.2%} | {kk:.2%} | {dict(Counter(found).most_common(5))} |"
        )
        wrong = [pair for pair in zip(found, texts, strict=True) if (pair[0] == "kk") != (code == "kk")]
        for one, text in wrong[:show]:
            print(f"    {one}: {text[:300]}")


def file_under(texts: Sequence[str]) -> list[str]:
    """The language of each text as a build tells it."""
    repaired = [result.text for result in repair_texts(texts)]
    found = []
    for text, shares in zip(repaired, identify_texts(scan_texts(repaired)), strict=True):
        is_kazakh = shares.main not in {"kk", "ru", "en"} and to_cyrillic(text) is not None
        found.append("kk" if is_kazakh else shares.main)
    return found


if __name__ == "__main__":
    main()
