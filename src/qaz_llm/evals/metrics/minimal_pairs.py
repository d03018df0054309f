"""Which of two texts a model finds likelier: a good sentence and one with a mistake (BLiMP, Warstadt et al. 2020, arXiv 1912.00582).

    good  "Мектепке дейінгі балалар ойнап жүр."      bad  "Мектепке дейінгі балалар ойнап жүрмін."

Both are scored whole, from their start, with no prompt around them. `acc` takes log-probabilities as they are, as the paper does; `acc_per_token`
and `acc_per_byte` divide them by length, since a misspelt word is cut into more tokens. The good text has to win: a tie is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

from qaz_llm.evals.metrics.rows import score_row
from qaz_llm.evals.summary import doubts
from qaz_llm.evals.task import TaskConfig
from qaz_llm.records import EvalItem, ItemScore, Request, Scored


def pair_requests(item: EvalItem) -> tuple[Request, ...]:
    """The good text and the bad one, each from its start."""
    return tuple(Request("", text) for text in item.choices)


def score_pair(task: TaskConfig, item: EvalItem, scored: Sequence[Scored]) -> list[ItemScore]:
    """One row per normalisation: 1 where the good text is the likelier."""
    measures = {
        "acc": [s.logprob for s in scored],
        "acc_per_token": [s.logprob / max(s.num_tokens, 1) for s in scored],
        "acc_per_byte": [s.logprob / max(s.num_bytes, 1) for s in scored],
    }
    return [_row(task, item, metric, values, scored) for metric, values in measures.items()]


def _row(task: TaskConfig, item: EvalItem, metric: str, values: Sequence[float], scored: Sequence[Scored]) -> ItemScore:
    good, bad = values
    found = doubts.of_scored(scored) + ["tie"] * (good == bad)
    detail = {
        "prediction": int(bad >= good),
        "answer": 0,
        "logprobs": [round(s.logprob, 4) for s in scored],
        **({"doubts": found} if found else {}),
    }
    return score_row(task, item, metric, float(good > bad), detail=detail)
