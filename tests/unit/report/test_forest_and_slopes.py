"""Forests, slopes and heat maps: marks stand where the numbers say, no label leaves the drawing, labels keep their distance."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from qaz_llm.report.forest import ForestRow, forest_chart
from qaz_llm.report.heat import DEEPEST, heat_table
from qaz_llm.report.slopes import LINE_PX, SlopePanel, slope_charts
from qaz_llm.report.svg import wrapped

LONG = "a_task_with_a_name_of_many_words_that_goes_on kk-ru"
ADVANCE_PX = {"narrow": 5.2, "usual": 7.7, "wide": 12.2}
"""Widths of letters of DejaVu Sans, the widest of the page's fonts, at 12.5 px: i j l t f . , | [ ], most, m w М Ж Щ."""


def drawings(html: str) -> list[ET.Element]:
    return [ET.fromstring(text) for text in re.findall(r'<svg class="chart.*?</svg>', html, re.S)]


def width_of(text: str) -> float:
    return sum(
        ADVANCE_PX["narrow" if c in "ijltf.,|[]() :−'" else "wide" if c in "mwMWМЖШЩ" else "usual"] for c in text
    )


def texts(svg: ET.Element) -> list[tuple[str, float, float]]:
    """Each text of a drawing with its left and right end."""
    found = []
    for node in svg.iter("text"):
        text, x = "".join(node.itertext()), float(node.get("x", 0))
        wide = width_of(text)
        left = {"start": x, "middle": x - wide / 2, "end": x - wide}[node.get("text-anchor", "start")]
        found.append((text, left, left + wide))
    return found


ROWS = [
    ForestRow("sib200 kk", 0.3, 0.2, 0.4, mark=0.25, series="kk"),
    ForestRow(LONG, -123.456, -150.0, -100.0, series="ru"),
    ForestRow("без интервала", 0.1, math.nan, math.nan, is_faint=True),
]


def test_no_label_leaves_the_drawing_and_none_is_cut() -> None:
    html = forest_chart(
        ROWS, title="t", x_label="adapted-model-with-a-long-name minus base; acc, higher is better", zero_line=True
    )
    wide, narrow = drawings(html)
    for svg in (wide, narrow):
        limit = float(svg.get("viewBox", "").split()[2])
        for text, left, right in texts(svg):
            assert left >= -1 and right <= limit + 1, text
        whole = "".join(text for text, _, _ in texts(svg))
        assert LONG.replace(" ", "") in whole.replace(" ", "")
    assert "exploratory" in html and "guessing" in html


@pytest.mark.parametrize("index", [0, 1])
def test_estimates_intervals_and_marks_lie_on_one_scale(index: int) -> None:
    rows = [ForestRow("a", 0.0, -1.0, 1.0, mark=0.5), ForestRow("b", 1.0, 0.0, 2.0)]
    svg = drawings(forest_chart(rows, title="t", x_label="x", zero_line=True))[index]
    a, b = (float(node.get("cx", 0)) for node in svg.iter("circle"))
    low, high = (float(x) for x in re.findall(r"[MH](-?[\d.]+)", next(p.get("d", "") for p in svg.iter("path")))[:2])
    mark = next(float(n.get("x1", 0)) for n in svg.iter("line") if n.get("class") == "mark")
    unit = b - a
    assert (low, high, mark) == (
        pytest.approx(a - unit, abs=0.2),
        pytest.approx(b, abs=0.2),
        pytest.approx(a + unit / 2, abs=0.2),
    )
    zero = [float(n.get("x1", 0)) for n in svg.iter("line") if n.get("class") == "zero" and n.get("x1") == n.get("x2")]
    assert zero == [pytest.approx(a, abs=0.2)]


def test_labels_are_wrapped_whole() -> None:
    for chars in (8, 12, 30):
        lines = wrapped(LONG, chars)
        assert max(map(len, lines)) <= chars
        assert "".join(lines).replace(" ", "") == LONG.replace(" ", "")
    assert wrapped("", 5) == [""]


def test_slopes_go_up_where_scores_do_and_labels_keep_apart() -> None:
    panel = SlopePanel("mc", {"kk": [0.2, 0.5], "ru": [0.6, 0.5], "en": [0.7, 0.499]}, {"kk": 0.25})
    html = slope_charts([panel], ["base", "adapted"])
    (svg,) = drawings(html)
    paths = [[float(y) for y in re.findall(r"[ML][\d.]+ (-?[\d.]+)", p.get("d", ""))] for p in svg.iter("path")]
    assert paths[0][1] < paths[0][0] and paths[1][1] > paths[1][0]  # y grows downwards
    ends = sorted(float(n.get("y", 0)) for n in svg.iter("text") if "0." in "".join(n.itertext()))
    assert len(ends) == 3 and all(b - a >= LINE_PX - 0.11 for a, b in pairwise(ends))
    limit = float(svg.get("viewBox", "").split()[2])
    assert all(left >= -1 and right <= limit + 1 for _, left, right in texts(svg))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_labels_at_the_top_or_bottom_stay_inside(level: float) -> None:
    panel = SlopePanel("mc", {code: [1 - level, level] for code in ("kk", "ru", "en")}, {})
    (svg,) = drawings(slope_charts([panel], ["a", "b"]))
    ends = sorted(float(n.get("y", 0)) for n in svg.iter("text") if "." in "".join(n.itertext()))
    assert len(ends) == 3 and ends[0] >= 12 and ends[-1] <= float(svg.get("viewBox", "").split()[3])
    assert all(b - a >= LINE_PX - 0.11 for a, b in pairwise(ends))


def test_names_that_do_not_fit_become_letters_that_are_explained() -> None:
    names = ["checkpoint-of-step-1000", "checkpoint-of-step-2000", "checkpoint-of-step-3000"]
    html = slope_charts([SlopePanel("mc", {"kk": [0.1, math.nan, 0.3]}, {})], names)
    assert "A: checkpoint-of-step-1000; B: checkpoint-of-step-2000; C: checkpoint-of-step-3000" in html
    assert "nan" not in html


def test_nothing_to_draw_is_said() -> None:
    assert "No data" in forest_chart([ForestRow("a", math.nan, math.nan, math.nan)], title="t", x_label="x")
    assert "No data" in slope_charts([], ["a", "b"])


def test_heat_is_as_deep_as_the_number() -> None:
    html = heat_table(["kk", "<b>"], [("тарих", [0.5, None], ["0.5", ""]), ("x", [1.0, 0.0], ["1", "0"])], title="t")
    assert f"--heat:{DEEPEST / 2:.0f}%" in html and f"--heat:{DEEPEST}%" in html and "--heat:0%" in html
    assert "<td>–</td>" in html and "&lt;b&gt;" in html
    with pytest.raises(ValueError, match="1 values"):
        heat_table(["a", "b"], [("x", [1.0], ["1"])], title="t")
