"""Whether a model gives the same scores when texts share their beginnings: tried on a few, before it is done for all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING

from qaz_llm.evals.scoring.encoding import Encoded
from qaz_llm.evals.scoring.rows import SHARED_ROWS, SHARED_TOKENS, Row, plan_rows
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_logger = get_logger("eval")

TIGHT, LOOSE = 1e-4, 2e-2
"""How far a text's log-probability may move, as a share of it, when its beginning is shared: in float32, and in 16 bit."""
OWN_TOKENS, ANSWER_TOKENS = 6, 3
"""Of each made-up question, behind the common beginning, and of its two answers."""


def can_share(
    model: PreTrainedModel,
    encoded: Sequence[Encoded],
    sums: Callable[[Sequence[Row], int], list[float]],
    *,
    max_length: int,
) -> bool:
    """Whether branches and common beginnings give what each text alone gives.

    A model with recurrences or convolutions, or an attention that takes no mask, does not; then each text is run alone.

    Args:
        encoded: what is to be scored.
        sums: runs rows, and gives the log-probability of each of so many requests.
    """
    import torch

    few = _few(model, encoded)
    alone = sums(plan_rows(few, max_length=max_length, trees=False, prefixes=False), len(few))
    if not all(map(math.isfinite, alone)):
        return False  # which is said of the first text that is scored
    try:
        shared = sums(plan_rows(few, max_length=max_length, trees=True, prefixes=True), len(few))
    except Exception as error:  # a family whose layers take no such mask or cache fails in ways of its own
        _logger.warning("texts are run one by one: this model cannot share their beginnings (%s)", type(error).__name__)
        return False
    apart = max(abs(a - b) / (1.0 + abs(a)) for a, b in zip(alone, shared, strict=True))
    if apart <= (TIGHT if model.dtype == torch.float32 else LOOSE):
        return True
    _logger.warning("texts are run one by one: sharing their beginnings would change log-probabilities by %.2g", apart)
    return False


def _few(model: PreTrainedModel, encoded: Sequence[Encoded]) -> list[Encoded]:
    """Short questions made of the texts' own tokens; of a model that sees only so far back, real ones that reach further."""
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    if window and max(len(one.context) + len(one.continuation) for one in encoded) > window:
        return _real(encoded)
    tokens = cycle(chain.from_iterable((*one.context[1:], *one.continuation) for one in encoded))
    beginning = (encoded[0].context[0], *islice(tokens, SHARED_TOKENS))
    questions = [beginning + tuple(islice(tokens, OWN_TOKENS)) for _ in range(SHARED_ROWS)]
    return [Encoded(question, tuple(islice(tokens, ANSWER_TOKENS)), False) for question in questions for _ in range(2)]


def _real(encoded: Sequence[Encoded]) -> list[Encoded]:
    by_context: dict[tuple[int, ...], list[Encoded]] = defaultdict(list)
    for one in encoded:
        by_context[one.context].append(one)
    longest = sorted(by_context.values(), key=lambda group: -len(group[0].context))
    several = [group for group in longest if sum(len(one.continuation) > 1 for one in group) > 1]
    return [one for group in (several or longest)[:SHARED_ROWS] for one in group]
