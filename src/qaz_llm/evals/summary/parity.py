"""How far a language is behind the others: scores per language, and gaps on the items that exist in both.

A gap is pivot − other (kk − ru), over pairs of items with the same `group_id`: the same question, asked in two languages.
Tasks whose languages share no item have scores and no gap, because two test sets differ in more than their language.

Bits per byte compare models on one text, not languages: a Kazakh sentence has about twice the bytes of its English twin.
So their score is Σ bits / Σ bytes per language, and their gap is taken in bits per aligned sentence.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qaz_llm.errors import DataError
from qaz_llm.evals.stats import CORRELATIONS, correlation_with_interval, mean_with_interval
from qaz_llm.evals.summary.family import Family
from qaz_llm.evals.summary.gaps import ByLanguage, Gap, ScriptTwin, gaps_of, limits_of, ratio_weights
from qaz_llm.records import LANGUAGES, ItemScore


@dataclass(frozen=True, slots=True)
class LanguageScore:
    """The score of one task in one language over n items, with its 95 % interval; `chance`: that of guessing."""

    n: int
    score: float
    ci_low: float | None
    ci_high: float | None
    metric: str
    higher_is_better: bool
    chance: float | None = None


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
    scores: Sequence[ItemScore],
    *,
    pivot: str = "kk",
    against: tuple[str, ...] = ("ru", "en"),
    seed: int = 0,
    family: Family = Family(),  # noqa: B008 - frozen
    scripts: Sequence[ScriptTwin] = (),
    apart: Collection[str] = (),
    chance: Mapping[str, Mapping[str, float]] | None = None,
) -> ParityReport:
    """Scores and gaps of a set of scores that has one metric per task.

    For bits per byte `ItemScore.score` is the bits of an item and `weight` its bytes; elsewhere `weight` is not used.

    Args:
        seed: of the bootstrap beside the closed forms, which draw nothing.
        family: the gaps that were declared beforehand.
        scripts: tasks that ask the same questions in two scripts.
        apart: tasks whose languages are not parallel although ids are shared; they have scores and no gap.
        chance: score of guessing, by task and language.

    Raises DataError where a task has two metrics, an item is scored twice, a group has two items in one language, or a
    score is not finite.
    """
    tasks = by_task(scores)
    parallel = {task: by for task, by in tasks.items() if task not in apart}
    guessed = chance or {}
    return ParityReport(
        scores={
            task: {code: score_of(items, chance=guessed.get(task, {}).get(code)) for code, items in by.items()}
            for task, by in tasks.items()
        },
        gaps=gaps_of(parallel, pivot=pivot, against=against, scripts=scripts, family=family, chance=guessed, seed=seed),
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


def score_of(items: Mapping[str, ItemScore], *, chance: float | None = None) -> LanguageScore:
    """The score of one task in one language."""
    rows = list(items.values())
    values, clusters = [r.score for r in rows], [r.cluster_id for r in rows]
    estimate = (
        correlation_with_interval(values, clusters)
        if rows[0].metric in CORRELATIONS
        else mean_with_interval(values, clusters, weights=ratio_weights(rows), limits=limits_of(rows))
    )
    metric, higher_is_better = rows[0].metric, rows[0].higher_is_better
    return LanguageScore(estimate.n, estimate.mean, estimate.ci_low, estimate.ci_high, metric, higher_is_better, chance)


def _rank(language: str) -> tuple[int, str]:
    codes: tuple[str, ...] = LANGUAGES
    return (codes.index(language) if language in codes else len(codes)), language
