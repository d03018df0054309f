"""The loss of the output table without the logits of all tokens: made, and turned into gradients, block by block.

Full logits of a micro-batch of T tokens take 4 T V bytes, several times over: 33.6 GB for 4 × 4,096 tokens and 128 k rows. Here a
block of tokens is taken at a time. Its logits become softmax(z) - onehot, which is the gradient of the summed loss, and that is
multiplied with table and states at once, so the backward pass has only to scale:

    z = h Wᵀ        nll = log Σ exp z - z[target]        dh = (softmax z - onehot) W        dW = (softmax z - onehot)ᵀ h

The idea is that of Liger's fused linear cross-entropy (arXiv 2410.10989); the sums are those of torch's `linear_cross_entropy`.
Sums over the vocabulary are float32 always. In 16 bit dW is one product for as many tokens as GRADIENT_BYTES hold, added up in
float32: blocks that are added in 16 bit would lose what is small.

Of a frozen table in which only some rows are trained (rows of new tokens under LoRA) those rows alone get a gradient; one of the
size of the table is never made.

Shape legend: T tokens, V vocabulary, D hidden size, C tokens of a block, R rows that are trained.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch

from qaz_llm.model.kernels.sizes import GRADIENT_BYTES, LOGITS_BYTES
from qaz_llm.records import IGNORE_INDEX


@dataclass(frozen=True)
class LogitScaling:
    """What a family does to its logits: z ← cap · tanh(factor · z / cap). Cohere, Granite: a factor; Gemma 2: a cap."""

    factor: float = 1.0
    cap: float | None = None


@dataclass(frozen=True)
class Table:
    """The output table: `weight_VD`, in whose rows `index_R` stand `rows_RD` where only those are trained."""

    weight_VD: torch.Tensor
    rows_RD: torch.Tensor | None = None
    index_R: torch.Tensor | None = None

    def whole(self, dtype: torch.dtype) -> torch.Tensor:
        table_VD = self.weight_VD.detach().to(dtype)
        if self.rows_RD is None or self.index_R is None:
            return table_VD
        return table_VD.index_copy(0, self.index_R, self.rows_RD.detach().to(dtype))


def linear_loss(
    states_TD: torch.Tensor, table: Table, targets_T: torch.Tensor, *, scaling: LogitScaling
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss in nats, which can be derived, and the loss of each token, (T,) float32, which cannot.

    Tokens whose target is IGNORE_INDEX have loss 0. Under autocast the products are made in its type.
    """
    device = states_TD.device.type
    if torch.is_autocast_enabled(device):
        states_TD = states_TD.to(torch.get_autocast_dtype(device))
    with torch.autocast(device, enabled=False):
        total, nll_T = _LinearLoss.apply(  # type: ignore[no-untyped-call]
            states_TD, table.weight_VD, table.rows_RD, targets_T, table.index_R, scaling
        )
    return total, nll_T


class _LinearLoss(torch.autograd.Function):
    """Gradients are made in the forward pass, and scaled in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        states_TD: torch.Tensor,
        weight_VD: torch.Tensor,
        rows_RD: torch.Tensor | None,
        targets_T: torch.Tensor,
        index_R: torch.Tensor | None,
        scaling: LogitScaling,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        table_VD = Table(weight_VD, rows_RD, index_R).whole(states_TD.dtype)
        gradients = [
            torch.zeros_like(tensor, memory_format=torch.contiguous_format) if tensor is not None and needed else None
            for tensor, needed in zip((states_TD, weight_VD, rows_RD), ctx.needs_input_grad[:3], strict=True)
        ]
        learns = any(gradient is not None for gradient in gradients)
        nll_T = torch.zeros(len(targets_T), dtype=torch.float32, device=states_TD.device)
        for tokens in _blocks(len(targets_T), table_VD, GRADIENT_BYTES, states_TD.element_size()):
            errors_CV = _errors(states_TD[tokens], table_VD, targets_T[tokens], scaling, nll_T[tokens], learns=learns)
            if (of_states := gradients[0]) is not None:
                torch.mm(errors_CV, table_VD, out=of_states[tokens])
            if (of_table := gradients[1]) is not None:
                _add_product(of_table, errors_CV, states_TD[tokens])
            if (of_rows := gradients[2]) is not None:
                _add_product(of_rows, errors_CV.index_select(1, index_R), states_TD[tokens])  # type: ignore[arg-type]
        ctx.gradients = gradients
        ctx.mark_non_differentiable(nll_T)
        return nll_T.sum(), nll_T

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor, _: Any) -> tuple[torch.Tensor | None, ...]:
        found = [None if tensor is None else tensor.mul_(gradient) for tensor in ctx.gradients]
        del ctx.gradients  # scaled in place: a second pass over the graph fails instead of scaling them again
        return *found, None, None, None


def _add_product(sum_VD: torch.Tensor, errors_CV: torch.Tensor, states_CD: torch.Tensor) -> None:
    """Sum + errorsᵀ · states, added up in the type of the sum."""
    if sum_VD.dtype == errors_CV.dtype:
        sum_VD.addmm_(errors_CV.t(), states_CD)
    else:
        sum_VD.add_(errors_CV.t() @ states_CD)


def _errors(
    states_CD: torch.Tensor,
    table_VD: torch.Tensor,
    targets_C: torch.Tensor,
    scaling: LogitScaling,
    nll_C: torch.Tensor,
    *,
    learns: bool,
) -> torch.Tensor:
    """Softmax - onehot of a block, (C, V) in the type of the states, of no rows where nothing learns; writes `nll_C`."""
    whole_CV = states_CD.new_empty(len(states_CD) if learns else 0, len(table_VD))
    for rows in _blocks(len(states_CD), table_VD, LOGITS_BYTES, 4):
        in_place = learns and states_CD.dtype == torch.float32
        logits = torch.mm(states_CD[rows], table_VD.t(), **({"out": whole_CV[rows]} if in_place else {})).float()
        slopes = _scale(logits, scaling)
        targets, learned = targets_C[rows].clamp(min=0)[:, None], targets_C[rows] != IGNORE_INDEX
        chosen = logits.gather(1, targets)[:, 0]
        highest = logits.amax(1, keepdim=True)
        sums = logits.sub_(highest).exp_().sum(1, keepdim=True)
        nll_C[rows] = torch.where(learned, sums.log()[:, 0] + highest[:, 0] - chosen, 0.0)
        if learns:
            logits.mul_(learned[:, None] / sums).scatter_add_(1, targets, -learned[:, None].float())
            torch.mul(logits, slopes, out=whole_CV[rows])
    return whole_CV


def _scale(logits: torch.Tensor, scaling: LogitScaling) -> torch.Tensor | float:
    """Scale a block's logits in place, and give the slope at each: the factor, with a cap times 1 - tanh²."""
    if scaling.cap is None:
        if scaling.factor != 1:
            logits.mul_(scaling.factor)
        return scaling.factor
    logits.mul_(scaling.factor / scaling.cap).tanh_()
    slopes = logits.square().neg_().add_(1).mul_(scaling.factor)
    logits.mul_(scaling.cap)
    return slopes


def _blocks(count: int, table_VD: torch.Tensor, most: dict[str, int], bytes_each: int) -> list[slice]:
    """As few blocks of tokens as keep `bytes_each` × V × tokens within the limit of the device, equal but for one token.

    >>> [(s.start, s.stop) for s in _blocks(5, torch.empty(4, 1), {"cpu": 48}, 4)]
    [(0, 3), (3, 5)]
    """
    rows = max(most["cuda" if table_VD.is_cuda else "cpu"] // (bytes_each * len(table_VD)), 1)
    parts = -(-count // rows)
    bounds = [-(-count * part // parts) for part in range(parts + 1)] if parts else []
    return [slice(a, b) for a, b in pairwise(bounds)]
