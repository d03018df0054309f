"""A scan of texts most of which were scanned before: what is known of those is copied, and only the others are read.

    before = scan_texts([a, b, c])
    rescan(before, [a, c, d])           what scan_texts([a, c, d]) gives, for little more than the price of d

Each step of a data build changes a few texts of a batch and drops some, and the next one wants the words of all.

Suffixes as in buffer.py, and _N items of one kind: code points, words or lines.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import Lines, Positions, ScannedTexts, TextBatch, Words, scan_texts
from qaz_llm.language.kernels import kernel


def rescan(before: ScannedTexts, texts: Sequence[str]) -> ScannedTexts:
    """`scan_texts(texts)`; texts that are the same objects as in `before`, in whatever order, are not read again."""
    numbers = {id(text): number for number, text in enumerate(before.texts)}
    known = [numbers.get(id(text), -1) for text in texts]
    if known == list(range(len(before))):
        return before
    fresh = scan_texts([text for text, number in zip(texts, known, strict=True) if number < 0])
    if len(fresh) == len(texts):
        return fresh
    known_D = np.array(known, dtype=np.int64)
    codes = _Items.of(known_D, before.batch.starts_D, fresh.batch.starts_D)
    words = _Items.of(known_D, before.words.doc_starts_D, fresh.words.doc_starts_D)
    lines = _Items.of(known_D, before.lines.doc_starts_D, fresh.lines.doc_starts_D)
    return ScannedTexts(
        tuple(texts),
        TextBatch(codes.gather(before.batch.codes_C, fresh.batch.codes_C), codes.starts_D),
        Words(
            words.gather_positions(before.words.starts_W, fresh.words.starts_W, codes),
            words.gather_positions(before.words.ends_W, fresh.words.ends_W, codes),
            words.gather(before.words.hashes_W, fresh.words.hashes_W),
            words.gather(before.words.joined_W, fresh.words.joined_W),
            words.starts_D,
        ),
        Lines(
            lines.gather_positions(before.lines.starts_L, fresh.lines.starts_L, codes),
            lines.gather_positions(before.lines.ends_L, fresh.lines.ends_L, codes),
            lines.starts_D,
        ),
    )


@dataclass(frozen=True, slots=True)
class _Items:
    """Where items of a kind begin in each document: in the new arrays, in `before` and in `fresh`; `known_D` holds the
    numbers of documents in `before`, and -1 for those of `fresh`."""

    known_D: Positions
    starts_D: Positions
    before_D: Positions
    fresh_D: Positions

    @classmethod
    def of(cls, known_D: Positions, before_D: Positions, fresh_D: Positions) -> _Items:
        return cls(known_D, _new_starts(known_D, before_D, fresh_D), before_D, fresh_D)

    def gather(self, before_N: npt.NDArray[Any], fresh_N: npt.NDArray[Any]) -> npt.NDArray[Any]:
        gathered: npt.NDArray[Any] = _gather(
            self.known_D, self.starts_D, self.before_D, before_N, self.fresh_D, fresh_N
        )
        return gathered

    def gather_positions(self, before_N: Positions, fresh_N: Positions, codes: _Items) -> Positions:
        """Of items whose values are positions in `codes`, which begin elsewhere now."""
        gathered = self.gather(before_N, fresh_N)
        _shift(gathered, self.starts_D, self.known_D, codes.starts_D, codes.before_D, codes.fresh_D)
        return gathered


@kernel
def _new_starts(known_D, before_D, fresh_D):  # type: ignore[no-untyped-def]
    starts_D = np.zeros(len(known_D) + 1, np.int64)
    new = 0
    for doc in range(len(known_D)):
        number = known_D[doc]
        if number < 0:
            length = fresh_D[new + 1] - fresh_D[new]
            new += 1
        else:
            length = before_D[number + 1] - before_D[number]
        starts_D[doc + 1] = starts_D[doc] + length
    return starts_D


@kernel
def _gather(known_D, starts_D, before_D, before_N, fresh_D, fresh_N):  # type: ignore[no-untyped-def]
    gathered_N = np.empty(starts_D[-1], before_N.dtype)
    new = 0
    for doc in range(len(known_D)):
        number = known_D[doc]
        if number < 0:
            gathered_N[starts_D[doc] : starts_D[doc + 1]] = fresh_N[fresh_D[new] : fresh_D[new + 1]]
            new += 1
        else:
            gathered_N[starts_D[doc] : starts_D[doc + 1]] = before_N[before_D[number] : before_D[number + 1]]
    return gathered_N


@kernel
def _shift(positions_N, starts_D, known_D, codes_D, before_D, fresh_D):  # type: ignore[no-untyped-def]
    new = 0
    for doc in range(len(known_D)):
        number = known_D[doc]
        if number < 0:
            shift = codes_D[doc] - fresh_D[new]
            new += 1
        else:
            shift = codes_D[doc] - before_D[number]
        for place in range(starts_D[doc], starts_D[doc + 1]):
            positions_N[place] += shift
