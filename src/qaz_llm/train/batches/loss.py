"""The loss of a micro-batch as its share of the whole step's, for every model alike.

Models compute losses of their own in different ways; some do not take the number of learned tokens of the step and give
a mean over the micro-batch, and a mean of such means depends on how the work was split. So the logits alone are taken
from the model.

Shape legend: B rows, L tokens of the longest row, V vocabulary.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy, pad

from qaz_llm.records import IGNORE_INDEX


def token_losses(outputs: Any, labels_BL: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Loss of each token in nats, 0 where none is learned, and which tokens are: both (B, L), by the position that predicts.

    Labels are unshifted: here, and nowhere else, each is moved to the position that predicts it.
    """
    logits_BLV = outputs["logits"].float()  # exp and sum over the vocabulary lose too much in bfloat16
    shifted_BL = pad(labels_BL, (0, 1), value=IGNORE_INDEX)[..., 1:]
    nll = cross_entropy(logits_BLV.flatten(0, 1), shifted_BL.flatten(), ignore_index=IGNORE_INDEX, reduction="none")
    return nll.view_as(shifted_BL), shifted_BL != IGNORE_INDEX


def share_of_step(outputs: Any, labels_BL: torch.Tensor, num_items_in_batch: torch.Tensor | int) -> torch.Tensor:
    """Summed loss of the micro-batch in nats, divided by the learned tokens of the step over all ranks."""
    return token_losses(outputs, labels_BL)[0].sum() / num_items_in_batch
