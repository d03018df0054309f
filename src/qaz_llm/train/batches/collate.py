"""Rows as a batch, in the one form under which transformers keeps the documents of a row apart.

The trap: transformers finds the documents of a packed row from restarting `position_ids` only where there is no
attention mask and no cache. With a 2D mask of ones, or `use_cache` at its default, attention runs across documents, and
nothing warns. So a packed batch has `position_ids`, no `attention_mask`, and `use_cache=False`.

Flash attention looks for restarting positions in a batch of one row alone (`_is_packed_sequence` of transformers'
modeling_flash_attention_utils.py); with more it reads each row as one document. It is therefore told where documents
begin (`cu_seq_lens_q` and its companions), counted through all rows of the batch one after the other.

Attention `documents` takes the same bounds in the mask's place (model/kernels/documents.py).

A model that cannot keep documents apart at all (a recurrence or a convolution runs over the whole row) gets rows of one
document each, padded on the right and with a mask: what comes later cannot change what a causal model says earlier.

Shape legend: B rows, L tokens of the longest row, D documents of all rows (padding at the end of a row counts as one).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.records import IGNORE_INDEX

if TYPE_CHECKING:
    import torch

Batch = dict[str, "torch.Tensor | int | bool"]


@dataclass(frozen=True)
class Collator:
    """Rows to a batch in the form that a model's attention needs. `packs` false: rows of one document each."""

    pad_id: int = 0
    packs: bool = True
    attention: str = "sdpa"

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> Batch:
        if not self.packs:
            return collate_alone(rows, pad_id=self.pad_id) | parts_of_rows(rows)
        batch = collate(rows, pad_id=self.pad_id) | parts_of_rows(rows)
        if needs_lengths(self.attention):
            return batch | document_lengths(batch["position_ids"])
        return batch | document_bounds(batch["position_ids"]) if self.attention == DOCUMENTS else batch


def parts_of_rows(rows: Sequence[Mapping[str, Any]]) -> Batch:
    """`part_B`, the part of the mix that each row is of, where the rows say it; the trainer takes it out of the batch."""
    import torch

    return {"part_B": torch.tensor([int(row["part"]) for row in rows])} if "part" in rows[0] else {}


def needs_lengths(attn_implementation: str | None) -> bool:
    """True for flash attention in any version and from any source (`flash_attention_3`, `kernels-community/flash-attn2`)."""
    return "flash" in (attn_implementation or "")


def collate(rows: Sequence[Mapping[str, Any]], *, pad_id: int = 0) -> Batch:
    """Stack rows of `input_ids`, `labels`, `position_ids`; shorter ones are padded with a segment of their own.

    [5 6 7] and [8 9] → input_ids [[5 6 7] [8 9 P]], labels [[-100 6 7] [-100 9 -100]], position_ids [[0 1 2] [0 1 0]].
    """
    length = max(len(row["input_ids"]) for row in rows)
    return {
        "input_ids": _stack(rows, "input_ids", length, lambda n: np.full(n, pad_id)),
        "labels": _stack(rows, "labels", length, lambda n: np.full(n, IGNORE_INDEX)),
        "position_ids": _stack(rows, "position_ids", length, np.arange),
        "use_cache": False,
    }


def collate_alone(rows: Sequence[Mapping[str, Any]], *, pad_id: int = 0) -> Batch:
    """Rows of one document each, cut to the longest of them, with a 2D `attention_mask` over what is no padding.

    [5 6 7] and [8 9 P] → attention_mask [[1 1 1] [1 1 0]], position_ids [[0 1 2] [0 1 2]].
    """
    import torch

    documents = [_first_document(row) for row in rows]
    batch = collate(documents, pad_id=pad_id)
    lengths_B = torch.tensor([len(document["input_ids"]) for document in documents])
    positions_L = torch.arange(int(lengths_B.max()))
    mask_BL = (positions_L < lengths_B[:, None]).long()
    return batch | {"position_ids": positions_L.repeat(len(rows), 1), "attention_mask": mask_BL}


def document_lengths(position_ids_BL: torch.Tensor | int | bool) -> Batch:
    """Where the documents begin in all rows laid end to end, as flash attention takes it.

    position_ids [[0 1 2] [0 1 0]] → cu_seq_lens [0 3 5 6], of shape (D + 1) int32, longest 3 (a plain int: no transfer
    from the GPU in each layer).
    """
    bounds = _bounds(position_ids_BL)
    longest = int(bounds.diff().max())
    return {"cu_seq_lens_q": bounds, "cu_seq_lens_k": bounds, "max_length_q": longest, "max_length_k": longest}


def document_bounds(position_ids_BL: torch.Tensor | int | bool) -> Batch:
    """The same bounds in the mask's place: position_ids [[0 1 2] [0 1 0]] → attention_mask [0 3 5 6] of shape (1, 1, 1, D + 1)."""
    from qaz_llm.model.kernels.documents import as_bounds

    return {"attention_mask": as_bounds(_bounds(position_ids_BL))}


def _bounds(position_ids_BL: torch.Tensor | int | bool) -> torch.Tensor:
    import torch

    assert isinstance(position_ids_BL, torch.Tensor)
    flat = position_ids_BL.reshape(-1)
    starts_D = torch.nonzero(flat == 0).flatten()
    return torch.cat([starts_D, starts_D.new_tensor([flat.numel()])]).to(torch.int32)


def _first_document(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row up to where its positions begin anew, which is where its padding begins."""
    starts = np.flatnonzero(np.asarray(row["position_ids"]) == 0)
    end = int(starts[1]) if len(starts) > 1 else len(row["input_ids"])
    return {key: np.asarray(row[key])[:end] for key in ("input_ids", "labels", "position_ids")}


def _stack(rows: Sequence[Mapping[str, Any]], key: str, length: int, filler: Any) -> torch.Tensor:
    import torch

    cells_BL = np.empty((len(rows), length), np.int64)
    for index, row in enumerate(rows):
        values = np.asarray(row[key])
        cells_BL[index, : len(values)] = values
        cells_BL[index, len(values) :] = filler(length - len(values))
    return torch.from_numpy(cells_BL)
