"""How far a language is behind the others: scores per language, and gaps on the items that exist in both.

A gap is pivot − other (kk − ru), over pairs of items with the same `group_id`: the same question, asked in two languages.
Tasks whose languages share no item have scores and no gap, because two test sets differ in more than their language.

Bits per byte compare models on one text, not languages: a Kazakh sentence has about twice the bytes of its English twin.
So their score is Σ bits / Σ bytes per language, and their gap is taken in bits per aligned sentence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qaz_llm.errors import DataError
from qaz_llm.evals.stats import Limits, holm, mean_with_interval, paired_difference
from qaz_llm.records import LANGUAGES, ItemScore

BITS_PER_BYTE = "bits_per_byte"
BITS_PER_SENTENCE = "bits_per_sentence"

ByLanguage = Mapping[str, Mapping[str, ItemScore]]
"""Scores of one task: language → item_id → score."""


@dataclass(frozen=True, slots=True)
class LanguageScore:
    """The score of one task in one language over n items, with its 95 % interval."""

    n: int
    score: float
    ci_low: float | None
    ci_high: float | None
    metric: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """pivot − other over n pairs of twins; `p_holm` is adjusted for all gaps of the report."""

    n: int
    gap: float
    ci_low: float | None
    ci_high: float | None
    p: float
    p_holm: float
    minimum_detectable: float | None
    metric: str
    higher_is_better: bool


@dataclass(frozen=True, slots=True)
class ParityReport:
    """`scores[task][language]` and `gaps[task]["kk-ru"]`; a task without twins is not among the gaps."""

    scores: Mapping[str, Mapping[str, LanguageScore]]
    gaps: Mapping[str, Mapping[str, Gap]]

    def to_dict(self) -> dict[str, Any]:
        """As JSON values; what cannot be known (the interval of a single cluster of bits) is null."""
        return {
            name: {task: {key: asdict(value) for key, value in by.items()} for task, by in table.items()}
            for name, table in (("scores", self.scores), ("gaps", self.gaps))
        }


def parity_report(
    scores: Sequence[ItemScore], *, pivot: str = "kk", against: tuple[str, ...] = ("ru", "en"), seed: int = 0
) -> ParityReport:
    """Scores and gaps of a set of scores that has one metric per task.

    For bits per byte `ItemScore.score` is the bits of an item and `weight` its bytes; elsewhere `weight` is not used.
    `seed` is for methods that resample; the closed forms used here draw nothing, and any seed gives the same report.

    Raises DataError where a task has two metrics, an item is scored twice, a group has two items in one language, or a
    score is not finite.
    """
    tasks = by_task(scores)
    gaps = {
        task: {f"{pivot}-{other}": gap for other in against if (gap := _gap(languages, pivot, other)) is not None}
        for task, languages in tasks.items()
    }
    return ParityReport(
        scores={task: {code: score_of(items) for code, items in by.items()} for task, by in tasks.items()},
        gaps=_with_holm({task: by for task, by in gaps.items() if by}),
    )


def by_task(scores: Sequence[ItemScore]) -> dict[str, ByLanguage]:
    """Task → language → item_id → score, languages in their usual order. Raises DataError as `parity_report`."""
    tasks: dict[str, dict[str, dict[str, ItemScore]]] = defaultdict(lambda: defaultdict(dict))
    metrics: dict[str, tuple[str, bool]] = {}
    for score in scores:
        where = f"task {score.task}, {score.language}, item {score.item_id}"
        if not (math.isfinite(score.score) and math.isfinite(score.weight)):
            raise DataError(f"{where}: score {score.score}, weight {score.weight}; expected finite numbers")
        metric = metrics.setdefault(score.task, (score.metric, score.higher_is_better))
        if metric != (score.metric, score.higher_is_better):
            raise DataError(
                f"{where}: metric {score.metric}, but others of the task have {metric[0]}; expected one metric"
            )
        items = tasks[score.task][score.language]
        if score.item_id in items:
            raise DataError(f"{where}: scored twice", hint="item ids are to be unique within a task and language")
        items[score.item_id] = score
    return {task: dict(sorted(by.items(), key=lambda pair: _rank(pair[0]))) for task, by in tasks.items()}


def score_of(items: Mapping[str, ItemScore]) -> LanguageScore:
    """The score of one task in one language."""
    rows = list(items.values())
    estimate = mean_with_interval(
        [r.score for r in rows],
        [r.cluster_id for r in rows],
        weights=ratio_weights(rows),
        limits=limits_of(rows),
    )
    return LanguageScore(
        estimate.n, estimate.mean, estimate.ci_low, estimate.ci_high, rows[0].metric, rows[0].higher_is_better
    )


def twins(languages: ByLanguage, pivot: str, other: str) -> list[tuple[ItemScore, ItemScore]]:
    """The pairs of scores whose items share a group, in the pivot's order; empty where the task is not parallel.

    Raises DataError where two items of one language share a group, because then there is no one twin.
    """
    left, right = (_by_group(languages.get(code, {})) for code in (pivot, other))
    return [(score, right[group]) for group, score in left.items() if group in right]


def limits_of(rows: Sequence[ItemScore]) -> Limits | None:
    """(0, 1) for scores that are shares (the more the better, none above 1); None for losses and other scales."""
    return (0.0, 1.0) if all(r.higher_is_better and 0 <= r.score <= 1 for r in rows) else None


def scaled(limits: Limits | None, times: int) -> Limits | None:
    """The limits of a sum of `times` differences of such values: (−1, 1) for one difference of shares."""
    return None if limits is None else (-times * limits[1], times * limits[1])


def ratio_weights(rows: Sequence[ItemScore]) -> list[float] | None:
    """The bytes of each item where the score is Σ bits / Σ bytes, else None."""
    return [r.weight for r in rows] if rows[0].metric == BITS_PER_BYTE else None


def gap_metric(metric: str) -> str:
    """The unit of a gap: that of the score, but bits per sentence where the score is bits per byte."""
    return BITS_PER_SENTENCE if metric == BITS_PER_BYTE else metric


def _gap(languages: ByLanguage, pivot: str, other: str) -> Gap | None:
    pairs = twins(languages, pivot, other)
    if not pairs:
        return None
    found = paired_difference(
        [a.score for a, _ in pairs],
        [b.score for _, b in pairs],
        [a.cluster_id for a, _ in pairs],
        limits=scaled(limits_of([score for pair in pairs for score in pair]), 1),
    )
    first = pairs[0][0]
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
    )


def _with_holm(gaps: Mapping[str, Mapping[str, Gap]]) -> dict[str, dict[str, Gap]]:
    adjusted = iter(holm([gap.p for by in gaps.values() for gap in by.values()]))
    return {task: {pair: replace(gap, p_holm=next(adjusted)) for pair, gap in by.items()} for task, by in gaps.items()}


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


def _rank(language: str) -> tuple[int, str]:
    codes: tuple[str, ...] = LANGUAGES
    return (codes.index(language) if language in codes else len(codes)), language
