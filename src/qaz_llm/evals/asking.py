"""A task put to a model: requests made, answers scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from qaz_llm.evals.examples import Examples
from qaz_llm.evals.metrics import score_answer, score_choices, score_text
from qaz_llm.evals.prompts import render_context, render_requests, render_unconditional
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.task import Scoring, TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Request, Scored

STOP_STRINGS = ("\n",)
PREFIXES: Mapping[Scoring, str] = {"letters": "letters_", "text": "cloze_"}
"""Of the metrics of a multiple choice that was asked in the way that is not the task's primary one."""


def score_task(
    task: TaskConfig,
    items: Sequence[EvalItem],
    scorer: Scorer,
    *,
    examples: Examples = Examples(),  # noqa: B008 - frozen
    both: bool = False,
) -> list[ItemScore]:
    """Ask the model about every item; one row per item and metric. `both`: multiple choice by letters and by words."""
    if task.kind == "multiple_choice":
        return _score_multiple_choice(task, items, scorer, examples, both)
    requests = [render_requests(task, item, examples=examples.of(item)) for item in items]
    scored = [found for (found,) in _asked(scorer, requests)]
    if task.kind == "bits_per_byte":
        return [score_text(task, item, found) for item, found in zip(items, scored, strict=True)]
    prompts = [render_context(task, item, examples=examples.of(item)) for item in items]
    answers = scorer.generate(prompts, max_new_tokens=task.max_new_tokens, stop=STOP_STRINGS)
    rows = zip(items, answers, scored, strict=True)
    return [row for item, answer, found in rows for row in score_answer(task, item, answer, found)]


def _score_multiple_choice(
    task: TaskConfig, items: Sequence[EvalItem], scorer: Scorer, examples: Examples, both: bool
) -> list[ItemScore]:
    """The task's own way first; the other one's metrics are named after it."""
    other: Scoring = "text" if task.scoring == "letters" else "letters"
    ways: list[tuple[Scoring, str]] = [(task.scoring, ""), *([(other, PREFIXES[other])] if both else [])]
    rows: list[ItemScore] = []
    for scoring, prefix in ways:
        requests = [render_requests(task, item, scoring=scoring, examples=examples.of(item)) for item in items]
        found = _asked(scorer, requests)
        alone: list[list[Scored]] = [[] for _ in items]
        if both and scoring == "text":
            alone = _asked(scorer, [render_unconditional(task, item) for item in items])
        for item, scored, bare in zip(items, found, alone, strict=True):
            rows += score_choices(task, item, scored, prefix=prefix, is_letters=scoring == "letters", alone=bare)
    return rows


def _asked(scorer: Scorer, groups: Sequence[Sequence[Request]]) -> list[list[Scored]]:
    """The answers to groups of requests, asked all at once."""
    answers = iter(scorer.loglikelihood([request for group in groups for request in group]))
    return [list(islice(answers, len(group))) for group in groups]
