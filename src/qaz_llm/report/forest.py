"""Forest plots: estimates with intervals, one a row, drawn once for a wide page and once for a phone; the page shows the one that fits.

On a phone the label stands above its row and the number beside the label, so that the intervals get the whole width. Labels are wrapped,
never cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qaz_llm.report.scale import Axis, bounds, format_tick, ticks
from qaz_llm.report.svg import (
    figure_with,
    interval_label,
    interval_marks,
    legend_of,
    styles_of,
    svg_of,
    text_at,
    text_px,
    wrapped,
)

LINE_PX = 15
ROW_PX = 24
CHAR_PX = 8.2
"""Width of a character of a line that may be as long as its place: few lines have a wider mean."""


@dataclass(frozen=True)
class ForestRow:
    """A label, an estimate and its interval (nan: none).

    `mark`: where guessing would be; `is_faint`: not of the main interest; `series`: what gives the colour, a language or a name.
    """

    label: str
    value: float
    low: float
    high: float
    mark: float | None = None
    is_faint: bool = False
    series: str = ""


@dataclass(frozen=True)
class Frame:
    """How wide the drawing is, and where its labels go."""

    width: int
    name: str
    label_chars: int | None
    """Characters of a line of the column of labels; None: labels stand above their rows."""


WIDE, NARROW = Frame(760, "wide", 30), Frame(330, "narrow", None)


def forest_chart(
    rows: Sequence[ForestRow],
    *,
    title: str,
    x_label: str,
    zero_line: bool = False,
    mark_name: str = "guessing",
    faint_name: str = "exploratory",
) -> str:
    """A figure; a dashed tick in a row is its `mark`, and the legend names it. Rows without a finite value are said to have none."""
    if not any(math.isfinite(row.value) for row in rows):
        return figure_with(title, "", [])
    drawings = [_drawing(rows, frame, title=title, x_label=x_label, zero_line=zero_line) for frame in (WIDE, NARROW)]
    marks = [(mark_name, "var(--ink)", "2 2")] if any(row.mark is not None for row in rows) else []
    faint = [(faint_name, "var(--muted)", "")] if any(row.is_faint for row in rows) else []
    return figure_with(title, legend_of([*marks, *faint]), drawings)


def _drawing(rows: Sequence[ForestRow], frame: Frame, *, title: str, x_label: str, zero_line: bool) -> str:
    texts = [interval_label(row.value, row.low, row.high) for row in rows]
    if frame.label_chars is None:
        left, right = 12.0, frame.width - 12.0
        chars = int((frame.width - max(map(text_px, texts)) - 24) / CHAR_PX)
    else:
        longest = max(text_px(line) for row in rows for line in wrapped(row.label, frame.label_chars))
        left, right = 18 + longest, frame.width - max(map(text_px, texts)) - 14
        chars = frame.label_chars
    axis = Axis(*_limits(rows, zero_line), left, right)
    shapes: list[str] = []
    y = 10.0
    for row, text in zip(rows, texts, strict=True):
        lines = wrapped(row.label, chars)
        height = max(ROW_PX, LINE_PX * len(lines) + 8)
        if frame.label_chars is None:
            shapes += _label_above(lines, text, y, frame)
            y += LINE_PX * len(lines) + 4
            height, middle = ROW_PX, y + 8
        else:
            middle = y + height / 2
            shapes += _label_left(lines, text, middle, left, right)
        shapes += _marks(row, axis, middle, text)
        y += height
    labels = wrapped(x_label, int((frame.width - 16) / CHAR_PX))
    bottom = y + 42 + LINE_PX * (len(labels) - 1)
    axes = _axis_and_grid(axis, y, labels, frame, zero_line)
    return svg_of(title, axes + shapes, frame.width, bottom, frame.name)


def _limits(rows: Sequence[ForestRow], zero_line: bool) -> tuple[float, float]:
    numbers = [v for row in rows for v in (row.value, row.low, row.high, row.mark) if v is not None]
    return bounds([v for v in [*numbers, *([0.0] if zero_line else [])] if math.isfinite(v)])


def _label_above(lines: Sequence[str], text: str, y: float, frame: Frame) -> list[str]:
    shapes = [text_at(8, y + 11 + LINE_PX * n, line) for n, line in enumerate(lines)]
    return [*shapes, text_at(frame.width - 8, y + 11, text, anchor="end", css="num")]


def _label_left(lines: Sequence[str], text: str, middle: float, left: float, right: float) -> list[str]:
    top = middle + 4.5 - LINE_PX * (len(lines) - 1) / 2
    shapes = [text_at(left - 10, top + LINE_PX * n, line, anchor="end") for n, line in enumerate(lines)]
    return [*shapes, text_at(right + 10, middle + 4.5, text, css="num")]


def _marks(row: ForestRow, axis: Axis, y: float, text: str) -> list[str]:
    shapes = []
    if row.mark is not None and math.isfinite(row.mark):
        x = axis(row.mark)
        shapes.append(f'<line class="mark" x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9:.1f}" y2="{y + 9:.1f}"/>')
    colour = "var(--muted)" if row.is_faint else styles_of([row.series])[row.series][0]
    return shapes + interval_marks(axis, y, row.value, row.low, row.high, colour, f"{row.label}: {text}")


def _axis_and_grid(axis: Axis, y: float, labels: Sequence[str], frame: Frame, zero_line: bool) -> list[str]:
    values, step = ticks(axis.low, axis.high, count=max(5, min(7, int((axis.end - axis.start) / 70))))
    shapes = [f'<line class="zero" x1="{axis.start:.1f}" x2="{axis.end:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>']
    for value in values:
        x = axis(value)
        shapes.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{y:.1f}"/>')
        shapes.append(text_at(x, y + 17, format_tick(value, step), anchor="middle", css="num"))
    if zero_line:
        shapes.append(f'<line class="zero" x1="{axis(0):.1f}" x2="{axis(0):.1f}" y1="2" y2="{y:.1f}"/>')
    for n, line in enumerate(labels):
        reach = text_px(line) / 2 + 4
        middle = min(max((axis.start + axis.end) / 2, reach), frame.width - reach)
        shapes.append(text_at(middle, y + 36 + LINE_PX * n, line, anchor="middle", css="axis"))
    return shapes
