"""The report of a build: where documents went, why, and examples to judge the rules by. One HTML file, from the manifest
and the shards beside it, so it can be written again at any time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.data.manifest import read_manifest
from qaz_llm.io import read_jsonl, write_text
from qaz_llm.records import LANGUAGE_NAMES
from qaz_llm.report.charts import bar_chart, funnel_chart
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table

EXAMPLES_PER_REASON = 5
KEPT_EXAMPLES = 9
LOOKED_AT_ROWS = 50_000
"""Rows of dropped-* that examples are taken from."""

STEPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("readable", ("missing_text", "bad_json", "bad_encoding", "line_too_long", "no_letters")),
    ("in a language kept", ("language_unknown", "other_language", "kazakh_letters_missing", "script")),
    ("good enough", ()),
    ("no evaluation items", ("contaminated",)),
    ("once only", ("duplicate_id", "exact_duplicate", "near_duplicate", "repeated_lines")),
)
"""The steps of the funnel and the reasons that belong to each; quality has every reason not named elsewhere."""


def write_report(folder: Path) -> Path:
    """Write report.html of a build and return its path. Raises InputError where the folder is no build."""
    manifest = read_manifest(folder)
    path = folder / "report.html"
    write_text(path, make_report(manifest, dropped_examples(folder), kept_examples(folder)))
    return path


def make_report(
    manifest: Mapping[str, Any], dropped: Mapping[str, list[Mapping[str, Any]]], kept: list[Mapping[str, Any]]
) -> str:
    """The page's HTML. `dropped` maps a reason to rows of dropped-*, `kept` are rows of documents-*."""
    sections = [
        _funnel(manifest),
        _sources(manifest),
        _kept(manifest, kept),
        _dropped(manifest, dropped),
        _repairs(manifest),
    ]
    if manifest["conversations"]["sources"]:
        sections.append(_conversations(manifest))
    facts = {
        "documents": f"{manifest['documents_out']:,} of {manifest['documents_in']:,}",
        "text": f"{manifest['bytes_out'] / 1e6:,.1f} MB of {manifest['bytes_in'] / 1e6:,.1f} MB",
        "conversations": f"{manifest['conversations']['out']:,}",
        "code": manifest["code"][:12],
    }
    return render_page(
        "Data build", sections, subtitle="What came in, what stayed, and why the rest did not", facts=facts
    )


# --------------------------------------------------------------------------------------------------------- examples


def dropped_examples(folder: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Some rows of each reason, from different sources where there are such."""
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    per_source: dict[tuple[str, str], int] = defaultdict(int)
    rows = (row for path in sorted(folder.glob("dropped-*")) for row in read_jsonl(path))
    for number, row in enumerate(rows):
        if number >= LOOKED_AT_ROWS:
            break
        key = (row["reason"], row["source"])
        if len(found[row["reason"]]) < EXAMPLES_PER_REASON and per_source[key] < 2 and row["text"]:
            found[row["reason"]].append(row)
            per_source[key] += 1
    return dict(found)


def kept_examples(folder: Path) -> list[Mapping[str, Any]]:
    """A few documents, one per source and language."""
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for path in sorted(folder.glob("documents-*")):
        for row in read_jsonl(path):
            found.setdefault((row["language"], row["source"]), row)
    return [found[key] for key in sorted(found)][:KEPT_EXAMPLES]


# --------------------------------------------------------------------------------------------------------- sections


def _funnel(manifest: Mapping[str, Any]) -> Section:
    named = {reason for _, reasons in STEPS for reason in reasons}
    steps = [("read", manifest["documents_in"])]
    left = manifest["documents_in"]
    for step, reasons in STEPS:
        of_step = reasons or tuple(reason for reason in manifest["dropped"] if reason not in named)
        left -= sum(manifest["dropped"].get(reason, 0) for reason in of_step)
        steps.append((step, left))
    return Section(
        "Funnel", (funnel_chart(steps, title="Documents after each step"),), lead="Each step counts what is left."
    )


def _sources(manifest: Mapping[str, Any]) -> Section:
    rows = [
        [
            name,
            entry["licence"],
            entry["in"],
            entry["out"],
            f"{entry['bytes_out'] / 1e6:.2f}",
            ", ".join(f"{reason} {count:,}" for reason, count in entry["dropped"].items()) or "–",
        ]
        for name, entry in manifest["sources"].items()
    ]
    parts = [table(["source", "licence", "in", "out", "MB out", "dropped"], rows)]
    parts += [
        paragraph(f"{name} was not read: its licence is refused ({why}).")
        for name, why in manifest["refused_sources"].items()
    ]
    return Section("Sources", tuple(parts))


def _kept(manifest: Mapping[str, Any], examples: list[Mapping[str, Any]]) -> Section:
    languages = [
        [LANGUAGE_NAMES.get(code, code), v["documents"], v["words"], f"{v['bytes'] / 1e6:.2f}"]
        for code, v in manifest["languages"].items()
    ]
    lengths = [(name, {"documents": float(count)}) for name, count in manifest["lengths_words"].items()]
    folded = [
        details(f"{row['id']} · {row['language']}", preformatted(row["text"][:1200], row["language"]))
        for row in examples
    ]
    return Section(
        "What is kept",
        (
            table(["language", "documents", "words", "MB"], languages),
            table(["licence", "documents"], list(map(list, manifest["licences"].items()))),
            bar_chart(lengths, title="Length of documents, in words"),
            *folded,
        ),
        lead="Shares of languages and licences, lengths, and one document per source and language.",
    )


def _dropped(manifest: Mapping[str, Any], examples: Mapping[str, list[Mapping[str, Any]]]) -> Section:
    reasons = [(reason, {"documents": float(count)}) for reason, count in manifest["dropped"].items()]
    folded = [
        details(
            f"{reason} · {count:,}",
            *(
                part
                for row in examples.get(reason, ())
                for part in (
                    paragraph(row["id"] + (f" – a copy of {row['of']}" if "of" in row else "")),
                    preformatted(row["text"], row.get("language")),
                )
            ),
        )
        for reason, count in manifest["dropped"].items()
    ]
    chart = bar_chart(reasons, title="Documents dropped, by reason") if reasons else paragraph("Nothing was dropped.")
    return Section("What is dropped", (chart, *folded), lead="Open a reason to see what it hit.")


def _repairs(manifest: Mapping[str, Any]) -> Section:
    found = [[code, count] for code, count in manifest["found_languages"].items()]
    return Section(
        "Repairs, scripts and personal data",
        (
            table(["repair", "number"], list(map(list, manifest["repairs"].items()))),
            table(["script as read", "documents"], list(map(list, manifest["original_scripts"].items()))),
            table(["main language found", "documents"], found),
            table(["placeholder", "number"], list(map(list, manifest["pii"].items()))),
        ),
        lead="Personal data is counted, never shown.",
    )


def _conversations(manifest: Mapping[str, Any]) -> Section:
    made = manifest["conversations"]
    rows = [
        [
            name,
            entry["licence"],
            entry["in"],
            entry["out"],
            ", ".join(f"{reason} {count:,}" for reason, count in entry["dropped"].items()) or "–",
        ]
        for name, entry in made["sources"].items()
    ]
    return Section(
        "Conversations",
        (
            table(["source", "licence", "in", "out", "dropped"], rows),
            table(["language", "conversations"], list(map(list, made["languages"].items()))),
        ),
    )
