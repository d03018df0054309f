"""The optimizer of a run: what is trained in groups, each with its learning rate, weight decay and rule.

    group              lr                      decay           rule
    matrices           lr                      weight_decay    AdamW, or Muon for LoRA's A
    biases, norms      lr                      0               AdamW
    DoRA's lengths     lr                      0               AdamW; decay would pull the weights they scale to zero
    LoRA's B           lr × lora_plus_ratio    weight_decay    AdamW, or Muon

Where none of the last three are trained the groups are Trainer's own. The first group has the learning rate that is logged.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch.optim import Optimizer

if TYPE_CHECKING:
    from torch.nn import Module

    from qaz_llm.train.config import TrainSettings

TRAINER_NAMES = {
    "fp32": "adamw_torch_fused",
    "torchao_8bit": "adamw_torch_8bit",
    "bitsandbytes_8bit": "adamw_bnb_8bit",
}
"""What transformers calls AdamW with these states."""

DORA_LENGTHS = "lora_magnitude_vector"
"""What PEFT calls them."""

MUON_LR = "match_rms_adamw"
"""Muon's steps are scaled to the size of AdamW's, 0.2 · √max(rows, columns), so that the same lr serves both (arXiv 2502.16982)."""


def has_own_groups(settings: TrainSettings) -> bool:
    """Whether the groups differ from those that Trainer makes."""
    adapter = settings.adapter
    return settings.optimizer.type == "muon" or adapter.lora_plus_ratio != 1 or adapter.weight_decomposed


def make_optimizer(
    model: Module, decayed: Collection[str], settings: TrainSettings, adamw: type[Optimizer], options: Mapping[str, Any]
) -> Optimizer:
    """AdamW with a group of its own for LoRA's B matrices, or Muon for the matrices of LoRA beside it.

    `decayed` are the names of the parameters with weight decay, `adamw` and its `options` what Trainer would take.
    """
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    is_muons = {name: settings.optimizer.type == "muon" and _is_lora_matrix(name, p) for name, p in trained.items()}
    groups = {
        muon: _groups({n: p for n, p in trained.items() if is_muons[n] == muon}, decayed, settings)
        for muon in (False, True)
    }
    if not groups[True]:
        return adamw(groups[False], **options)
    momentum = settings.optimizer.muon_momentum
    muon = torch.optim.Muon(groups[True], lr=settings.peak_lr, momentum=momentum, adjust_lr_fn=MUON_LR)
    return MuonBesideAdamW(muon, adamw(groups[False], **options) if groups[False] else None)


def _groups(
    parameters: Mapping[str, torch.nn.Parameter], decayed: Collection[str], settings: TrainSettings
) -> list[dict[str, Any]]:
    """By learning rate and decay; groups that would be empty are left out."""
    faster = settings.adapter.lora_plus_ratio
    found: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    keys = [
        (settings.peak_lr * ratio, decay)
        for ratio in dict.fromkeys((1.0, faster))
        for decay in (settings.weight_decay, 0.0)
    ]
    for name, parameter in parameters.items():
        lr = settings.peak_lr * (faster if _is_b(name) else 1.0)
        decays = name in decayed and DORA_LENGTHS not in name
        found.setdefault((lr, settings.weight_decay if decays else 0.0), []).append(parameter)
    return [{"params": found[key], "lr": key[0], "weight_decay": key[1]} for key in dict.fromkeys(keys) if key in found]


def _is_b(name: str) -> bool:
    return "lora_B." in name


def _is_lora_matrix(name: str, parameter: torch.nn.Parameter) -> bool:
    return parameter.dim() == 2 and ("lora_A." in name or _is_b(name))


class MuonBesideAdamW(Optimizer):
    """Two optimizers as one: groups and states are shared, so that a scheduler and a checkpoint see one optimizer.

    The groups of Muon come first.
    """

    def __init__(self, muon: Optimizer, adamw: Optimizer | None) -> None:
        self.parts = (muon,) if adamw is None else (muon, adamw)
        super().__init__([group for part in self.parts for group in part.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Hand the parts the groups and the state that this holds, after they were made or loaded."""
        first = 0
        for part in self.parts:
            last = first + len(part.param_groups)
            part.param_groups, part.state, first = self.param_groups[first:last], self.state, last

    def load_state_dict(self, state_dict: Any) -> None:
        super().load_state_dict(state_dict)
        self._share()

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step of each part."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for part in self.parts:
            part.step()
        return loss


def learning_rates(groups: Iterable[Mapping[str, Any]]) -> dict[int, float]:
    """The learning rate of each parameter, by its id."""
    return {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
