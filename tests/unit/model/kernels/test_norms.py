"""Norms that keep less, against the families' own: results, gradients, and what stays in memory."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.olmo2.modeling_olmo2 import Olmo2RMSNorm
from transformers.models.qwen3.modeling_qwen3 import Qwen3RMSNorm

from qaz_llm.model.kernels.norms import Form, form_of, keep_less

FAMILIES = {
    LlamaRMSNorm: Form(1e-5, adds_one=False, rounds_first=True),
    Qwen3RMSNorm: Form(1e-5, adds_one=False, rounds_first=True),
    Olmo2RMSNorm: Form(1e-5, adds_one=False, rounds_first=False),
    Gemma2RMSNorm: Form(1e-5, adds_one=True, rounds_first=False),
    Gemma3RMSNorm: Form(1e-5, adds_one=True, rounds_first=False),
}


def norm(family: type, width: int = 24) -> Any:
    torch.manual_seed(0)
    made = family(width, eps=1e-5)
    torch.nn.init.normal_(made.weight, 0.5, 0.3)
    return made


def learnt(module: Any, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
    x = x.clone().requires_grad_()
    made = module(x)
    made.float().mul(torch.linspace(-1, 1, made.numel()).view_as(made)).sum().backward()
    return made.detach(), x.grad, module.weight.grad


@pytest.mark.parametrize(("family", "form"), FAMILIES.items())
def test_the_form_is_seen_and_the_weight_left_as_it_was(family: type, form: Form) -> None:
    module = norm(family)
    before = module.weight.detach().clone()
    assert form_of(module) == form
    assert torch.equal(module.weight, before) and module.weight.requires_grad


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("family", FAMILIES)
def test_results_and_gradients_are_the_familys_own(family: type, dtype: torch.dtype) -> None:
    theirs = norm(family).to(dtype)
    ours = copy.deepcopy(theirs)
    assert keep_less(torch.nn.Sequential(ours)) == 1
    x = torch.randn(2, 7, 24, dtype=dtype) * 3
    near = {"atol": 2e-6, "rtol": 2e-6} if dtype == torch.float32 else {"atol": 3e-2, "rtol": 3e-2}
    for found, expected in zip(learnt(ours, x), learnt(theirs, x), strict=True):
        assert found.dtype == expected.dtype
        torch.testing.assert_close(found, expected, **near)
    assert torch.equal(ours(x), theirs(x)) or dtype == torch.float32  # rounded in the same place


def test_gradients_by_differences_of_the_function_itself() -> None:
    module = norm(Gemma3RMSNorm, 5)
    keep_less(torch.nn.Sequential(module))
    x, step = torch.randn(1, 2, 5) * 2, 1e-2
    _, grad, _ = learnt(module, x)
    scale = torch.linspace(-1, 1, 10).view(1, 2, 5)
    for place in range(5):
        moved = [x.clone(), x.clone()]
        moved[0][0, 0, place] += step
        moved[1][0, 0, place] -= step
        ahead, behind = (float((module(m) * scale).sum().detach()) for m in moved)
        assert float(grad[0, 0, place]) == pytest.approx((ahead - behind) / (2 * step), abs=2e-3)


def test_a_frozen_weight_gets_no_gradient_and_x_does() -> None:
    module = norm(LlamaRMSNorm)
    module.weight.requires_grad_(False)
    keep_less(torch.nn.Sequential(module))
    x = torch.randn(1, 3, 24, requires_grad=True)
    module(x).sum().backward()
    assert module.weight.grad is None and x.grad is not None


def test_what_stays_is_the_input_and_a_number_a_token() -> None:
    module, kept = norm(LlamaRMSNorm), []
    keep_less(torch.nn.Sequential(module))
    x = torch.randn(2, 7, 24, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        module(x)
    assert sorted(t.numel() for t in kept) == [14, 24, 2 * 7 * 24]
    assert any(t.data_ptr() == x.data_ptr() for t in kept)


def test_what_is_another_norm_is_left_alone() -> None:
    class OddRMSNorm(LlamaRMSNorm):
        def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
            return super().forward(hidden_states) * 2

    others = torch.nn.Sequential(norm(OddRMSNorm), CohereLayerNorm(24), torch.nn.LayerNorm(24), torch.nn.RMSNorm(24))
    assert keep_less(others) == 0
    assert all("forward" not in vars(module) for module in others)
