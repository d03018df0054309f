"""The published Kazakh results of TUMLU, and what our extraction and statistics make of the same outputs.

    QAZ_CORPUS_DIR=DIR python scripts/tumlu_table.py [--json FILE]

DIR/tumlu holds the authors' outputs of five models on 899 questions. Published: Isbarov et al. 2025, arXiv 2502.11020, Kazakh.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from pathlib import Path
from typing import Any

from qaz_llm.evals.extract import LETTERS, extract_choice
from qaz_llm.evals.stats import mean_with_interval
from qaz_llm.io import read_rows, write_json

PUBLISHED = {
    "no_cot": {"gpt-4o": 81.0, "gemma-2-9b": 49.1, "qwen2.5-7b": 45.0, "llama-3.1-8b": 46.4, "claude-3.5-haiku": 69.9},
    "cot": {"gpt-4o": 80.7, "gemma-2-9b": 52.7, "qwen2.5-7b": 46.4, "llama-3.1-8b": 38.9, "claude-3.5-haiku": 74.0},
}


def rows(root: Path) -> list[dict[str, Any]]:
    """A row per model and way of asking: published and own score, its interval, answers not read, rules used."""
    found = []
    for way, published in PUBLISHED.items():
        outputs = list(read_rows(root / "tumlu" / f"outputs_kk_{way}_instruct.jsonl.gz"))
        for model, score in published.items():
            own = [row for row in outputs if row["model"] == model]
            read = [extract_choice(row["output"], row["choices"]) for row in own]
            right = [
                float(answer.choice is not None and LETTERS[answer.choice] == row["answer"])
                for answer, row in zip(read, own, strict=True)
            ]
            estimate = mean_with_interval(right, range(len(right)), limits=(0, 1))
            found.append(
                {
                    "way": way,
                    "model": model,
                    "published": score,
                    "ours": round(100 * estimate.mean, 1),
                    "ci": [round(100 * (bound or 0), 1) for bound in (estimate.ci_low, estimate.ci_high)],
                    "not_read": sum(answer.choice is None for answer in read),
                    "rules": dict(Counter(answer.rule or "none" for answer in read)),
                }
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = rows(Path(os.environ["QAZ_CORPUS_DIR"]))
    print("| asked | model | published | ours | 95 % | not read, of 899 |\n| --- | --- | --- | --- | --- | --- |")
    for row in found:
        print(
            f"| {row['way']} | {row['model']} | {row['published']} | {row['ours']} | {row['ci'][0]} to {row['ci'][1]} | {row['not_read']} |"
        )
    if options.json:
        write_json(options.json, {"rows": found})


if __name__ == "__main__":
    main()
