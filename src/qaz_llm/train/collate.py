"""Packed rows as a batch, in the one form under which transformers keeps the documents of a row apart.

The trap: transformers finds the documents of a packed row from restarting `position_ids` only where there is no
attention mask and no cache. With a 2D mask of ones, or `use_cache` at its default, attention runs across documents, and
nothing warns. So a batch has `position_ids`, no `attention_mask`, and `use_cache=False`.

Shape legend: B rows, L tokens of the longest row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qaz_llm.records import IGNORE_INDEX

if TYPE_CHECKING:
    import torch


def collate(rows: Sequence[Mapping[str, Any]], *, pad_id: int = 0) -> dict[str, torch.Tensor | bool]:
    """Stack rows of `input_ids`, `labels`, `position_ids`; shorter ones are padded with a segment of their own.

    [5 6 7] and [8 9] → input_ids [[5 6 7] [8 9 P]], labels [[-100 6 7] [-100 9 -100]], position_ids [[0 1 2] [0 1 0]].
    """
    import torch

    length = max(len(row["input_ids"]) for row in rows)

    def stack(key: str, filler: Any) -> torch.Tensor:
        cells_BL = np.empty((len(rows), length), np.int64)
        for index, row in enumerate(rows):
            values = np.asarray(row[key])
            cells_BL[index, : len(values)] = values
            cells_BL[index, len(values) :] = filler(length - len(values))
        return torch.from_numpy(cells_BL)

    return {
        "input_ids": stack("input_ids", lambda n: np.full(n, pad_id)),
        "labels": stack("labels", lambda n: np.full(n, IGNORE_INDEX)),
        "position_ids": stack("position_ids", np.arange),
        "use_cache": False,
    }
