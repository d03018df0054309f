"""Gaps: the same question under two conditions, item by item: two languages of a task, or two scripts of one language.

language   gaps["sib200"]["kk-ru"]        items of one task with one `group_id`
script     gaps["tumlu_kk"]["Cyrl-Latn"]  items of a task and of the one whose `twin_of` names it, by `group_id`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.evals.stats import (
    ALPHA,
    CORRELATIONS,
    Limits,
    PairedDifference,
    SecondLook,
    paired_difference,
    second_look,
)
from qaz_llm.evals.summary.family import Family, Role
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import ItemScore

BITS_PER_BYTE = "bits_per_byte"
BITS_PER_SENTENCE = "bits_per_sentence"

FEW_CLUSTERS = 20
"""With fewer, a bootstrap's interval is too short to contradict another."""

ByLanguage = Mapping[str, Mapping[str, ItemScore]]
"""Scores of one task: language → item_id → score."""

Pairs = list[tuple[ItemScore, ItemScore]]


@dataclass(frozen=True, slots=True)
class ScriptTwin:
    """`task` asks the questions of `twin_of` in another script: `Cyrl-Latn` is the key of the gap."""

    task: str
    twin_of: str
    key: str


@dataclass(frozen=True, slots=True)
class Gap:
    """First − second over n pairs of twins; `p_holm` is adjusted for all primary gaps of the report.

    `mcnemar_p` and the bootstrap's interval are a second look by other methods. `at_chance`: where the gap would stand if the first
    were answered by guessing and the second as it was.
    """

    n: int
    gap: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_holm: float
    minimum_detectable: float | None
    metric: str
    higher_is_better: bool
    role: Role
    mcnemar_p: float | None
    bootstrap_low: float | None
    bootstrap_high: float | None
    at_chance: float | None = None


def script_twins(tasks: Sequence[TaskConfig]) -> list[ScriptTwin]:
    """The pairs of tasks that ask the same in two scripts. Raises InputError where both are in one script."""
    by_name = {task.name: task for task in tasks}
    pairs = [(task, by_name[task.twin_of]) for task in tasks if task.twin_of in by_name]
    for task, first in pairs:
        if task.script == first.script:
            raise InputError(
                f"task {task.name}: twin_of {first.name}, but both are in script {task.script}",
                hint="give one of them another script, for instance script: Latn",
            )
    return [ScriptTwin(task.name, first.name, f"{first.script}-{task.script}") for task, first in pairs]


def pairs_to_test(
    tasks: Sequence[TaskConfig], *, pivot: str = "kk", against: Sequence[str] = ("ru", "en")
) -> list[tuple[str, str]]:
    """Task and key of each gap that an evaluation of these tasks can have."""
    languages = [(t.name, f"{pivot}-{o}") for t in tasks if pivot in t.languages for o in against if o in t.languages]
    return [*languages, *((twin.twin_of, twin.key) for twin in script_twins(tasks))]


def gaps_of(
    tasks: Mapping[str, ByLanguage],
    *,
    pivot: str,
    against: Sequence[str],
    scripts: Sequence[ScriptTwin] = (),
    family: Family = Family(),  # noqa: B008 - frozen
    chance: Mapping[str, Mapping[str, float]] | None = None,
    seed: int = 0,
) -> dict[str, dict[str, Gap]]:
    """The gaps of each task that has twins, by pair. Raises DataError as `twins`."""
    gaps = {
        (task, key): _gap(pairs, family.role((task, key)), (chance or {}).get(pairs[0][0].task, {}), seed)
        for task, key, pairs in all_pairs(tasks, pivot=pivot, against=against, scripts=scripts)
    }
    adjusted = family.adjusted({test: gap.p for test, gap in gaps.items()})
    table: dict[str, dict[str, Gap]] = {}
    for (task, key), gap in gaps.items():
        table.setdefault(task, {})[key] = replace(gap, p_holm=adjusted[task, key])
    return table


def all_pairs(
    tasks: Mapping[str, ByLanguage], *, pivot: str, against: Sequence[str], scripts: Sequence[ScriptTwin] = ()
) -> Iterator[tuple[str, str, Pairs]]:
    """Task, key and twins of every gap that can be taken, in the order of the tasks."""
    for task, languages in tasks.items():
        for other in against:
            if pairs := twins(languages, pivot, other):
                yield task, f"{pivot}-{other}", pairs
        for twin in (twin for twin in scripts if twin.twin_of == task and twin.task in tasks):
            for language in languages.keys() & tasks[twin.task].keys():
                if pairs := twins_of(languages[language], tasks[twin.task][language]):
                    yield task, twin.key if language == pivot else f"{language} {twin.key}", pairs


def twins(languages: ByLanguage, pivot: str, other: str) -> Pairs:
    """The pairs of scores whose items share a group, in the pivot's order; empty where the task is not parallel.

    Raises DataError where two items of one language share a group, because then there is no one twin.
    """
    return twins_of(languages.get(pivot, {}), languages.get(other, {}))


def twins_of(first: Mapping[str, ItemScore], second: Mapping[str, ItemScore]) -> Pairs:
    """As `twins`, of two sets of scores by item_id."""
    left, right = _by_group(first), _by_group(second)
    return [(score, right[group]) for group, score in left.items() if group in right]


def tested(
    first: Sequence[float],
    second: Sequence[float],
    rows: Sequence[ItemScore],
    *,
    limits: Limits | None,
    weights: Sequence[float] | None = None,
    seed: int,
) -> tuple[PairedDifference, SecondLook]:
    """First − second with the clusters of `rows`, tested, and looked at again by other methods."""
    clusters = [row.cluster_id for row in rows]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    found = paired_difference(first, second, clusters, weights=weights, limits=limits)
    binary = weights is None and {*first, *second} <= {0.0, 1.0}
    return found, second_look(differences, clusters, seed=seed, weights=weights, is_right_or_wrong=binary)


def disagreements(cells: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Iterator[str]:
    """A sentence for each test on which the second look comes to another verdict at 5 %."""
    for task, by in cells.items():
        for key, row in by.items():
            if others := list(_other_verdicts(row)):
                yield f"{task}, {key}: p = {row['p']:.3f}, but {' and '.join(others)}; call it borderline"


def _other_verdicts(row: Mapping[str, Any]) -> Iterator[str]:
    is_found = row["p"] < ALPHA
    if (p := row.get("mcnemar_p")) is not None and (p < ALPHA) != is_found:
        yield f"McNemar's exact test p = {p:.3f}"
    low, high = row.get("bootstrap_low"), row.get("bootstrap_high")
    if low is None or high is None or row["n"] < FEW_CLUSTERS:
        return
    if (low > 0 or high < 0) != is_found:
        yield f"the bootstrap [{low:.3f}, {high:.3f}]"


def limits_of(rows: Sequence[ItemScore]) -> Limits | None:
    """(0, 1) for scores that are shares (the more the better, none above 1); None for losses and other scales."""
    shares = all(r.higher_is_better and 0 <= r.score <= 1 and r.metric not in CORRELATIONS for r in rows)
    return (0.0, 1.0) if shares else None


def scaled(limits: Limits | None, times: int) -> Limits | None:
    """The limits of a sum of `times` differences of such values: (−1, 1) for one difference of shares."""
    return None if limits is None else (-times * limits[1], times * limits[1])


def ratio_weights(rows: Sequence[ItemScore]) -> list[float] | None:
    """The bytes of each item where the score is Σ bits / Σ bytes, else None."""
    return [r.weight for r in rows] if rows[0].metric == BITS_PER_BYTE else None


def gap_metric(metric: str) -> str:
    """The unit of a gap: that of the score, but bits per sentence where the score is bits per byte."""
    return BITS_PER_SENTENCE if metric == BITS_PER_BYTE else metric


def _gap(pairs: Pairs, role: Role, chance: Mapping[str, float], seed: int) -> Gap:
    first = pairs[0][0]
    values = [a.score for a, _ in pairs], [b.score for _, b in pairs]
    limits = scaled(limits_of([score for pair in pairs for score in pair]), 1)
    found, look = tested(*values, [a for a, _ in pairs], limits=limits, seed=seed)
    guessed = chance.get(first.language)
    return Gap(
        n=found.n,
        gap=found.difference,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        p=found.p,
        p_holm=found.p,
        minimum_detectable=found.minimum_detectable,
        metric=gap_metric(first.metric),
        higher_is_better=first.higher_is_better,
        role=role,
        mcnemar_p=look.mcnemar_p,
        bootstrap_low=look.bootstrap_low,
        bootstrap_high=look.bootstrap_high,
        at_chance=None if guessed is None else guessed - sum(values[1]) / len(pairs),
    )


def _by_group(items: Mapping[str, ItemScore]) -> dict[str, ItemScore]:
    groups: dict[str, ItemScore] = {}
    for score in items.values():
        first = groups.setdefault(score.group_id, score)
        if first is not score:
            raise DataError(
                f"task {score.task}, {score.language}: items {first.item_id} and {score.item_id} share group {score.group_id}",
                hint="a group has one item per language; items that share a passage share a cluster_id instead",
            )
    return groups
