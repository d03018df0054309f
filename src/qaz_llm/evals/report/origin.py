"""The sections that say what stands behind the figures: failures with their text, contamination, tasks, and what all was made from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from qaz_llm.evals.report.cells import Row, cell_of, name_of
from qaz_llm.evals.summary.doubts import sentence_of
from qaz_llm.report.figures import number_text
from qaz_llm.report.page import Section, details, paragraph, preformatted, table

TEXT_SHOWN = 400
"""Characters of a failed item's text; the whole is in failures.jsonl."""


def doubts_section(doubts: Mapping[str, Mapping[str, Mapping[str, Row]]], failures: Sequence[Row]) -> Iterator[Section]:
    """Of how many items something was cut, guessed, tied or missing, and the first of them with their text."""
    rows = [
        [
            task,
            language,
            f"{found['items']:,} of {found['of']:,}",
            sentence_of(kind),
            ", ".join(found["examples"][:5]),
        ]
        for task, by in doubts.items()
        for language, kinds in by.items()
        for kind, found in kinds.items()
    ]
    if not rows:
        yield Section(
            "Failures", (paragraph("Nothing was cut, tied, unfinished, left without an answer or without a twin."),)
        )
        return
    by_place: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in failures:
        for kind in row["kinds"]:
            by_place[row["task"], row["language"], kind].append(row)
    folded = [
        details(f"{task}, {language}: {sentence_of(kind)} ({len(found)} shown)", *map(_failure, found))
        for (task, language, kind), found in by_place.items()
    ]
    lead = "Items that count as they are, and what a reader has to know of them. None is left out of a score."
    headers = ["task", "language", "items", "that …", "for instance"]
    yield Section("Failures", (table(headers, rows), *folded), lead=lead)


def _failure(row: Row) -> str:
    text = row["text"]
    cut = text if len(text) <= TEXT_SHOWN else f"{text[:TEXT_SHOWN]}… ({len(text):,} characters)"
    shown = "\n".join(part for part in (cut, row["question"]) if part)
    choices = "".join(f"\n  {number + 1}. {choice}" for number, choice in enumerate(row["choices"]))
    came = json.dumps(row["detail"], ensure_ascii=False)
    title = f"{row['item_id']}: {row['metric']} {number_text(row['score'])}"
    return paragraph(title) + preformatted(f"{shown}{choices}\n\n{came}", row["language"])


def contamination_section(found: Row | None) -> Iterator[Section]:
    """What the training data held of each task's items; nothing where no manifest was named."""
    if found is None:
        text = "Not known: no manifest of the training data was named (data_manifest=FILE, the manifest.json of `qaz data build`)."
        yield Section("Contamination", (paragraph(text),))
        return
    rows = [
        [
            row["task"],
            row["file"],
            "yes" if row["looked_for"] else "no: not known",
            *(row[key] for key in ("items", "items_too_short", "items_met", "documents_dropped")),
        ]
        for row in found["files"]
    ]
    headers = [
        "task",
        "file",
        "looked for",
        "items",
        "too short to look for",
        "items met",
        "documents dropped for them",
    ]
    lead = (
        f"The build of the training data dropped each document with {found['ngram_words']} words in a row in common with an item. "
        f"Files are known by name. Manifest: {found['manifest']}, {found['fingerprint'][:16]}."
    )
    yield Section("Contamination", (table(headers, rows),), lead=lead)


def tasks_section(tasks: Mapping[str, Row]) -> Iterator[Section]:
    """What each task is, from its file."""
    if tasks:
        tables = [
            ["kind", "metric", "items", "languages", "prompt_version", "provenance"],
            ["description", "licence", "citation"],
        ]
        parts = [
            table(
                ["task", *(key.replace("_", " ") for key in keys)],
                [[name, *(cell_of(task.get(key)) for key in keys)] for name, task in tasks.items()],
            )
            for keys in tables
        ]
        yield Section("Tasks", tuple(parts))


def manifest_section(values: Row) -> Section:
    """Model, setting, code and fingerprints: two evaluations compare where these agree."""
    facts: list[list[object]] = [
        ["model", name_of(values.get("model"))],
        ["fingerprint of its files", values.get("model_fingerprint")],
        ["commit of the code", values.get("git_commit")],
        *([key.replace("_", " "), cell_of(value)] for key, value in values.get("setting", {}).items()),
        *([f"version of {name}", version] for name, version in values.get("versions", {}).items()),
        *([key.replace("_", " "), cell_of(value)] for key, value in values.get("declared", {}).items() if value),
    ]
    data = [[task, *_prints(found)] for task, found in values.get("data", {}).items()]
    parts = [table(["what", "value"], [row for row in facts if row[1] is not None])]
    if data:
        parts.append(table(["task", "fingerprint of data", "fingerprint of task and prompts"], data))
    return Section("What it was made from", tuple(parts), lead="Two evaluations compare where these agree.")


def _prints(found: object) -> list[str]:
    if not isinstance(found, Mapping):
        return [str(found), ""]
    rest = [value for key, value in found.items() if key != "data"]
    return [str(found.get("data", "")), ", ".join(map(str, rest))]
