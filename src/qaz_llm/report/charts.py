"""Charts as inline SVG: lines, grouped bars, intervals, funnels.

Every chart is a `<figure>` that stands alone inside a page of `report.page`: its colours are that page's CSS variables,
so light, dark and print follow the page. A language keeps its colour in every chart (kk blue, ru vermilion, en green;
after Okabe & Ito, "Color Universal Design", 2008, told apart with any colour vision), and lines differ in dash as well.
Points that are not finite are left out and break a line; a chart without any point says so.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from html import escape

from qaz_llm.records import LANGUAGES
from qaz_llm.report.scale import MISSING, Axis, bounds, format_number, format_tick, ticks

WIDTH = 760
FONT_PX = 12.5
CHAR_PX = 6.9
"""Mean width of a character of the page's sans font at FONT_PX; a little generous, so that no label is clipped."""
LABEL_CHARS = 34
DASHES = ("", "6 4", "2 3", "9 3 2 3")
NEUTRAL_SERIES = frozenset({"base", "before", "original"})


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], *, title: str, x_label: str, y_label: str, height: int = 300
) -> str:
    """Lines over a common x axis; a series of one point is a dot. `series` maps a name to its (x, y) points."""
    finite = {name: [p for p in points if _finite(p)] for name, points in series.items()}
    everything = [p for points in finite.values() for p in points]
    if not everything:
        return _figure(title, [], 0, _legend(()))
    x_low, x_high = bounds((x for x, _ in everything), pad_frac=0.0)
    y_low, y_high = bounds(y for _, y in everything)
    y_ticks, y_step = ticks(y_low, y_high)
    left = 34 + max(len(format_tick(t, y_step)) for t in y_ticks) * CHAR_PX
    x_axis, y_axis = Axis(x_low, x_high, left, WIDTH - 20), Axis(y_low, y_high, height - 48, 14)
    shapes = _y_grid(y_axis, y_ticks, y_step, left) + _x_axis(x_axis, height - 48, x_label)
    shapes.append(_text(14, (height - 34) / 2, y_label, anchor="middle", rotate=-90, css="axis"))
    styles = _styles(list(series))
    for name, points in series.items():
        shapes += _line(points, x_axis, y_axis, *styles[name], name)
    return _figure(title, shapes, height, _legend([(name, *styles[name]) for name in series]))


def bar_chart(rows: Sequence[tuple[str, Mapping[str, float]]], *, title: str, unit: str = "") -> str:
    """Grouped horizontal bars: each row is a label and its {series: value}; bars start at zero."""
    names = list(dict.fromkeys(name for _, values in rows for name in values))
    values = [v for _, row in rows for v in row.values() if math.isfinite(v)]
    if not values:
        return _figure(title, [], 0, _legend(()))
    left = _label_width([label for label, _ in rows])
    low, high = bounds(values, include_zero=True, pad_frac=0.0)
    widest = max(len(format_number(v)) for v in values) * CHAR_PX + 12
    axis = Axis(low, high, left + (widest if low < 0 else 0), WIDTH - widest)
    # With one series the rows may be the languages, and then each row has its language's colour.
    styles = _styles(names)
    row_colours = {label: _styles([label])[label][0] for label, _ in rows} if len(names) == 1 else {}
    bar, gap = 16, 12
    shapes, y = [], 8.0
    for label, row in rows:
        block = bar * max(len(row), 1)
        shapes.append(_text(left - 10, y + block / 2 + 4.5, _shorten(label), anchor="end", hover=label))
        for name, value in row.items():
            colour = row_colours[label] if _language_of(label) and row_colours else styles[name][0]
            shapes.append(_bar(axis, y, bar, value, colour, f"{label}, {name}"))
            y += bar
        y += gap + (bar if not row else 0)
    shapes.append(f'<line class="zero" x1="{axis(0):.1f}" x2="{axis(0):.1f}" y1="2" y2="{y - 4:.1f}"/>')
    if unit:
        shapes.append(_text(axis(0), y + 10, unit, css="axis"))
        y += 16
    legend = [(name, styles[name][0], "") for name in names] if len(names) > 1 else ()
    return _figure(title, shapes, y + 2, _legend(legend))


def interval_chart(
    rows: Sequence[tuple[str, float, float, float]], *, title: str, x_label: str, zero_line: bool = False
) -> str:
    """Estimates with their intervals: each row is (label, value, low, high); the numbers stand at the right."""
    if not any(math.isfinite(value) for _, value, _, _ in rows):
        return _figure(title, [], 0, _legend(()))
    shown = [_interval_text(*row[1:]) for row in rows]
    left = _label_width([label for label, *_ in rows])
    right = max(map(len, shown)) * CHAR_PX + 14
    finite = [v for _, *numbers in rows for v in numbers if math.isfinite(v)]
    low, high = bounds([*finite, 0.0] if zero_line else finite)
    axis = Axis(low, high, left, WIDTH - right)
    row_px = 26
    bottom = 10 + row_px * len(rows)
    shapes = _x_axis(axis, bottom, x_label, grid_top=4)
    if zero_line:
        shapes.append(f'<line class="zero" x1="{axis(0):.1f}" x2="{axis(0):.1f}" y1="2" y2="{bottom}"/>')
    for index, ((label, value, lower, upper), text) in enumerate(zip(rows, shown, strict=True)):
        y = 10 + row_px * (index + 0.5)
        shapes.append(_text(left - 10, y + 4.5, _shorten(label), anchor="end", hover=label))
        shapes.append(_text(WIDTH - right + 10, y + 4.5, text, css="num"))
        shapes += _interval(axis, y, value, lower, upper, _styles([label])[label][0], f"{label}: {text}")
    return _figure(title, shapes, bottom + 44, _legend(()))


def funnel_chart(steps: Sequence[tuple[str, int]], *, title: str) -> str:
    """What remains after each step: bars from the left, with the count, the share of the first, and the loss."""
    if not steps:
        return _figure(title, [], 0, _legend(()))
    first = steps[0][1]
    most = max(max(count for _, count in steps), 1)
    texts = []
    for index, (_, count) in enumerate(steps):
        lost = steps[index - 1][1] - count if index else 0
        share = f" · {100 * count / first:.1f} %" if first else ""
        texts.append(f"{count:,}{share}" + (f" · −{lost:,}" if lost > 0 else ""))
    left = _label_width([label for label, _ in steps])
    axis = Axis(0, most, left, WIDTH - max(map(len, texts)) * CHAR_PX - 14)
    shapes = []
    for index, ((label, count), text) in enumerate(zip(steps, texts, strict=True)):
        y = 6 + 28 * index
        shapes.append(_text(left - 10, y + 15, _shorten(label), anchor="end", hover=label))
        shapes.append(
            f'<rect x="{left:.1f}" y="{y}" width="{max(axis(count) - left, 1):.1f}" height="20" rx="2" '
            f'style="fill:var(--kk)" opacity="{1 - 0.55 * index / max(len(steps), 1):.2f}">'
            f"<title>{escape(label)}: {escape(text)}</title></rect>"
        )
        shapes.append(_text(axis(count) + 8, y + 15, text, css="num"))
    return _figure(title, shapes, 28 * len(steps) + 8, _legend(()))


# ------------------------------------------------------------------------------------------------------------ pieces


def _finite(point: tuple[float, float]) -> bool:
    return math.isfinite(point[0]) and math.isfinite(point[1])


def _language_of(name: str) -> str | None:
    """The language a label speaks of: the one code among its words (`kk`, `base kk`, `flores · ru`), else None."""
    found = [word for word in re.split(r"[^A-Za-z]+", name) if word in LANGUAGES]
    return found[0] if len(found) == 1 else None


def _styles(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each series; a second series of one language has a paler shade of its colour."""
    styles: dict[str, tuple[str, str]] = {}
    used: list[str] = []
    for index, name in enumerate(names):
        language = _language_of(name)
        if language:
            variable = f"var(--{language})"
        elif name in NEUTRAL_SERIES:
            variable = "var(--muted)"
        else:
            variable = f"var(--s{sum(v.startswith('var(--s') for v in used) % 6})"
        shade = 100 - 45 * min(used.count(variable), 1)
        colour = variable if shade == 100 else f"color-mix(in srgb, {variable} {shade}%, var(--paper))"
        used.append(variable)
        styles[name] = (colour, DASHES[index % len(DASHES)])
    return styles


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
        return _text(axis(0) + 6, middle, MISSING, css="num", hover=hover)
    start, end = sorted((axis(0), axis(value)))
    shown = format_number(value)
    label = (
        _text(end + 6, middle, shown, css="num")
        if value >= 0
        else _text(start - 6, middle, shown, anchor="end", css="num")
    )
    return (
        f'<rect x="{start:.1f}" y="{y + 1:.1f}" width="{max(end - start, 1):.1f}" height="{thickness - 2:.1f}" rx="1.5" '
        f'style="fill:{colour}"><title>{escape(hover)}: {shown}</title></rect>{label}'
    )


def _interval_text(value: float, low: float, high: float) -> str:
    if not math.isfinite(value):
        return MISSING
    if not (math.isfinite(low) and math.isfinite(high)):
        return _rounded(value)
    return f"{_rounded(value)} [{_rounded(low)}, {_rounded(high)}]"


def _rounded(value: float) -> str:
    return f"{value:,.3f}".replace("-", "−") if abs(value) < 100 else f"{value:,.0f}".replace("-", "−")


def _interval(axis: Axis, y: float, value: float, low: float, high: float, colour: str, hover: str) -> list[str]:
    if not math.isfinite(value):
        return []
    shapes = []
    if math.isfinite(low) and math.isfinite(high):
        ends = "".join(f"M{axis(end):.1f} {y - 5}V{y + 5}" for end in (low, high))
        shapes.append(
            f'<path class="whisker" d="M{axis(low):.1f} {y}H{axis(high):.1f}{ends}" style="stroke:{colour}"/>'
        )
    shapes.append(
        f'<circle cx="{axis(value):.1f}" cy="{y}" r="4.5" style="fill:{colour}"><title>{escape(hover)}</title></circle>'
    )
    return shapes


def _y_grid(axis: Axis, values: Sequence[float], step: float, left: float) -> list[str]:
    shapes = []
    for value in values:
        y = axis(value)
        shapes.append(f'<line class="grid" x1="{left:.1f}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}"/>')
        shapes.append(_text(left - 8, y + 4.5, format_tick(value, step), anchor="end", css="num"))
    return shapes


def _x_axis(axis: Axis, y: float, label: str, *, grid_top: float | None = None) -> list[str]:
    shapes = [f'<line class="zero" x1="{axis.start:.1f}" x2="{axis.end:.1f}" y1="{y}" y2="{y}"/>']
    values, step = ticks(axis.low, axis.high, count=max(2, min(7, int((axis.end - axis.start) / 80))))
    for value in values:
        x = axis(value)
        if grid_top is not None:
            shapes.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{grid_top}" y2="{y}"/>')
        shapes.append(_text(x, y + 18, format_tick(value, step), anchor="middle", css="num"))
    shapes.append(_text((axis.start + axis.end) / 2, y + 38, label, anchor="middle", css="axis"))
    return shapes


def _label_width(labels: Sequence[str]) -> float:
    return 18 + max((len(_shorten(label)) for label in labels), default=0) * CHAR_PX


def _shorten(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else label[: LABEL_CHARS - 1] + "…"


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", css: str = "", rotate: int = 0, hover: str | None = None
) -> str:
    turn = f' transform="rotate({rotate} {x:.1f} {y:.1f})"' if rotate else ""
    name = f' class="{css}"' if css else ""
    title = f"<title>{escape(hover)}</title>" if hover is not None and hover != text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}{turn}>{title}{escape(text)}</text>'


def _legend(entries: Sequence[tuple[str, str, str]]) -> str:
    if not entries:
        return ""
    items = ""
    for name, colour, dash in entries:
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        swatch = f'<line x1="1" x2="25" y1="5" y2="5" stroke-width="4" style="stroke:{colour}"{dashes}/>'
        items += f'<li><svg width="26" height="10" aria-hidden="true">{swatch}</svg>{escape(name)}</li>'
    return f'<ul class="legend">{items}</ul>'


def _figure(title: str, shapes: Sequence[str], height: float, legend: str) -> str:
    body = '<p class="empty">No data.</p>'
    if shapes:
        body = (
            f'<div class="scroll"><svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
            f'aria-label="{escape(title)}">{"".join(shapes)}</svg></div>'
        )
    return f"<figure><figcaption>{escape(title)}</figcaption>{legend}{body}</figure>"
