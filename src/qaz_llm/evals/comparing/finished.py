"""Evaluations as `qaz eval run` left them, and whether two of them can be held against each other."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from qaz_llm.errors import DamagedFileError, DataError, InputError, RowError
from qaz_llm.evals.identity import LIKE, unlike
from qaz_llm.evals.summary.gaps import ScriptTwin
from qaz_llm.evals.summary.parity import by_task, score_of
from qaz_llm.evals.summary.written import read_summary
from qaz_llm.io import read_jsonl
from qaz_llm.records import ItemScore

SHOWN = 4
NEVER = ("max_items",)
"""Parts of a setting that cannot be allowed to differ, as other items were scored."""
"""So many of the things that differ are told; the rest is counted."""


@dataclass(frozen=True)
class Evaluation:
    """One output folder: `label` names it beside others, `summary` is its parity.json."""

    label: str
    folder: Path
    summary: Mapping[str, Any]

    @cached_property
    def scores(self) -> list[ItemScore]:
        """The primary scores, item by item. Raises as `read_item_scores`."""
        return read_item_scores(self.folder / "items.jsonl")

    @property
    def setting(self) -> Mapping[str, Any]:
        return dict(self.summary.get("setting", {}))

    @property
    def scripts(self) -> list[ScriptTwin]:
        """The tasks that ask the same in two scripts."""
        tasks: Mapping[str, Mapping[str, Any]] = self.summary.get("tasks", {})
        pairs = [(name, task, tasks[task["twin_of"]]) for name, task in tasks.items() if task.get("twin_of") in tasks]
        return [ScriptTwin(name, task["twin_of"], f"{first['script']}-{task['script']}") for name, task, first in pairs]

    @property
    def apart(self) -> set[str]:
        """The tasks whose languages were found not to be parallel."""
        found: Mapping[str, Mapping[str, Any]] = self.summary.get("doubts", {})
        return {task for task, by in found.items() if any("not_parallel" in kinds for kinds in by.values())}


def read_evaluations(folders: Sequence[Path]) -> list[Evaluation]:
    """The evaluations of some folders, each labelled by as much of its path as tells it from the others.

    Raises InputError where one is no output of `qaz eval run` or is named twice, DamagedFileError where its parity.json is not whole.
    """
    resolved = [folder.resolve() for folder in folders]
    if twice := [str(folder) for folder in folders if resolved.count(folder.resolve()) > 1]:
        raise InputError(f"{twice[0]} is named twice", hint="name each evaluation once")
    labels = _labels(resolved)
    return [Evaluation(label, path, _summary(path)) for label, path in zip(labels, folders, strict=True)]


def read_item_scores(path: Path, *, primary_only: bool = True) -> list[ItemScore]:
    """The scores in an items.jsonl; those of each task's primary metric, or all.

    Raises InputError where the file is missing or holds none, RowError where a row is no score.
    """
    scores = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            if primary_only and not row["primary"]:
                continue
            scores.append(_item_score(row))
        except (KeyError, TypeError, ValueError) as error:
            raise RowError(f"{path}, row {number}: not a score ({error!r})", hint="run the evaluation again") from error
    if not scores:
        raise InputError(f"{path}: holds no scores", hint="name a folder that `qaz eval run` wrote")
    return scores


def check_alike(evaluations: Sequence[Evaluation], *, allowed: Collection[str] = ()) -> list[str]:
    """Raise InputError where data, prompts or settings differ from the first evaluation's; what is `allowed` to is said.

    Returns sentences on what is not known of one of them, on what was allowed, and on other code.
    """
    if unknown := sorted(set(allowed) - (may := {*LIKE} - {*NEVER})):
        raise InputError(
            f"{unknown[0]} is no part of a setting that may differ",
            hint=f"what may be allowed to differ: {', '.join(key for key in LIKE if key in may)}",
        )
    first, notes = evaluations[0], []
    for other in evaluations[1:]:
        pair = f"{first.label} and {other.label}"
        if differ := list(_other_data(first.summary["data"], other.summary["data"])):
            more = f" and {len(differ) - SHOWN} more" if len(differ) > SHOWN else ""
            raise InputError(
                f"{pair} were not made from the same data and prompts: {'; '.join(differ[:SHOWN])}{more}",
                hint=f"evaluate both again with the same tasks, data and version of the project ({first.folder}, {other.folder})",
            )
        differing = unlike(first.setting, other.setting)
        if refused := {key: text for key, text in differing.items() if key not in allowed or key in NEVER}:
            allowing = " ".join(f"--allow {key}" for key in refused if key not in NEVER)
            or_say = f", or say that this may differ: {allowing}" if allowing else ""
            raise InputError(
                f"{pair} were not scored alike: {', '.join(refused.values())}",
                hint=f"score both with the same settings (for instance dtype=float32){or_say}",
            )
        notes += [f"{pair} were scored with another {text}, which was allowed" for text in differing.values()]
        notes += [
            f"{pair}: the {key} of one of them is not known, so it was not compared"
            for key in LIKE
            if (key in first.setting) != (key in other.setting)
        ]
        commits = [str(e.summary.get("git_commit"))[:12] for e in (first, other)]
        if commits[0] != commits[1]:
            notes.append(f"{pair} were scored by other commits of the code ({' and '.join(commits)})")
    return notes


def _other_data(first: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    """Each task that one of them lacks, and each fingerprint that differs, with both values."""
    for task in sorted(first.keys() | other.keys()):
        if (task in first) != (task in other):
            yield f"task {task} is in the {'first' if task in first else 'second'} only"
            continue
        one, two = ((v if isinstance(v, Mapping) else {"data": v}) for v in (first[task], other[task]))
        for part in sorted(one.keys() | two.keys()):
            if one.get(part) != two.get(part):
                name = "task and prompts" if part == "task" else part
                yield f"{name} of {task} ({str(one.get(part))[:8]} and {str(two.get(part))[:8]})"


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / "parity.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="name a folder that `qaz eval run --out` wrote")
    return read_summary(path, needed=("scores", "gaps", "data"))


def check_whole(evaluation: Evaluation) -> None:
    """Raises DamagedFileError where the scores of parity.json are not those of items.jsonl, which they were made from."""
    try:
        found = by_task(evaluation.scores)
    except DataError as error:
        raise DamagedFileError(f"{evaluation.folder}: {error.message}", hint=error.hint) from error
    for task, by in evaluation.summary["scores"].items():
        for code, said in by.items():
            rows = found.get(task, {}).get(code, {})
            made = score_of(rows) if rows else None
            if (
                made is None
                or made.n != said["n"]
                or abs(made.score - said["score"]) > 1e-6 * max(1.0, abs(made.score))
            ):
                items = f"{made.score:.6g} over {made.n:,}" if made else "none"
                raise DamagedFileError(
                    f"{evaluation.folder}: parity.json says {said['score']:.6g} over {said['n']:,} items for {task} in {code}, "
                    f"items.jsonl holds {items}",
                    hint="one of the two was changed or is of another evaluation; run the evaluation again",
                )


def _labels(paths: Sequence[Path]) -> list[str]:
    """The last names of each path, as few as tell all apart."""
    for depth in range(1, max((len(path.parts) for path in paths), default=1) + 1):
        labels = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(labels)) == len(labels):
            return labels
    return [str(path) for path in paths]


def _item_score(row: Mapping[str, Any]) -> ItemScore:
    return ItemScore(
        item_id=row["item_id"],
        group_id=row["group_id"],
        cluster_id=row["cluster_id"],
        task=row["task"],
        language=row["language"],
        metric=row["metric"],
        score=float(row["score"]),
        higher_is_better=row["higher_is_better"],
        weight=float(row["weight"]),
        detail=row.get("detail", {}),
    )
