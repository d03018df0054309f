"""A pull of all trained weights towards those that training began with.

    w ← w − lr · λ · (w − w₀)          after each step, λ being `pull_to_base`

L2-SP (Li et al. 2018, arXiv 1802.01483) puts λ/2 · ‖w − w₀‖² into the loss. Here it is apart from the gradient, as AdamW keeps
its decay apart (arXiv 1711.05101): it is not divided by the second moment and not clipped. Rows of new tokens are pulled to where
they began.

w₀ is what the model holds before any step and before a checkpoint is read, so a resumed run pulls to the same weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainerCallback

from qaz_llm.train.loop.optimizer import learning_rates
from qaz_llm.train.ranks.sharding import own_part

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainSettings


def pull_to_base(model: torch.nn.Module, settings: TrainSettings) -> list[TrainerCallback]:
    """The callback that a config asks for, or none. To be made before a checkpoint is read into `model`."""
    return [PullCallback(model, settings.pull_to_base)] if settings.pull_to_base else []


class PullCallback(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Holds a copy of what is trained of `model`, 4 bytes per parameter, and pulls after each step.

    Of a model that FSDP2 shares out each process holds and pulls its own part: the pull is of each weight by itself.
    """

    def __init__(self, model: torch.nn.Module, strength: float) -> None:
        self.strength = strength
        self._trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self._base = [own_part(parameter.detach()).clone() for parameter in self._trained]

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self._base = [base.to(now.device) for base, now in zip(self._base, self._trained, strict=True)]

    @torch.no_grad()
    def on_optimizer_step(self, args: Any, state: Any, control: Any, *, optimizer: Any, **_: Any) -> None:
        lr = learning_rates(optimizer.param_groups)
        for now, base in zip(self._trained, self._base, strict=True):
            own_part(now).lerp_(base, lr[id(now)] * self.strength)
