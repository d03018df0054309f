"""Who holds what: weights, gradients and optimizer states, whole on every device or a share of them on each.

    way             weights   gradients   states
    one device, DDP whole     whole       whole
    ZeRO-1          whole     whole       shared
    ZeRO-2          whole     shared      shared
    ZeRO-3, FSDP2   shared    shared      shared     the layers at work are gathered for the while

(Rajbhandari et al. 2020, arXiv 1910.02054, section 3.) A further way to share is one more row of SHARINGS.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sharing:
    """`keeps_masters`: the engine holds the weights in the precision of the forward pass and masters in float32 among its
    states; otherwise weights are float32 and cast on the way."""

    name: str
    weights: bool = False
    gradients: bool = False
    states: bool = False
    keeps_masters: bool = False

    def of(self, what: str, size: float, world_size: int) -> float:
        """The bytes of one device of `size` bytes of weights, gradients or states."""
        return size / world_size if getattr(self, what) else size


SHARINGS = {
    "none": Sharing(""),
    "zero1": Sharing("ZeRO-1", states=True, keeps_masters=True),
    "zero2": Sharing("ZeRO-2", gradients=True, states=True, keeps_masters=True),
    "fsdp2": Sharing("FSDP2", weights=True, gradients=True, states=True),
    "zero3": Sharing("ZeRO-3", weights=True, gradients=True, states=True, keeps_masters=True),
}


def sharing_of(zero_stage: int) -> Sharing:
    """DeepSpeed's stage as a way to share; 0 is DDP."""
    return SHARINGS[f"zero{zero_stage}" if zero_stage else "none"]
