"""Attention within documents against its definition in float64, forward and backward.

Shape legend: B rows, H heads, G heads of keys and values, L tokens of a row, E width of a head.
"""

import pytest
import torch

from qaz_llm.model.kernels import document_op
from qaz_llm.model.kernels.document_op import document_attention, spans

BOUNDS = [0, 5, 6, 40, 48, 60, 96]
L, H, E = 48, 4, 16


def by_definition(query, key, value, bounds, scale, window):
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    B = len(query)
    owner_BL = torch.bucketize(torch.arange(B * L), torch.tensor(bounds), right=True).view(B, L)
    place_L = torch.arange(L)
    seen = (owner_BL[:, :, None] == owner_BL[:, None]) & (place_L[:, None] >= place_L)
    if window is not None:
        seen &= place_L[:, None] - place_L < window
    scores = (query @ key.transpose(-1, -2) * scale).masked_fill(~seen[:, None], -torch.inf)
    return (scores.softmax(-1) @ value).transpose(1, 2)


def tensors(groups: int, dtype: torch.dtype = torch.float32):
    torch.manual_seed(1)
    shapes = ((2, L, H, E), (2, L, groups, E), (2, L, groups, E))
    return [torch.randn(shape).to(dtype).transpose(1, 2).requires_grad_() for shape in shapes], torch.randn(2, L, H, E)


@pytest.mark.parametrize("window", [None, 1, 7, 16, 100])
@pytest.mark.parametrize("groups", [4, 2, 1])
def test_equals_the_definition_forward_and_backward(groups: int, window: int | None) -> None:
    inputs, above = tensors(groups)
    result = document_attention(*inputs, torch.tensor(BOUNDS, dtype=torch.int32), 0.3, window)[0]
    result.backward(above)
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = by_definition(*exact, BOUNDS, 0.3, window)
    expected.backward(above.double())
    torch.testing.assert_close(result.double(), expected, atol=2e-6, rtol=1e-5)
    for one, other in zip(inputs, exact, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize("float32_below", [0, 512])
def test_bfloat16_whether_short_documents_are_computed_in_float32_or_not(monkeypatch, float32_below: int) -> None:
    monkeypatch.setattr(document_op, "FLOAT32_BELOW", float32_below)
    inputs, above = tensors(2, torch.bfloat16)
    result = document_attention(*inputs, torch.tensor(BOUNDS, dtype=torch.int32), 0.25, None)[0]
    assert result.dtype == torch.bfloat16
    result.backward(above.bfloat16())
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = by_definition(*exact, BOUNDS, 0.25, None)
    expected.backward(above.double())
    torch.testing.assert_close(result.double(), expected, atol=2e-2, rtol=2e-2)
    for one, other in zip(inputs, exact, strict=True):
        assert one.grad.dtype == torch.bfloat16
        torch.testing.assert_close(one.grad.double(), other.grad, atol=6e-2, rtol=3e-2)


def test_every_token_is_a_query_once_and_sees_all_that_it_may() -> None:
    for window in (None, 1, 2, 5, 64):
        found = list(spans(BOUNDS, L, window))
        queries = [(row, at) for _, s in found for row in range(s.row, s.below) for at in range(s.start, s.end)]
        assert sorted(queries) == [(row, at) for row in range(2) for at in range(L)]
        for document, span in found:
            for at in range(span.start, span.end):
                assert span.first <= max(document, at - (window or L) + 1)


@pytest.mark.parametrize("bounds", [[0, 48, 96], [0, 10, 48, 96], [0, 48, 50, 96]])
def test_rows_that_are_one_document(bounds: list[int]) -> None:
    inputs, above = tensors(2)
    result = document_attention(*inputs, torch.tensor(bounds, dtype=torch.int32), 0.3, None)[0]
    result.backward(above)
    exact = [tensor.detach().double().requires_grad_() for tensor in inputs]
    expected = by_definition(*exact, bounds, 0.3, None)
    expected.backward(above.double())
    torch.testing.assert_close(result.double(), expected, atol=2e-6, rtol=1e-5)
    for one, other in zip(inputs, exact, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, atol=5e-6, rtol=1e-5)


def test_the_operator_says_its_shapes_and_derivatives_right() -> None:
    """The checks that torch has of an operator: schema, fake tensors, autograd, as torch.compile takes it."""
    inputs, _ = tensors(2)
    arguments = (*inputs, torch.tensor(BOUNDS, dtype=torch.int32), 0.25, 7)
    torch.library.opcheck(
        document_attention, arguments, test_utils=("test_schema", "test_faketensor", "test_autograd_registration")
    )
