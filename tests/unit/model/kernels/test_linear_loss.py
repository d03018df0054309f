"""The loss in blocks against logits in float64, and against torch's own chunked one.

Shape legend: T tokens, V vocabulary, D hidden size, R rows that are trained.
"""

import pytest
import torch
from torch.nn.functional import cross_entropy

from qaz_llm.model.kernels import linear_loss as module
from qaz_llm.model.kernels.linear_loss import LogitScaling, Table, linear_loss

T, V, D = 23, 50, 8
PLAIN = LogitScaling()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seven tokens a block of gradients, three a block of logits: neither divides 23."""
    monkeypatch.setattr(module, "GRADIENT_BYTES", {"cpu": 4 * V * 7})
    monkeypatch.setattr(module, "LOGITS_BYTES", {"cpu": 4 * V * 3})


def problem():
    torch.manual_seed(2)
    targets_T = torch.randint(0, V, (T,))
    targets_T[[0, 9, T - 1]] = -100
    return torch.randn(T, D), torch.randn(V, D), targets_T


def from_logits(states, table, targets, scaling=PLAIN):
    logits = states @ table.t() * scaling.factor
    if scaling.cap is not None:
        logits = scaling.cap * torch.tanh(logits / scaling.cap)
    return cross_entropy(logits, targets, reduction="none", ignore_index=-100)


@pytest.mark.parametrize(
    "scaling", [PLAIN, LogitScaling(0.25), LogitScaling(1.0, 5.0), LogitScaling(2.0, 3.0)], ids=str
)
def test_equals_the_logits_of_all_tokens(scaling: LogitScaling) -> None:
    states, table, targets = problem()
    mine, theirs = (
        [tensor.detach().clone().to(dtype).requires_grad_() for tensor in (states, table)]
        for dtype in (torch.float32, torch.float64)
    )
    total, nll_T = linear_loss(mine[0], Table(mine[1]), targets, scaling=scaling)
    (total / 7).backward()
    expected_T = from_logits(*theirs, targets, scaling)
    (expected_T.sum() / 7).backward()
    torch.testing.assert_close(nll_T.double(), expected_T, atol=2e-6, rtol=1e-6)
    assert float(total.detach()) == pytest.approx(float(expected_T.detach().sum()), rel=1e-6)
    assert nll_T[0] == 0 and not nll_T.requires_grad
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad.double(), other.grad, atol=1e-6, rtol=1e-5)


def test_equals_torchs_own_chunked_loss() -> None:
    if not hasattr(torch.nn.functional, "linear_cross_entropy"):
        pytest.skip("this torch has none")
    states, table, targets = problem()
    mine, theirs = ([tensor.clone().requires_grad_() for tensor in (states, table)] for _ in range(2))
    linear_loss(mine[0], Table(mine[1]), targets, scaling=PLAIN)[0].backward()
    options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=5)
    loss = torch.nn.functional.linear_cross_entropy(
        *theirs, targets, reduction="sum", ignore_index=-100, options=options
    )
    loss.backward()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=2e-6, rtol=1e-5)


def test_only_the_rows_of_new_tokens_get_a_gradient_and_it_is_theirs() -> None:
    states, table, targets = problem()
    index_R = torch.tensor([3, 17, 44])
    frozen, rows_RD = table.clone(), torch.randn(3, D).requires_grad_()
    linear_loss(states, Table(frozen, rows_RD, index_R), targets, scaling=PLAIN)[0].backward()
    assert frozen.grad is None
    whole = table.double().index_copy(0, index_R, rows_RD.detach().double()).requires_grad_()
    from_logits(states.double(), whole, targets).sum().backward()
    torch.testing.assert_close(rows_RD.grad.double(), whole.grad[index_R], atol=1e-6, rtol=1e-5)


def test_under_autocast_products_are_bfloat16_and_gradients_come_in_the_types_of_what_they_are_of() -> None:
    states, table, targets = problem()
    states, table = states.requires_grad_(), table.requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        total, nll_T = linear_loss(states, Table(table), targets, scaling=PLAIN)
    total.backward()
    assert states.grad.dtype == table.grad.dtype == nll_T.dtype == torch.float32
    exact = [states.detach().bfloat16().double().requires_grad_(), table.detach().bfloat16().double().requires_grad_()]
    expected_T = from_logits(*exact, targets)
    expected_T.sum().backward()
    torch.testing.assert_close(nll_T.double(), expected_T, atol=0.05, rtol=0.01)
    torch.testing.assert_close(table.grad.double(), exact[1].grad, atol=0.05, rtol=0.05)


def test_without_gradients_the_same_losses_and_nothing_kept() -> None:
    states, table, targets = problem()
    with torch.no_grad():
        total, nll_T = linear_loss(states, Table(table.requires_grad_()), targets, scaling=PLAIN)
    assert not total.requires_grad
    torch.testing.assert_close(nll_T, from_logits(states, table.detach(), targets), atol=1e-5, rtol=1e-5)


def test_a_second_pass_over_the_same_graph_is_an_error_and_not_a_wrong_gradient() -> None:
    states, table, targets = problem()
    total, _ = linear_loss(states.requires_grad_(), Table(table), targets, scaling=PLAIN)
    total.backward(retain_graph=True)
    with pytest.raises(AttributeError):
        total.backward()


def test_no_tokens_and_none_learned() -> None:
    table = torch.randn(V, D).requires_grad_()
    for count in (0, 4):
        total, nll_T = linear_loss(torch.randn(count, D), Table(table), torch.full((count,), -100), scaling=PLAIN)
        total.backward()
        assert float(total.detach()) == 0 and nll_T.tolist() == [0.0] * count
    assert not table.grad.any()
