"""What a model says of one document of a batch, and what other documents of the batch have to do with it.

Shape legend: B rows, L tokens of the longest row, T tokens of one document, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from qaz_llm.train.loop.between_steps import evaluating

if TYPE_CHECKING:
    import torch


def foreign_influence(model: Any, batch: Mapping[str, Any], bounds: tuple[int, int]) -> float:
    """How far the logits at `bounds` of the first row move when all other tokens of the batch are put in another order.

    Shapes stay the same, so that all arithmetic but that of experts, whose batches change, is the same to the last bit.
    """
    start, end = bounds
    other_BL = batch["input_ids"].flip(0, 1)
    other_BL[0, start:end] = batch["input_ids"][0, start:end]
    with reading(model):
        here_TV, there_TV = (
            logits_of(model, b)[0, start:end].float() for b in (batch, {**batch, "input_ids": other_BL})
        )
    return largest_of((here_TV - there_TV).abs())


def foreign_gradient(model: Any, batch: Mapping[str, Any], bounds: tuple[int, int]) -> float:
    """The largest gradient of the logits at `bounds` of the first row at any token that does not belong there."""
    import torch

    seen: list[torch.Tensor] = []

    def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> torch.Tensor:
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    start, end = bounds
    hook = innermost(model).get_input_embeddings().register_forward_hook(keep)
    try:
        with reading(model, gradients=True):
            logits_TV = logits_of(model, batch)[0, start:end].float()
            (gradient_BLD,) = torch.autograd.grad((logits_TV**2).sum(), seen[:1])
    finally:
        hook.remove()
    gradient_BLD[0, start:end] = 0
    return largest_of(gradient_BLD.abs())


@contextmanager
def reading(model: Any, *, gradients: bool = False) -> Iterator[None]:
    """Without dropout, and without gradients unless asked for; the model's modes are as before afterwards."""
    import torch

    with evaluating(model), torch.set_grad_enabled(gradients):
        yield


def logits_of(model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
    """Of a batch, labels left out, on the model's device."""
    inputs = to_device({key: value for key, value in batch.items() if key != "labels"}, model)
    logits: torch.Tensor = model(**inputs).logits
    return logits


def to_device(batch: Mapping[str, Any], model: Any) -> dict[str, Any]:
    """A batch on the model's device."""
    import torch

    device = next(model.parameters()).device
    return {key: value.to(device) if isinstance(value, torch.Tensor) else value for key, value in batch.items()}


def largest_of(values: torch.Tensor) -> float:
    """The largest of them; NaN where one of them is, which no comparison lets pass."""
    return float(values.max())


def innermost(model: Any) -> Any:
    """The transformers model inside adapters and engines."""
    while hasattr(model, "module"):
        model = model.module
    return model.get_base_model() if hasattr(model, "get_base_model") else model
