"""What the training data is known to hold of the items that are scored, from the manifest of `qaz data build`.

The build drops every document that has some words in a row in common with an item of the files it was told. A task whose file it was not
told was not looked for; that is said, as "not looked for" is not "clean".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any

from qaz_llm.errors import DataError
from qaz_llm.evals.task import TaskConfig
from qaz_llm.io import fingerprint_file, read_json


def contamination_of(path: Path | None, tasks: Sequence[TaskConfig]) -> dict[str, Any] | None:
    """A row per data file of each task; None without a manifest.

        {"manifest": …, "fingerprint": …, "ngram_words": 13,
         "files": [{"task": "sib200", "file": "sib200_kk_dev.jsonl", "looked_for": True, "items": 99, "items_met": 2, "documents_dropped": 5}]}

    Files are known by their name, without folder. Raises InputError where the manifest is missing, DataError where it tells nothing of items.
    """
    if path is None:
        return None
    manifest = read_json(path)
    made = manifest.get("decontamination") if isinstance(manifest, Mapping) else None
    if not isinstance(made, Mapping) or "files" not in made:
        raise DataError(
            f"{path}: says nothing of evaluation items (no decontamination.files)",
            hint="name the manifest.json that `qaz data build` wrote",
        )
    return {
        "manifest": str(path),
        "fingerprint": fingerprint_file(path),
        "ngram_words": made.get("ngram_words"),
        "files": [row for task in tasks for row in _rows(task, made)],
    }


def _rows(task: TaskConfig, made: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    known = {PurePath(name).name: name for name in made["files"]}
    hits = made.get("hits", {}).get("files", {})
    for file in _files_of(task):
        base = PurePath(file.removeprefix("embedded:")).name
        entry = made["files"].get(known.get(base, ""), {})
        met = hits.get(known.get(base, ""), {})
        yield {
            "task": task.name,
            "file": base,
            "looked_for": base in known,
            "items": entry.get("items"),
            "items_too_short": entry.get("items_too_short"),
            "items_met": met.get("items_hit"),
            "documents_dropped": met.get("documents"),
        }


def _files_of(task: TaskConfig) -> Iterator[str]:
    """The task's data files as written in its YAML, each once; one language may have several."""
    named = [task.file] if task.file is not None else list(task.files.values())
    yield from dict.fromkeys(file for several in named for file in ([several] if isinstance(several, str) else several))
