"""What adaptation changed: the same items before and after, one by one, for any number of checkpoints against one base.

`changes` are other − base per task and language; `difference_of_differences` is how far that moved the gap between
languages, (kk − ru) after minus (kk − ru) before; `forgetting` lists where another language got significantly worse, and
`non_inferiority` says whether a language is shown to have lost less than the margin that was declared beforehand.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.evals.comparing.changes import (
    changes_of,
    check_same_items,
    forgetting_of,
    moved_gaps,
    non_inferiority_of,
    with_holm,
)
from qaz_llm.evals.comparing.finished import Evaluation, check_alike, check_whole, read_evaluations
from qaz_llm.evals.identity import LIKE
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import ScriptTwin, disagreements
from qaz_llm.evals.summary.parity import by_task
from qaz_llm.io import check_writable, write_json
from qaz_llm.records import ItemScore


def compare(
    folders: Sequence[Path], out: Path, *, base: Path | None = None, allowed: Collection[str] = ()
) -> dict[str, Any]:
    """Compare outputs of `qaz eval run` with one of them, by default the first.

    Writes out/comparison.json, report.html, report.md and report.csv; returns the first:

        {"base": "base", "models": {"base": …, "adapted": …}, "scores": {"base": …, "adapted": …}, "gaps": likewise,
         "versus": {"adapted": {"changes": …, "difference_of_differences": …, "forgetting": …, "non_inferiority": …}}}

    Args:
        allowed: parts of the setting (see identity.LIKE) that may differ, which the page says.

    Raises InputError where a folder is no such output or they were made from other data, prompts or settings, DataError where
    an item is scored in one of them only.
    """
    from qaz_llm.evals.report import write_comparison

    evaluations = _base_first(read_evaluations(folders), base)
    if (same := out.resolve()) in {folder.resolve() for folder in folders}:
        raise InputError(
            f"--out {same} is one of the evaluations, whose report it would replace", hint="name another folder"
        )
    for evaluation in evaluations:
        check_whole(evaluation)
    notes = check_alike(evaluations, allowed=allowed)
    declared = _declared(evaluations)
    first = evaluations[0]
    found = compare_scores(
        {e.label: e.scores for e in evaluations},
        family=Family(declared["family"]),
        margins=declared["non_inferiority"],
        scripts=first.scripts,
        apart=set().union(*(e.apart for e in evaluations)),
        base_scores=first.summary["scores"],
    )
    values = {
        "base": first.label,
        "models": {e.label: e.summary.get("model") for e in evaluations},
        "suite": first.summary.get("suite"),
        "data": first.summary["data"],
        "tasks": first.summary.get("tasks", {}),
        "setting": {key: first.setting[key] for key in LIKE if key in first.setting},
        "declared": declared,
        "scores": {e.label: e.summary["scores"] for e in evaluations},
        "gaps": {e.label: e.summary["gaps"] for e in evaluations},
        "doubts": {e.label: e.summary.get("doubts", {}) for e in evaluations},
        "made_by": {e.label: _made_by(e) for e in evaluations},
        "versus": found,
        "warnings": [*notes, *_warnings(evaluations, found)],
    }
    check_writable(out)
    write_json(out / "comparison.json", values)
    write_comparison(out, values)
    return values


def compare_scores(
    scores: Mapping[str, Sequence[ItemScore]],
    *,
    family: Family = Family(),  # noqa: B008 - frozen
    margins: Mapping[str, float] | None = None,
    scripts: Sequence[ScriptTwin] = (),
    apart: Collection[str] = (),
    base_scores: Mapping[str, Mapping[str, Mapping[str, Any]]] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Each set of scores against the first, as JSON values by its name; p_holm is adjusted over all of them.

    Raises DataError where two do not hold the same items, metrics and (for bits per byte) the same bytes.
    """
    base, *others = scores
    before, parallel = by_task(scores[base]), by_task([s for s in scores[base] if s.task not in apart])
    changes, moved = {}, {}
    for name in others:
        check_same_items((base, name), scores[base], scores[name])
        after = by_task(scores[name])
        changes[name] = changes_of(before, after, seed=seed)
        moved[name] = moved_gaps(parallel, after, scripts=scripts, seed=seed)
    changes, moved = with_holm(changes, family), with_holm(moved, family)
    return {
        name: {
            "changes": changes[name],
            "difference_of_differences": moved[name],
            "forgetting": forgetting_of(changes[name]),
            "non_inferiority": non_inferiority_of(changes[name], base_scores or {}, margins or {}),
        }
        for name in others
    }


def _base_first(evaluations: list[Evaluation], base: Path | None) -> list[Evaluation]:
    if len(evaluations) < 2:
        raise InputError("one evaluation has nothing to be compared with", hint="name two folders or more")
    if base is None:
        return evaluations
    chosen = [e for e in evaluations if e.folder.resolve() == base.resolve()]
    if not chosen:
        names = ", ".join(str(e.folder) for e in evaluations)
        raise InputError(f"--base {base} is none of the evaluations", hint=f"they are: {names}")
    return [*chosen, *(e for e in evaluations if e is not chosen[0])]


def _declared(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """The family and margins that were declared before scoring, which have to be the same for all."""
    nothing: dict[str, Any] = {"family": None, "non_inferiority": {}}
    first = {**nothing, **evaluations[0].summary.get("declared", {})}
    for other in evaluations[1:]:
        found = {**nothing, **other.summary.get("declared", {})}
        if differ := [key for key in nothing if first[key] != found[key]]:
            raise InputError(
                f"{evaluations[0].label} and {other.label} declared another {differ[0]} beforehand: "
                f"{first[differ[0]]} and {found[differ[0]]}",
                hint=f"give both the same {differ[0]} and evaluate again; answers that are kept are not asked anew",
            )
    return {
        "family": None if first["family"] is None else tuple(first["family"]),
        "non_inferiority": first["non_inferiority"],
    }


def _made_by(evaluation: Evaluation) -> dict[str, Any]:
    names = ("model", "model_fingerprint", "git_commit", "versions", "setting")
    return {"folder": str(evaluation.folder), **{name: evaluation.summary.get(name) for name in names}}


def _warnings(evaluations: Sequence[Evaluation], found: Mapping[str, Any]) -> list[str]:
    own = [f"{e.label}: {warning}" for e in evaluations for warning in e.summary.get("warnings", ())]
    borderline = [
        f"{name} against {evaluations[0].label}, {what}: {line}"
        for name, parts in found.items()
        for what, key in (("change", "changes"), ("change of the gap", "difference_of_differences"))
        for line in disagreements(parts[key])
    ]
    return [*borderline, *own]
