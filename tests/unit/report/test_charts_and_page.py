"""The report toolkit: what is drawn is where the numbers say, what is given as text is escaped, the page is whole."""

from __future__ import annotations

import itertools
import math
import re
import xml.etree.ElementTree as ET

import pytest

from qaz_llm.report.charts import bar_chart, funnel_chart, interval_chart, line_chart
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table
from qaz_llm.report.scale import ticks


def svg_of(html: str) -> ET.Element:
    """The chart's drawing, parsed as XML: a chart that is not well formed fails here."""
    drawings = re.findall(r"<svg.*?</svg>", html, re.S)
    chart = max(drawings, key=len)  # the others are the legend's swatches
    return ET.fromstring(re.sub(r'\sxmlns="[^"]*"', "", chart))


def bar_widths(html: str) -> list[float]:
    return [float(node.get("width", 0)) for node in svg_of(html).iter("rect") if float(node.get("width", 0)) > 0]


def test_bars_are_as_long_as_their_values() -> None:
    html = bar_chart([("a", {"x": 1.0}), ("b", {"x": 2.0}), ("c", {"x": 4.0})], title="t")
    widths = sorted(bar_widths(html))[-3:]
    assert widths[1] / widths[0] == pytest.approx(2.0, rel=0.02)
    assert widths[2] / widths[0] == pytest.approx(4.0, rel=0.02)


def test_funnel_bars_shrink_with_the_counts_and_show_them() -> None:
    html = funnel_chart([("read", 200), ("after filters", 150), ("after duplicates", 50)], title="funnel")
    widths = bar_widths(html)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] / widths[0] == pytest.approx(0.25, rel=0.02)
    for count in ("200", "150", "50"):
        assert count in html


def test_a_line_goes_through_its_points_in_order() -> None:
    html = line_chart({"loss": [(0, 4.0), (10, 2.0), (20, 3.0)]}, title="t", x_label="step", y_label="loss")
    shapes = [
        node.get("points") or node.get("d") or "" for node in svg_of(html).iter() if node.tag in {"polyline", "path"}
    ]
    numbers = max(([float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", shape)] for shape in shapes), key=len)
    xs, ys = numbers[0::2], numbers[1::2]
    assert xs == sorted(xs) and xs[1] - xs[0] == pytest.approx(xs[2] - xs[1], abs=0.2)
    assert ys[1] > ys[2] > ys[0], "SVG's y grows downwards, so the smallest loss lies lowest"


@pytest.mark.parametrize("values", [[], [(0.0, 1.0)], [(0.0, math.nan), (1.0, 2.0)], [(0.0, 0.0), (1.0, 0.0)]])
def test_odd_series_are_drawn_or_said_to_be_empty(values: list[tuple[float, float]]) -> None:
    html = line_chart({"loss": values}, title="odd", x_label="step", y_label="loss")
    assert "odd" in html and "nan" not in html.lower()


def test_intervals_lie_around_their_values() -> None:
    html = interval_chart(
        [("kk-ru", 0.1, -0.1, 0.3), ("kk-en", -0.2, -0.4, 0.0)], title="gaps", x_label="gap", zero_line=True
    )
    svg_of(html)
    assert "kk-ru" in html and "kk-en" in html


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (-3.2, 7.9), (0.0, 1e-6), (1e6, 5e6)])
def test_ticks_are_even_and_span_the_data(low: float, high: float) -> None:
    values, step = ticks(low, high)
    assert len(values) >= 2
    gaps = [b - a for a, b in itertools.pairwise(values)]
    assert all(gap == pytest.approx(step) for gap in gaps)
    assert values[0] >= low - step and values[-1] <= high + step


def test_text_is_escaped_everywhere() -> None:
    evil = "<script>alert('қ')</script>"
    parts = (paragraph(evil), preformatted(evil), table([evil], [[evil]]), details(evil, paragraph(evil)))
    charts = (bar_chart([(evil, {evil: 1.0})], title=evil), funnel_chart([(evil, 1)], title=evil))
    page = render_page(evil, [Section(evil, (*parts, *charts), lead=evil)], subtitle=evil, facts={evil: evil})
    assert "<script" not in page


def test_the_page_needs_nothing_else() -> None:
    page = render_page("Есеп", [Section("Бірінші", (paragraph("мәтін"),)), Section("Бірінші", ())])
    assert page.lstrip().lower().startswith("<!doctype html>")
    assert not re.search(r"""(?:src|href)=["'](?!#)""", page), "no outside resource"
    assert "@import" not in page and "url(" not in page
    anchors = re.findall(r'id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors)), "sections of one title get anchors of their own"
    for target in re.findall(r'href="#([^"]+)"', page):
        assert target in anchors


def test_numbers_are_aligned_right_and_words_are_not() -> None:
    html = table(["name", "value"], [["a", 0.5], ["b", "12.5 %"], ["c", "0.1 [−0.2, 0.3]"]])
    assert '<th scope="col" class="k">name</th>' in html and '<th scope="col" class="n">value</th>' in html


def test_a_row_of_the_wrong_length_is_refused() -> None:
    with pytest.raises(ValueError, match="2 cells under 1 headers"):
        table(["a"], [["x", "y"]])
