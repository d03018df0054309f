"""From scored requests to `ItemScore`s (answers/score.py: from generated answers); every normalisation is kept, the task names the primary one.

For a choice with log-probability l, t tokens and b bytes:

    acc            the choice with the largest l
    acc_per_token  the largest l / t    (long choices are not punished for their length)
    acc_per_byte   the largest l / b    (nor does it matter how a tokenizer cuts them; the joining space is not the choice's)
    acc_unconditional  the largest l − l', with l' after "Answer:" alone (nor does it matter how common a choice is; Holtzman et al.
                   2021, arXiv 2104.08315)

Asked in the way that is not the task's primary one they are called letters_acc, or cloze_acc, cloze_acc_per_token …

Bits per byte of a text: −l / (b · ln 2); the item's score is its bits, its weight its bytes, and a language's figure is
the sum of bits over the sum of bytes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from qaz_llm.evals.metrics.rows import score_row
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Scored


def score_choices(
    task: TaskConfig,
    item: EvalItem,
    scored: Sequence[Scored],
    *,
    prefix: str = "",
    is_letters: bool = False,
    alone: Sequence[Scored] = (),
) -> list[ItemScore]:
    """One row per normalisation. A tie counts for the first choice, whichever is right, and is said.

    Args:
        prefix: before the names of the metrics, where this is not the task's primary way of asking.
        is_letters: letters were asked for, which are all of one length.
        alone: the choices' scores without the question, for acc_unconditional.
    """
    measures = {"acc": [s.logprob for s in scored]}
    if not is_letters:
        measures |= _by_length(item, scored)
    if alone:
        measures["acc_unconditional"] = [s.logprob - a.logprob for s, a in zip(scored, alone, strict=True)]
    logprobs = [round(s.logprob, 4) for s in scored]
    rows = []
    for metric, values in measures.items():
        prediction = max(range(len(values)), key=values.__getitem__)
        found = doubts.of_scored(scored) + ["tie"] * (values.count(values[prediction]) > 1)
        detail = {"prediction": prediction, "answer": item.answer, "logprobs": logprobs, **_doubts(found)}
        rows.append(score_row(task, item, prefix + metric, float(prediction == item.answer), detail=detail))
    return rows


def _by_length(item: EvalItem, scored: Sequence[Scored]) -> dict[str, list[float]]:
    """Log-probabilities over the choices' tokens, and over the choices' own bytes, without a space before them."""
    return {
        "acc_per_token": [s.logprob / max(s.num_tokens, 1) for s in scored],
        "acc_per_byte": [
            s.logprob / max(len(choice.encode()), 1) for s, choice in zip(scored, item.choices, strict=True)
        ],
    }


def score_text(task: TaskConfig, item: EvalItem, scored: Scored) -> ItemScore:
    """Bits of the whole text; weight is its bytes."""
    bits = -scored.logprob / math.log(2)
    detail = {
        "tokens": scored.num_tokens,
        "bits_per_byte": round(bits / max(scored.num_bytes, 1), 5),
        **_doubts(doubts.of_scored([scored])),
    }
    return score_row(task, item, "bits_per_byte", bits, weight=scored.num_bytes, higher_is_better=False, detail=detail)


def _doubts(found: Sequence[str]) -> dict[str, list[str]]:
    return {"doubts": list(found)} if found else {}
