"""Frozen layers that read one input, with their low-rank adapters, as few products.

    z = x [A_1; A_2; …]ᵀ                one product for all adapters of the input
    y_i = x W_iᵀ + b_i + s_i z_i B_iᵀ   the second term is added in place, by the product itself

    dz_i = s_i g_i B_i,   dB_i = s_i g_iᵀ z_i            g_i = dL/dy_i
    dA = dzᵀ x,           dx = Σ_i g_i W_i + dz A        one product each for A and dz, again added in place

PEFT's own way has five products a layer beside the two of the frozen weight, a pass over y to scale and one to add, in float32 masters
under autocast two casts of x a layer, and adds up the gradients of x one by one. Here x, z and the adapters in the type of the products
are kept for the backward pass and nothing else; a frozen weight gets no gradient.

Shape legend: B rows, L tokens, T all tokens, D width of the input, O width of an output, R ranks of all adapters of the input, r of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import linear


@dataclass(frozen=True)
class Adapted:
    """A frozen layer (weight O × D, bias O or None) and the adapter beside it: A r × D, B O × r, s = `scale`."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    a: torch.Tensor
    b: torch.Tensor
    scale: float


def product_dtype(x: torch.Tensor, layers: Sequence[Adapted]) -> torch.dtype | None:
    """The type that all is multiplied in: autocast's, or the one type of all; None where types are mixed without autocast."""
    if torch.is_autocast_enabled(x.device.type):
        return torch.get_autocast_dtype(x.device.type)
    same = all(tensor.dtype == x.dtype for layer in layers for tensor in (layer.weight, layer.a, layer.b))
    return x.dtype if same else None


def lora_products(x: torch.Tensor, layers: Sequence[Adapted], dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    """What each layer with its adapter makes of x, … × O, in `dtype`; gradients reach x, A and B."""
    tensors = [tensor for layer in layers for tensor in (layer.weight, layer.bias, layer.a, layer.b)]
    scales = tuple(layer.scale for layer in layers)
    made: tuple[torch.Tensor, ...] = _LoraProducts.apply(x, dtype, scales, *tensors)  # type: ignore[no-untyped-call]
    return made


class _LoraProducts(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, x: torch.Tensor, dtype: torch.dtype, scales: tuple[float, ...], *tensors: Any
    ) -> tuple[torch.Tensor, ...]:
        weights, biases, a, b = (tensors[start::4] for start in range(4))
        ranks = [one.shape[0] for one in a]
        ctx.types = x.dtype, [one.dtype for one in a], [one.dtype for one in b]
        x, b = x.to(dtype), tuple(one.to(dtype) for one in b)
        a_RD = (torch.cat(a) if len(a) > 1 else a[0]).to(dtype)
        z_TR = x.reshape(-1, x.shape[-1]).mm(a_RD.t())
        outputs = []
        for z_Tr, weight, bias, b_Or, scale in zip(
            z_TR.split_with_sizes(ranks, 1), weights, biases, b, scales, strict=True
        ):
            y = linear(x, weight.to(dtype), None if bias is None else bias.to(dtype))
            y.view(-1, y.shape[-1]).addmm_(z_Tr, b_Or.t(), alpha=scale)
            outputs.append(y)
        ctx.save_for_backward(x, z_TR, a_RD, *weights, *b)
        ctx.ranks, ctx.scales, ctx.dtype = ranks, scales, dtype
        return tuple(outputs)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x, z_TR, a_RD, *rest = ctx.saved_tensors
        weights, b = rest[: len(grads)], rest[len(grads) :]
        x_dtype, a_dtypes, b_dtypes = ctx.types
        grads_TO = [grad.reshape(-1, grad.shape[-1]) for grad in grads]
        dz, db = [], []
        for g_TO, z_Tr, b_Or, scale in zip(grads_TO, z_TR.split_with_sizes(ctx.ranks, 1), b, ctx.scales, strict=True):
            dz.append(_scaled_product(g_TO, b_Or, scale, like=z_Tr))
            db.append(_scaled_product(g_TO.t(), z_Tr, scale, like=b_Or))
        dz_TR = torch.cat(dz, 1) if len(dz) > 1 else dz[0]
        da = dz_TR.t().mm(x.reshape(-1, x.shape[-1])).to(a_dtypes[0]).split_with_sizes(ctx.ranks)
        dx = None
        if ctx.needs_input_grad[0]:
            dx_TD = dz_TR.mm(a_RD)
            for g_TO, weight in zip(grads_TO, weights, strict=True):
                dx_TD.addmm_(g_TO, weight.to(ctx.dtype))
            dx = dx_TD.view_as(x).to(x_dtype)
        of_layers: list[torch.Tensor | None] = []
        for da_rD, a_dtype, db_Or, b_dtype in zip(da, a_dtypes, db, b_dtypes, strict=True):
            of_layers += [None, None, da_rD.to(a_dtype), db_Or.to(b_dtype)]
        return dx, None, None, *of_layers


def _scaled_product(left: torch.Tensor, right: torch.Tensor, scale: float, *, like: torch.Tensor) -> torch.Tensor:
    """Scale · left right, scaled by the product itself; of `like` nothing counts but its shape."""
    return torch.addmm(like, left, right, beta=0, alpha=scale)
