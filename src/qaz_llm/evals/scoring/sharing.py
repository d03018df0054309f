"""Whether a model gives the same scores when texts share their beginnings: tried on a few, before it is done for all."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import chain, cycle, islice
from typing import TYPE_CHECKING

from qaz_llm.evals.scoring.encoding import Encoded
from qaz_llm.evals.scoring.rows import SHARED_ROWS, Row, behind_prefix, plan_rows
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_logger = get_logger("eval")

TIGHT, LOOSE = 1e-4, 2e-2
"""How far a text's log-probability may move, as a share of it, when its beginning is shared: in float32, and in 16 bit."""
PREFIX_TOKENS, OWN_TOKENS, ANSWER_TOKENS = 5, 4, 4
"""Of the made-up questions' common beginning, of what each has of its own, and of each answer. A convolution over three tokens is seen by that."""


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

    few = _few(encoded)
    window = getattr(model.config.get_text_config(), "sliding_window", None)
    shared_rows = behind_prefix(plan_rows(few, max_length=max_length, trees=True, prefixes=False), PREFIX_TOKENS)
    if window and max(len(one.context) + len(one.continuation) for one in encoded) > window:
        few = _longest(encoded)  # so that what lies out of sight is tried too
        shared_rows = plan_rows(few, max_length=max_length, trees=True, prefixes=True)
    alone = sums(plan_rows(few, max_length=max_length, trees=False, prefixes=False), len(few))
    if not all(map(math.isfinite, alone)):
        return False  # which is said of the first text that is scored
    try:
        shared = sums(shared_rows, len(few))
    except Exception as error:  # a family whose layers take no such mask or cache fails in ways of its own
        _logger.warning("texts are run one by one: this model cannot share their beginnings (%s)", type(error).__name__)
        return False
    apart = max(abs(a - b) / (1.0 + abs(a)) for a, b in zip(alone, shared, strict=True))
    if apart <= (TIGHT if model.dtype == torch.float32 else LOOSE):
        return True
    _logger.warning("texts are run one by one: sharing their beginnings would change log-probabilities by %.2g", apart)
    return False


def _few(encoded: Sequence[Encoded]) -> list[Encoded]:
    """Two short questions with two answers each, made of the texts' own tokens: 73 tokens to run in all."""
    tokens = cycle(chain.from_iterable((*one.context, *one.continuation) for one in encoded))
    beginning = (encoded[0].context[0], *islice(tokens, PREFIX_TOKENS - 1))
    questions = [beginning + tuple(islice(tokens, OWN_TOKENS)) for _ in range(2)]
    return [Encoded(question, tuple(islice(tokens, ANSWER_TOKENS)), False) for question in questions for _ in range(2)]


def _longest(encoded: Sequence[Encoded]) -> list[Encoded]:
    """All answers of the longest questions."""
    by_context: dict[tuple[int, ...], list[Encoded]] = defaultdict(list)
    for one in encoded:
        by_context[one.context].append(one)
    longest = sorted(by_context.values(), key=lambda group: -len(group[0].context))
    several = [group for group in longest if sum(len(one.continuation) > 1 for one in group) > 1]
    return [one for group in (several or longest)[:SHARED_ROWS] for one in group]
