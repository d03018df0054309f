"""Numbers on paper: which ticks an axis gets, how a number is written, where a value lies in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

MISSING = "–"
"""What stands where a number is absent or not finite."""


def format_number(value: float) -> str:
    """A number as a person reads it: grouped thousands, about four significant digits, `–` where not finite.

    >>> format_number(12345), format_number(0.51234), format_number(3.0), format_number(float("nan"))
    ('12,345', '0.5123', '3', '–')
    """
    if not math.isfinite(value):
        return MISSING
    if isinstance(value, int) or (value == int(value) and abs(value) < 1e15):
        return f"{int(value):,}".replace("-", "−")
    size = abs(value)
    if size < 1e-4 or size >= 1e15:
        return f"{value:.2e}".replace("-", "−")
    decimals = max(0, min(6, 3 - math.floor(math.log10(size)))) if size < 1000 else 1 if size < 10000 else 0
    text = f"{value:,.{decimals}f}"
    return (text if size < 1 else _without_zeros(text)).replace("-", "−")


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def format_tick(value: float, step: float) -> str:
    """A tick's label with just the decimals its step needs; thousands as k, millions as M.

    >>> format_tick(1500, 500), format_tick(0.25, 0.05), format_tick(2_000_000, 1_000_000)
    ('1.5k', '0.25', '2M')
    """
    for size, suffix in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if step >= size / 10 and abs(value) >= size:
            return _without_zeros(f"{value / size:.2f}").replace("-", "−") + suffix
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 5:
        return f"{value:.1e}".replace("-", "−")
    return f"{value:.{decimals}f}".replace("-", "−")


def ticks(low: float, high: float, *, count: int = 5) -> tuple[list[float], float]:
    """About `count` round values (1, 2 or 5 times a power of ten) that lie within [low, high], and their step.

    >>> ticks(0, 10)
    ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], 2.0)
    """
    span = high - low
    raw = span / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(f * power for f in (1, 2, 5, 10) if f * power >= raw * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [float(round(n * step, 12)) for n in range(first, last + 1)], step


@dataclass(frozen=True)
class Axis:
    """A linear map of [low, high] to pixels [start, end] (end may lie before start: y grows downwards)."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)


def bounds(values: Iterable[float], *, include_zero: bool = False, pad_frac: float = 0.06) -> tuple[float, float]:
    """Limits that hold all finite values with some air; (0, 1) where there are none, ±half around a single value."""
    finite = [v for v in values if math.isfinite(v)]
    if include_zero:
        finite.append(0.0)
    if not finite:
        return 0.0, 1.0
    low, high = min(finite), max(finite)
    if low == high:
        room = abs(low) / 2 or 1.0
        return (low - room, high + room) if not include_zero else (0.0, 1.0)
    pad = (high - low) * pad_frac
    if include_zero:
        return (low - pad if low < 0 else 0.0), (high + pad if high > 0 else 0.0)
    return low - pad, high + pad
