"""The page of a leaderboard: a table and a forest for each board and language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from qaz_llm.evals.report.cells import Row, cell_of, language_name, name_of, or_nan, warnings_section
from qaz_llm.evals.report.plain import csv_of, leaderboard_rows, markdown_table, markdown_warnings
from qaz_llm.io import write_text
from qaz_llm.report.figures import interval_text, p_text
from qaz_llm.report.forest import ForestRow, forest_chart
from qaz_llm.report.page import Section, paragraph, render_page, table

HEADERS = ("rank", "evaluation", "model", "items", "score", "p against the first", "standing", "cut contexts")
NOTE = (
    "Level with the first: the difference to it, item by item, has p of at least 0.05 after Holm's correction; equal scores share a rank. The "
    "first is the best of several and so lucky in part."
)


def write_leaderboard(out: Path, values: Row) -> None:
    """Write out/report.html, report.md and report.csv of the values of leaderboard.json."""
    write_text(out / "report.html", render_leaderboard(values))
    write_text(out / "report.md", markdown_of_leaderboard(values))
    write_text(out / "report.csv", csv_of(leaderboard_rows(values)))


def render_leaderboard(values: Row) -> str:
    """The page; `values` are those of `leaderboard`."""
    sections = [
        *warnings_section(values["notes"]),
        *(_board(board, lead="" if number else NOTE) for number, board in enumerate(values["boards"])),
    ]
    return render_page(
        "Leaderboard",
        sections,
        subtitle="Past evaluations, task by task and language by language",
        facts={"evaluations": str(values["evaluations"]), "folders": ", ".join(values["folders"])},
    )


def markdown_of_leaderboard(values: Row) -> str:
    """The boards as tables."""
    parts = ["# Leaderboard", NOTE]
    for board in values["boards"]:
        for code, entries in board["languages"].items():
            parts += [f"## {_title(board)}, {language_name(code)}", markdown_table(HEADERS, _rows(entries))]
    return "\n\n".join([*parts, *markdown_warnings(values["notes"])]) + "\n"


def _board(board: Row, *, lead: str) -> Section:
    parts: list[str] = []
    for code, entries in board["languages"].items():
        better = "higher" if entries[0]["higher_is_better"] else "lower"
        rows = [
            ForestRow(
                f"{entry['rank']}. {entry['evaluation']} {code}",
                entry["score"],
                or_nan(entry["ci_low"]),
                or_nan(entry["ci_high"]),
                mark=entry["chance"],
                is_faint=not entry["is_level_with_first"],
                series=code,
            )
            for entry in entries
        ]
        label = f"{board['metric']}, {better} is better"
        parts.append(
            forest_chart(
                rows,
                title=language_name(code),
                x_label=label,
                mark_name="score by guessing",
                faint_name="not level with the first",
            )
        )
        parts.append(table(HEADERS, list(_rows(entries))))
    setting = ", ".join(f"{key.replace('_', ' ')} {cell_of(value)}" for key, value in board["setting"].items())
    return Section(_title(board), (*parts, paragraph(f"Scored with: {setting}.")), lead=lead)


def _title(board: Row) -> str:
    return f"{board['task']}, {board['metric']}"


def _rows(entries: Sequence[Row]) -> Iterator[list[object]]:
    for entry in entries:
        level = "first" if entry is entries[0] else "level with the first" if entry["is_level_with_first"] else "behind"
        yield [
            entry["rank"],
            entry["evaluation"],
            name_of(entry["model"]),
            entry["n"],
            interval_text(entry, "score"),
            p_text(entry["p_to_first"]),
            level,
            entry["cut"],
        ]
