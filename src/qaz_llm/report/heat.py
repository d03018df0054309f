"""Heat maps as tables: each cell its number, on a ground as deep as the number is large. Readable without colour, and by a screen reader."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from qaz_llm.report.scale import MISSING

DEEPEST = 62
"""Per cent of colour behind the largest value: the number on it keeps a contrast of 4.5 in light and dark."""


def heat_table(
    columns: Sequence[str],
    rows: Sequence[tuple[str, Sequence[float | None], Sequence[str]]],
    *,
    title: str,
    low: float = 0.0,
    high: float = 1.0,
    corner: str = "",
) -> str:
    """`rows` are a label, a value per column (None: no cell) and the text of each; colour runs from `low` to `high`.

    Raises ValueError for a row of another length.
    """
    body = ""
    for label, values, texts in rows:
        if not len(values) == len(texts) == len(columns):
            raise ValueError(f"row {label!r}: {len(values)} values, {len(texts)} texts under {len(columns)} columns")
        cells = "".join(_cell(value, text, low, high) for value, text in zip(values, texts, strict=True))
        body += f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><div class="scroll"><table class="heat">'
        f'<thead><tr><th scope="col">{escape(corner)}</th>{head}</tr></thead><tbody>{body}</tbody></table></div></figure>'
    )


def _cell(value: float | None, text: str, low: float, high: float) -> str:
    if value is None or not math.isfinite(value):
        return f"<td>{MISSING}</td>"
    depth = DEEPEST * min(max((value - low) / (high - low), 0.0), 1.0) if high > low else 0.0
    return f'<td style="--heat:{depth:.0f}%">{escape(text)}</td>'
