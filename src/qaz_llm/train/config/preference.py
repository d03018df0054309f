"""How two answers are compared in method dpo."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from pydantic import Field

from qaz_llm.config import StrictModel

PairLoss = Literal[
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "robust", "exo_pair", "nca_pair", "sppo_hard", "apo_zero", "apo_down"
]
SMOOTHED = ("robust", "exo_pair")


class PreferenceConfig(StrictModel):
    """What is learned from pairs of answers, each against how likely the model that training began with finds it (DPO, arXiv 2305.18290)."""

    loss: PairLoss = "sigmoid"
    """`sigmoid`: DPO (2305.18290); `sigmoid_norm`: by the length of each answer; `hinge`: SLiC (2305.10425); `ipo` (2310.12036), per token; `robust`: labels that are wrong at a known rate (2403.00409); `exo_pair` (2402.00856); `nca_pair` (2402.05369); `sppo_hard` (2405.00675); `apo_zero`, `apo_down` (2408.06266). As in TRL."""
    beta: float = Field(default=0.1, gt=0)
    """How dear it is to move away from the reference: larger stays nearer. Of `ipo` it is the paper's τ."""
    label_smoothing: float = Field(default=0.0, ge=0, lt=0.5)
    """Share of pairs taken to be the wrong way round; for `robust` and `exo_pair`, which need it."""
    sft_weight: float = Field(default=0.0, ge=0)
    """So many times the mean loss per token of the preferred answer is added (arXiv 2404.19733): keeps it from becoming less likely; 0: nothing."""

    def problems(self, method: str) -> Iterator[str]:
        """What does not go together, in words that say what to type."""
        if method != "dpo" and self != PreferenceConfig():
            yield f"preference belongs to method dpo, this is {method}; leave it out, or type method=dpo"
        if self.loss in SMOOTHED and not self.label_smoothing:
            yield f"preference.loss {self.loss} needs preference.label_smoothing above 0, for instance 0.1"
        if self.loss not in SMOOTHED and self.label_smoothing:
            yield f"preference.label_smoothing belongs to the losses {' and '.join(SMOOTHED)}; leave it out, or choose one"
