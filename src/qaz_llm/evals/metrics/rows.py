"""One row of scores: an item under one metric, with all that ties it to its twins."""

from __future__ import annotations

from collections.abc import Mapping

from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore


def score_row(
    task: TaskConfig,
    item: EvalItem,
    metric: str,
    score: float,
    *,
    weight: float = 1.0,
    higher_is_better: bool = True,
    detail: Mapping[str, object] | None = None,
) -> ItemScore:
    """The score of an item of a task under a metric."""
    return ItemScore(
        item_id=item.item_id,
        group_id=item.group_id,
        cluster_id=item.cluster_id,
        task=task.name,
        language=item.language,
        metric=metric,
        score=score,
        higher_is_better=higher_is_better,
        weight=weight,
        detail=detail or {},
    )
