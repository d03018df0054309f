"""The best evaluation so far, and whether it was so long ago that the run ends.

Both follow from evals.jsonl, and evals_texts.jsonl beside it, alone, which a resumed run brings back to its step: so it knows what the uninterrupted one knew.

    kk 1.90 1.80 1.81 1.79 1.80 1.80, patience 2, min_gain 0      →  best 1.79, 2 evaluations ago: the run ends
    the same with min_gain 0.05                                    →  best 1.80, 4 evaluations ago
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import ConfigError
from qaz_llm.train.config import WatchConfig
from qaz_llm.train.watching.texts import comparable_evals

MEAN = "mean"


@dataclass(frozen=True)
class Best:
    """`evaluations_since` counts those after it, none of which was better."""

    by: str
    step: int
    value: float
    evaluations_since: int

    def in_words(self) -> str:
        return f"best held-out {self.by}: {self.value:.4f} at step {self.step:,}"


def best_so_far(run_dir: Path, settings: WatchConfig) -> Best | None:
    """The best evaluation in run_dir's evals.jsonl; None where none is to be kept, or none was made."""
    return None if settings.keep_best is None else best_of(comparable_evals(run_dir), settings)


def best_of(rows: Sequence[Mapping[str, Any]], settings: WatchConfig) -> Best | None:
    """The last row that was better than all before it by more than `min_gain`. What is not finite is never better.

    That before the first step is none of them: there is no checkpoint of it. Rows that lack what the last one has, from before a change of config, are not compared with it.
    Raises ConfigError where the last row has no such number.
    """
    by = settings.keep_best
    if by is None or not rows:
        return None
    _check_has(rows[-1], by)
    like = [row for row in rows if row["step"] and (by in row if by in rows[-1] else row.keys() == rows[-1].keys())]
    best: Best | None = None
    for number, row in enumerate(like):
        value = _value(row, by)
        if math.isfinite(value) and (best is None or value < best.value - settings.min_gain):
            best = Best(by, row["step"], value, len(like) - 1 - number)
    return best


def _value(row: Mapping[str, Any], by: str) -> float:
    if by in row:
        return float(row[by])
    values = [row[name] for name in _bits(row)]
    return math.fsum(values) / len(values)


def _bits(row: Mapping[str, Any]) -> list[str]:
    """The numbers that a mean is taken of: shares of wrong answers (`sib200.kk`) are in another unit."""
    names = [name for name in row if name != "step"]
    return [name for name in names if "." not in name] or names


def _check_has(row: Mapping[str, Any], by: str) -> None:
    names = [name for name in row if name != "step"]
    if by not in names and (by != MEAN or not names):
        raise ConfigError(
            f"watch.keep_best: the evaluation has no number '{by}', it has {', '.join(names) or 'none'}",
            hint=f"name one of them, or {MEAN}",
        )


def why_ended(run_dir: Path, settings: WatchConfig) -> str | None:
    """Why a run ends before its last step; None where it does not."""
    best = best_so_far(run_dir, settings)
    if best is None or settings.patience is None or best.evaluations_since < settings.patience:
        return None
    return f"{best.evaluations_since} evaluations in a row were no better (watch.patience); {best.in_words()}"
