"""The pieces of a chart: text, axes, intervals, colours, the figure around them.

What is drawn here is SVG as a string; `text_at` and `figure_of` escape what they are given.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from html import escape

from qaz_llm.records import LANGUAGES
from qaz_llm.report.scale import MISSING, Axis, format_tick, ticks

WIDTH = 760
FONT_PX = 12.5
CHAR_PX = 6.9
"""Mean width of a character of the page's sans font at FONT_PX; a little generous, so that no label is clipped."""
LABEL_CHARS = 34
WIDTHS_EM = (
    (" ijl.,:;|!'’", 0.33),
    ('ftrI[]()-/"', 0.42),
    ("_^°", 0.52),
    ("mwMWЖМФШЩЫЮжмфшщыюұЪ%@—…", 0.98),
)
"""Advance of letters of DejaVu Sans, the widest of the page's fonts, in sizes of the font; all others OTHER_EM at most, capitals CAPITAL_EM."""
OTHER_EM, CAPITAL_EM = 0.65, 0.79
DASHES = ("", "6 4", "2 3", "9 3 2 3")
NEUTRAL_SERIES = frozenset({"base", "before", "original"})


def language_of(name: str) -> str | None:
    """The language a label speaks of: the one code among its words (`kk`, `base kk`, `flores · ru`), else None."""
    found = [word for word in re.split(r"[^A-Za-z]+", name) if word in LANGUAGES]
    return found[0] if len(found) == 1 else None


def styles_of(names: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Colour and dash of each series; a second series of one language has a paler shade of its colour."""
    styles: dict[str, tuple[str, str]] = {}
    used: list[str] = []
    for index, name in enumerate(names):
        language = language_of(name)
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


def text_px(text: str, font_px: float = FONT_PX) -> float:
    """How wide a text is at most, in the widest font that the page may get.

    >>> text_px("kk 0.5", font_px=10) < text_px("МШ 0.5", font_px=10)
    True
    """
    return font_px * sum(_em(character) for character in text)


def _em(character: str) -> float:
    for letters, em in WIDTHS_EM:
        if character in letters:
            return em
    return CAPITAL_EM if character.isupper() else OTHER_EM


def interval_label(value: float, low: float, high: float) -> str:
    """`0.512 [0.470, 0.554]`; the largest of the three decides on decimals."""
    if not math.isfinite(value):
        return MISSING
    if not (math.isfinite(low) and math.isfinite(high)):
        return rounded(value)
    size = max(map(abs, (value, low, high)))
    return f"{rounded(value, size)} [{rounded(low, size)}, {rounded(high, size)}]"


def rounded(value: float, size: float | None = None) -> str:
    """Three decimals below 10, one below 1,000, else none; `size` decides for numbers that stand together."""
    if not math.isfinite(value):
        return MISSING
    largest = abs(value if size is None else size)
    return f"{value:,.{3 if largest < 10 else 1 if largest < 1000 else 0}f}".replace("-", "−")


def interval_marks(axis: Axis, y: float, value: float, low: float, high: float, colour: str, hover: str) -> list[str]:
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


def y_grid(axis: Axis, values: Sequence[float], step: float, left: float) -> list[str]:
    shapes = []
    for value in values:
        y = axis(value)
        shapes.append(f'<line class="grid" x1="{left:.1f}" x2="{WIDTH - 20}" y1="{y:.1f}" y2="{y:.1f}"/>')
        shapes.append(text_at(left - 8, y + 4.5, format_tick(value, step), anchor="end", css="num"))
    return shapes


def x_axis_of(axis: Axis, y: float, label: str, *, grid_top: float | None = None) -> list[str]:
    shapes = [f'<line class="zero" x1="{axis.start:.1f}" x2="{axis.end:.1f}" y1="{y}" y2="{y}"/>']
    values, step = ticks(axis.low, axis.high, count=max(2, min(7, int((axis.end - axis.start) / 80))))
    for value in values:
        x = axis(value)
        if grid_top is not None:
            shapes.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{grid_top}" y2="{y}"/>')
        shapes.append(text_at(x, y + 18, format_tick(value, step), anchor="middle", css="num"))
    shapes.append(text_at((axis.start + axis.end) / 2, y + 38, label, anchor="middle", css="axis"))
    return shapes


def label_width(labels: Sequence[str]) -> float:
    return 18 + max((text_px(shorten(label)) for label in labels), default=0.0)


def wrapped(label: str, chars: int) -> list[str]:
    """A label in lines of at most so many characters, broken after spaces, dots, slashes and underscores, else anywhere.

    >>> wrapped("tumlu_kk_latn kk", 10)
    ['tumlu_kk_', 'latn kk']
    """
    lines, line = [], ""
    for part in re.findall(r"[^\s_./·-]*[\s_./·-]*", label):
        if line and len((line + part).rstrip()) > chars:
            lines.append(line.rstrip())
            line = ""
        line += part
        while len(line.rstrip()) > chars:
            lines.append(line[:chars])
            line = line[chars:]
    return [*lines, line.rstrip()] if line.strip() or not lines else lines


def shorten(label: str) -> str:
    return label if len(label) <= LABEL_CHARS else label[: LABEL_CHARS - 1] + "…"


def text_at(
    x: float, y: float, text: str, *, anchor: str = "start", css: str = "", rotate: int = 0, hover: str | None = None
) -> str:
    turn = f' transform="rotate({rotate} {x:.1f} {y:.1f})"' if rotate else ""
    name = f' class="{css}"' if css else ""
    title = f"<title>{escape(hover)}</title>" if hover is not None and hover != text else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{name}{turn}>{title}{escape(text)}</text>'


def legend_of(entries: Sequence[tuple[str, str, str]]) -> str:
    if not entries:
        return ""
    items = ""
    for name, colour, dash in entries:
        dashes = f' stroke-dasharray="{dash}"' if dash else ""
        swatch = f'<line x1="1" x2="25" y1="5" y2="5" stroke-width="4" style="stroke:{colour}"{dashes}/>'
        items += f'<li><svg width="26" height="10" aria-hidden="true">{swatch}</svg>{escape(name)}</li>'
    return f'<ul class="legend">{items}</ul>'


def figure_of(title: str, shapes: Sequence[str], height: float, legend: str) -> str:
    """A figure of one drawing of the usual width, which scrolls where the page is narrower; "No data" without shapes."""
    return figure_with(title, legend, [svg_of(title, shapes, WIDTH, height)] if shapes else [])


def figure_with(title: str, legend: str, drawings: Sequence[str]) -> str:
    """A figure of some drawings under one caption."""
    body = "".join(f'<div class="scroll">{drawing}</div>' for drawing in drawings)
    body = body or '<p class="empty">No data.</p>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{legend}{body}</figure>"


def svg_of(title: str, shapes: Sequence[str], width: float, height: float, css: str = "") -> str:
    """The drawing itself; `css` `wide` or `narrow` shows it only on such a page."""
    return (
        f'<svg class="{f"chart {css}".strip()}" viewBox="0 0 {width:g} {height:.0f}" role="img" '
        f'aria-label="{escape(title)}">{"".join(shapes)}</svg>'
    )
