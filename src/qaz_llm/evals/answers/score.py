"""From generated answers to `ItemScore`s. An answer that cannot be read, or that the limit of its length ended, is wrong; both are counted.

    acc            the choice that was read is the right one             acc_read   the same, also of answers that the limit ended
    exact_number   the number that was read has the value of a reference number_read  the same, also of answers that the limit ended
    f1, f1_stems, exact_match   of short answers in words                answered   there is an answer, and it came to its end

The second column says what a longer limit could have changed at most.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from qaz_llm.evals.answers.extract import extract_choice
from qaz_llm.evals.answers.numbers import read_number
from qaz_llm.evals.answers.words import same_words, token_f1
from qaz_llm.evals.metrics.rows import score_row
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, Generated, ItemScore, Scored


def score_generated(task: TaskConfig, item: EvalItem, generated: Generated) -> list[ItemScore]:
    """The rows of an item whose answer was generated, by the kind of the task; for qa see `score_words`."""
    if task.kind == "number":
        return _score_number(task, item, generated)
    if task.kind == "open":
        has_answered = bool(generated.text) and not generated.is_unfinished
        detail = {"question": item.question or item.text, **_detail(item, generated)}
        return [score_row(task, item, "answered", float(has_answered), detail=detail)]
    return _score_choice(task, item, generated)


def score_words(task: TaskConfig, item: EvalItem, generated: Generated, gold: Scored | None) -> list[ItemScore]:
    """F1 of words, of words whatever their endings, and exact match, against the best reference; bits per byte of the first reference.

    `gold`: its log-probability; None where the backend has none to give, and then there is no such row.
    """
    text, counts = generated.text, not generated.is_unfinished
    detail = _detail(item, generated, found=doubts.of_scored([gold]) if gold is not None else ())
    measured = {
        "f1": max(token_f1(text, r) for r in item.references),
        "f1_stems": max(token_f1(text, r, with_endings=True) for r in item.references),
        "exact_match": float(any(same_words(text, r) for r in item.references)),
    }
    rows = [score_row(task, item, name, value if counts else 0.0, detail=detail) for name, value in measured.items()]
    if gold is not None:
        bits = -gold.logprob / math.log(2)
        rows.append(score_row(task, item, "bits_per_byte", bits, weight=gold.num_bytes, higher_is_better=False))
    return rows


def _score_choice(task: TaskConfig, item: EvalItem, generated: Generated) -> list[ItemScore]:
    read = extract_choice(generated.text, item.choices)
    is_right = read.choice is not None and read.choice == item.answer
    found = ["unread"] * (bool(generated.text) and read.choice is None)
    detail = _detail(item, generated, found=found) | {
        "prediction": read.choice if not generated.is_unfinished else None,
        "read": read.choice,
        "rule": read.rule,
    }
    return _strict_and_read(task, item, ("acc", "acc_read"), is_right, generated, detail)


def _score_number(task: TaskConfig, item: EvalItem, generated: Generated) -> list[ItemScore]:
    read = read_number(generated.text)
    wanted = [read_number(reference).number for reference in item.references]
    is_right = read.number is not None and any(one is not None and read.number.equals(one) for one in wanted)
    found = ["unread"] * (bool(generated.text) and read.number is None)
    number = read.number.written if read.number is not None else None
    detail = _detail(item, generated, found=found) | {"read": number, "rule": read.rule}
    return _strict_and_read(task, item, ("exact_number", "number_read"), is_right, generated, detail)


def _strict_and_read(
    task: TaskConfig,
    item: EvalItem,
    metrics: tuple[str, str],
    is_right: bool,
    generated: Generated,
    detail: Mapping[str, Any],
) -> list[ItemScore]:
    strict, lenient = metrics
    return [
        score_row(task, item, strict, float(is_right and not generated.is_unfinished), detail=detail),
        score_row(task, item, lenient, float(is_right), detail={"rule": detail["rule"]}),
    ]


def _detail(item: EvalItem, generated: Generated, *, found: Sequence[str] = ()) -> dict[str, Any]:
    flags = {
        "prompt_cut": generated.is_cut,
        "unfinished": generated.is_unfinished,
        "refused": generated.is_refused,
        "no_answer": not generated.text and not generated.is_refused,
    }
    named = [*found, *(name for name, flag in flags.items() if flag)]
    right = {"answer": item.answer} if item.choices else {"references": list(item.references[:3])}
    return {"generated": generated.text, **right, **({"doubts": named} if named else {})}
