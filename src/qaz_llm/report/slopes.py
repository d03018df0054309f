"""Slopes: how some scores went from one checkpoint to the next, a small panel per task, as many beside each other as the page is wide."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from qaz_llm.report.scale import Axis, bounds
from qaz_llm.report.svg import figure_with, rounded, styles_of, svg_of, text_at, text_px

WIDTH, HEIGHT = 300, 190
TOP, BOTTOM, LEFT = 14.0, 158.0, 16.0
LINE_PX = 14.0


@dataclass(frozen=True)
class SlopePanel:
    """One task: `series` maps a language to a value per checkpoint (nan: none); `marks` a language to its score by guessing."""

    title: str
    series: Mapping[str, Sequence[float]]
    marks: Mapping[str, float]


def slope_charts(panels: Sequence[SlopePanel], checkpoints: Sequence[str]) -> str:
    """The panels as one grid. Names of checkpoints that do not fit become A, B, C …, which a line above the grid explains."""
    if not panels:
        return figure_with("Before and after", "", [])
    column = (WIDTH - 110) / max(len(checkpoints) - 1, 1)
    fits = max(map(text_px, checkpoints)) <= min(column, 105)
    names = list(checkpoints) if fits else [_letter(n) for n in range(len(checkpoints))]
    key = "" if fits else "; ".join(f"{short}: {name}" for short, name in zip(names, checkpoints, strict=True))
    said = f'<p class="lead">{escape(key)}</p>' if key else ""
    return f'{said}<div class="panels">{"".join(_panel(panel, names) for panel in panels)}</div>'


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)


def _panel(panel: SlopePanel, names: Sequence[str]) -> str:
    finite = [v for row in panel.series.values() for v in row if math.isfinite(v)]
    if not finite:
        return figure_with(panel.title, "", [])
    labels = {code: f"{code} {rounded(row[-1])}" for code, row in panel.series.items()}
    right = WIDTH - max(map(text_px, labels.values())) - 10
    y_axis = Axis(*bounds([*finite, *panel.marks.values()]), BOTTOM, TOP)
    xs = [LEFT + (right - LEFT) * n / max(len(names) - 1, 1) for n in range(len(names))]
    shapes = [_mark(panel.marks, y_axis, right)] if panel.marks else []
    styles = styles_of(list(panel.series))
    for code, row in panel.series.items():
        shapes += _slope(code, row, xs, y_axis, styles[code][0])
    last = {code: y_axis(row[-1]) for code, row in panel.series.items() if math.isfinite(row[-1])}
    shapes += [text_at(right + 8, y + 4.5, labels[code], css="num") for code, y in _apart(last).items()]
    for n, (x, name) in enumerate(zip(xs, names, strict=True)):
        anchor = "start" if n == 0 and len(names) > 1 else "end" if n == len(names) - 1 else "middle"
        shapes.append(text_at(x - 4 if n == 0 else x, BOTTOM + 24, name, anchor=anchor, css="num"))
    return figure_with(panel.title, "", [svg_of(panel.title, shapes, WIDTH, HEIGHT, "panel")])


def _mark(marks: Mapping[str, float], y_axis: Axis, right: float) -> str:
    level = sum(marks.values()) / len(marks)
    y = y_axis(level)
    return f'<line class="mark" x1="{LEFT:.1f}" x2="{right:.1f}" y1="{y:.1f}" y2="{y:.1f}"><title>guessing: {rounded(level)}</title></line>'


def _slope(code: str, row: Sequence[float], xs: Sequence[float], y_axis: Axis, colour: str) -> list[str]:
    points = [(x, y_axis(value)) for x, value in zip(xs, row, strict=True) if math.isfinite(value)]
    path = " ".join(f"{'L' if n else 'M'}{x:.1f} {y:.1f}" for n, (x, y) in enumerate(points))
    hover = escape(f"{code}: {', '.join(rounded(v) for v in row)}")
    line = f'<path class="line" d="{path}" style="stroke:{colour}"><title>{hover}</title></path>' if path else ""
    dots = [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" style="fill:{colour}"/>' for x, y in points]
    return [line, *dots]


def _apart(wanted: Mapping[str, float]) -> dict[str, float]:
    """Heights of labels, moved as little as keeps them LINE_PX apart and inside the panel: downwards, then back up from the bottom."""
    placed: dict[str, float] = {}
    above = -math.inf
    for code, y in sorted(wanted.items(), key=lambda pair: pair[1]):
        above = placed[code] = max(y, above + LINE_PX)
    below = BOTTOM + LINE_PX
    for code in reversed(list(placed)):
        below = placed[code] = min(placed[code], below - LINE_PX)
    return placed
