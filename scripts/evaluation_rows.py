#!/usr/bin/env python
"""Scores of several evaluations as rows of a Markdown table:  scripts/evaluation_rows.py LABEL=OUT_DIR …

OUT_DIR is a folder of `qaz eval run`. Evaluations of one label are one model's; a task's primary metric comes first, below it the other
way of asking, where its choices were asked both ways, or the other measure of a translation.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.errors import QazError
from qaz_llm.io import read_json
from qaz_llm.records import LANGUAGE_NAMES

OTHER_WAYS = ("letters_acc", "cloze_acc_per_byte", "bleu")
"""Metrics beside the primary one that are shown."""

HEAD = ("task", "metric", "by guessing", "model", "items", *LANGUAGE_NAMES.values())


def main() -> int:
    if len(sys.argv) < 2 or any("=" not in word for word in sys.argv[1:]):
        print(__doc__, file=sys.stderr)
        return 2
    pairs = [word.partition("=") for word in sys.argv[1:]]
    try:
        found = [(label, read_json(Path(folder) / "parity.json")) for label, _, folder in pairs]
    except (QazError, OSError) as error:
        print(f"error: {error}\n  → name the folders that `qaz eval run --out` wrote", file=sys.stderr)
        return 2
    tasks = dict.fromkeys(task for _, parity in found for task in parity["scores"])
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for task in tasks:
        for label, parity in found:
            for row in rows_of(task, label, parity):
                print(f"| {' | '.join(row)} |")
    return 0


def rows_of(task: str, label: str, parity: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    """The row of a task's primary metric and those of OTHER_WAYS."""
    if task not in parity["scores"]:
        return
    yield row_of(task, label, parity["scores"][task])
    others = parity["other_scores"].get(task, {})
    for metric in OTHER_WAYS:
        if metric in others:
            yield row_of(task, label, others[metric])


def row_of(task: str, label: str, by_language: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    first = next(iter(by_language.values()))
    chance = "" if first["chance"] is None else f"{first['chance']:.3f}"
    scores = (interval(by_language[code]) if code in by_language else "" for code in LANGUAGE_NAMES)
    return (task, first["metric"], chance, label, str(first["n"]), *scores)


def interval(score: Mapping[str, Any]) -> str:
    return "{score:.3f} [{ci_low:.3f}, {ci_high:.3f}]".format(**score).replace("-", "−")


if __name__ == "__main__":
    sys.exit(main())
