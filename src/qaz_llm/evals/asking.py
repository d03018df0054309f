"""A task put to a model: requests made, answers scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from qaz_llm.evals.answers.ask import generate_answers
from qaz_llm.evals.answers.score import score_generated, score_words
from qaz_llm.evals.metrics.choices import score_choices, score_text
from qaz_llm.evals.metrics.minimal_pairs import score_pair
from qaz_llm.evals.metrics.similarity import score_similarity
from qaz_llm.evals.metrics.translation import score_translation
from qaz_llm.evals.prompts.chat import ChatTemplate
from qaz_llm.evals.prompts.examples import Examples
from qaz_llm.evals.prompts.render import render_requests, render_unconditional
from qaz_llm.evals.scoring.scorer import Scorer
from qaz_llm.evals.task import Scoring, TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Request, Scored

PREFIXES: Mapping[Scoring, str] = {"letters": "letters_", "text": "cloze_"}
"""Of the metrics of a multiple choice that was asked in the way that is not the task's primary one."""


def score_task(
    task: TaskConfig,
    items: Sequence[EvalItem],
    scorer: Scorer,
    *,
    examples: Examples = Examples(),  # noqa: B008 - frozen
    both: bool = False,
    has_logprobs: bool = True,
    chat: ChatTemplate | None = None,
) -> list[ItemScore]:
    """Ask the model about every item; one row per item and metric.

    Args:
        both: multiple choice by letters and by words.
        chat: the template that prompts are laid out in; None: they stand as they are.
        has_logprobs: the backend gives log-probabilities; without them short answers have no bits per byte.
    """
    if task.is_generated:
        answers = generate_answers(task, items, scorer, examples, chat)
        return [row for item, answer in zip(items, answers, strict=True) for row in score_generated(task, item, answer)]
    if task.kind == "multiple_choice":
        return _score_multiple_choice(task, items, scorer, examples, both, chat)
    scored: list[Scored | None] = [None] * len(items)
    if has_logprobs:
        requests = [render_requests(task, item, examples=examples.of(item), chat=chat) for item in items]
        if task.kind == "minimal_pairs":
            pairs = zip(items, _asked(scorer, requests), strict=True)
            return [row for item, two in pairs for row in score_pair(task, item, two)]
        if task.kind == "similarity":
            return score_similarity(task, items, _asked(scorer, requests))
        scored = [found for (found,) in _asked(scorer, requests)]
    if task.kind == "bits_per_byte":
        return [score_text(task, item, found) for item, found in zip(items, scored, strict=True) if found is not None]
    score = score_translation if task.kind == "translation" else score_words
    rows = zip(items, generate_answers(task, items, scorer, examples, chat), scored, strict=True)
    return [row for item, answer, found in rows for row in score(task, item, answer, found)]


def _score_multiple_choice(
    task: TaskConfig,
    items: Sequence[EvalItem],
    scorer: Scorer,
    examples: Examples,
    both: bool,
    chat: ChatTemplate | None,
) -> list[ItemScore]:
    """The task's own way first; the other one's metrics are named after it."""
    other: Scoring = "text" if task.scoring == "letters" else "letters"
    ways: list[tuple[Scoring, str]] = [(task.scoring, ""), *([(other, PREFIXES[other])] if both else [])]
    rows: list[ItemScore] = []
    for scoring, prefix in ways:
        requests = [
            render_requests(task, item, scoring=scoring, examples=examples.of(item), chat=chat) for item in items
        ]
        found = _asked(scorer, requests)
        alone: list[list[Scored]] = [[] for _ in items]
        if both and scoring == "text":
            alone = _asked(scorer, [render_unconditional(task, item, chat=chat) for item in items])
        for item, scored, bare in zip(items, found, alone, strict=True):
            rows += score_choices(task, item, scored, prefix=prefix, is_letters=scoring == "letters", alone=bare)
    return rows


def _asked(scorer: Scorer, groups: Sequence[Sequence[Request]]) -> list[list[Scored]]:
    """The answers to groups of requests, asked all at once."""
    answers = iter(scorer.loglikelihood([request for group in groups for request in group]))
    return [list(islice(answers, len(group))) for group in groups]
