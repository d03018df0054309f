"""Whether numbers are numbers: how many values of some tensors are NaN, infinite, or too large to compute with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

LARGEST_WEIGHT = 2.0**63
"""Half the root of the largest float32 number (2¹²⁸). A weight beyond it has no square: norms of it, of its layer and of
its gradient overflow, and a normalised layer that meets infinity gives zeros, with a loss that looks like a number."""


def count_bad(tensors: Iterable[torch.Tensor], *, limit: float | None = None) -> int:
    """How many values of the floating-point tensors are not finite, or beyond ±`limit` where one is given.

    The smallest and largest value tell of a tensor in one pass whether it has any, at the speed that memory is read
    (a NaN is both); only then are they counted.

    >>> import torch
    >>> count_bad([torch.tensor([1.0, float("nan"), -2.0]), torch.tensor([1, 2])])
    1
    """
    import torch

    bound = float("inf") if limit is None else limit
    bad = 0
    for tensor in tensors:
        if not tensor.is_floating_point() or tensor.numel() == 0:
            continue
        values = tensor.detach().float() if tensor.element_size() == 1 else tensor.detach()  # of 8 bits none is known
        smallest, largest = torch.aminmax(values)
        if not (smallest > -bound and largest < bound):
            bad += int((~(values.abs() < bound)).sum())
    return bad


def not_finite(weights: Iterable[tuple[str, torch.Tensor]]) -> list[str]:
    """The names of those that hold NaN or infinity; weights without data hold none."""
    return [name for name, weight in weights if not weight.is_meta and count_bad([weight])]
