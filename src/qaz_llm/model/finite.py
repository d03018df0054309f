"""Weights that are no numbers: they make every answer NaN, and a training fail where something else is to blame."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def not_finite(weights: Iterable[tuple[str, torch.Tensor]]) -> list[str]:
    """The names of those that hold NaN or infinity; one pass over each, without a copy. Weights without data hold none."""
    import torch

    found = []
    for name, weight in weights:
        if not weight.is_floating_point() or weight.is_meta or not weight.numel():
            continue
        least, most = torch.aminmax(weight.detach())  # NaN wherever one is
        if not bool(torch.isfinite(least) & torch.isfinite(most)):
            found.append(name)
    return found
