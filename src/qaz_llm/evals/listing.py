"""What can be scored: the shipped tasks, with where they stand and whether their data is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError, QazError
from qaz_llm.evals.items.load import load_items, task_sources
from qaz_llm.evals.task import TaskConfig, chance_level, shipped_suites, shipped_tasks
from qaz_llm.records import EvalItem

PAIR = (EvalItem("", "", "", "kk", "", "", choices=("", "")),)
"""An item, to ask whether a task has such a thing as chance at all."""


def list_tasks(root: Path | None) -> list[dict[str, Any]]:
    """A row per shipped task as JSON values."""
    suites = shipped_suites()
    return [
        {
            "name": name,
            "description": task.description,
            "kind": task.kind,
            "metric": task.metric,
            "chance": _chance(task, root),
            "parallel": task.parallel and len(task.languages) > 1,
            "languages": list(task.languages),
            "provenance": dict(task.provenance),
            "licence": task.licence,
            "version": task.version,
            "has_examples": bool(task.dev_file or task.dev_files),
            "suites": [suite for suite, names in suites.items() if name in names],
            "has_data": _has_data(task, root),
        }
        for name, task in shipped_tasks().items()
    ]


def task_line(row: Mapping[str, Any]) -> str:
    """All that a row of `list_tasks` says but name and description, as one line.

    kk, ru, en (parallel); multiple_choice, acc, chance 0.25; kk human, en native; CC-BY-SA-4.0; examples; suites all; data at hand
    """
    chance = "" if row["chance"] is None else f", chance {row['chance']:.3g}"
    made = ", ".join(f"{code} {how}" for code, how in row["provenance"].items()) or "provenance not stated"
    languages = ", ".join(row["languages"]) + (" (parallel)" if row["parallel"] else "")
    parts = [
        languages,
        f"{row['kind']}, {row['metric']}{chance}",
        made,
        row["licence"],
        "with examples" if row["has_examples"] else "no examples",
        f"suites {', '.join(row['suites'])}",
        "data at hand" if row["has_data"] else "data not at hand",
    ]
    return "; ".join(parts)


def _chance(task: TaskConfig, root: Path | None) -> float | None:
    """As the task tells; where only its data does and is at hand, by that."""
    known = chance_level(task)
    if known is not None or chance_level(task, PAIR) is None or not _has_data(task, root):
        return known
    try:
        return chance_level(task, load_items(task, root=root))
    except QazError:  # said by `qaz eval run`, with the row that is wrong
        return None


def _has_data(task: TaskConfig, root: Path | None) -> bool:
    try:
        return bool(task_sources(task, root, fetch=False))
    except InputError:
        return False
