"""What adaptation changed: the same items before and after, one by one.

`changes` are adapted − base per task and language; `difference_of_differences` is how far that moved the gap between
languages, (kk − ru) after minus (kk − ru) before; `forgetting` lists where another language got significantly worse.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.identity import unlike
from qaz_llm.evals.parity import (
    BITS_PER_BYTE,
    ByLanguage,
    by_task,
    gap_metric,
    limits_of,
    ratio_weights,
    scaled,
    twins,
)
from qaz_llm.evals.stats import ALPHA, PairedDifference, holm, paired_difference
from qaz_llm.io import check_writable, read_json, read_jsonl, write_json, write_text
from qaz_llm.records import ItemScore

PIVOT = "kk"
OTHERS = ("ru", "en")

Table = dict[str, dict[str, dict[str, Any]]]


def read_item_scores(path: Path, *, primary_only: bool = True) -> list[ItemScore]:
    """The scores in an items.jsonl; those of each task's primary metric, or all.

    Raises InputError where the file is missing or holds none, DataError where a row lacks a key.
    """
    scores = []
    for number, row in enumerate(read_jsonl(path), 1):
        try:
            if primary_only and not row["primary"]:
                continue
            scores.append(_item_score(row))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{path}, row {number}: not a score ({error!r})", hint="run the evaluation again"
            ) from error
    if not scores:
        raise InputError(f"{path}: holds no scores", hint="name a folder that `qaz eval run` wrote")
    return scores


def compare(base_dir: Path, adapted_dir: Path, out: Path) -> dict[str, Any]:
    """Compare two outputs of `qaz eval run`; writes out/comparison.json and out/report.html, returns the former.

    Raises InputError where a folder is no such output or the two were made from other data, prompts or settings, DataError where
    an item is scored in one of them only.
    """
    from qaz_llm.evals.report import render_comparison

    base, adapted = (_read_summary(folder) for folder in (base_dir, adapted_dir))
    _check_same_data(base_dir, base["data"], adapted_dir, adapted["data"])
    _check_alike(base_dir, base.get("setting", {}), adapted_dir, adapted.get("setting", {}))
    found = compare_scores(*(read_item_scores(folder / "items.jsonl") for folder in (base_dir, adapted_dir)))
    models = {"base": base.get("model"), "adapted": adapted.get("model")}
    values = {"models": models, "suite": adapted.get("suite"), "data": adapted["data"], **found}
    values["scores"] = {"base": base["scores"], "adapted": adapted["scores"]}
    check_writable(out)
    write_json(out / "comparison.json", values)
    write_text(out / "report.html", render_comparison(values))
    return values


def compare_scores(base: Sequence[ItemScore], adapted: Sequence[ItemScore]) -> dict[str, Any]:
    """`changes`, `difference_of_differences` and `forgetting` as JSON values; p_holm is adjusted within each of the two.

    Raises DataError where the two do not hold the same items, metrics and (for bits per byte) the same bytes.
    """
    before, after = by_task(base), by_task(adapted)
    _check_same_items(base, adapted)
    changes = _with_holm(
        {
            task: {code: _change(list(items.values()), after[task][code]) for code, items in languages.items()}
            for task, languages in before.items()
        }
    )
    moved = {task: dict(_moved_gaps(languages, after[task])) for task, languages in before.items()}
    return {
        "changes": changes,
        "difference_of_differences": _with_holm({task: by for task, by in moved.items() if by}),
        "forgetting": {code: list(_forgotten(changes, code)) for code in OTHERS if _has_language(changes, code)},
    }


def _change(before: Sequence[ItemScore], after: Mapping[str, ItemScore]) -> dict[str, Any]:
    found = paired_difference(
        [after[score.item_id].score for score in before],
        [score.score for score in before],
        [score.cluster_id for score in before],
        weights=ratio_weights(before),
        limits=scaled(limits_of([*before, *after.values()]), 1),
    )
    return _row(found, before[0].metric, before[0].higher_is_better)


def _moved_gaps(before: ByLanguage, after: ByLanguage) -> Iterator[tuple[str, dict[str, Any]]]:
    for other in OTHERS:
        if pairs := twins(before, PIVOT, other):
            later = [(after[PIVOT][a.item_id], after[other][b.item_id]) for a, b in pairs]
            found = paired_difference(
                [a.score - b.score for a, b in later],
                [a.score - b.score for a, b in pairs],
                [a.cluster_id for a, _ in pairs],
                limits=scaled(limits_of([score for pair in [*pairs, *later] for score in pair]), 2),
            )
            first = pairs[0][0]
            yield f"{PIVOT}-{other}", _row(found, gap_metric(first.metric), first.higher_is_better)


def _row(found: PairedDifference, metric: str, higher_is_better: bool) -> dict[str, Any]:
    return {
        "n": found.n,
        "change": found.difference,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "p": found.p,
        "minimum_detectable": found.minimum_detectable,
        "metric": metric,
        "higher_is_better": higher_is_better,
    }


def _with_holm(table: Table) -> Table:
    adjusted = iter(holm([row["p"] for by in table.values() for row in by.values()]))
    return {task: {key: {**row, "p_holm": next(adjusted)} for key, row in by.items()} for task, by in table.items()}


def _forgotten(changes: Table, language: str) -> Iterator[dict[str, Any]]:
    """The tasks in which `language` got worse, significantly after Holm's correction."""
    for task, by in changes.items():
        row = by.get(language)
        if row and row["p_holm"] < ALPHA and (row["change"] < 0) == row["higher_is_better"]:
            yield {"task": task, **row}


def _has_language(changes: Table, language: str) -> bool:
    return any(language in by for by in changes.values())


# ------------------------------------------------------------------------------------------------------------ checks


def _check_same_items(base: Sequence[ItemScore], adapted: Sequence[ItemScore]) -> None:
    before, after = ({(s.task, s.language, s.item_id): s for s in scores} for scores in (base, adapted))
    lost, gained = before.keys() - after.keys(), after.keys() - before.keys()
    if lost or gained:
        example = " ".join(min(lost or gained))
        raise DataError(
            f"{len(lost)} items are scored for the base model only, {len(gained)} for the adapted only (e.g. {example})",
            hint="evaluate both models with the same suite and limits",
        )
    for key, old in before.items():
        new = after[key]
        if (old.metric, old.higher_is_better, old.group_id) != (new.metric, new.higher_is_better, new.group_id):
            raise DataError(f"{' '.join(key)}: metric or group differs between the two ({old.metric}, {new.metric})")
        if old.metric == BITS_PER_BYTE and old.weight != new.weight:
            raise DataError(f"{' '.join(key)}: {old.weight:g} bytes in one, {new.weight:g} in the other")


def _read_summary(folder: Path) -> dict[str, Any]:
    path = folder / "parity.json"
    if not path.is_file():
        raise InputError(f"{path}: no such file", hint="name a folder that `qaz eval run --out` wrote")
    values = read_json(path)
    if not isinstance(values, dict) or not values.keys() >= {"scores", "gaps", "data"}:
        raise DataError(f"{path}: lacks scores, gaps or data", hint="run the evaluation again")
    return values


def _check_same_data(base_dir: Path, base: Mapping[str, Any], adapted_dir: Path, adapted: Mapping[str, Any]) -> None:
    differ = sorted(key for key in base.keys() | adapted.keys() if base.get(key) != adapted.get(key))
    if differ:
        raise InputError(
            f"{base_dir} and {adapted_dir} were not made from the same data and prompts: {', '.join(differ)} differ",
            hint="evaluate both models with the same suite and version of the project",
        )


def _check_alike(base_dir: Path, base: Mapping[str, Any], adapted_dir: Path, adapted: Mapping[str, Any]) -> None:
    if differ := unlike(base, adapted):
        raise InputError(
            f"{base_dir} and {adapted_dir} were not scored alike: {', '.join(differ)}",
            hint="score both models with the same settings, for instance dtype=float32 for both",
        )


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
