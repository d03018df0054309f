"""The published Kazakh results of TUMLU, and what two ways of reading make of the same outputs: the authors' rule and ours.

    QAZ_CORPUS_DIR=DIR python scripts/tumlu_table.py [--json FILE] [--differences FILE]

DIR/tumlu holds the authors' outputs of five models on 899 questions. Published: Isbarov et al. 2025, arXiv 2502.11020, Kazakh. Their scripts
(github.com/ceferisbarov/TUMLU, scripts/utils.py and aggregate.py at 24299df) leave logic and world history out and take the mean over seven subjects.
`--differences` writes every answer that the two ways read differently.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from qaz_llm.evals.answers.extract import LETTERS, extract_choice
from qaz_llm.evals.stats import mean_with_interval
from qaz_llm.io import read_rows, write_json, write_jsonl

PUBLISHED = {
    "no_cot": {"gpt-4o": 81.0, "gemma-2-9b": 49.1, "qwen2.5-7b": 45.0, "llama-3.1-8b": 46.4, "claude-3.5-haiku": 69.9},
    "cot": {"gpt-4o": 80.7, "gemma-2-9b": 52.7, "qwen2.5-7b": 46.4, "llama-3.1-8b": 38.9, "claude-3.5-haiku": 74.0},
}
LEFT_OUT = ("logic", "world-history")
CYRILLIC = str.maketrans("АВБСД", "ABBCD")


def authors_read(output: str) -> int | None:
    """The choice by the rule of the benchmark's authors: forms in a fixed order, and of each form the first letter of A, B, C, D that stands anywhere."""
    plain = re.sub(r"\s+", " ", output).replace("*", "").translate(CYRILLIC)
    words = ("Жауап", "жауап")
    forms = [f"{word}{end}" for end in (": {}", " {})", " {} ") for word in words] + ["{})"]
    return next((n for form in forms for n, letter in enumerate("ABCD") if form.format(letter) in plain), None)


def rows(root: Path) -> list[dict[str, Any]]:
    """A row per model and way of asking: published, by the authors' rule and by ours over seven subjects, ours over all, and what was not read."""
    found = []
    for way, published in PUBLISHED.items():
        outputs = list(read_rows(root / "tumlu" / f"outputs_kk_{way}_instruct.jsonl.gz"))
        for model, score in published.items():
            own = [row for row in outputs if row["model"] == model]
            read = [extract_choice(row["output"], row["choices"]) for row in own]
            ours = [answer.choice for answer in read]
            theirs = [authors_read(row["output"]) for row in own]
            estimate = mean_with_interval(_right(own, ours), range(len(own)), limits=(0, 1))
            found.append(
                {
                    "way": way,
                    "model": model,
                    "published": score,
                    "authors_rule": _mean_of_subjects(own, theirs),
                    "ours_of_seven": _mean_of_subjects(own, ours),
                    "ours": round(100 * estimate.mean, 1),
                    "ci": [round(100 * (bound or 0), 1) for bound in (estimate.ci_low, estimate.ci_high)],
                    "not_read": ours.count(None),
                    "rules": dict(Counter(answer.rule or "none" for answer in read)),
                    "differences": [
                        {**row, "way": way, "ours": _letter(a.choice), "rule": a.rule, "authors_rule": _letter(b)}
                        for row, a, b in zip(own, read, theirs, strict=True)
                        if a.choice != b
                    ],
                }
            )
    return found


def _right(outputs: Sequence[dict[str, Any]], read: Sequence[int | None]) -> list[float]:
    return [float(_letter(choice) == row["answer"]) for row, choice in zip(outputs, read, strict=True)]


def _mean_of_subjects(outputs: Sequence[dict[str, Any]], read: Sequence[int | None]) -> float:
    """As published: in percent, the mean over subjects of the share of right answers, without LEFT_OUT."""
    by_subject: dict[str, list[float]] = defaultdict(list)
    for row, right in zip(outputs, _right(outputs, read), strict=True):
        if row["subject"] not in LEFT_OUT:
            by_subject[row["subject"]].append(right)
    return round(100 * fmean(map(fmean, by_subject.values())), 1)


def _letter(choice: int | None) -> str | None:
    return None if choice is None else LETTERS[choice]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--differences", type=Path)
    options = parser.parse_args()
    found = rows(Path(os.environ["QAZ_CORPUS_DIR"]))
    print(
        "| asked | model | published | authors' rule | ours, same 7 subjects | ours, all 9 | 95 % | not read | read differently |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for row in found:
        print(
            f"| {row['way']} | {row['model']} | {row['published']} | {row['authors_rule']} | {row['ours_of_seven']} | {row['ours']} "
            f"| {row['ci'][0]} to {row['ci'][1]} | {row['not_read']} | {len(row['differences'])} |"
        )
    if options.differences:
        write_jsonl(options.differences, (one for row in found for one in row["differences"]))
    if options.json:
        write_json(options.json, {"rows": [{**row, "differences": len(row["differences"])} for row in found]})


if __name__ == "__main__":
    main()
