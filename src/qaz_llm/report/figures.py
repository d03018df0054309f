"""Figures as text, the same way on every page: numbers, intervals, p values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qaz_llm.report.scale import MISSING


def number_text(value: float | None, size: float | None = None) -> str:
    """Three decimals below 10 (shares, bits per byte), one above (bits per sentence); `size` decides for its interval."""
    if value is None:
        return MISSING
    decimals = 3 if abs(value if size is None else size) < 10 else 1
    return f"{value:,.{decimals}f}".replace("-", "−")


def interval_text(row: Mapping[str, Any] | None, key: str) -> str:
    """`0.512 [0.470, 0.554]` of a row with `key`, `ci_low` and `ci_high`; no brackets where there are too few items."""
    if row is None:
        return MISSING
    value, low, high = row[key], row["ci_low"], row["ci_high"]
    if low is None or high is None:
        return f"{number_text(value)} (no interval: too few items)"
    widest = max(map(abs, (value, low, high)))
    return f"{number_text(value, widest)} [{number_text(low, widest)}, {number_text(high, widest)}]"


def p_text(value: float | None) -> str:
    """A p value with three decimals, or that it is smaller."""
    if value is None:
        return MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"
