"""The evaluation as a page for people: scores with intervals, gaps, bits, samples, and what it was all made from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.evals.behaviour.section import behaviour_sections
from qaz_llm.evals.parity import BITS_PER_BYTE, BITS_PER_SENTENCE
from qaz_llm.evals.stats import ALPHA
from qaz_llm.io import read_json, read_jsonl, write_text
from qaz_llm.records import LANGUAGE_NAMES, LANGUAGES
from qaz_llm.report.charts import interval_chart
from qaz_llm.report.figures import interval_text, number_text, p_text
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table
from qaz_llm.report.scale import MISSING

EXAMPLES_PER_TASK = 5

Row = Mapping[str, Any]
Cells = Mapping[str, Mapping[str, Row]]
"""task → language or pair → the numbers, as in parity.json and comparison.json."""


def write_report(folder: Path) -> Path:
    """Write folder/report.html from parity.json, items.jsonl and samples.jsonl there; returns its path.

    Raises InputError where parity.json or items.jsonl is missing; a folder without samples has no such section.
    """
    values = read_json(folder / "parity.json")
    examples = first_examples(read_jsonl(folder / "items.jsonl"))
    samples = folder / "samples.jsonl"
    path = folder / "report.html"
    write_text(path, render_evaluation(values, examples, list(read_jsonl(samples)) if samples.is_file() else []))
    return path


def render_evaluation(values: Row, examples: Mapping[str, Sequence[Row]], samples: Sequence[Row]) -> str:
    """The page of one evaluation. `values` are those of parity.json, `examples` rows of items.jsonl by task."""
    sections = [
        *_warnings(values.get("warnings", ())),
        _scores(values["scores"]),
        _gaps(values["gaps"]),
        *_bits(values),
        *behaviour_sections(values.get("behaviour", {})),
        *_samples(samples),
        *_examples(examples),
        *_tasks(values.get("tasks", {})),
        _origin(values),
    ]
    return render_page(
        "Evaluation",
        sections,
        subtitle="The same questions in Kazakh, Russian and English, with the uncertainty of every number",
        facts={"model": _name(values.get("model")), "suite": _name(values.get("suite"))},
    )


def render_comparison(values: Row) -> str:
    """The page of a comparison; `values` are those of comparison.json (see `compare`)."""
    sections = [
        _changes(values["changes"], values["scores"]),
        _moved_gaps(values["difference_of_differences"]),
        _forgetting(values["forgetting"]),
        _origin(values),
    ]
    models = values["models"]
    return render_page(
        "Before and after adaptation",
        sections,
        subtitle="The same items, answered by both models, compared one by one",
        facts={
            "before": _name(models["base"]),
            "after": _name(models["adapted"]),
            "suite": _name(values.get("suite")),
        },
    )


def first_examples(rows: Iterable[Row], *, per_task: int = EXAMPLES_PER_TASK) -> dict[str, list[Row]]:
    """The first `per_task` rows of each task's primary metric, its languages in turn: kk 1, ru 1, en 1, kk 2 …"""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["primary"] and len(found[row["task"]][row["language"]]) < per_task:
            found[row["task"]][row["language"]].append(row)
    return {
        task: [by[code][index] for index in range(per_task) for code in _ordered(by) if index < len(by[code])][
            :per_task
        ]
        for task, by in found.items()
    }


# ---------------------------------------------------------------------------------------------------------- sections


def _warnings(warnings: Sequence[str]) -> Iterator[Section]:
    if warnings:
        yield Section("Warnings", tuple(paragraph(text) for text in warnings), lead="Read these before the numbers.")


def _scores(scores: Cells) -> Section:
    shares = {task: by for task, by in scores.items() if _metric(by) != BITS_PER_BYTE}
    codes = _ordered({code for by in shares.values() for code in by})
    rows = [
        [task, _metric(by), _count(by), *(interval_text(by.get(code), "score") for code in codes)]
        for task, by in shares.items()
    ]
    headers = ["task", "metric", "items", *(LANGUAGE_NAMES.get(code, code) for code in codes)]
    charts = [
        _chart(tasks, "score", title=f"Scores, {metric}", x_label=_direction(metric, tasks))
        for metric, tasks in _by_metric(shares).items()
    ]
    return Section(
        "Scores",
        (table(headers, rows), *charts),
        lead="With 95 % intervals, items that share a passage counted together. An item without an answer is wrong; none is left out.",
    )


def _gaps(gaps: Cells) -> Section:
    if not gaps:
        return _no_gaps()
    headers = ["task", "pair", "pairs", "gap", "p", "p (Holm)", "detectable"]
    parts: list[str] = []
    for metric, tasks in _by_metric(gaps).items():
        rows = [
            [
                task,
                pair,
                row["n"],
                interval_text(row, "gap"),
                p_text(row["p"]),
                p_text(row["p_holm"]),
                number_text(row["minimum_detectable"]),
            ]
            for task, pair, row in _flat(tasks)
        ]
        label = f"first language minus second; {_direction(metric, tasks)}"
        parts += [_chart(tasks, "gap", title=f"Gaps, {metric}", x_label=label, zero_line=True), table(headers, rows)]
    note = (
        "p (Holm) allows for all the gaps tested here. Detectable is the true gap that a test of this size would find in four "
        "of five repetitions (a single test at 5 %); a smaller one that is not significant may well exist."
    )
    return Section("Gaps", (*parts, paragraph(note)), lead="On the items that both languages have.")


def _bits(values: Row) -> Iterator[Section]:
    tasks = {task: by for task, by in values["scores"].items() if _metric(by) == BITS_PER_BYTE}
    if not tasks:
        return
    sentences = {_aligned_task(values): values.get(BITS_PER_SENTENCE, {})}
    rows = [
        [task, LANGUAGE_NAMES.get(code, code), row["n"], interval_text(row, "score"), number_text(sentences.get(task, {}).get(code))]
        for task, by in tasks.items()
        for code, row in by.items()
    ]  # fmt: skip
    headers = ["task", "language", "texts", "bits per byte", "bits per aligned sentence"]
    note = (
        "Bits per byte compare models on one text, whatever their tokenizers. They do not compare languages: the same sentence "
        "has about twice as many bytes in Cyrillic as in Latin letters. Bits per aligned sentence do, as sentences say the same."
    )
    lead = "What unseen text costs the model; lower is better."
    yield Section("Bits per byte", (table(headers, rows), paragraph(note)), lead=lead)


def _aligned_task(values: Row) -> str | None:
    """The task whose texts `bits_per_sentence` speaks of: the first that is made for bits per byte."""
    tasks: Mapping[str, Row] = values.get("tasks", {})
    return next((name for name, task in tasks.items() if task["kind"] == BITS_PER_BYTE), None)


def _samples(samples: Sequence[Row]) -> Iterator[Section]:
    if samples:
        parts = [
            part
            for sample in samples
            for part in (
                paragraph(LANGUAGE_NAMES.get(sample["language"], sample["language"])),
                preformatted(f"› {sample['prompt']}\n{sample['text']}", sample["language"]),
            )
        ]
        yield Section("Samples", tuple(parts), lead="Answers to fixed prompts, as they came; nothing was picked.")


def _examples(examples: Mapping[str, Sequence[Row]]) -> Iterator[Section]:
    if examples:
        parts = tuple(details(f"{task}: {len(rows)} items", *map(_example, rows)) for task, rows in examples.items())
        yield Section("Items", parts, lead="The first items of each task, with what each score was made from.")


def _example(row: Row) -> str:
    title = f"{row['item_id']} ({row['language']}): {row['metric']} {number_text(row['score'])}"
    return paragraph(title) + preformatted(
        json.dumps(row.get("detail", {}), ensure_ascii=False, indent=1), row["language"]
    )


def _tasks(tasks: Mapping[str, Row]) -> Iterator[Section]:
    if tasks:
        keys = ["kind", "metric", "items", "languages", "prompt_version", "licence", "description", "citation"]
        rows = [[name, *(_cell(task.get(key)) for key in keys)] for name, task in tasks.items()]
        yield Section("Tasks", (table(["task", *(key.replace("_", " ") for key in keys)], rows),))


def _origin(values: Row) -> Section:
    parts = [
        details(title, preformatted(json.dumps(values[key], ensure_ascii=False, indent=2)))
        for key, title in (("data", "Fingerprints of data and prompts"), ("versions", "Versions"))
        if values.get(key)
    ]
    return Section(
        "What it was made from", tuple(parts), lead="Two evaluations compare where these fingerprints agree."
    )


def _changes(changes: Cells, scores: Mapping[str, Cells]) -> Section:
    headers = ["task", "language", "items", "before", "after", "change", "p (Holm)", "verdict"]
    parts: list[str] = []
    for metric, tasks in _by_metric(changes).items():
        rows = []
        for task, code, row in _flat(tasks):
            cells = [scores[side].get(task, {}).get(code, {}) for side in ("base", "adapted")]
            before_after = [number_text(cell.get("score")) for cell in cells]
            rows.append(
                [
                    task,
                    code,
                    row["n"],
                    *before_after,
                    interval_text(row, "change"),
                    p_text(row["p_holm"]),
                    _verdict(row),
                ]
            )
        label = f"adapted minus base; {_direction(metric, tasks)}"
        parts += [
            _chart(tasks, "change", title=f"Change, {metric}", x_label=label, zero_line=True),
            table(headers, rows),
        ]
    return Section("Changes", tuple(parts), lead="Adapted minus base, with 95 % intervals.")


def _moved_gaps(moved: Cells) -> Section:
    if not moved:
        return _no_gaps()
    headers = ["task", "pair", "pairs", "change of the gap", "p (Holm)"]
    parts: list[str] = []
    for metric, tasks in _by_metric(moved).items():
        rows = [
            [task, pair, row["n"], interval_text(row, "change"), p_text(row["p_holm"])]
            for task, pair, row in _flat(tasks)
        ]
        title, label = f"Change of the gap, {metric}", f"gap after minus gap before; {_direction(metric, tasks)}"
        parts += [_chart(tasks, "change", title=title, x_label=label, zero_line=True), table(headers, rows)]
    lead = "How adaptation moved the distance between languages: the gap after minus the gap before, on the same items."
    return Section("Gaps", tuple(parts), lead=lead)


def _no_gaps() -> Section:
    return Section("Gaps", (paragraph("No task has the same items in two languages, so no gap can be taken."),))


def _forgetting(forgetting: Mapping[str, Sequence[Row]]) -> Section:
    parts = []
    for code, losses in forgetting.items():
        name = LANGUAGE_NAMES.get(code, code)
        worse = "; ".join(f"{row['task']} {interval_text(row, 'change')}, {row['metric']}" for row in losses)
        parts.append(
            paragraph(f"{name} got worse in {worse}." if losses else f"{name}: nothing got significantly worse.")
        )
    lead = "Tasks in other languages that got worse with p (Holm) below 0.05; a small loss may hide in few items."
    return Section("Forgetting", tuple(parts), lead=lead)


# ----------------------------------------------------------------------------------------------------------- helpers


def _chart(cells: Cells, key: str, *, title: str, x_label: str, zero_line: bool = False) -> str:
    rows = [
        (f"{task} {code}", row[key], _or_nan(row["ci_low"]), _or_nan(row["ci_high"]))
        for task, code, row in _flat(cells)
    ]
    return interval_chart(rows, title=title, x_label=x_label, zero_line=zero_line)


def _flat(cells: Cells) -> Iterator[tuple[str, str, Row]]:
    return ((task, key, row) for task, by in cells.items() for key, row in by.items())


def _by_metric(cells: Cells) -> dict[str, Cells]:
    """The tasks of each metric: only what has one unit shares a chart."""
    found: dict[str, dict[str, Mapping[str, Row]]] = defaultdict(dict)
    for task, by in cells.items():
        found[_metric(by)][task] = by
    return dict(found)


def _metric(by: Mapping[str, Row]) -> str:
    return str(next(iter(by.values()))["metric"])


def _direction(metric: str, tasks: Cells) -> str:
    higher = next(row["higher_is_better"] for by in tasks.values() for row in by.values())
    return f"{metric}, {'higher' if higher else 'lower'} is better"


def _count(by: Mapping[str, Row]) -> str:
    """The items per language: one number where all languages have as many."""
    counts = [row["n"] for row in by.values()]
    return f"{counts[0]:,}" if len(set(counts)) == 1 else " / ".join(f"{n:,}" for n in counts)


def _verdict(row: Row) -> str:
    if row["p_holm"] >= ALPHA:
        return "not significant"
    return "better" if (row["change"] > 0) == row["higher_is_better"] else "worse"


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def _ordered(codes: Iterable[str]) -> list[str]:
    found = set(codes)
    return [*(code for code in LANGUAGES if code in found), *sorted(found - set(LANGUAGES))]


def _name(value: object) -> str:
    if isinstance(value, Mapping):
        return str(value.get("name", value.get("path", json.dumps(value, ensure_ascii=False))))
    return MISSING if value is None else str(value)


def _cell(value: object) -> object:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else value
