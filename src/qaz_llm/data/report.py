"""The report of a build: where documents went, why, and examples to judge the rules by. One HTML file, from the manifest
and the shards beside it, so it can be written again at any time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.languages import OTHER, UNTOLD, answered_otherwise, by_language
from qaz_llm.data.manifest import read_manifest
from qaz_llm.data.notices import meaning_of
from qaz_llm.data.reasons import step_of, told
from qaz_llm.io import parse_row, read_lines, write_text
from qaz_llm.records import LANGUAGE_NAMES
from qaz_llm.report.charts import bar_chart, funnel_chart
from qaz_llm.report.page import Section, details, paragraph, preformatted, render_page, table

EXAMPLES_PER_REASON = 5
KEPT_EXAMPLES = 9
EXAMPLES_PER_SOURCE = 2

FUNNEL: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("readable", ("read",)),
    ("in a language kept", ("script", "language")),
    ("good enough", ("boilerplate", "quality")),
    ("no evaluation items", ("evaluation items",)),
    ("once only", ("duplicates",)),
)
"""What is left after some steps of a build (reasons.py)."""


def write_report(folder: Path) -> Path:
    """Write report.html of a build and return its path. Raises InputError where the folder is no build."""
    manifest = read_manifest(folder)
    path = folder / "report.html"
    conversations = dropped_conversation_examples(folder)
    write_text(path, make_report(manifest, dropped_examples(folder), kept_examples(folder), conversations))
    return path


def make_report(
    manifest: Mapping[str, Any],
    dropped: Mapping[str, list[Mapping[str, Any]]],
    kept: list[Mapping[str, Any]],
    dropped_conversations: Mapping[str, list[Mapping[str, Any]]] | None = None,
) -> str:
    """The page's HTML. `dropped` maps a reason to rows of dropped-*, `kept` are rows of documents-*.

    A build of conversations alone has no sections on documents.
    """
    sections = [
        _funnel(manifest),
        _sources(manifest),
        _kept(manifest, kept),
        _dropped(manifest, dropped),
        _duplicates(manifest),
        _evaluation(manifest),
        _repairs(manifest),
    ]
    if not manifest["sources"] and manifest["conversations"]["sources"]:
        sections = [_evaluation(manifest)]
    if manifest["conversations"]["sources"]:
        sections.append(_conversations(manifest, dropped_conversations or {}))
    if manifest.get("notices"):
        sections.insert(min(1, len(sections) - 1), _notices(manifest))
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
    wanted = {
        (name, reason): min(count, EXAMPLES_PER_SOURCE)
        for name, entry in read_manifest(folder)["sources"].items()
        for reason, count in entry["dropped"].items()
    }
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in _rows(folder, "dropped-*"):
        key = (row["source"], row["reason"])
        if wanted.get(key, 0):
            wanted[key] -= 1
            if row["text"]:
                found[row["reason"]].append(row)
            if not any(wanted.values()):
                break
    return {reason: rows[:EXAMPLES_PER_REASON] for reason, rows in found.items()}


def dropped_conversation_examples(folder: Path) -> dict[str, list[Mapping[str, Any]]]:
    """Some rows of dropped_conversations-* of each reason."""
    counts = read_manifest(folder)["conversations"]["dropped"]
    wanted = {reason: min(count, EXAMPLES_PER_REASON) for reason, count in counts.items()}
    found: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for row in _rows(folder, "dropped_conversations-*"):
        if len(found[row["reason"]]) < wanted.get(row["reason"], 0):
            found[row["reason"]].append(row)
            if all(len(found[reason]) == number for reason, number in wanted.items()):
                break
    return found


def kept_examples(folder: Path) -> list[Mapping[str, Any]]:
    """A few documents, one per source and language."""
    wanted = {(code, name) for name, entry in read_manifest(folder)["sources"].items() for code in entry["languages"]}
    found: dict[tuple[str, str], Mapping[str, Any]] = {}
    for row in _rows(folder, "documents-*"):
        found.setdefault((row["language"], row["source"]), row)
        if len(found) >= len(wanted):
            break
    return [found[key] for key in sorted(found)][:KEPT_EXAMPLES]


def _rows(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    return (parse_row(line) for path in sorted(folder.glob(pattern)) for line in read_lines(path))


# --------------------------------------------------------------------------------------------------------- sections


def _funnel(manifest: Mapping[str, Any]) -> Section:
    whole = funnel_chart(_steps(manifest["documents_in"], manifest["dropped"]), title="Documents after each step")
    of_sources = [
        details(
            f"{name} · {entry['out']:,} of {entry['in']:,}",
            funnel_chart(_steps(entry["in"], entry["dropped"]), title=f"Documents of {name} after each step"),
        )
        for name, entry in manifest["sources"].items()
    ]
    return Section("Funnel", (whole, *of_sources), lead="Each step counts what is left; below, source by source.")


def _steps(documents_in: int, dropped: Mapping[str, int]) -> list[tuple[str, int]]:
    gone: Counter[str] = Counter()
    for reason, count in dropped.items():
        gone[step_of(reason)] += count
    left = [documents_in]
    for _, steps in FUNNEL:
        left.append(left[-1] - sum(gone[step] for step in steps))
    return list(zip(["read", *(name for name, _ in FUNNEL)], left, strict=True))


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


def _notices(manifest: Mapping[str, Any]) -> Section:
    """What was guessed, cut, could not be matched or was left unread."""
    rows = [[meaning_of(notice["kind"]), notice["where"], notice["count"]] for notice in manifest["notices"]]
    lead = "Nothing of this was dropped for it; it is what to look at before the data is used."
    return Section("To be looked at", (table(["what", "where", "number"], rows),), lead=lead)


def _kept(manifest: Mapping[str, Any], examples: list[Mapping[str, Any]]) -> Section:
    total = max(manifest["bytes_out"], 1)
    languages = [
        [
            LANGUAGE_NAMES.get(code, code),
            v["documents"],
            v["words"],
            f"{v['bytes'] / 1e6:.2f}",
            _percent(v["bytes"], total),
        ]
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
            table(["language", "documents", "words", "MB", "share of text"], languages),
            _shares("script", manifest["scripts"], manifest["documents_out"]),
            _shares("licence", manifest["licences"], manifest["documents_out"]),
            bar_chart(lengths, title="Length of documents, in words"),
            *folded,
        ),
        lead="Shares of languages, scripts and licences, lengths, and one document per source and language.",
    )


def _shares(name: str, counts: Mapping[str, int], total: int) -> str:
    rows = [[key, count, _percent(count, max(total, 1))] for key, count in counts.items()]
    return table([name, "documents", "share"], rows)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %"


def _duplicates(manifest: Mapping[str, Any]) -> Section:
    clusters = {int(size): count for size, count in manifest["duplicate_clusters"].items()}
    if not clusters:
        return Section("Duplicates", (paragraph("No document had a copy."),))
    edges = ((2, 2), (3, 3), (4, 5), (6, 10), (11, 100), (101, 10**12))
    names = ("2", "3", "4–5", "6–10", "11–100", "over 100")
    sizes = [
        (name, {"clusters": float(sum(count for size, count in clusters.items() if low <= size <= high))})
        for name, (low, high) in zip(names, edges, strict=True)
    ]
    lead = f"{sum(clusters.values()):,} texts came in more than one copy, the commonest in {max(clusters):,}; one of each stays."
    return Section("Duplicates", (bar_chart(sizes, title="Copies of a text, the one that stays included"),), lead=lead)


def _evaluation(manifest: Mapping[str, Any]) -> Section:
    made = manifest["decontamination"]
    files = [
        [
            name,
            entry["items"],
            entry["items_too_short"],
            made["hits"]["files"][name]["items_hit"],
            made["hits"]["files"][name]["documents"],
        ]
        for name, entry in made["files"].items()
    ]
    overlaps = [[a, b, count] for a, others in made.get("overlaps", {}).items() for b, count in others.items()]
    parts = [table(["evaluation file", "items", "too short to look for", "items met", "dropped for them"], files)]
    if overlaps:
        parts.append(table(["items of", "that share words with", "number"], overlaps))
    lead = f"A document or conversation is dropped where it has {made['ngram_words']} words in a row in common with an item."
    return Section("Evaluation items", tuple(parts), lead=lead)


def _dropped(manifest: Mapping[str, Any], examples: Mapping[str, list[Mapping[str, Any]]]) -> Section:
    reasons = [(reason, {"documents": float(count)}) for reason, count in manifest["dropped"].items()]
    dropped = manifest["dropped"]
    folded = [_dropped_reason(reason, count, examples.get(reason, ())) for reason, count in dropped.items()]
    chart = bar_chart(reasons, title="Documents dropped, by reason") if reasons else paragraph("Nothing was dropped.")
    return Section("What is dropped", (chart, *folded), lead="Open a reason to see what it hit.")


def _dropped_reason(reason: str, count: int, examples: Iterable[Mapping[str, Any]]) -> str:
    """A reason with how often it was met, and folded in it rows that it hit."""
    parts = (
        part
        for row in examples
        for part in (
            paragraph(_caption(row)),
            preformatted(row["text"], row.get("language")),
        )
    )
    return details(f"{reason} · {count:,}", *parts)


def _caption(row: Mapping[str, Any]) -> str:
    """What a dropped row is, what was measured of it, and what it is a copy of."""
    parts = [row["id"]]
    if "value" in row:
        limit = f", limit {told(row['limit'])}" if "limit" in row else ""
        parts.append(f"measured {told(row['value'])}{limit}")
    if "languages" in row:
        parts.append(", ".join(f"{code} {share:g}" for code, share in row["languages"].items()))
    if "file" in row:
        parts.append(f"item {row.get('item', '?')} of {row['file']}")
    if "of" in row:
        parts.append(f"a copy of {row['of']}")
    return " – ".join(parts)


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


def _asked_and_answered(sources: Mapping[str, Mapping[str, Any]]) -> str:
    """By source and language of the question, how many are answered in which language."""
    codes = (*LANGUAGE_NAMES, OTHER, UNTOLD)
    rows = [
        [name, asked, *(answers[code] for code in codes)]
        for name, entry in sources.items()
        for asked, answers in by_language(entry.get("asked_answered", {})).items()
    ]
    answered = [*(f"answered in {code}" for code in LANGUAGE_NAMES), "in another language", "not told"]
    return table(["source", "asked in", *answered], rows)


def _conversations(manifest: Mapping[str, Any], examples: Mapping[str, list[Mapping[str, Any]]]) -> Section:
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
    folded = [_dropped_reason(reason, count, examples.get(reason, ())) for reason, count in made["dropped"].items()]
    return Section(
        "Conversations",
        (
            table(["source", "licence", "in", "out", "dropped"], rows),
            _asked_and_answered(made["sources"]),
            *map(paragraph, answered_otherwise(made["sources"])),
            table(["language", "conversations"], list(map(list, made["languages"].items()))),
            table(["repair", "number"], list(map(list, made.get("repairs", {}).items()))),
            table(["placeholder", "number"], list(map(list, made["pii"].items()))),
            *folded,
        ),
    )
