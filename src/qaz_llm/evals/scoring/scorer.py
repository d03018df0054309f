"""What evaluation asks of a model, whatever stands behind it: a model in memory, answers kept on disk, a server."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from qaz_llm.errors import WorkError
from qaz_llm.records import Generated, Request, Scored


class Scorer(Protocol):
    """What evaluation asks of a model; anything that answers these can be evaluated."""

    def loglikelihood(self, requests: Sequence[Request]) -> list[Scored]:
        """Summed natural-log probability of each continuation after its context."""
        ...

    def generate(self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]) -> list[Generated]:
        """The greedy continuation of each prompt, cut before the first stop string and to `max_bytes`."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A `Scorer` that gives each answer as soon as it has it, so that little is lost when it is killed.

    Both yield the answers of one batch after the other, by the numbers of their questions; where several processes share the work,
    those of this one's share.
    """

    def score_each(self, requests: Sequence[Request]) -> Iterator[Mapping[int, Scored]]: ...

    def answer_each(
        self, prompts: Sequence[str], *, max_bytes: int, stop: Sequence[str]
    ) -> Iterator[Mapping[int, Generated]]: ...


class PartlyAnswered(WorkError):
    """A backend that failed half way. `answers`: what came before, by the number of the request or prompt."""

    def __init__(self, message: str, answers: Mapping[int, Scored | Generated], *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.answers = answers


def bits_per_byte(scorer: Scorer, texts: Sequence[str]) -> float:
    """Of all texts together, each from its own start."""
    scored = scorer.loglikelihood([Request("", text) for text in texts])
    return -sum(one.logprob for one in scored) / math.log(2) / sum(one.num_bytes for one in scored)
