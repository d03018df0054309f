"""What can be scored: the shipped tasks, with where they stand and whether their data is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.evals.items import task_files
from qaz_llm.evals.task import TaskConfig, shipped_suites, shipped_tasks


def list_tasks(root: Path | None) -> list[dict[str, Any]]:
    """A row per shipped task as JSON values."""
    suites = shipped_suites()
    return [
        {
            "name": name,
            "description": task.description,
            "kind": task.kind,
            "metric": task.metric,
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


def _has_data(task: TaskConfig, root: Path | None) -> bool:
    try:
        return bool(task_files(task, root))
    except InputError:
        return False
