"""The page of a comparison: what changed between a base and any number of other evaluations, item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from qaz_llm.evals.report.cells import (
    Cells,
    Row,
    by_metric,
    cell_of,
    direction,
    flat,
    forest,
    language_name,
    metric_of,
    name_of,
    or_nan,
    ordered,
    second_look,
    verdict,
    warnings_section,
)
from qaz_llm.evals.report.plain import (
    comparison_rows,
    csv_of,
    markdown_changes,
    markdown_scores,
    markdown_table,
    markdown_warnings,
)
from qaz_llm.evals.report.sections import no_gaps
from qaz_llm.evals.summary.gaps import BITS_PER_BYTE
from qaz_llm.io import write_text
from qaz_llm.report.figures import interval_text, number_text, p_text
from qaz_llm.report.page import Section, paragraph, render_page, table
from qaz_llm.report.slopes import SlopePanel, slope_charts


def write_comparison(out: Path, values: Row) -> None:
    """Write out/report.html, report.md and report.csv of the values of comparison.json."""
    write_text(out / "report.html", render_comparison(values))
    write_text(out / "report.md", markdown_of_comparison(values))
    write_text(out / "report.csv", csv_of(comparison_rows(values)))


def render_comparison(values: Row) -> str:
    """The page; `values` are those of comparison.json (see `compare`)."""
    versus: Mapping[str, Row] = values["versus"]
    scores: Mapping[str, Cells] = values["scores"]
    several = len(versus) > 1
    sections = [
        *warnings_section(values.get("warnings", ())),
        _slopes(scores),
        *(_changes(name, values["base"], parts["changes"], scores, several) for name, parts in versus.items()),
        *(_moved_gaps(name, parts["difference_of_differences"], several) for name, parts in versus.items()),
        *(_kept(name, parts, values.get("declared", {}), several) for name, parts in versus.items()),
        _origin(values),
    ]
    return render_page(
        "Before and after adaptation",
        sections,
        subtitle="The same items, answered by each model, compared one by one",
        facts={**{name: name_of(model) for name, model in values["models"].items()}, "base": values["base"],
               "suite": name_of(values.get("suite"))},
    )  # fmt: skip


def markdown_of_comparison(values: Row) -> str:
    """Scores of each evaluation, changes, moved gaps, and whether Russian and English were kept."""
    parts = ["# Before and after adaptation", f"Base: {values['base']}."]
    parts += [f"## Scores of {name}\n\n{markdown_scores(scores)}" for name, scores in values["scores"].items()]
    for name, found in values["versus"].items():
        parts.append(f"## {name} against {values['base']}\n\n{markdown_changes(found['changes'], 'change')}")
        if moved := found["difference_of_differences"]:
            parts.append(markdown_changes(moved, "change of the gap"))
        if kept := found.get("non_inferiority"):
            parts.append(
                markdown_table(
                    ["language", "margin", "verdict"], [[c, r["margin"], r["verdict"]] for c, r in kept.items()]
                )
            )
    return "\n\n".join([*parts, *markdown_warnings(values.get("warnings", ()))]) + "\n"


def _slopes(scores: Mapping[str, Cells]) -> Section:
    """A panel per task, its languages over the evaluations in order."""
    names = list(scores)
    panels = []
    for task in dict.fromkeys(task for cells in scores.values() for task in cells):
        by = [scores[name].get(task, {}) for name in names]
        codes = ordered({code for cell in by for code in cell})
        series = {code: [or_nan(cell.get(code, {}).get("score")) for cell in by] for code in codes}
        guessed = {code: row["chance"] for cell in by for code, row in cell.items() if row.get("chance") is not None}
        metric = next(metric_of(cell) for cell in by if cell)
        panels.append(
            SlopePanel(f"{task}, {metric}{' (lower is better)' if metric == BITS_PER_BYTE else ''}", series, guessed)
        )
    lead = "From the base (left) to each other evaluation; dashed: the score by guessing. Intervals are in the tables below."
    return Section("Before and after", (slope_charts(panels, names),), lead=lead)


def _changes(name: str, base: str, changes: Cells, scores: Mapping[str, Cells], several: bool) -> Section:
    headers = [
        "task",
        "language",
        "items",
        "before",
        "after",
        "change",
        "p (Holm)",
        "McNemar's p",
        "bootstrap",
        "verdict",
    ]
    parts: list[str] = []
    for metric, tasks in by_metric(changes).items():
        rows = []
        for task, code, row in flat(tasks):
            cells = [scores.get(side, {}).get(task, {}).get(code, {}) for side in (base, name)]
            ends = [number_text(cell.get("score")) for cell in cells]
            change = [interval_text(row, "change"), p_text(row["p_holm"]), *second_look(row), verdict(row)]
            rows.append([task, code, row["n"], *ends, *change])
        label = f"{name} minus {base}; {direction(metric, tasks)}"
        chart = forest(tasks, "change", title=f"Change, {metric}", x_label=label, zero_line=True)
        parts += [chart, table(headers, rows)]
    title = f"Changes: {name}" if several else "Changes"
    return Section(title, tuple(parts), lead=f"{name} minus {base}, with 95 % intervals.")


def _moved_gaps(name: str, moved: Cells, several: bool) -> Section:
    if not moved:
        return no_gaps()
    headers = ["task", "pair", "pairs", "change of the gap", "p (Holm)", "detectable", "bootstrap"]
    parts: list[str] = []
    for metric, tasks in by_metric(moved).items():
        rows = [
            [task, pair, row["n"], interval_text(row, "change"), p_text(row["p_holm"]),
             number_text(row.get("minimum_detectable")), second_look(row)[1]]
            for task, pair, row in flat(tasks)
        ]  # fmt: skip
        title, label = f"Change of the gap, {metric}", f"gap after minus gap before; {direction(metric, tasks)}"
        parts += [forest(tasks, "change", title=title, x_label=label, zero_line=True), table(headers, rows)]
    lead = "How adaptation moved the distance between languages: the gap after minus the gap before, on the same items."
    return Section(f"Gaps: {name}" if several else "Gaps", tuple(parts), lead=lead)


def _kept(name: str, parts: Row, declared: Row, several: bool) -> Section:
    shown = [*_forgotten(parts["forgetting"]), *_margins(parts.get("non_inferiority", {}), declared)]
    lead = "Tasks in other languages that got worse with p (Holm) below 0.05; a small loss may hide in few items."
    return Section(f"Forgetting: {name}" if several else "Forgetting", tuple(shown), lead=lead)


def _forgotten(forgetting: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    for code, losses in forgetting.items():
        name = language_name(code)
        worse = "; ".join(f"{row['task']} {interval_text(row, 'change')}, {row['metric']}" for row in losses)
        yield paragraph(f"{name} got worse in {worse}." if losses else f"{name}: nothing got significantly worse.")


def _margins(found: Mapping[str, Row], declared: Row) -> Iterator[str]:
    if not found:
        text = "No margin was declared beforehand (non_inferiority), so nothing here shows that a language was kept."
        yield paragraph(
            text if not declared.get("non_inferiority") else "The declared margins are of languages that no task has."
        )
        return
    rows = [
        [language_name(code), task, number_text(row["margin"]), row["verdict"]]
        for code, by in found.items()
        for task, row in [("all tasks together", by), *by["tasks"].items()]
    ]
    yield table(["language", "task", "margin", "verdict"], rows, caption="Whether a language was kept")
    yield paragraph(
        "Non-inferior: the 95 % interval of the change ends above a loss by the margin, which was declared before scoring. Inferior: all "
        "of it lies below. Undecided: too few items to say. All tasks together are non-inferior where each is. For bits per byte the "
        "margin is that share of the base's bits."
    )


def _origin(values: Row) -> Section:
    keys = ("folder", "model_fingerprint", "git_commit", "versions")
    made: Mapping[str, Row] = values.get("made_by", {})
    rows = [[name, *(cell_of(facts.get(key)) for key in keys)] for name, facts in made.items()]
    setting = [[key.replace("_", " "), cell_of(value)] for key, value in values.get("setting", {}).items()]
    data = [[task, cell_of(found)] for task, found in values.get("data", {}).items()]
    parts = [table(["evaluation", *(key.replace("_", " ") for key in keys)], rows)] if rows else []
    parts += [table(["setting of the base", "value"], setting)] if setting else []
    parts += [table(["task", "fingerprints"], data)]
    return Section(
        "What it was made from",
        tuple(parts),
        lead="The same data and prompts for each; the setting is that of the base.",
    )
