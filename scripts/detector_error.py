"""What the language detector takes FLORES-200 devtest sentences for: the error that shares of wrong languages are corrected by.

    QAZ_CORPUS_DIR=DIR python scripts/detector_error.py > src/qaz_llm/evals/behaviour/detector_error.yaml

Each sentence is told alone, as the sentences of an answer are; those of which nothing can be told are left out there and here.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

from qaz_llm.evals.behaviour.languages import language_of
from qaz_llm.io import read_rows


def counts(root: Path) -> dict[str, Counter[str]]:
    """True language → told language → sentences."""
    rows = list(read_rows(root / "flores200" / "flores200_devtest_kk_ru_en.jsonl"))
    return {code: Counter(language_of(row[code]) or "und" for row in rows) for code in ("kk", "ru", "en")}


def main() -> None:
    found = counts(Path(os.environ["QAZ_CORPUS_DIR"]))
    print(
        "# FLORES-200 devtest, 1,012 sentences in each language, each told alone: true language, what it was told as, sentences."
    )
    print(
        "# Made by scripts/detector_error.py. Sentences of which nothing could be told: "
        + ", ".join(f"{code} {by['und']}" for code, by in found.items())
        + "."
    )
    print("counts:")
    for code, by in found.items():
        told = ", ".join(f"{other}: {count}" for other, count in by.most_common() if other != "und")
        print(f"  {code}: {{{told}}}")


if __name__ == "__main__":
    main()
