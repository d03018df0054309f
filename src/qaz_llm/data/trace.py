"""The whole way of one document or conversation through a build: what each step did to it, and what it measured.

What was done is written in its row (`meta` of what is kept, the row itself of what is dropped). What the rules measured is not:
of a document that is kept it is measured again, by the same code and the limits in the manifest, which costs nothing until
somebody asks; so it is of a dropped one whose row holds the whole text, and of a longer one the row tells the rule that ended it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qaz_llm.config import config_from_values
from qaz_llm.data.clean import MIXED_BELOW, SAMPLE_CHARS
from qaz_llm.data.config import DedupConfig, FilterConfig, LanguagePolicy
from qaz_llm.data.find import Found, copies_of, rows_of
from qaz_llm.data.manifest import read_manifest
from qaz_llm.data.quality.filters import make_filters
from qaz_llm.data.reasons import STEPS, step_of, told
from qaz_llm.io import dump_row
from qaz_llm.language.identify import identify

COPIES_SHOWN = 5
COPY_CHARS = 300


@dataclass(frozen=True)
class Build:
    """A finished build as far as the way of one document needs it."""

    folder: Path
    manifest: Mapping[str, Any]
    filters: FilterConfig
    languages: LanguagePolicy
    dedup: DedupConfig


def open_build(folder: Path) -> Build:
    """Raises InputError where the folder is no build."""
    manifest = read_manifest(folder)
    config = manifest["config"]

    def part(cls: Any, key: str) -> Any:
        return config_from_values(cls, config[key], where=f"{folder}/manifest.json, config.{key}")

    return Build(
        folder, manifest, part(FilterConfig, "filters"), part(LanguagePolicy, "languages"), part(DedupConfig, "dedup")
    )


def trace(found: Found, build: Build) -> dict[str, Any]:
    """The way as JSON values: what it is, `fate`, `steps` by name, and the text."""
    row = found.row
    steps: dict[str, Any] = {}
    if found.kind == "document":
        steps = _steps_of_document(found, build)
    fate: dict[str, Any] = {"kept": found.kept, "file": found.file, "row": found.number}
    if not found.kept:
        fate |= {key: row[key] for key in ("reason", "value", "limit", "of", "item") if key in row}
        if found.kind == "document":
            fate["step"] = step_of(row["reason"])
        if "file" in row:
            fate["evaluation_file"] = row["file"]
        if "of" in row:
            fate["copy"] = _kept_copy(row["of"], found.kind, build)
    copies = [
        {key: copy.row[key] for key in ("id", "source", "reason", "value", "url") if key in copy.row}
        for copy in copies_of(build.folder, row["id"], found.kind)
        if copy.row.get("of") == row["id"]
    ]
    known = ("id", "source", "licence", "language", "script", "url")
    return {
        "kind": found.kind,
        **{key: row[key] for key in known if key in row},
        "fate": fate,
        "steps": steps,
        "copies": copies,
        "text": found.text,
    }


def _steps_of_document(found: Found, build: Build) -> dict[str, Any]:
    row = found.row
    facts: Mapping[str, Any] = row.get("meta", {}) if found.kept else row
    is_whole = found.kept or len(found.text) < SAMPLE_CHARS
    repairs = dict(facts.get("repairs", {}))
    boilerplate, lines = repairs.pop("boilerplate_lines", 0), repairs.pop("repeated_lines", 0)
    steps: dict[str, Any] = {"repair": repairs}
    if "original_script" in facts:
        steps["script"] = {key: facts[key] for key in ("original_script", "alphabet") if key in facts}
    steps["language"] = {
        "shares": facts.get("languages") or (_shares(found.text) if is_whole else {}),
        "min_kept_frac": build.languages.min_kept_frac,
        "keep": list(build.languages.keep),
    }
    steps["boilerplate"] = {"lines": boilerplate}
    steps["quality"] = {"preset": build.filters.preset, "score": facts.get("quality")}
    if is_whole:
        rules = [
            rule for filter_ in make_filters(build.filters) for rule in filter_.measured(found.text, row["language"])
        ]
        steps["quality"]["rules"] = [asdict(rule) for rule in rules]
    steps["evaluation items"] = {"ngram_words": build.manifest["decontamination"]["ngram_words"]}
    steps["personal data"] = dict(facts.get("pii", {}))
    steps["duplicates"] = {"min_jaccard": build.dedup.min_jaccard, "repeated_lines": lines}
    if not found.kept:
        last = STEPS.index(step_of(row["reason"]))
        steps = {name: step for name, step in steps.items() if STEPS.index(name) <= last}
    return steps


def _shares(text: str) -> dict[str, float]:
    return {code: round(part, 3) for code, part in identify(text).detail.items() if part >= 0.01}


def _kept_copy(id_: str, kind: str, build: Build) -> dict[str, Any] | None:
    """The copy that stays in its place; None where another step dropped it later (repeated lines)."""
    part = dump_row({"": id_})[len(b'{"":') : -len(b"}\n")]
    for copy in rows_of(build.folder, kinds=(kind,), part=part):
        if copy.row["id"] == id_:
            told = {key: copy.row[key] for key in ("id", "source", "url", "reason") if key in copy.row}
            return {**told, "kept": copy.kept, "file": copy.file, "row": copy.number, "text": copy.text[:COPY_CHARS]}
    return None


# ------------------------------------------------------------------------------------------------------- for people


def lines_of_trace(made: Mapping[str, Any]) -> list[str]:
    """The way as a person reads it."""
    fate = made["fate"]
    origin = [f"source {made['source']}", *([f"licence {made['licence']}"] if "licence" in made else [])]
    lines = [f"{made['id']}", f"  {made['kind']}, {', '.join([*origin, *([made['url']] if made.get('url') else [])])}"]
    for name, step in made["steps"].items():
        told = _LINES[name](step, made)
        lines += [f"  {name if number == 0 else '':17}{line}" for number, line in enumerate(told)]
    if not fate["kept"]:
        lines += _dropped_lines(fate)
    if made["copies"]:
        shown = ", ".join(_copy(copy) for copy in made["copies"][:COPIES_SHOWN])
        more = f" and {len(made['copies']) - COPIES_SHOWN:,} more" if len(made["copies"]) > COPIES_SHOWN else ""
        lines.append(f"  {'copies dropped':17}{shown}{more}")
    place = f"{fate['file']}, row {fate['row']:,}"
    kept = "the whole text" if fate["kept"] else f"at most the first {SAMPLE_CHARS} characters"
    return [*lines, f"  {'kept in' if fate['kept'] else 'dropped, in':17}{place}: {kept}"]


def _dropped_lines(fate: Mapping[str, Any]) -> list[str]:
    because = [fate["reason"]]
    if "value" in fate:
        because.append(f"measured {told(fate['value'])}")
    if "limit" in fate:
        because.append(f"limit {told(fate['limit'])}")
    if "evaluation_file" in fate:
        because.append(f"item {fate.get('item', '?')} of {fate['evaluation_file']}")
    step = f"{fate['step']}: " if "step" in fate else ""
    lines = [f"  {'dropped at' if step else 'dropped for':17}{step}{', '.join(because)}"]
    if "of" in fate:
        copy = fate["copy"]
        state = (
            ""
            if copy is None
            else f", {'kept' if copy['kept'] else 'dropped too'} in {copy['file']}, row {copy['row']:,}"
        )
        lines.append(f"  {'a copy of':17}{fate['of']}{state}")
        if copy is not None:
            lines.append(f"  {'':17}{' '.join(copy['text'].split())[:120]} …")
    return lines


def _repair(step: Mapping[str, int], _made: Mapping[str, Any]) -> list[str]:
    return [_counts(step)]


def _script(step: Mapping[str, str], made: Mapping[str, Any]) -> list[str]:
    alphabet = f", alphabet {step['alphabet']}" if step.get("alphabet") else ""
    return [f"from {step['original_script']}{alphabet} to Cyrl"]


def _language(step: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    shares = ", ".join(f"{code} {share:g}" for code, share in step["shares"].items())
    shares = shares or f"{made['language']} at least {MIXED_BELOW:g}"
    return [f"{shares}; filed under {made['language']} ({', '.join(step['keep'])} at least {step['min_kept_frac']:g})"]


def _boilerplate(step: Mapping[str, int], _made: Mapping[str, Any]) -> list[str]:
    return [f"{step['lines']:,} lines taken out" if step["lines"] else "–"]


def _quality(step: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    score = f", score {step['score']:g}" if step["score"] is not None else ""
    lines = [f"preset {step['preset']}{score}"]
    if "rules" not in step:
        ended = made["fate"].get("step") == "quality"
        passed = "the rules before the one below were passed" if ended else "all rules were passed"
        lines.append(f"{passed}; what they measured is not known, the row holds only the beginning of the text")
    for rule in step.get("rules", ()):
        bound = "at least" if rule["is_least"] else "at most"
        asked = "" if rule["asked"] else " (not asked: too short)"
        lines.append(f"{rule['rule']:28}{told(rule['value']):>10}   {bound} {told(rule['limit'])}{asked}")
    return lines


def _evaluation(step: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    has_met = made["fate"].get("reason") == "contaminated"
    return [f"{'met' if has_met else 'none met'} ({step['ngram_words']} words in a row)"]


def _personal(step: Mapping[str, int], _made: Mapping[str, Any]) -> list[str]:
    return [_counts(step)]


def _duplicates(step: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    lines = f", {step['repeated_lines']:,} repeated lines taken out" if step["repeated_lines"] else ""
    is_copy = made["fate"].get("step") == "duplicates"
    return [f"{'dropped here' if is_copy else 'it stays'} (near: at least {step['min_jaccard']:g} alike){lines}"]


_LINES: Mapping[str, Callable[[Any, Mapping[str, Any]], list[str]]] = {
    "repair": _repair,
    "script": _script,
    "language": _language,
    "boilerplate": _boilerplate,
    "quality": _quality,
    "evaluation items": _evaluation,
    "personal data": _personal,
    "duplicates": _duplicates,
}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {number:,}" for kind, number in counts.items()) or "–"


def _copy(copy: Mapping[str, Any]) -> str:
    alike = f" {copy['value']:g}" if "value" in copy else ""
    return f"{copy['id']} ({copy['reason']}{alike})"
