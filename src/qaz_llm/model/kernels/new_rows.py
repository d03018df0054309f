"""Rows of new tokens looked up beside the frozen table, not put into a copy of it.

PEFT puts trained rows into a copy of the whole table at every forward pass, and gets a gradient of the whole table back, of which it
takes those rows: 2 GB a micro-batch, for 128 k tokens of 4,096 numbers in 16 bit. Here the frozen table is read as it is, and where a token is new
its own row is taken in place. The output table does likewise (linear_loss.py).

    ids [3 7 4], new tokens 7 and 9   →   rows of the table 3 and 4, row 0 of the new ones

Shape legend: B rows, L tokens, D hidden size, R new rows, V vocabulary.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch
from torch.nn.functional import embedding


def look_up_apart(model: Any) -> bool:
    """Let a PEFT model's input table be read so; False where it has no trained rows of its own, or is no plain table."""
    adapter = getattr(model.get_input_embeddings(), "token_adapter", None)
    if adapter is None or len(adapter.active_adapters) != 1:
        return False
    table = adapter.base_layer
    if not isinstance(table, torch.nn.Embedding) or table.max_norm is not None or table.weight.requires_grad:
        return False
    (name,) = adapter.active_adapters
    place_V = torch.full((table.num_embeddings,), -1)
    place_V[list(adapter.token_indices[name])] = torch.arange(len(adapter.token_indices[name]))
    places = {place_V.device: place_V}
    as_before = adapter.forward

    @wraps(as_before)
    def forward(ids_BL: torch.Tensor, *rest: Any, **named: Any) -> Any:
        if adapter.disable_adapters or adapter.merged or tuple(adapter.active_adapters) != (name,):
            return as_before(ids_BL, *rest, **named)
        if ids_BL.device not in places:
            places[ids_BL.device] = place_V.to(ids_BL.device)
        place_BL = places[ids_BL.device][ids_BL]
        read_BLD = table(ids_BL)
        rows_BLD = embedding(place_BL.clamp(min=0), adapter.trainable_tokens_delta[name]).to(read_BLD.dtype)
        scale = adapter._get_embed_scale()  # Gemma's tables multiply what is read from them
        rows_BLD = rows_BLD if scale is None else rows_BLD * scale.to(rows_BLD.dtype)
        return torch.where(place_BL[..., None] >= 0, rows_BLD, read_BLD)

    adapter.forward = forward
    return True
