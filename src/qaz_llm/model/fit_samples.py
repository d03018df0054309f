"""Text that new rows are fitted to (fit_rows.py): a little that the model reads, and how often tokens come in much more.

To read costs a forward pass, to count next to nothing. So of each part of the text (a language, a source) a million tokens are counted,
and of the same rows some thousand tokens, spread evenly over them, are read.

    rows of 200, 300, 100, 400 tokens, of which 500 are to be read: every second one    →   the first and the third
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from qaz_llm.tokenizer.corpus import batches
from qaz_llm.tokenizer.start import start_id_of

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

COUNTED_TOKENS = 1_000_000
"""Of each part: five seconds of tokenising on one core."""

READ_TOKENS = 3_000
"""Of each part: 15 seconds for a model of 135 M on one core. Four times as many gave 0.002 bits per byte."""

MAX_ROW_TOKENS = 256
"""What is read of a row at most; many beginnings are more like the rest of the text than a few whole documents."""

_BATCH_TEXTS = 200

Row = Sequence[int]


class PackedPart(Protocol):
    """Packed rows by number, each with `input_ids` and `position_ids`."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int, /) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class FitSample:
    """One part of the text."""

    rows: Sequence[Row]
    """What the model reads, each from its own start."""
    counts_V: npt.NDArray[np.int64]
    """How often each id comes in all that was counted; as long as the highest id needs."""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> FitSample:
        """Count rows, the token that each starts with left out, until COUNTED_TOKENS; spread what is read over them."""
        counted: list[Row] = []
        total = 0
        counts_V = np.zeros(0, dtype=np.int64)
        for row in rows:
            found_V = np.bincount(np.asarray(row[1:], dtype=np.int64), minlength=len(counts_V))
            found_V[: len(counts_V)] += counts_V
            counts_V = found_V
            counted.append(row[:MAX_ROW_TOKENS])
            total += len(row)
            if total >= COUNTED_TOKENS:
                break
        readable = sum(map(len, counted))
        return cls(counted[:: max(1, readable // READ_TOKENS)], counts_V)


def text_samples(tokenizer: PreTrainedTokenizerFast, texts: Iterable[Iterable[str]]) -> list[FitSample]:
    """Of each part the first texts, each from the tokenizer's start token."""
    start = start_id_of(tokenizer)
    first = [] if start is None else [start]

    def encoded(part: Iterable[str]) -> Iterator[Row]:
        for batch in batches(part, _BATCH_TEXTS):
            for ids in tokenizer(batch, add_special_tokens=False)["input_ids"]:
                yield first + ids

    return [FitSample.of(encoded(part)) for part in texts]


def packed_samples(parts: Iterable[PackedPart]) -> list[FitSample]:
    """The same from packed rows, spread over the whole part; a document begins where position_ids are 0."""
    return [FitSample.of(document for row in _spread(part) for document in _documents(row)) for part in parts]


def _spread(part: PackedPart) -> Iterator[Mapping[str, Any]]:
    """As many rows as make COUNTED_TOKENS, evenly from the first to the last."""
    if not len(part):
        return
    wanted = max(1, COUNTED_TOKENS // len(part[0]["input_ids"]))
    for number in range(0, len(part), max(1, len(part) // wanted)):
        yield part[number]


def _documents(row: Mapping[str, Any]) -> Iterator[Row]:
    """Without padding, which is a document of one kind of token."""
    ids_L = np.asarray(row["input_ids"])
    starts = [*np.flatnonzero(np.asarray(row["position_ids"]) == 0), len(ids_L)]
    for start, end in pairwise(starts):
        ids = ids_L[start:end]
        if (ids != ids[0]).any():
            yield ids.tolist()
