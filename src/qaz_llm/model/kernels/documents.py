"""Attention `documents`: rows of several documents without a dense mask, in every family that lets its attention be chosen.

transformers builds, for packed rows, a mask of L × L entries a row; with it attention computes what nobody may see, switches
flash attention off on a GPU, and takes most of the time of long rows on a CPU. Here a batch brings the bounds of its documents
in the mask's place: `attention_mask` of shape (1, 1, 1, N + 1), int32, which transformers hands through to the layers as it is.

    CPU                     document by document (document_op.py)
    GPU, 16 bit             torch's varlen_attn, flash attention over cumulative lengths
    capped scores           Gemma 2: document by document, with the scores written out
    no bounds in the batch  generation, evaluation: sdpa, with transformers' own mask

What it cannot do right is an error and not a wrong number: dropout, sinks, position biases, layers of another kind than full and
sliding attention, a sliding layer that does not say its window.

Shape legend: B rows, H heads of queries, G heads of keys and values, L tokens of a row, E width of a head, N documents.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import repeat_kv, sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.model.kernels.document_op import document_attention, spans

KNOWN_LAYERS = ("full_attention", "sliding_attention")

UNKNOWN_TERMS = ("s_aux", "sinks", "position_bias", "head_mask")
"""What some families add to their scores, and this attention would leave out."""


class UnsupportedAttentionError(ValueError):
    """A model asks for what attention `documents` does not compute."""


def register_documents() -> None:
    """Make `documents` a name that `attn_implementation` takes."""
    AttentionInterface.register(DOCUMENTS, attend)
    AttentionMaskInterface.register(DOCUMENTS, sdpa_mask)


def as_bounds(cumulative_N: torch.Tensor) -> torch.Tensor:
    """The bounds of documents in the form that goes in the mask's place: [0 3 5 6] → shape (1, 1, 1, 4), int32."""
    return cumulative_N.to(torch.int32).view(1, 1, 1, -1)


def is_bounds(mask: torch.Tensor | None) -> bool:
    return mask is not None and mask.dtype == torch.int32 and mask.shape[:3] == (1, 1, 1)


def attend(
    module: torch.nn.Module,
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    **others: Any,
) -> tuple[torch.Tensor, None]:
    """Attention as transformers calls it: the result (B, L, H, E) and no weights.

    Raises:
        UnsupportedAttentionError: the model asks for what this does not compute.
    """
    scale = query_BHLE.shape[-1] ** -0.5 if scaling is None else scaling
    if attention_mask is None or not is_bounds(attention_mask):
        if softcap is not None:
            return _capped(query_BHLE, key_BGLE, value_BGLE, attention_mask, scale, softcap), None
        found: torch.Tensor = sdpa_attention_forward(
            module, query_BHLE, key_BGLE, value_BGLE, attention_mask, dropout=dropout, scaling=scaling, **others
        )[0]
        return found, None
    _check(module, dropout, sliding_window, others)
    bounds_N = attention_mask.view(-1)
    query_BHLE, key_BGLE = query_BHLE.to(value_BGLE.dtype), key_BGLE.to(value_BGLE.dtype)  # rotary makes them float32
    if softcap is not None or value_BGLE.shape[-1] != query_BHLE.shape[-1]:
        return _written_out(query_BHLE, key_BGLE, value_BGLE, bounds_N, scale, sliding_window, softcap), None
    if query_BHLE.is_cuda:
        return _on_gpu(query_BHLE, key_BGLE, value_BGLE, bounds_N, scale, sliding_window), None
    return document_attention(query_BHLE, key_BGLE, value_BGLE, bounds_N, scale, sliding_window)[0], None


def _check(module: Any, dropout: float, window: int | None, others: dict[str, Any]) -> None:
    terms = [name for name in UNKNOWN_TERMS if others.get(name) is not None]
    if dropout or terms:
        what = f"dropout {dropout:g}" if dropout else terms[0]
        raise UnsupportedAttentionError(f"attention {DOCUMENTS} has no {what}")
    kinds, number = getattr(getattr(module, "config", None), "layer_types", None), getattr(module, "layer_idx", None)
    if kinds is None or number is None or number >= len(kinds):
        return
    if kinds[number] not in KNOWN_LAYERS:
        raise UnsupportedAttentionError(f"attention {DOCUMENTS} has no {kinds[number]}")
    if kinds[number] == "sliding_attention" and window is None:
        raise UnsupportedAttentionError(f"{type(module).__name__} does not tell attention {DOCUMENTS} its window")


def _on_gpu(
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    bounds_N: torch.Tensor,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """Flash attention over the rows laid end to end. No document is longer than a row, which is all that the kernel has to
    know: the longest of a batch would have to be fetched from the GPU."""
    from torch.nn.attention.varlen import varlen_attn

    B, H, L, E = query_BHLE.shape
    query, key, value = (t.transpose(1, 2).reshape(B * L, -1, E) for t in (query_BHLE, key_BGLE, value_BGLE))
    seen = (-1 if window is None else window - 1, 0)
    found = varlen_attn(
        query, key, value, bounds_N, bounds_N, L, L, scale=scale, window_size=seen, enable_gqa=key_BGLE.shape[1] != H
    )
    assert isinstance(found, torch.Tensor)
    return found.view(B, L, H, E)


def _written_out(
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    bounds_N: torch.Tensor,
    scale: float,
    window: int | None,
    softcap: float | None,
) -> torch.Tensor:
    """Document by document with the matrix of scores, for what no kernel takes: (B, L, H, E)."""
    pieces: list[torch.Tensor] = []
    for document, span in spans(bounds_N.tolist(), query_BHLE.shape[2], window):
        query, key, value = query_BHLE[span.queries], key_BGLE[span.keys], value_BGLE[span.keys]
        mask = span.mask(document, window, query)
        pieces.append(_capped(query, key, value, mask, scale, softcap).flatten(0, 1))
    whole: torch.Tensor = torch.cat(pieces)
    return whole.view(query_BHLE.shape[0], query_BHLE.shape[2], *whole.shape[1:])


def _capped(
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    mask: torch.Tensor | None,
    scale: float,
    softcap: float | None,
) -> torch.Tensor:
    """softmax(cap · tanh(scores / cap)) · values, causal where no mask says otherwise; (B, L, H, E).

    `mask`: True or 0 for what is seen. Scores are capped before they are masked (Gemma 2, arXiv 2408.00118, section 2).
    """
    groups = query_BHLE.shape[1] // key_BGLE.shape[1]
    key_BHLE, value_BHLE = repeat_kv(key_BGLE, groups), repeat_kv(value_BGLE, groups)
    scores = (query_BHLE @ key_BHLE.transpose(-1, -2)).float() * scale
    if softcap is not None:
        scores = softcap * torch.tanh(scores / softcap)
    if mask is None:
        queries, keys = scores.shape[-2:]
        mask = torch.ones(queries, keys, dtype=torch.bool, device=scores.device).tril(keys - queries)
    lowest = torch.finfo(scores.dtype).min  # not -inf: padding that sees nothing would become NaN, and spread
    scores = scores.masked_fill(~mask, lowest) if mask.dtype == torch.bool else scores + mask
    found: torch.Tensor = scores.softmax(-1).to(value_BHLE.dtype) @ value_BHLE
    return found.transpose(1, 2)
