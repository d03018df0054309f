"""The figures as rows for a spreadsheet (CSV) and as tables for a page of notes (Markdown)."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from qaz_llm.evals.report.cells import Cells, Row, flat, language_name, metric_of, name_of, ordered
from qaz_llm.report.figures import interval_text, number_text, p_text

COLUMNS = ("what", "evaluation", "task", "key", "subject", "metric", "n", "value", "ci_low", "ci_high", "p", "p_holm",
           "minimum_detectable", "role", "mcnemar_p", "bootstrap_low", "bootstrap_high", "chance", "rank")  # fmt: skip
"""Of every CSV here; a cell that does not apply is empty. `key` is a language or a pair of them."""


def csv_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under COLUMNS, numbers in full."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def evaluation_rows(values: Row) -> Iterator[dict[str, Any]]:
    """Scores, gaps, other scores and subjects of parity.json."""
    model = name_of(values.get("model"))
    yield from _rows("score", model, values["scores"], "score")
    yield from _rows("gap", model, values["gaps"], "gap")
    for task, metrics in values.get("other_scores", {}).items():
        for by in metrics.values():
            yield from _rows("other score", model, {task: by}, "score")
    for task, subjects in values.get("by_subject", {}).items():
        for subject, by in subjects.items():
            yield from ({**row, "subject": subject} for row in _rows("subject", model, {task: by}, "score"))


def comparison_rows(values: Row) -> Iterator[dict[str, Any]]:
    """Scores of each evaluation, then changes and moved gaps of each against the base, of comparison.json."""
    for name, scores in values["scores"].items():
        yield from _rows("score", name, scores, "score")
    for name, parts in values["versus"].items():
        yield from _rows("change", name, parts["changes"], "change")
        yield from _rows("change of the gap", name, parts["difference_of_differences"], "change")


def leaderboard_rows(values: Row) -> Iterator[dict[str, Any]]:
    """A row per place on each board of leaderboard.json."""
    for board in values["boards"]:
        for code, entries in board["languages"].items():
            for entry in entries:
                yield {
                    **entry,
                    "what": "rank",
                    "task": board["task"],
                    "key": code,
                    "metric": board["metric"],
                    "value": entry["score"],
                    "p_holm": entry["p_to_first"],
                }


def markdown_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table of GitHub's Markdown; bars and line breaks in cells are made harmless."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def markdown_of_evaluation(values: Row) -> str:
    """Scores, gaps and warnings of parity.json."""
    parts = [f"# Evaluation of {name_of(values.get('model'))}", f"Suite: {name_of(values.get('suite'))}."]
    parts += [markdown_scores(values["scores"]), *_markdown_gaps(values["gaps"])]
    return "\n\n".join([*parts, *markdown_warnings(values.get("warnings", ()))]) + "\n"


def markdown_scores(scores: Cells) -> str:
    """A table of scores, a column per language."""
    codes = ordered({code for by in scores.values() for code in by})
    rows = [
        [task, metric_of(by), *(interval_text(by.get(code), "score") for code in codes)] for task, by in scores.items()
    ]
    return markdown_table(["task", "metric", *map(language_name, codes)], rows)


def markdown_changes(cells: Cells, what: str) -> str:
    """A table of changes, a row per task and language or pair."""
    rows = [
        [task, key, row["n"], interval_text(row, "change"), p_text(row["p_holm"]), row.get("role", "")]
        for task, key, row in flat(cells)
    ]
    return markdown_table(["task", "of", "n", what, "p (Holm)", "role"], rows)


def markdown_warnings(warnings: Sequence[str]) -> Iterator[str]:
    if warnings:
        yield "## Warnings\n\n" + "\n".join(f"- {' '.join(text.split())}" for text in warnings)


def _markdown_gaps(gaps: Cells) -> Iterator[str]:
    if gaps:
        rows = [
            [task, key, row["metric"], row["n"], interval_text(row, "gap"), p_text(row["p_holm"]),
             number_text(row["minimum_detectable"]), row.get("role", "")]
            for task, key, row in flat(gaps)
        ]  # fmt: skip
        headers = ["task", "pair", "metric", "pairs", "gap", "p (Holm)", "detectable", "role"]
        yield "## Gaps\n\n" + markdown_table(headers, rows)


def _rows(what: str, evaluation: str, cells: Cells, key: str) -> Iterator[dict[str, Any]]:
    for task, code, row in flat(cells):
        yield {**row, "what": what, "evaluation": evaluation, "task": task, "key": code, "value": row[key]}


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
