"""The loss of a micro-batch as its share of the whole step's, for every model alike.

Models compute losses of their own in different ways; some do not take the number of learned tokens of the step and give
a mean over the micro-batch, and a mean of such means depends on how the work was split. So the model is asked for its logits, or
for the losses of given targets where it can give them without (model/kernels/loss_head.py).

Shape legend: B rows, L tokens of the longest row, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad

from qaz_llm.records import IGNORE_INDEX


@dataclass(frozen=True)
class Losses:
    """`nats`: the summed loss, to be derived. `nll_BL`: of each token, 0 where none is learned, by the position that predicts;
    `learned_BL`: which are."""

    nats: torch.Tensor
    nll_BL: torch.Tensor
    learned_BL: torch.Tensor


def targets_of(labels_BL: torch.Tensor) -> torch.Tensor:
    """What each position is to predict. Labels are unshifted: here, and nowhere else, each is moved to the position that predicts it.

    [-100 6 7] → [6 7 -100]
    """
    return pad(labels_BL, (0, 1), value=IGNORE_INDEX)[..., 1:]


def losses_of(outputs: Any, labels_BL: torch.Tensor) -> Losses:
    """The losses in what a model gave: as they are, or from its logits."""
    targets_BL = targets_of(labels_BL)
    learned_BL = targets_BL != IGNORE_INDEX
    if "nats" in outputs:
        return Losses(outputs["nats"], outputs["nll_BL"], learned_BL)
    logits_BLV = outputs["logits"].float()  # exp and sum over the vocabulary lose too much in bfloat16
    nll = cross_entropy(logits_BLV.flatten(0, 1), targets_BL.flatten(), ignore_index=IGNORE_INDEX, reduction="none")
    nll_BL = nll.view_as(targets_BL)
    return Losses(nll_BL.sum(), nll_BL.detach(), learned_BL)


def share_of_step(outputs: Any, labels_BL: torch.Tensor, num_items_in_batch: torch.Tensor | int) -> torch.Tensor:
    """Summed loss of the micro-batch in nats, divided by the learned tokens of the step over all ranks."""
    return losses_of(outputs, labels_BL).nats / num_items_in_batch
