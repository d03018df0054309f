"""The loss by language and by source: sums on the device, added to at each micro-batch, read only when a row is written.

A row of a batch belongs to one part of the mix (`part_B`, its number there). With nll the loss of each token in nats,

    nats_P[p] = Σ over rows b of part p, Σ over learned tokens t of row b: nll[b, t]

so the parts' sums add up to the loss of all learned tokens. Reading them (`take`) adds up the sums of all processes.

    rows of parts [0 1 1], summed losses [6.0 2.0 3.0], learned tokens [3 1 4]  →  nats [6.0 5.0], tokens [3 5],
    loss of part 0: 2.0, of part 1: 1.0, of all: 11 / 8

Shape legend: B rows, L tokens of the longest row, P parts of the mix.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from qaz_llm.rows.config import MixEntry
from qaz_llm.train.batches.loss import losses_of


class PartLosses:
    """The loss function of a training that also keeps the sums by part. Counts nothing where batches do not say their parts."""

    def __init__(self, entries: Sequence[MixEntry]) -> None:
        self.entries = tuple(entries)
        self._part_B: torch.Tensor | None = None
        self._sums_2P: torch.Tensor | None = None

    def next_batch(self, part_B: torch.Tensor | None) -> None:
        """Say of which parts the rows of the next micro-batch are."""
        self._part_B = part_B

    def __call__(self, outputs: Any, labels_BL: torch.Tensor, num_items_in_batch: torch.Tensor | int) -> torch.Tensor:
        """The micro-batch's share of the step's loss, as `loss.share_of_step`."""
        found = losses_of(outputs, labels_BL)
        if self._part_B is not None:
            self._add(found.nll_BL, found.learned_BL, self._part_B)
        return found.nats / num_items_in_batch

    def _add(self, nll_BL: torch.Tensor, learned_BL: torch.Tensor, part_B: torch.Tensor) -> None:
        if self._sums_2P is None:
            self._sums_2P = torch.zeros(2, len(self.entries), dtype=torch.float64, device=nll_BL.device)
        sums_2B = torch.stack([nll_BL.double().sum(1), learned_BL.double().sum(1)])
        self._sums_2P.index_add_(1, part_B.to(nll_BL.device), sums_2B)

    def take(self) -> list[tuple[float, int]]:
        """(nats, learned tokens) of each part over all processes since the last call; [] where there were none.

        Every process calls it at the same step.
        """
        import torch.distributed as dist

        if self._sums_2P is None:
            return []
        sums_2P, self._sums_2P = self._sums_2P, None
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            dist.all_reduce(sums_2P)
        nats_P, tokens_P = sums_2P.tolist()
        return [(nats, round(tokens)) for nats, tokens in zip(nats_P, tokens_P, strict=True)]


def by_language_and_source(entries: Sequence[MixEntry], sums: Sequence[tuple[float, int]]) -> dict[str, Any]:
    """What a row of metrics says of the parts: `{"languages": {"kk": {"loss": 2.1, "learned_tokens": 640}}, "sources": …}`.

    A part without a source goes by its name; languages are left out where no part states one, and are `not stated` for
    the parts that do not. Parts without a learned token since the last row are not named.
    """
    if not sums:
        return {}
    stated = any(entry.language for entry in entries)
    found: dict[str, Any] = {"learned_tokens": sum(tokens for _, tokens in sums)}
    if stated:
        found["languages"] = _losses(entries, sums, lambda entry: entry.language or "not stated")
    return found | {"sources": _losses(entries, sums, lambda entry: entry.source or entry.name)}


def _losses(
    entries: Sequence[MixEntry], sums: Sequence[tuple[float, int]], name: Callable[[MixEntry], str]
) -> dict[str, dict[str, float]]:
    totals: dict[str, tuple[float, int]] = {}
    for entry, (nats, tokens) in zip(entries, sums, strict=True):
        before = totals.get(name(entry), (0.0, 0))
        totals[name(entry)] = (before[0] + nats, before[1] + tokens)
    return {key: {"loss": nats / count, "learned_tokens": count} for key, (nats, count) in totals.items() if count}
