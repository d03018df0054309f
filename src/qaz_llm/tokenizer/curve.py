"""How many tokens to add: what each size saves on text that no token was learned from, and what it costs.

Every further token saves less than the one before, and makes each step of training and of generation dearer, since the model
weighs all tokens at each of them. Two ways to choose:

    with the model's size    the size with the least compute per word: tokens per word × (body + hidden size × vocabulary).
                             An 8 B model hardly feels 30,000 more rows, one of 100 M does
    without                  the knee of the curve, which depends on where the curve ends: where it lies farthest below the straight line between its ends, both axes
                             scaled to 0 … 1 (Satopää et al. 2011, "Finding a 'Kneedle' in a Haystack")
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from qaz_llm.tokenizer.merges import LearnedMerges, first_tokens
from qaz_llm.tokenizer.usage import token_counts
from qaz_llm.tokenizer.words import Cut

TOLERANCE_FRAC = 0.005
"""Among sizes whose compute per word is this near to the least, the smallest is taken: fewer rows to learn."""


@dataclass(frozen=True)
class ModelCost:
    """What decides how dear a row of the vocabulary is: parameters beside the tables, and the hidden size."""

    body_parameters: int
    hidden_size: int


@dataclass(frozen=True)
class CurvePoint:
    """One size. Words are those that could be learned from: letters outside the Latin script."""

    new_tokens: int
    tokens_per_word: float
    saved_per_token: float
    """Tokens saved per million words by each token added since the point before."""
    rarest: int
    """How often the rarest new token that is used at all occurs in the text learned from."""
    unused: int
    """New tokens that the text learned from only passes through: later ones are made of them."""
    compute_frac: float | None
    """Compute per word, as a share of the base tokenizer's; None where the model is not known."""


@dataclass(frozen=True)
class GainCurve:
    """The sizes measured, the smallest first, and the one suggested."""

    points: tuple[CurvePoint, ...]
    suggested: int
    reason: str

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def gain_curve(
    learned: LearnedMerges,
    words: Sequence[Cut],
    heldout: Sequence[Cut],
    *,
    cost: ModelCost | None = None,
    grows: bool = True,
    sizes: Sequence[int] | None = None,
) -> GainCurve:
    """Measure sizes from none to all of `learned`.

    Args:
        learned: all that may be added.
        words: the words it was learned from, cut by the base.
        heldout: words of other text, cut by the base.
        cost: of the model that is to read the tokens, where known.
        grows: false where new tokens take ids that are there already, so that no row is added.
        sizes: by default eleven, each 1.5 times the one before.
    """
    base_vocab = learned.base.get_vocab()
    heldout_words = sum(count for _units, count in heldout)
    points: list[CurvePoint] = []
    for size in sizes or curve_sizes(learned.num_tokens):
        taken = first_tokens(learned, size)
        per_word = token_counts(taken, heldout).total() / heldout_words
        used = [count for token, count in token_counts(taken, words).items() if token not in base_vocab]
        previous = points[-1] if points else None
        saved = (previous.tokens_per_word - per_word) / (size - previous.new_tokens) if previous else 0.0
        compute = None
        if cost is not None:
            first = points[0].tokens_per_word if points else per_word
            rows = len(base_vocab) + (size if grows else 0)
            compute = per_word * _per_token(cost, rows) / (first * _per_token(cost, len(base_vocab)))
        points.append(CurvePoint(size, per_word, saved * 1e6, min(used, default=0), size - len(used), compute))
    return GainCurve(tuple(points), *_suggest(points))


def curve_sizes(most: int) -> list[int]:
    """0, then about 1.5 times as many each time, up to `most`: 1000 → 0, 26, 39, 58, 87, 130, … 1000."""
    sizes = {most}
    size = float(most)
    while len(sizes) < 10 and size >= 24:
        size /= 1.5
        sizes.add(round(size))
    return [0, *sorted(sizes)]


def _per_token(cost: ModelCost, rows: int) -> int:
    """Weights that a token is multiplied with: those of the body and of the output table."""
    return cost.body_parameters + cost.hidden_size * rows


def _suggest(points: Sequence[CurvePoint]) -> tuple[int, str]:
    added = [point for point in points if point.new_tokens]
    computes = [point.compute_frac for point in added if point.compute_frac is not None]
    if computes:
        limit = min(computes) * (1 + TOLERANCE_FRAC)
        best = next(point for point in added if point.compute_frac is not None and point.compute_frac <= limit)
        return (
            best.new_tokens,
            f"compute per word is {best.compute_frac:.1%} of the base's, about the least that a size has",
        )
    return knee(points), "the knee of the curve"


def knee(points: Sequence[CurvePoint]) -> int:
    """The size, not that of the first point, farthest below the straight line between the first point and the last.

    Sizes 0, 1, 2, 4 with 4, 2, 1.5, 1 tokens per word: the line is at 3.25, 2.5, 1 there, the curve 1.25, 1, 0 below it: 1.
    """
    first, last = points[0], points[-1]
    span = last.new_tokens - first.new_tokens

    def below(point: CurvePoint) -> float:
        share = (point.new_tokens - first.new_tokens) / span
        return first.tokens_per_word + share * (last.tokens_per_word - first.tokens_per_word) - point.tokens_per_word

    return max(points[1:], key=below).new_tokens
