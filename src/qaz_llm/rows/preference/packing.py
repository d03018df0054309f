"""Rows of whole pairs: the sequences of a row are chosen, rejected, chosen, rejected …, and none sees another.

Worked example, seq_len 12, two pairs with prompts `P p` and `Q`:

    input_ids     P p a b   P p c   Q d   Q e f
    position_ids  0 1 2 3   0 1 2   0 1   0 1 2
    labels        - - a b   - - c   - d   - e f

A pair is as long as both its sequences; one that is longer than a row is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from qaz_llm.records import PackedRow, TokenizedExample
from qaz_llm.rows.packing import best_fit, make_row

if TYPE_CHECKING:
    from qaz_llm.rows.counts import Counts


@dataclass(frozen=True, slots=True)
class RenderedPair:
    """Both sides as token ids; `where` is the file and row they come from."""

    chosen: TokenizedExample
    rejected: TokenizedExample
    where: str

    @property
    def length(self) -> int:
        """In tokens, both sides together."""
        return len(self.chosen.input_ids) + len(self.rejected.input_ids)


def pack_pairs(pairs: Iterable[RenderedPair], *, seq_len: int, packs: bool, counts: Counts) -> Iterator[PackedRow]:
    """Rows of at most `seq_len` tokens with as many whole pairs as fit, or (`packs` false) one pair each, in their order."""

    def drop(pair: RenderedPair) -> None:
        counts.examples -= 1
        counts.drop("pair_longer_than_seq_len", f"{pair.where}: {pair.length:,} tokens, a row has {seq_len:,}")

    for some in [pairs] if packs else ([pair] for pair in pairs):
        for row in best_fit(some, lambda pair: pair.length, seq_len, drop):
            yield make_row([side for pair in row for side in (pair.chosen, pair.rejected)])
