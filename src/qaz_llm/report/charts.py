"""Charts as inline SVG: lines, grouped bars, intervals, funnels.

Every chart is a `<figure>` that stands alone inside a page of `report.page`: its colours are that page's CSS variables,
so light, dark and print follow the page. A language keeps its colour in every chart (kk blue, ru vermilion, en green;
after Okabe & Ito, "Color Universal Design", 2008, told apart with any colour vision), and lines differ in dash as well.
Points that are not finite are left out and break a line; a chart without any point says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from qaz_llm.report.scale import MISSING, Axis, bounds, format_number, format_tick, ticks
from qaz_llm.report.svg import (
    CHAR_PX,
    WIDTH,
    figure_of,
    interval_label,
    interval_marks,
    label_width,
    language_of,
    legend_of,
    shorten,
    styles_of,
    text_at,
    x_axis_of,
    y_grid,
)


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_label: str, y_label: str, height: int = 300
) -> str:
    """Lines over a common x axis; a series of one point is a dot. `series` maps a name to its (x, y) points."""
    finite = {name: [p for p in points if _finite(p)] for name, points in series.items()}
    everything = [p for points in finite.values() for p in points]
    if not everything:
        return figure_of(title, [], 0, legend_of(()))
    x_low, x_high = bounds((x for x, _ in everything), pad_frac=0.0)
    y_low, y_high = bounds(y for _, y in everything)
    y_ticks, y_step = ticks(y_low, y_high)
    left = 34 + max(len(format_tick(t, y_step)) for t in y_ticks) * CHAR_PX
    x_axis, y_axis = Axis(x_low, x_high, left, WIDTH - 20), Axis(y_low, y_high, height - 48, 14)
    shapes = y_grid(y_axis, y_ticks, y_step, left) + x_axis_of(x_axis, height - 48, x_label)
    shapes.append(text_at(14, (height - 34) / 2, y_label, anchor="middle", rotate=-90, css="axis"))
    styles = styles_of(list(series))
    for name, points in series.items():
        shapes += _line(points, x_axis, y_axis, *styles[name], name)
    return figure_of(title, shapes, height, legend_of([(name, *styles[name]) for name in series]))


def bar_chart(rows: Sequence[tuple[str, Mapping[str, float]]], *, title: str, unit: str = "") -> str:
    """Grouped horizontal bars: each row is a label and its {series: value}; bars start at zero."""
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    values = [v for _, row in rows for v in row.values() if math.isfinite(v)]
    if not values:
        return figure_of(title, [], 0, legend_of(()))
    left = label_width([label for label, _ in rows])
    low, high = bounds(values, include_zero=True, pad_frac=0.0)
    widest = max(len(format_number(v)) for v in values) * CHAR_PX + 12
    axis = Axis(low, high, left + (widest if low < 0 else 0), WIDTH - widest)
    # With one series the rows may be the languages, and then each row has its language's colour.
    styles = styles_of(names)
    row_colours = {label: styles_of([label])[label][0] for label, _ in rows} if len(names) == 1 else {}
    bar, gap = 16, 12
    shapes, y = [], 8.0
    for label, row in rows:
        block = bar * max(len(row), 1)
        shapes.append(text_at(left - 10, y + block / 2 + 4.5, shorten(label), anchor="end", hover=label))
        for name, value in row.items():
            colour = row_colours[label] if language_of(label) and row_colours else styles[name][0]
            shapes.append(_bar(axis, y, bar, value, colour, f"{label}, {name}"))
            y += bar
        y += gap + (bar if not row else 0)
    shapes.append(f'<line class="zero" x1="{axis(0):.1f}" x2="{axis(0):.1f}" y1="2" y2="{y - 4:.1f}"/>')
    if unit:
        shapes.append(text_at(axis(0), y + 10, unit, css="axis"))
        y += 16
    legend = [(name, styles[name][0], "") for name in names] if len(names) > 1 else ()
    return figure_of(title, shapes, y + 2, legend_of(legend))


def interval_chart(
    rows: Sequence[tuple[str, float, float, float]], *, title: str, x_label: str, zero_line: bool = False
) -> str:
    """Estimates with their intervals: each row is (label, value, low, high); the numbers stand at the right."""
    if not any(math.isfinite(value) for _, value, _, _ in rows):
        return figure_of(title, [], 0, legend_of(()))
    shown = [interval_label(*row[1:]) for row in rows]
    left = label_width([label for label, *_ in rows])
    right = max(map(len, shown)) * CHAR_PX + 14
    finite = [v for _, *numbers in rows for v in numbers if math.isfinite(v)]
    low, high = bounds([*finite, 0.0] if zero_line else finite)
    axis = Axis(low, high, left, WIDTH - right)
    row_px = 26
    bottom = 10 + row_px * len(rows)
    shapes = x_axis_of(axis, bottom, x_label, grid_top=4)
    if zero_line:
        shapes.append(f'<line class="zero" x1="{axis(0):.1f}" x2="{axis(0):.1f}" y1="2" y2="{bottom}"/>')
    for index, ((label, value, lower, upper), text) in enumerate(zip(rows, shown, strict=True)):
        y = 10 + row_px * (index + 0.5)
        shapes.append(text_at(left - 10, y + 4.5, shorten(label), anchor="end", hover=label))
        shapes.append(text_at(WIDTH - right + 10, y + 4.5, text, css="num"))
        shapes += interval_marks(axis, y, value, lower, upper, styles_of([label])[label][0], f"{label}: {text}")
    return figure_of(title, shapes, bottom + 44, legend_of(()))


def funnel_chart(steps: Sequence[tuple[str, int]], *, title: str) -> str:
    """What remains after each step: bars from the left, with the count, the share of the first, and the loss."""
    if not steps:
        return figure_of(title, [], 0, legend_of(()))
    first = steps[0][1]
    most = max(max(count for _, count in steps), 1)
    texts = []
    for index, (_, count) in enumerate(steps):
        lost = steps[index - 1][1] - count if index else 0
        share = f" · {100 * count / first:.1f} %" if first else ""
        texts.append(f"{count:,}{share}" + (f" · −{lost:,}" if lost > 0 else ""))
    left = label_width([label for label, _ in steps])
    axis = Axis(0, most, left, WIDTH - max(map(len, texts)) * CHAR_PX - 14)
    shapes = []
    for index, ((label, count), text) in enumerate(zip(steps, texts, strict=True)):
        y = 6 + 28 * index
        shapes.append(text_at(left - 10, y + 15, shorten(label), anchor="end", hover=label))
        shapes.append(
            f'<rect x="{left:.1f}" y="{y}" width="{max(axis(count) - left, 1):.1f}" height="20" rx="2" '
            f'style="fill:var(--kk)" opacity="{1 - 0.55 * index / max(len(steps), 1):.2f}">'
            f"<title>{escape(label)}: {escape(text)}</title></rect>"
        )
        shapes.append(text_at(axis(count) + 8, y + 15, text, css="num"))
    return figure_of(title, shapes, 28 * len(steps) + 8, legend_of(()))


# ------------------------------------------------------------------------------------------------------------ pieces


def _finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _line(
    points: Sequence[tuple[float, float]], x_axis: Axis, y_axis: Axis, colour: str, dash: str, name: str
) -> list[str]:
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if _finite(point):
            runs[-1].append((x_axis(point[0]), y_axis(point[1])))
        elif runs[-1]:
            runs.append([])
    shapes = []
    few = sum(map(len, runs)) <= 30
    for run in runs:
        if len(run) > 1:
            path = " ".join(f"{'L' if i else 'M'}{x:.1f} {y:.1f}" for i, (x, y) in enumerate(run))
            dashes = f' stroke-dasharray="{dash}"' if dash else ""
            shapes.append(
                f'<path class="line" d="{path}" style="stroke:{colour}"{dashes}><title>{escape(name)}</title></path>'
            )
        if few or len(run) == 1:
            radius = 4 if len(run) == 1 else 2.6
            shapes += [
                f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" style="fill:{colour}"><title>{escape(name)}</title></circle>'
                for x, y in run
            ]
    return shapes


def _bar(axis: Axis, y: float, thickness: float, value: float, colour: str, hover: str) -> str:
    middle = y + thickness / 2 + 4.5
    if not math.isfinite(value):
        return text_at(axis(0) + 6, middle, MISSING, css="num", hover=hover)
    start, end = sorted((axis(0), axis(value)))
    shown = format_number(value)
    label = (
        text_at(end + 6, middle, shown, css="num")
        if value >= 0
        else text_at(start - 6, middle, shown, anchor="end", css="num")
    )
    return (
        f'<rect x="{start:.1f}" y="{y + 1:.1f}" width="{max(end - start, 1):.1f}" height="{thickness - 2:.1f}" rx="1.5" '
        f'style="fill:{colour}"><title>{escape(hover)}: {shown}</title></rect>{label}'
    )
