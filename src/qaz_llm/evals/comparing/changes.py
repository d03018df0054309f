"""What changed between two evaluations of the same items: scores, gaps between languages, and what was forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from qaz_llm.errors import RowError
from qaz_llm.evals.stats import ALPHA, PairedDifference, SecondLook, Verdict, margin_verdict, verdict_of_all
from qaz_llm.evals.summary.family import Family, Test
from qaz_llm.evals.summary.gaps import (
    BITS_PER_BYTE,
    ByLanguage,
    Pairs,
    ScriptTwin,
    all_pairs,
    gap_metric,
    limits_of,
    ratio_weights,
    scaled,
    tested,
)
from qaz_llm.records import ItemScore

PIVOT = "kk"
OTHERS = ("ru", "en")

Row = Mapping[str, Any]
Table = dict[str, dict[str, dict[str, Any]]]
"""task → language or pair → the change with its interval, p and second look."""


def changes_of(before: Mapping[str, ByLanguage], after: Mapping[str, ByLanguage], *, seed: int = 0) -> Table:
    """After − before per task and language, the same items one by one."""
    return {
        task: {code: _change(list(items.values()), after[task][code], seed) for code, items in languages.items()}
        for task, languages in before.items()
    }


def moved_gaps(
    before: Mapping[str, ByLanguage],
    after: Mapping[str, ByLanguage],
    *,
    scripts: Sequence[ScriptTwin] = (),
    seed: int = 0,
) -> Table:
    """The difference of differences: (kk − ru) after minus (kk − ru) before, on the same twins; scripts likewise.

    right before kk 0, ru 1; after kk 1, ru 1: the gap was −1 and is 0, so it moved by +1
    """
    table: Table = {}
    for task, key, pairs in all_pairs(before, pivot=PIVOT, against=OTHERS, scripts=scripts):
        table.setdefault(task, {})[key] = _moved(pairs, after, seed)
    return table


def with_holm(tables: Mapping[str, Table], family: Family) -> dict[str, Table]:
    """The tables of several models with `role` and `p_holm`, adjusted over all models together."""
    p_values: dict[Test, float] = {
        (task, key, model): row["p"]
        for model, table in tables.items()
        for task, by in table.items()
        for key, row in by.items()
    }
    adjusted = family.adjusted(p_values)
    return {
        model: {
            task: {
                key: {**row, "p_holm": adjusted[task, key, model], "role": family.role((task, key))}
                for key, row in by.items()
            }
            for task, by in table.items()
        }
        for model, table in tables.items()
    }


def forgetting_of(changes: Table) -> dict[str, list[dict[str, Any]]]:
    """By language other than the pivot: the tasks in which it got worse, significantly after Holm's correction."""
    present = [code for code in OTHERS if any(code in by for by in changes.values())]
    return {code: list(_forgotten(changes, code)) for code in present}


def non_inferiority_of(
    changes: Table, scores: Mapping[str, Mapping[str, Row]], margins: Mapping[str, float]
) -> dict[str, dict[str, Any]]:
    """By language with a margin: whether each task, and all together, is shown to have lost less than it.

    A margin is in the unit of shares; for bits per byte it is a share of the base's bits, `scores[task][language]`.
    """
    found: dict[str, dict[str, Any]] = {}
    for language, margin in margins.items():
        tasks: dict[str, dict[str, Any]] = {}
        verdicts: list[Verdict] = []
        for task, row in ((task, by[language]) for task, by in changes.items() if language in by):
            size = margin * (scores[task][language]["score"] if row["metric"] == BITS_PER_BYTE else 1.0)
            ends = row["ci_low"], row["ci_high"]
            verdicts.append(margin_verdict(*ends, margin=size, higher_is_better=row["higher_is_better"]))
            tasks[task] = {"verdict": verdicts[-1], "margin": size}
        if tasks:
            found[language] = {"verdict": verdict_of_all(verdicts), "margin": margin, "tasks": tasks}
    return found


def check_same_items(names: tuple[str, str], base: Sequence[ItemScore], adapted: Sequence[ItemScore]) -> None:
    """Raise RowError where the two do not hold the same items, metrics and (for bits per byte) the same bytes."""
    before, after = ({(s.task, s.language, s.item_id): s for s in scores} for scores in (base, adapted))
    lost, gained = before.keys() - after.keys(), after.keys() - before.keys()
    if lost or gained:
        example = " ".join(min(lost or gained))
        raise RowError(
            f"{len(lost)} items are scored for {names[0]} only, {len(gained)} for {names[1]} only (e.g. {example})",
            hint="evaluate both models with the same suite and limits",
        )
    for key, old in before.items():
        new = after[key]
        if (old.metric, old.higher_is_better, old.group_id) != (new.metric, new.higher_is_better, new.group_id):
            raise RowError(f"{' '.join(key)}: metric or group differs between the two ({old.metric}, {new.metric})")
        if old.metric == BITS_PER_BYTE and old.weight != new.weight:
            raise RowError(f"{' '.join(key)}: {old.weight:g} bytes in one, {new.weight:g} in the other")


def _change(before: Sequence[ItemScore], after: Mapping[str, ItemScore], seed: int) -> dict[str, Any]:
    later = [after[score.item_id] for score in before]
    found, look = tested(
        [score.score for score in later],
        [score.score for score in before],
        before,
        weights=ratio_weights(before),
        limits=scaled(limits_of([*before, *later]), 1),
        seed=seed,
    )
    return _row(found, look, before[0].metric, before[0].higher_is_better)


def _moved(pairs: Pairs, after: Mapping[str, ByLanguage], seed: int) -> dict[str, Any]:
    later = [tuple(after[s.task][s.language][s.item_id] for s in pair) for pair in pairs]
    first = pairs[0][0]
    found, look = tested(
        [a.score - b.score for a, b in later],
        [a.score - b.score for a, b in pairs],
        [a for a, _ in pairs],
        limits=scaled(limits_of([score for pair in [*pairs, *later] for score in pair]), 2),
        seed=seed,
    )
    return _row(found, look, gap_metric(first.metric), first.higher_is_better)


def _row(found: PairedDifference, look: SecondLook, metric: str, higher_is_better: bool) -> dict[str, Any]:
    return {
        "n": found.n,
        "change": found.difference,
        "ci_low": found.ci_low,
        "ci_high": found.ci_high,
        "p": found.p,
        "minimum_detectable": found.minimum_detectable,
        "metric": metric,
        "higher_is_better": higher_is_better,
        "mcnemar_p": look.mcnemar_p,
        "bootstrap_low": look.bootstrap_low,
        "bootstrap_high": look.bootstrap_high,
    }


def _forgotten(changes: Table, language: str) -> Iterator[dict[str, Any]]:
    for task, by in changes.items():
        row = by.get(language)
        if row and row["p_holm"] < ALPHA and (row["change"] < 0) == row["higher_is_better"]:
            yield {"task": task, **row}
