"""A row of metrics.jsonl, and the line that says it in a log.

step 120/1,000: loss 2.3100 (kk 2.10, ru 2.80), lr 3.0e-04, gradient norm 0.80, 10,400 tokens/s, MFU 41 %, 13 min left
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qaz_llm.progress import format_duration

LEFT_OUT = "tokens/s and MFU leave out saving, evaluation and samples, whose seconds stand in metrics.jsonl; the time left has them in"
"""Said once, before the first line."""

MOST_PARTS = 4
"""So many losses of languages are named in a line."""


def in_words(row: Mapping[str, Any], *, steps: int, left_s: float | None) -> str:
    """A row as a line of a log."""
    return f"step {row['step']:,}/{steps:,}: {figures(row, left_s=left_s)}"


def figures(row: Mapping[str, Any], *, left_s: float | None, short: bool = False) -> str:
    """The row's numbers with what they are; `short` for a line of a terminal."""
    languages = row.get("languages", {})
    named = ", ".join(f"{name} {values['loss']:.2f}" for name, values in list(languages.items())[:MOST_PARTS])
    norm, rate = ("|g|", "tok/s") if short else ("gradient norm", "tokens/s")
    parts = [
        f"loss {row['loss']:.4f}" + (f" ({named})" if named and len(languages) > 1 and not short else ""),
        f"lr {row['lr']:.1e}",
        f"{norm} {row['grad_norm']:.2f}",
        f"{row['tokens_per_s']:,.0f} {rate}",
    ]
    if "mfu_frac" in row:
        parts.append(f"MFU {row['mfu_frac']:.0%}".replace("%", " %"))
    if left_s is not None:
        parts.append(f"{format_duration(left_s)} left")
    return (" " if short else ", ").join(parts)
