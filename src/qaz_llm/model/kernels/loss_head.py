"""A model that gives the loss of its tokens where it would give their logits (linear_loss.py).

    model(**batch, targets_BL=…)   →   {"nats": summed loss, "nll_BL": loss of each token}
    model(**batch)                 →   logits, as before

The output table's own module does it, called as any module is: an engine that holds the table in parts (ZeRO-3, FSDP2) puts it
together by hooks on that call. What a family does to its logits afterwards is read from its config, and before the first step
the losses are compared with those from the logits (train/batches/loss_probe.py).

Shape legend: B rows, L tokens of a row, D hidden size, V vocabulary, R rows that are trained.
"""

from __future__ import annotations

from functools import wraps
from typing import Any

import torch

from qaz_llm.model.kernels.linear_loss import LogitScaling, Table, linear_loss

FACTORS = {"logit_scale": 1, "lm_head_multiplier": 1, "logits_scaling": -1}
"""What configs call a number that logits are multiplied with (1: Cohere, Falcon-H1) or divided by (-1: Granite)."""

CAP = "final_logit_softcapping"


def why_not(model: Any) -> str | None:
    """What keeps a causal language model from giving losses in place of logits; None where nothing does."""
    head = model.get_output_embeddings()
    if model.get_decoder() is None or model.get_decoder() is model:
        return "it has no decoder of its own"
    try:
        _table_of(head)
    except TypeError as error:
        return str(error)
    return None


def give_losses(model: Any) -> None:
    """Let `model`, the transformers model inside adapters and engines, take `targets_BL`.

    Targets are the token that each position is to predict, IGNORE_INDEX where none is learned. Check `why_not` first.
    """
    head, scaling = model.get_output_embeddings(), scaling_of(model.config)
    logits_of, output_of = head.forward, model.forward

    @wraps(logits_of)
    def head_forward(states_BLD: torch.Tensor, *rest: Any, targets_BL: torch.Tensor | None = None, **named: Any) -> Any:
        if targets_BL is None:
            return logits_of(states_BLD, *rest, **named)
        total, nll_T = linear_loss(states_BLD.flatten(0, 1), _table_of(head), targets_BL.flatten(), scaling=scaling)
        return total, nll_T.view_as(targets_BL)

    @wraps(output_of)
    def model_forward(*inputs: Any, targets_BL: torch.Tensor | None = None, **named: Any) -> Any:
        if targets_BL is None:
            return output_of(*inputs, **named)
        states_BLD = model.get_decoder()(*inputs, **named)[0]
        total, nll_BL = head(states_BLD, targets_BL=targets_BL)
        return {"nats": total, "nll_BL": nll_BL}

    head.forward, model.forward = head_forward, model_forward


def scaling_of(config: Any) -> LogitScaling:
    """What a family does to its logits, by its config."""
    factor = 1.0
    for name, power in FACTORS.items():
        factor *= float(getattr(config, name, None) or 1.0) ** power
    cap = getattr(config, CAP, None)
    return LogitScaling(factor, None if cap is None else float(cap))


def _table_of(head: Any) -> Table:
    """The output table.

    Raises:
        TypeError: the head is no plain product with a table; says what it is.
    """
    adapter = getattr(head, "token_adapter", None)  # PEFT's, of a table of which some rows are trained
    if adapter is not None:
        (name,) = adapter.active_adapters
        rows_RD = adapter.trainable_tokens_delta[name]
        index_R = torch.tensor(adapter.token_indices[name], device=rows_RD.device)
        return Table(adapter.base_layer.weight, rows_RD, index_R)
    if hasattr(head, "lora_A"):
        raise TypeError("its output table carries an adapter")
    if type(head) is not torch.nn.Linear:
        raise TypeError(f"its output table is a {type(head).__name__}")
    if getattr(head, "bias", None) is not None:
        raise TypeError("its output table has a bias")
    return Table(head.weight)
