"""What stands beside the scores: that of guessing, scores by subject, what a text costs, and the items that failed with their text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from qaz_llm.evals.summary.gaps import BITS_PER_BYTE
from qaz_llm.evals.summary.parity import by_task, score_of
from qaz_llm.records import EvalItem, ItemScore

FAILURES_KEPT = 20
"""Of each kind, task and language so many items are written with their text; all are counted."""

Items = Mapping[str, Sequence[EvalItem]]
"""The items of each task."""


def chance_of(items: Items) -> dict[str, dict[str, float]]:
    """The score of guessing, by task and language: the mean of 1 / choices; tasks without choices are not in it.

    an item of four choices and one of two: (1/4 + 1/2) / 2 = 0.375
    """
    shares: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for task, rows in items.items():
        for item in rows:
            if item.choices and not item.is_graded:
                shares[task][item.language].append(1 / len(item.choices))
    return {task: {code: sum(row) / len(row) for code, row in by.items()} for task, by in shares.items()}


def other_scores(scores: Sequence[ItemScore]) -> dict[str, dict[str, dict[str, Any]]]:
    """Task → metric → language → score with its interval, of all that is not a task's own metric: other normalisations, and the
    other way of asking (`letters_acc`, `cloze_acc` …)."""
    by_metric: dict[str, list[ItemScore]] = defaultdict(list)
    for score in scores:
        by_metric[score.metric].append(score)
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for metric, rows in by_metric.items():
        for task, by in by_task(rows).items():
            found[task][metric] = {code: asdict(score_of(items)) for code, items in by.items()}
    return dict(found)


def scores_by_subject(items: Items, scores: Sequence[ItemScore]) -> dict[str, dict[str, dict[str, Any]]]:
    """Task → subject → language → score with its interval, of the tasks whose items have subjects."""
    subjects = {(i.task, i.language, i.item_id): i.subject for rows in items.values() for i in rows if i.subject}
    parts: dict[str, list[ItemScore]] = defaultdict(list)
    for score in scores:
        if subject := subjects.get((score.task, score.language, score.item_id)):
            parts[subject].append(score)
    found: dict[str, dict[str, dict[str, Any]]] = defaultdict(dict)
    for subject in sorted(parts):
        for task, by in by_task(parts[subject]).items():
            found[task][subject] = {code: asdict(score_of(rows)) for code, rows in by.items()}
    return dict(found)


def text_costs(items: Items, scores: Sequence[ItemScore]) -> dict[str, dict[str, dict[str, float]]]:
    """Task → language → what its texts cost: bits per byte and per text, tokens per word (split at spaces), bytes per token."""
    words = {(i.task, i.language, i.item_id): len(i.text.split()) for rows in items.values() for i in rows}
    sums: dict[tuple[str, str], dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for score in scores:
        if score.metric == BITS_PER_BYTE and "tokens" in score.detail:
            number_of = words.get((score.task, score.language, score.item_id), 0)
            added = {"texts": 1, "bits": score.score, "bytes": score.weight, "words": number_of}
            for name, value in {**added, "tokens": score.detail["tokens"]}.items():
                sums[score.task, score.language][name] += value
    found: dict[str, dict[str, dict[str, float]]] = defaultdict(dict)
    for (task, language), total in sums.items():
        found[task][language] = {
            "texts": total["texts"],
            "bits_per_byte": total["bits"] / max(total["bytes"], 1),
            "bits_per_sentence": total["bits"] / total["texts"],
            "tokens_per_word": total["tokens"] / max(total["words"], 1),
            "bytes_per_token": total["bytes"] / max(total["tokens"], 1),
        }
    return dict(found)


def failures(items: Items, scores: Sequence[ItemScore]) -> Iterator[dict[str, Any]]:
    """A row for each item that has a doubt (see doubts.py) with what it asked and what came, the first FAILURES_KEPT of each kind."""
    asked = {(i.task, i.language, i.item_id): i for rows in items.values() for i in rows}
    kept: dict[tuple[str, str, str], int] = defaultdict(int)
    for score in scores:
        kinds = list(score.detail.get("doubts", ()))
        places = [(score.task, score.language, kind) for kind in kinds]
        item = asked.get((score.task, score.language, score.item_id))
        if item is None or not any(kept[place] < FAILURES_KEPT for place in places):
            continue
        for place in places:
            kept[place] += 1
        yield {
            "task": score.task,
            "language": score.language,
            "item_id": score.item_id,
            "kinds": kinds,
            "text": item.text,
            "question": item.question,
            "choices": list(item.choices),
            "score": score.score,
            "metric": score.metric,
            "detail": dict(score.detail),
        }
