"""Frozen layers and their adapters as few products, against the formula written out, and against differences."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import linear

from qaz_llm.model.kernels.lora_products import Adapted, lora_products, product_dtype

SHAPES = ((7, 3), (5, 2), (4, 3))
"""Outputs and rank of each layer that reads the input, which has 6 numbers."""


def layers(count: int, dtype: torch.dtype = torch.float64, *, adapters: torch.dtype | None = None) -> list[Adapted]:
    torch.manual_seed(0)
    made = []
    for number, (outputs, rank) in enumerate(SHAPES[:count]):
        weight, bias = torch.randn(outputs, 6), torch.randn(outputs) if number == 1 else None
        a, b = (torch.randn(shape).to(adapters or dtype).requires_grad_() for shape in ((rank, 6), (outputs, rank)))
        made.append(Adapted(weight.to(dtype), None if bias is None else bias.to(dtype), a, b, 0.5 + number))
    return made


def written_out(x: torch.Tensor, layer: Adapted) -> torch.Tensor:
    return linear(x, layer.weight, layer.bias) + linear(linear(x, layer.a), layer.b) * layer.scale


def gradients(results: tuple[torch.Tensor, ...], x: torch.Tensor, found: list[Adapted]) -> list[torch.Tensor]:
    loss = sum((y * torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)).sum() for y in results)
    return list(torch.autograd.grad(loss, [x, *(one for layer in found for one in (layer.a, layer.b))]))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_and_gradients_are_those_of_the_formula(count: int) -> None:
    found = layers(count)
    x = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    results, expected = lora_products(x, found, x.dtype), tuple(written_out(x, layer) for layer in found)
    for one, other in zip(results, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)
    for one, other in zip(gradients(results, x, found), gradients(expected, x, found), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_gradients_by_differences() -> None:
    found = layers(2)
    x = torch.randn(3, 6, dtype=torch.float64, requires_grad=True)
    trained = [one for layer in found for one in (layer.a, layer.b)]

    def of(x: torch.Tensor, *_: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return lora_products(x, found, x.dtype)

    assert torch.autograd.gradcheck(of, (x, *trained))


def test_one_result_alone_may_be_used_and_x_may_want_no_gradient() -> None:
    found = layers(3)
    x = torch.randn(2, 6, dtype=torch.float64)
    lora_products(x, found, x.dtype)[1].sum().backward()
    assert found[1].a.grad is not None and float(found[1].a.grad.abs().max()) > 0
    assert all(float(found[other].a.grad.abs().max()) == 0 for other in (0, 2))


def test_what_is_kept_is_the_input_once_and_what_lies_between_a_and_b() -> None:
    found, kept = layers(3), []
    x = torch.randn(2, 5, 6, dtype=torch.float64, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
        lora_products(x, found, x.dtype)
    assert [t.shape for t in kept if t.shape[0] in (2, 10)] == [(2, 5, 6), (10, 3 + 2 + 3)]
    assert len(kept) == 2 + 1 + 2 * 3, "x, z, all A in one, and each layer's weight and B"


def test_float32_adapters_beside_a_16_bit_layer_get_float32_gradients() -> None:
    found = layers(2, torch.bfloat16, adapters=torch.float32)
    x = torch.randn(2, 40, 6, dtype=torch.bfloat16, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        dtype = product_dtype(x, found)
        results = lora_products(x, found, torch.bfloat16)
    assert dtype == torch.bfloat16 and all(y.dtype == torch.bfloat16 for y in results)
    made = gradients(results, x, found)
    assert [one.dtype for one in made] == [torch.bfloat16] + [torch.float32] * 4
    exact = [Adapted(*(None if t is None else t.detach().double() for t in (one.weight, one.bias)),
                     *(t.detach().double().requires_grad_() for t in (one.a, one.b)), one.scale) for one in found]  # fmt: skip
    wide = x.detach().double().requires_grad_()
    expected = gradients(tuple(written_out(wide, one) for one in exact), wide, exact)
    for one, other in zip(made, expected, strict=True):
        assert float((one.double() - other).norm() / other.norm()) < 2e-2


def test_types_that_are_mixed_without_autocast_are_not_taken() -> None:
    mixed = layers(1, torch.bfloat16, adapters=torch.float32)
    x = torch.randn(2, 6)
    assert product_dtype(x.bfloat16(), mixed) is None
    assert product_dtype(x, layers(1, torch.float32)) == torch.float32
