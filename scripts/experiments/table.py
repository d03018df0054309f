"""The results as Markdown tables: each arm, and against the base, what others do and the main arm, with intervals over sentences and seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from qaz_llm.io import read_json

Results = Mapping[str, Sequence[Mapping[str, Any]]]

DRAWS, LEVEL = 2_000, 0.95
PEER = "trl"
MAIN = "main"
"""The arm that the others differ from in one thing each."""

Scores = Mapping[str, Mapping[str, Mapping[str, Sequence[float]]]]
"""By task and language the bits and the bytes of each sentence."""


def sentences_of(scores: Scores, task: str, language: str) -> np.ndarray:
    return np.asarray(scores[task][language]["bits"])


def change(
    arms: Sequence[Scores], other: Sequence[Scores], task: str, language: str, *, seed: int = 0
) -> tuple[float, float, float]:
    """Relative change of the bits per byte of all sentences together from `other` to `arms`, with its interval over seeds and sentences.

    Seeds of each side are drawn with replacement, and so are sentences, the same ones on both sides (a paired hierarchical bootstrap).
    """
    ours = np.stack([sentences_of(scores, task, language) for scores in arms])
    theirs = np.stack([sentences_of(scores, task, language) for scores in other])
    draw = np.random.default_rng(seed)

    def ratio(a: np.ndarray, b: np.ndarray) -> float:
        return float(a.mean() / b.mean() - 1)

    drawn = []
    for _ in range(DRAWS):
        items = draw.integers(0, ours.shape[1], ours.shape[1])
        a = ours[draw.integers(0, len(ours), len(ours))][:, items]
        b = theirs[draw.integers(0, len(theirs), len(theirs))][:, items]
        drawn.append(ratio(a, b))
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return ratio(ours, theirs), float(low), float(high)


def read_results(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Results by arm, seeds in order; starts under `start-NAME`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("*.json")):
        row = read_json(path)
        found.setdefault(row["arm"]["name"] if "arm" in row else f"start-{row['start']}", []).append(row)
    return found


def bits_per_byte(rows: Sequence[Mapping[str, Any]], task: str, language: str) -> float:
    """Of all sentences together, the mean over seeds."""
    found = [row["scores"][task][language] for row in rows]
    return float(np.mean([sum(one["bits"]) / sum(one["bytes"]) for one in found]))


COLUMNS = (
    ("flores_bpb", "kk"),
    ("xwmt_bpb_ru", "kk"),
    ("flores_bpb", "ru"),
    ("xwmt_bpb_ru", "ru"),
    ("flores_bpb", "en"),
    ("xwmt_bpb_en", "en"),
)


def shown(found: tuple[float, float, float]) -> str:
    return f"{found[0]:+.1%} [{found[1]:+.1%}, {found[2]:+.1%}]"


def print_table(folder: Path) -> None:
    """Two tables: bits per byte of each arm, and each arm against the base, what others do and the main one."""
    results = read_results(folder)
    print_bits(results)
    print()
    print_comparisons(results)


def print_bits(results: Results) -> None:
    names = [f"{task.split('_')[0]} {language}" for task, language in COLUMNS]
    print(f"| arm | seeds | tokens | CPU-s | {' | '.join(names)} |")
    print("| --- " * (len(COLUMNS) + 4) + "|")
    for name, rows in results.items():
        seconds = np.mean([r.get("train_cpu_s", 0) + r.get("grown_cpu_s", r.get("cpu_s", 0)) for r in rows])
        bits = [f"{bits_per_byte(rows, task, language):.3f}" for task, language in COLUMNS]
        print(
            "| " + " | ".join([name, str(len(rows)), f"{rows[0].get('tokens', 0):,}", f"{seconds:,.0f}", *bits]) + " |"
        )


def print_comparisons(results: Results) -> None:
    arms = {name: rows for name, rows in results.items() if not name.startswith("start-")}
    names = [f"{task.split('_')[0]} {language}" for task, language in COLUMNS]
    print(f"| arm | against | {' | '.join(names)} |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for name, rows in arms.items():
        model = rows[0]["arm"]["model"]
        others = {"base": results.get(f"start-{model}")}
        if model.startswith("smollm2"):
            others |= {PEER: results.get(PEER), MAIN: results.get(MAIN) if name != PEER else None}
        for against, other in others.items():
            if other and against != name:
                scores, theirs = [[row["scores"] for row in of] for of in (rows, other)]
                cells = [shown(change(scores, theirs, task, language)) for task, language in COLUMNS]
                print("| " + " | ".join([name, against, *cells]) + " |")
