"""RMSNorm that keeps its input and one number a token for the backward pass, and not what lies between.

    y = w · x̂,   x̂ = x · r,   r = (mean(x²) + ε)^−½                                     arXiv 1910.07467
    dL/dw = Σ_tokens g · x̂        dL/dx = r · (g·w − x̂ · mean(g·w·x̂))                   g = dL/dy

Written out in torch as the families do, x̂ is kept beside x: as large as the stream, twice in each block. Here it is computed again.

A family may have 1 + w in place of w (Gemma), and may round x̂ to the stream's type before the product (Llama) or after it (Gemma,
OLMo 2). Which it does is seen by asking the module itself; one that does neither is left as it is.

Shape legend: B rows, L tokens, D width; a norm of heads has D = the head's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Form:
    """How a family writes it: ε, whether 1 is added to the weight, and whether x̂ is rounded before the product."""

    eps: float
    adds_one: bool
    rounds_first: bool


class _RMSNorm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x_BLD: torch.Tensor, weight_D: torch.Tensor, form: Form) -> torch.Tensor:
        wide_BLD = x_BLD.float()
        r_BL1 = torch.rsqrt(wide_BLD.pow(2).mean(-1, keepdim=True) + form.eps)
        ctx.save_for_backward(x_BLD, weight_D, r_BL1)
        ctx.form = form
        return _scaled(wide_BLD.mul(r_BL1), weight_D, form, x_BLD.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, torch.Tensor | None, None]:
        x_BLD, weight_D, r_BL1 = ctx.saved_tensors
        wide_BLD, g_BLD = x_BLD.float(), grads[0].float()
        hat_BLD = wide_BLD.mul(r_BL1)
        grad_weight = None
        if ctx.needs_input_grad[1]:
            seen_BLD = hat_BLD.to(x_BLD.dtype).float() if ctx.form.rounds_first else hat_BLD
            grad_weight = (g_BLD * seen_BLD).flatten(0, -2).sum(0).to(weight_D.dtype)
        grad_x = None
        if ctx.needs_input_grad[0]:
            factor_D = weight_D.float() + 1 if ctx.form.adds_one else weight_D.float()
            g_BLD = g_BLD * factor_D
            along_BL1 = (g_BLD * hat_BLD).mean(-1, keepdim=True)
            grad_x = g_BLD.sub_(hat_BLD.mul_(along_BL1)).mul_(r_BL1).to(x_BLD.dtype)
        return grad_x, grad_weight, None


def _scaled(hat_BLD: torch.Tensor, weight_D: torch.Tensor, form: Form, dtype: torch.dtype) -> torch.Tensor:
    if form.rounds_first:
        return weight_D * hat_BLD.to(dtype)
    factor_D = weight_D.float() + 1 if form.adds_one else weight_D
    return (factor_D * hat_BLD).to(dtype)


def keep_less(model: Any) -> int:
    """Let every RMSNorm of a known form compute so, in place, by its own weight; how many."""
    forms: dict[tuple[Any, ...], Form | None] = {}
    count = 0
    for module in model.modules():
        if not may_keep_less(module):
            continue
        kind = (type(module), eps_of(module), module.weight.dtype)
        if kind not in forms:
            forms[kind] = form_of(module)
        form = forms[kind]
        if form is not None:
            module.forward = partial(_forward, module, form)
            count += 1
    return count


def may_keep_less(module: Any) -> bool:
    """Whether a module is an RMSNorm with a weight, by the name of its class; torch's own keeps little by itself."""
    name = type(module).__name__
    return (
        name.endswith("RMSNorm")
        and type(module) is not torch.nn.RMSNorm
        and getattr(module, "weight", None) is not None
    )


def _forward(module: Any, form: Form, x_BLD: torch.Tensor) -> torch.Tensor:
    found: torch.Tensor = _RMSNorm.apply(x_BLD, module.weight, form)  # type: ignore[no-untyped-call]
    return found


def eps_of(module: Any) -> float | None:
    """ε by any of the names that families give it; None where it has none."""
    found = (getattr(module, name, None) for name in ("variance_epsilon", "eps"))
    return next((float(value) for value in found if isinstance(value, (int, float))), None)


def form_of(module: Any) -> Form | None:
    """The form whose result is the module's own, on a few numbers and with a weight unlike any other; None where there is none.

    In float32 that tells what is added to the weight, in bfloat16 where it rounds.
    """
    eps, width = eps_of(module), module.weight.numel()
    if eps is None or module.weight.dim() != 1:
        return None
    x_1LD = torch.linspace(-2, 3, 5 * width).view(1, 5, width)
    own = module.weight.data
    try:
        module.weight.data = torch.linspace(0.3, 1.7, width)
        found = [Form(eps, one, first) for one in (False, True) for first in (True, False) if not (one and first)]
        return next((form for form in found if _is_so(module, form, x_1LD)), None)
    finally:
        module.weight.data = own


def _is_so(module: Any, form: Form, x_1LD: torch.Tensor) -> bool:
    with torch.no_grad():
        for dtype, near in ((torch.float32, TOLERANCE), (torch.bfloat16, 0.0)):
            x = x_1LD.to(dtype)
            theirs, ours = module(x), _RMSNorm.apply(x, module.weight, form)  # type: ignore[no-untyped-call]
            if theirs.dtype != ours.dtype or not torch.allclose(theirs.float(), ours.float(), rtol=near, atol=near):
                return False
    return True
