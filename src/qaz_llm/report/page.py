"""A page of a report: tables, paragraphs, sections with a contents list, in one HTML file that needs nothing else.

    html = render_page("Evaluation", [Section("Scores", (table(["task", "kk"], [["qaz_mc", 0.51]]),), lead="…")])

What the functions here are given is text, and is escaped; what they return is HTML, and may be a part of a `Section`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from pathlib import Path

from qaz_llm.report.scale import MISSING, format_number

NUMBER = re.compile(r"[+\-−]?[\d,. ]*\d[\d,. ]*(?:[%×kMGs]|ms|min)?(?: ?[\[(][^\])]*[\])])?")
"""Text that reads as a number: `12.5 %`, `−0.03 [−0.10, 0.04]`, `3.1×`; such columns are right-aligned."""

SHORT_CHARS = 22
"""Cells of a column whose cells are all as short as this are not broken into lines: `kk-ru` stays whole."""

STACKED_FROM = 3


@dataclass(frozen=True)
class Section:
    """A titled part of a page: `lead` is a sentence of plain text under the title, `parts` are HTML strings."""

    title: str
    parts: tuple[str, ...]
    lead: str = ""


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escape(text)}</p>"


def preformatted(text: str, lang: str | None = None) -> str:
    """Text whose line breaks are kept; `lang` (kk, ru, en …) tells browsers and screen readers how to read it."""
    attribute = f' lang="{escape(lang)}"' if lang else ""
    return f"<pre{attribute}>{escape(text)}</pre>"


def details(summary: str, *parts: str) -> str:
    """HTML parts that stay folded until the reader opens them (and are open in print)."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def table(headers: Sequence[str], rows: Sequence[Sequence[object]], *, caption: str | None = None) -> str:
    """A table. A column whose cells are all numbers is right-aligned; floats are shown to about four digits.

    On a phone the rows of a table of more than STACKED_FROM columns stand as blocks, each cell under the name of its column.

    Raises:
        ValueError: where a row has not as many cells as there are headers.
    """
    for row in rows:
        if len(row) != len(headers):
            raise ValueError(f"a row of {len(row)} cells under {len(headers)} headers: {list(row)!r}")
    shown = [[_cell(value) for value in row] for row in rows]
    numeric = [
        any(row[i] != MISSING for row in shown) and all(_is_number(row[i]) for row in shown)
        for i in range(len(headers))
    ]
    short = [max((len(row[i]) for row in shown), default=0) <= SHORT_CHARS for i in range(len(headers))]
    css = [' class="n"' if n else ' class="k"' if is_short else "" for n, is_short in zip(numeric, short, strict=True)]
    head = "".join(f'<th scope="col"{css[i]}>{escape(text)}</th>' for i, text in enumerate(headers))
    names = [f' data-th="{escape(text)}"' for text in headers]
    body = "".join(
        "<tr>" + "".join(f"<td{css[i]}{names[i]}>{escape(text)}</td>" for i, text in enumerate(row)) + "</tr>"
        for row in shown
    )
    title = f"<caption>{escape(caption)}</caption>" if caption else ""
    if not rows:
        body = f'<tr><td colspan="{len(headers)}" class="empty">Nothing to show.</td></tr>'
    stacked = ' class="stacked"' if len(headers) > STACKED_FROM else ""
    return (
        f'<div class="scroll"><table{stacked}>{title}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def render_page(
    title: str,
    sections: Sequence[Section],
    *,
    subtitle: str = "",
    facts: Mapping[str, str] = {},
) -> str:
    """The whole page as HTML; `facts` are shown under the title as name and value (model, date, command …)."""
    import jinja2

    folder = Path(__file__).parent
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
    )
    anchors = _anchors([section.title for section in sections])
    return environment.get_template("page.html.j2").render(
        title=title,
        subtitle=subtitle,
        facts=facts,
        sections=list(zip(anchors, sections, strict=True)),
        css=_stylesheet(),
    )


@lru_cache
def _stylesheet() -> str:
    return (Path(__file__).parent / "page.css").read_text(encoding="utf-8")


def _anchors(titles: Sequence[str]) -> list[str]:
    """An id for each title, unique on the page: `scores`, `scores-2`."""
    seen: dict[str, int] = {}
    anchors = []
    for title in titles:
        slug = re.sub(r"\W+", "-", title.lower()).strip("-") or "section"
        seen[slug] = seen.get(slug, 0) + 1
        anchors.append(slug if seen[slug] == 1 else f"{slug}-{seen[slug]}")
    return anchors


def _cell(value: object) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)) or value == "":
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_number(value) if isinstance(value, (int, float)) else str(value)


def _is_number(text: str) -> bool:
    return text == MISSING or NUMBER.fullmatch(text) is not None
