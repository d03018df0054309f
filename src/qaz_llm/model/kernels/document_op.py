"""Causal attention within documents, document by document: no mask, and no work on what a token must not see.

Documents lie one after the other in the rows of a batch, none over the end of a row. A document is one call of torch's
flash attention for CPUs, which keeps no matrix of probabilities; neighbouring rows that are one document each are one call
together. With a window of w tokens a document longer than w is
taken in blocks of w queries, each against the keys that one of them sees:

    window 2, document of 5 tokens        queries 0-1 against keys 0-1, 2-3 against 1-3, 4 against 3-4

Documents shorter than FLOAT32_BELOW are computed in float32 whatever they come in: measured on avx512_bf16 the kernel's
backward pass takes 1.1 to 5 times longer in bfloat16 there, and up to a fourth less from there on.

An operator of its own (`qaz::document_attention`), so that torch.compile leaves it whole and does not look at the bounds.

Shape legend: B rows, H heads of queries, G heads of keys and values, L tokens of a row, E width of a head, N documents.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

FLOAT32_BELOW = 512
"""Tokens of a document from which on bfloat16 stays bfloat16."""


@dataclass(frozen=True)
class Span:
    """Queries `start` to `end` of rows `row` to `below`, which see keys from `first` on; with a mask where they are not simply causal."""

    row: int
    below: int
    start: int
    end: int
    first: int

    @property
    def queries(self) -> tuple[slice, slice, slice]:
        return slice(self.row, self.below), slice(None), slice(self.start, self.end)

    @property
    def keys(self) -> tuple[slice, slice, slice]:
        return slice(self.row, self.below), slice(None), slice(self.first, self.end)

    def mask(self, document: int, window: int | None, like: torch.Tensor) -> torch.Tensor | None:
        """What is added to the scores (queries, keys): 0 for what is seen, -inf else; None where causal says it all."""
        if window is None or self.end - document <= window:
            return None
        queries_Q = torch.arange(self.start, self.end, device=like.device)[:, None]
        keys_K = torch.arange(self.first, self.end, device=like.device)[None]
        seen_QK = (keys_K <= queries_Q) & (keys_K > queries_Q - window)
        return torch.zeros(seen_QK.shape, dtype=like.dtype, device=like.device).masked_fill_(~seen_QK, -torch.inf)


def spans(bounds: list[int], length: int, window: int | None) -> Iterator[tuple[int, Span]]:
    """The pieces that are computed at once, each with the position in its row at which its document begins.

    >>> [(s.start, s.end, s.first) for _, s in spans([0, 5], 5, 2)]
    [(0, 2, 0), (2, 4, 1), (4, 5, 3)]
    >>> [(s.row, s.below) for _, s in spans([0, 5, 10, 12, 15], 5, None)]
    [(0, 2), (2, 3), (2, 3)]
    """
    first_whole = None  # of rows that are one document each, and wait to be taken together
    for begin, stop in pairwise([*bounds, bounds[-1] + 1]):  # the last is no document: it ends what waits
        row, document = divmod(begin, length)
        is_whole = stop - begin == length and window is None
        if is_whole:
            first_whole = row if first_whole is None else first_whole
            continue
        if first_whole is not None:
            yield 0, Span(first_whole, row, 0, length, 0)
            first_whole = None
        if begin < bounds[-1]:
            yield from _pieces_of(row, document, document + stop - begin, window)


def _pieces_of(row: int, document: int, end: int, window: int | None) -> Iterator[tuple[int, Span]]:
    step = end - document if window is None else window
    for start in range(document, end, step):
        first = document if window is None else max(document, start - window + 1)
        yield document, Span(row, row + 1, start, min(start + step, end), first)


@torch.library.custom_op("qaz::document_attention", mutates_args=())
def document_attention(
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    bounds_N: torch.Tensor,
    scale: float,
    window: int | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Attention of each document to itself, (B, L, H, E), and the logarithm of each query's sum of weights, (B, H, L).

    `bounds_N`: where documents begin in all rows laid end to end, and where the last one ends. `window`: how many tokens
    one sees, itself included; None: all before it.
    """
    B, H, L, E = query_BHLE.shape
    result_BLHE = query_BHLE.new_empty(B, L, H, E)
    sums_BHL = query_BHLE.new_empty(B, H, L, dtype=torch.float32)
    for document, span in spans(bounds_N.tolist(), L, window):
        query, key, value = _pieces(span, query_BHLE, key_BGLE, value_BGLE)
        mask = span.mask(document, window, query)
        found, sums = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, mask is None, attn_mask=mask, scale=scale
        )
        result_BLHE[span.row : span.below, span.start : span.end] = found.transpose(1, 2)
        sums_BHL[span.queries] = sums
    return result_BLHE, sums_BHL


@document_attention.register_fake
def _shapes(
    query_BHLE: torch.Tensor, key: torch.Tensor, value: torch.Tensor, bounds: torch.Tensor, scale: float, window: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    B, H, L, E = query_BHLE.shape
    return query_BHLE.new_empty(B, L, H, E), query_BHLE.new_empty(B, H, L, dtype=torch.float32)


@torch.library.custom_op("qaz::document_attention_backward", mutates_args=())
def document_attention_backward(
    gradient_BLHE: torch.Tensor,
    query_BHLE: torch.Tensor,
    key_BGLE: torch.Tensor,
    value_BGLE: torch.Tensor,
    result_BLHE: torch.Tensor,
    sums_BHL: torch.Tensor,
    bounds_N: torch.Tensor,
    scale: float,
    window: int | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The gradients of query, key and value."""
    whole = query_BHLE, key_BGLE, value_BGLE
    make = torch.empty_like if window is None else torch.zeros_like
    query, key, value = (make(tensor, memory_format=torch.contiguous_format) for tensor in whole)
    gradients = query, key, value
    for document, span in spans(bounds_N.tolist(), query_BHLE.shape[2], window):
        pieces = _pieces(span, *whole)
        mask = span.mask(document, window, pieces[0])
        above, result = (
            tensor[span.row : span.below, span.start : span.end].transpose(1, 2).to(pieces[0].dtype)
            for tensor in (gradient_BLHE, result_BLHE)
        )
        found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
            above, *pieces, result, sums_BHL[span.queries], 0.0, mask is None, attn_mask=mask, scale=scale
        )
        for gradient, part, where in zip(gradients, found, (span.queries, span.keys, span.keys), strict=True):
            if window is None:
                gradient[where] = part
            else:
                gradient[where] += part  # keys of a window are seen from two blocks
    return gradients


@document_attention_backward.register_fake
def _gradient_shapes(
    gradient: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *_: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    query, key, value = (torch.empty_like(t, memory_format=torch.contiguous_format) for t in (query, key, value))
    return query, key, value


def _pieces(span: Span, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Query, key and value of a span, in the type they are computed in."""
    short = span.end - span.first < FLOAT32_BELOW
    found = query[span.queries], key[span.keys], value[span.keys]
    return tuple(piece.float() for piece in found) if short else found


def _keep(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, torch.Tensor]) -> None:
    query, key, value, bounds, ctx.scale, ctx.window = inputs
    ctx.save_for_backward(query, key, value, *output, bounds)
    ctx.mark_non_differentiable(output[1])


def _backward(ctx: Any, gradient_BLHE: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
    query, key, value, result, sums, bounds = ctx.saved_tensors
    found = document_attention_backward(gradient_BLHE, query, key, value, result, sums, bounds, ctx.scale, ctx.window)
    return *found, None, None, None


document_attention.register_autograd(_backward, setup_context=_keep)
