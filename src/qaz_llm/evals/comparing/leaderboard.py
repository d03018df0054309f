"""Past evaluations ranked, task by task and language by language; who cannot be told from the first is said to be level with it.

Only what was scored alike is ranked together: the same data, prompts, shots, dtype …; anything else makes a board of its own, and what
makes it another is named. The first is the best of several and so lucky in part: rank is what these items say, not the truth.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.comparing.finished import Evaluation, check_whole, read_evaluations
from qaz_llm.evals.identity import LIKE
from qaz_llm.evals.part import FOLDER as SHARES
from qaz_llm.evals.stats import ALPHA, holm, paired_difference
from qaz_llm.evals.summary.gaps import limits_of, ratio_weights, scaled
from qaz_llm.evals.summary.parity import by_task
from qaz_llm.io import check_writable, write_json
from qaz_llm.records import ItemScore

OF_THE_MODEL = ("window_tokens", "start_token")
"""Parts of a setting that come with a model, so that they do not part boards; cut contexts are counted beside the score."""

MOST_EVALUATIONS = 500

Entry = dict[str, Any]
Row = Mapping[str, Any]


def leaderboard(folders: Sequence[Path], *, tasks: Sequence[str] = (), out: Path | None = None) -> dict[str, Any]:
    """The boards of all evaluations under some folders; with `out` also as leaderboard.json, report.html, .md and .csv.

        {"boards": [{"task": "sib200", "metric": "acc", "setting": {…}, "languages": {"kk": [{"rank": 1, "model": …, "score": …,
         "ci_low": …, "ci_high": …, "n": …, "p_to_first": None, "is_level_with_first": True, …}]}}],
         "notes": ["sib200: 2 boards, as dtype differs (bfloat16, float32)"], "evaluations": 7}

    Raises InputError where nothing is found, or a task that none has is asked for.
    """
    whole, damaged = _whole(sorted({path for folder in folders for path in _found(folder)}))
    evaluations, changed = _unchanged(read_evaluations(whole))
    names = list(dict.fromkeys(task for e in evaluations for task in e.summary["scores"]))
    if unknown := [task for task in tasks if task not in names]:
        raise InputError(f"no evaluation has task {unknown[0]}", hint=f"they have: {', '.join(names)}")
    scores = _ItemScores()
    boards = [
        _board(task, alike, scores)
        for task in (tasks or names)
        for alike in _parted([e for e in evaluations if task in e.summary["scores"]], task)
    ]
    values = {
        "boards": boards,
        "notes": [*_notes(boards), *scores.notes, *damaged, *changed],
        "evaluations": len(evaluations),
        "folders": [str(folder) for folder in folders],
    }
    if out is not None and (out / "parity.json").exists():
        raise InputError(f"--out {out} is an evaluation, whose report it would replace", hint="name another folder")
    if out is not None:
        from qaz_llm.evals.report import write_leaderboard

        check_writable(out)
        write_json(out / "leaderboard.json", values)
        write_leaderboard(out, values)
    return values


class _ItemScores:
    """Item scores by evaluation, read once; where they are not there, a note."""

    def __init__(self) -> None:
        self._read: dict[Path, dict[str, Mapping[str, Mapping[str, ItemScore]]]] = {}
        self.notes: list[str] = []

    def of(self, evaluation: Evaluation, task: str, language: str) -> Mapping[str, ItemScore]:
        if evaluation.folder not in self._read:
            try:
                self._read[evaluation.folder] = by_task(evaluation.scores)
            except (InputError, DataError) as error:
                self._read[evaluation.folder] = {}
                self.notes.append(
                    f"{evaluation.label}: compared by its interval only, as its items are not there ({error})"
                )
        return self._read[evaluation.folder].get(task, {}).get(language, {})


def _whole(folders: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """The folders whose parity.json can be read, and what is to be said of the others. Raises the error of the first where none can."""
    whole, errors = [], []
    for folder in folders:
        try:
            read_evaluations([folder])
        except (InputError, DataError) as error:
            errors.append(error)
        else:
            whole.append(folder)
    if not whole:
        raise errors[0]
    return whole, [f"left out: {error.message}" for error in errors]


def _unchanged(evaluations: Sequence[Evaluation]) -> tuple[list[Evaluation], list[str]]:
    """Those whose parity.json says what their items do, where these are there, and what is to be said of the others. Raises the
    error of the first where none does. The items that are read here are those that are ranked."""
    kept, errors = [], []
    for evaluation in evaluations:
        try:
            if (evaluation.folder / "items.jsonl").is_file():
                check_whole(evaluation)
        except (InputError, DataError) as error:
            errors.append(error)
        else:
            kept.append(evaluation)
    if not kept:
        raise errors[0]
    return kept, [f"left out: {error.message}" for error in errors]


def _found(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder", hint="name folders that hold outputs of `qaz eval run`")
    found = [path.parent for path in folder.rglob("parity.json") if path.parent.parent.name != SHARES]  # parts of one
    if not found:
        raise InputError(f"{folder}: no evaluation in it", hint="name folders that hold outputs of `qaz eval run`")
    if len(found) > MOST_EVALUATIONS:
        raise InputError(
            f"{folder}: {len(found):,} evaluations, more than {MOST_EVALUATIONS}", hint="name a part of them"
        )
    return found


def _likeness(evaluation: Evaluation, task: str) -> tuple[tuple[str, str], ...]:
    """What has to be equal for two evaluations of a task to be ranked together."""
    data = evaluation.summary["data"].get(task)
    parts = data if isinstance(data, Mapping) else {"data": data}
    metric = next(iter(evaluation.summary["scores"][task].values()))["metric"]
    setting = {key: str(evaluation.setting.get(key, "not known")) for key in LIKE if key not in OF_THE_MODEL}
    return tuple({"metric": metric, **{name: str(value)[:12] for name, value in parts.items()}, **setting}.items())


def _parted(evaluations: Sequence[Evaluation], task: str) -> list[list[Evaluation]]:
    groups: dict[tuple[tuple[str, str], ...], list[Evaluation]] = defaultdict(list)
    for evaluation in evaluations:
        groups[_likeness(evaluation, task)].append(evaluation)
    return list(groups.values())


def _board(task: str, evaluations: Sequence[Evaluation], scores: _ItemScores) -> dict[str, Any]:
    languages = dict.fromkeys(code for e in evaluations for code in e.summary["scores"][task])
    return {
        "task": task,
        "metric": dict(_likeness(evaluations[0], task))["metric"],
        "setting": dict(_likeness(evaluations[0], task)),
        "languages": {code: _ranked(task, code, evaluations, scores) for code in languages},
    }


def _ranked(task: str, language: str, evaluations: Sequence[Evaluation], scores: _ItemScores) -> list[Entry]:
    """Best first; equal scores share a rank, and each is tested against the first, item by item."""
    there = [e for e in evaluations if language in e.summary["scores"][task]]
    there = list(_once(there, task, language))
    row_of = {e.label: e.summary["scores"][task][language] for e in there}
    sign = -1 if row_of[there[0].label]["higher_is_better"] else 1
    there.sort(key=lambda e: (sign * row_of[e.label]["score"], e.label))
    p_values = [_p_to_first(task, language, there[0], other, scores) for other in there[1:]]
    known = [p for p in p_values if p is not None]
    adjusted = iter(holm(known))
    entries: list[Entry] = []
    for place, (evaluation, p) in enumerate(zip(there, [None, *p_values], strict=True), 1):
        row, first = row_of[evaluation.label], row_of[there[0].label]
        p_holm = None if p is None else next(adjusted)
        is_equal = bool(entries) and row["score"] == entries[-1]["score"]
        entries.append(
            {
                "rank": entries[-1]["rank"] if is_equal else place,
                "evaluation": evaluation.label,
                "model": evaluation.summary.get("model"),
                **{key: row[key] for key in ("n", "score", "ci_low", "ci_high", "higher_is_better")},
                "chance": row.get("chance"),
                "p_to_first": p_holm,
                "is_level_with_first": place == 1 or (_overlap(row, first) if p_holm is None else p_holm >= ALPHA),
                "cut": evaluation.summary.get("doubts", {})
                .get(task, {})
                .get(language, {})
                .get("cut", {})
                .get("items", 0),
            }
        )
    return entries


def _once(evaluations: Sequence[Evaluation], task: str, language: str) -> Iterator[Evaluation]:
    """Each model once where it was scored several times with the same result."""
    seen = set()
    for evaluation in evaluations:
        name = evaluation.summary.get("model_fingerprint") or evaluation.label
        key = (str(name), evaluation.summary["scores"][task][language]["score"])
        if key not in seen:
            yield evaluation
        seen.add(key)


def _p_to_first(task: str, language: str, first: Evaluation, other: Evaluation, scores: _ItemScores) -> float | None:
    """Of the paired difference; None where the two do not have the same items."""
    best, own = scores.of(first, task, language), scores.of(other, task, language)
    if not best or best.keys() != own.keys():
        return None
    rows = list(best.values())
    return paired_difference(
        [row.score for row in rows],
        [own[row.item_id].score for row in rows],
        [row.cluster_id for row in rows],
        weights=ratio_weights(rows),
        limits=scaled(limits_of([*rows, *own.values()]), 1),
    ).p


def _overlap(row: Row, first: Row) -> bool:
    if None in (row["ci_low"], row["ci_high"], first["ci_low"], first["ci_high"]):
        return True
    return bool(row["ci_low"] <= first["ci_high"] and first["ci_low"] <= row["ci_high"])


def _notes(boards: Sequence[Row]) -> Iterator[str]:
    by_name: dict[str, list[Row]] = defaultdict(list)
    for board in boards:
        by_name[board["task"]].append(board["setting"])
    for task, settings in by_name.items():
        if len(settings) > 1:
            keys = dict.fromkeys(key for setting in settings for key in setting)
            values = {key: dict.fromkeys(str(s.get(key)) for s in settings) for key in keys}
            told = "; ".join(f"{key} ({', '.join(found)})" for key, found in values.items() if len(found) > 1)
            yield f"{task}: {len(settings)} boards, as what was scored with another setting is not ranked together: {told}"
