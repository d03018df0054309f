"""What the pages share: cells of a table by task and language, their units, and how they are drawn."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qaz_llm.evals.stats import ALPHA
from qaz_llm.records import LANGUAGE_NAMES, LANGUAGES
from qaz_llm.report.figures import interval_text, p_text
from qaz_llm.report.forest import ForestRow, forest_chart
from qaz_llm.report.page import Section, details, paragraph
from qaz_llm.report.scale import MISSING

Row = Mapping[str, Any]
Cells = Mapping[str, Mapping[str, Row]]
"""task → language or pair → the numbers, as in parity.json and comparison.json."""

WARNINGS_SHOWN = 12


def forest(
    cells: Cells, key: str, *, title: str, x_label: str, zero_line: bool = False, mark: str = "", mark_name: str = ""
) -> str:
    """A forest of all cells; `mark` names the key of what is drawn as a tick."""
    rows = [
        ForestRow(
            f"{task} {code}",
            row[key],
            or_nan(row["ci_low"]),
            or_nan(row["ci_high"]),
            mark=row.get(mark) if mark else None,
            is_faint=row.get("role") == "exploratory",
            series=code.rpartition("-")[2],
        )
        for task, code, row in flat(cells)
    ]
    return forest_chart(rows, title=title, x_label=x_label, zero_line=zero_line, mark_name=mark_name)


def warnings_section(warnings: Sequence[str]) -> Iterator[Section]:
    """Whatever a reader has to know first; more than WARNINGS_SHOWN are folded, with their number."""
    if warnings:
        shown = [paragraph(text) for text in warnings[:WARNINGS_SHOWN]]
        rest = [paragraph(text) for text in warnings[WARNINGS_SHOWN:]]
        more = [details(f"{len(rest)} more", *rest)] if rest else []
        yield Section("Warnings", (*shown, *more), lead="Read these before the numbers.")


def flat(cells: Cells) -> Iterator[tuple[str, str, Row]]:
    """Task, language or pair, numbers, one after the other."""
    return ((task, key, row) for task, by in cells.items() for key, row in by.items())


def by_metric(cells: Cells) -> dict[str, Cells]:
    """The tasks of each metric: only what has one unit shares a chart."""
    found: dict[str, dict[str, Mapping[str, Row]]] = defaultdict(dict)
    for task, by in cells.items():
        found[metric_of(by)][task] = by
    return dict(found)


def metric_of(by: Mapping[str, Row]) -> str:
    return str(next(iter(by.values()))["metric"])


def direction(metric: str, tasks: Cells) -> str:
    """The unit of an axis, and which way is better."""
    higher = next(row["higher_is_better"] for by in tasks.values() for row in by.values())
    return f"{metric}, {'higher' if higher else 'lower'} is better"


def count(by: Mapping[str, Row]) -> str:
    """The items per language: one number where all languages have as many."""
    counts = [row["n"] for row in by.values()]
    return f"{counts[0]:,}" if len(set(counts)) == 1 else " / ".join(f"{n:,}" for n in counts)


def verdict(row: Row) -> str:
    """Of a change: better, worse or not significant, after Holm's correction."""
    if row["p_holm"] >= ALPHA:
        return "not significant"
    return "better" if (row["change"] > 0) == row["higher_is_better"] else "worse"


def second_look(row: Row) -> list[str]:
    """McNemar's p and the bootstrap's interval as cells, `–` where they do not apply."""
    p, low, high = (row.get(key) for key in ("mcnemar_p", "bootstrap_low", "bootstrap_high"))
    between = MISSING if low is None or high is None else interval_text({"x": 0.0, "ci_low": low, "ci_high": high}, "x")
    return [p_text(p), between.removeprefix("0.000 ").removeprefix("0.0 ")]


def or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def ordered(codes: Iterable[str]) -> list[str]:
    found = set(codes)
    return [*(code for code in LANGUAGES if code in found), *sorted(found - set(LANGUAGES))]


def language_name(code: str) -> str:
    return LANGUAGE_NAMES.get(code, code)


def name_of(value: object) -> str:
    """A model as text: its path or name."""
    if isinstance(value, Mapping):
        return str(value.get("name", value.get("path", json.dumps(value, ensure_ascii=False))))
    return MISSING if value is None else str(value)


def cell_of(value: object) -> object:
    """Any JSON value as a cell."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
