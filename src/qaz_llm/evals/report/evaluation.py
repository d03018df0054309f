"""The page of one evaluation, report.html, with report.md and report.csv beside it."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from qaz_llm.evals.report.cells import Row, language_name, name_of, ordered, warnings_section
from qaz_llm.evals.report.origin import contamination_section, doubts_section, manifest_section, tasks_section
from qaz_llm.evals.report.plain import csv_of, evaluation_rows, markdown_of_evaluation
from qaz_llm.evals.report.sections import (
    behaviour_section,
    costs_section,
    gaps_section,
    other_scores_section,
    scores_section,
    subjects_section,
)
from qaz_llm.evals.summary.written import read_summary
from qaz_llm.io import read_jsonl, write_text
from qaz_llm.report.figures import number_text
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page

EXAMPLES_PER_TASK = 5


def write_report(folder: Path) -> Path:
    """Write folder/report.html, report.md and report.csv from what an evaluation left there; returns the first.

    Raises InputError where parity.json or items.jsonl is missing; a folder without samples or failures has no such section.
    """
    values = read_summary(folder / "parity.json")
    examples = first_examples(read_jsonl(folder / "items.jsonl"))
    samples, failures = (_rows(folder / name) for name in ("samples.jsonl", "failures.jsonl"))
    path = folder / "report.html"
    write_text(path, render_evaluation(values, examples, samples, failures))
    write_text(folder / "report.md", markdown_of_evaluation(values))
    write_text(folder / "report.csv", csv_of(evaluation_rows(values)))
    return path


def render_evaluation(
    values: Row, examples: Mapping[str, Sequence[Row]], samples: Sequence[Row], failures: Sequence[Row] = ()
) -> str:
    """The page. `values` are those of parity.json, `examples` rows of items.jsonl by task, `failures` of failures.jsonl."""
    sections = [
        *warnings_section(values.get("warnings", ())),
        scores_section(values["scores"]),
        *other_scores_section(values.get("other_scores", {})),
        gaps_section(values["gaps"], values.get("declared", {})),
        *subjects_section(values.get("by_subject", {})),
        *behaviour_section(values.get("behaviour", {})),
        *costs_section(values),
        *contamination_section(values.get("contamination")),
        *doubts_section(values.get("doubts", {}), failures),
        *_samples(samples),
        *_examples(examples),
        *tasks_section(values.get("tasks", {})),
        manifest_section(values),
    ]
    return render_page(
        "Evaluation",
        sections,
        subtitle="The same questions in Kazakh, Russian and English, with the uncertainty of every number",
        facts={"model": name_of(values.get("model")), "suite": name_of(values.get("suite"))},
    )


def first_examples(rows: Iterable[Row], *, per_task: int = EXAMPLES_PER_TASK) -> dict[str, list[Row]]:
    """The first `per_task` rows of each task's primary metric, its languages in turn: kk 1, ru 1, en 1, kk 2 …"""
    found: dict[str, dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["primary"] and len(found[row["task"]][row["language"]]) < per_task:
            found[row["task"]][row["language"]].append(row)
    return {
        task: [by[code][index] for index in range(per_task) for code in ordered(by) if index < len(by[code])][:per_task]
        for task, by in found.items()
    }


def _samples(samples: Sequence[Row]) -> Iterator[Section]:
    if samples:
        parts = [
            part
            for sample in samples
            for part in (
                paragraph(language_name(sample["language"])),
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


def _rows(path: Path) -> list[Row]:
    return list(read_jsonl(path)) if path.is_file() else []
