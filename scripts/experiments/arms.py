"""The arms of the experiment: what is trained, from which start, on which mix, with which settings.

Every arm of a model gets the same FLOPs. What an arm changes against `main` is what its name says.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

SMOLLM2, GEMMA = "smollm2-135m", "gemma-3-270m"

MAIN_LR = 1e-4
REPLAY_FRAC = 0.3
"""Share of Russian and English together; half of it each."""


@dataclass(frozen=True)
class Arm:
    """One training. `new_tokens` 0: the old tokenizer; `swap`: new tokens take the ids of unused old ones.

    `back`: no training, but the model of another arm, named, with so much of the base put back by `qaz merge`.
    """

    name: str
    model: str = SMOLLM2
    new_tokens: int = 8000
    swap: bool = False
    replay_frac: float = REPLAY_FRAC
    is_peer: bool = False
    native_last: bool = False
    back: tuple[str, float] | None = None
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def mix(self) -> dict[str, float]:
        """Weight in tokens of each language; a language without weight is left out."""
        kept = self.replay_frac / 2
        return {code: weight for code, weight in {"kk": 1 - self.replay_frac, "ru": kept, "en": kept}.items() if weight}

    @property
    def base(self) -> str:
        """The name of the folder that training starts from."""
        return f"{self.model}-{'swap' if self.swap else 'plus'}{self.new_tokens}" if self.new_tokens else self.model


def smollm2_arms() -> tuple[Arm, ...]:
    """A to g, with the learning rates of each that matter."""
    lora = {"type": "lora", "r": 64, "alpha": 128}
    return (
        Arm("main"),
        Arm("trl", new_tokens=0, is_peer=True),
        Arm("trl-lr1e-4", new_tokens=0, is_peer=True, settings={"lr": 1e-4}),
        Arm("old-tokenizer", new_tokens=0),
        Arm("plus-4000", new_tokens=4000),
        Arm("plus-16000", new_tokens=16000),
        Arm("replay-0", replay_frac=0.0),
        Arm("replay-10", replay_frac=0.1),
        Arm("lr-3e-4", settings={"lr": 3e-4}),
        Arm("lr-3e-5", settings={"lr": 3e-5}),
        Arm("lora", settings={"adapter": lora, "lr": 5e-4}),
        Arm("lora-lr2e-4", settings={"adapter": lora, "lr": 2e-4}),
        Arm("cosine", settings={"schedule": "cosine"}),
        Arm("native-last", native_last=True),
        Arm("warm-rows", settings={"warm_rows_steps": 20}),
        Arm("old-tokenizer-lr-3e-4", new_tokens=0, settings={"lr": 3e-4}),
        Arm("pull", settings={"pull_to_base": 1.0}),
        Arm("frozen-middle", settings={"freeze": ["layers 4-25"]}),
    )


def gemma_arms() -> tuple[Arm, ...]:
    """Does growing help a model that has 3.2 tokens per Kazakh word already?"""
    lr = {"lr": 5e-5}
    return (
        Arm("gemma-old-tokenizer", GEMMA, new_tokens=0, settings=lr),
        Arm("gemma-main", GEMMA, settings=lr),
        Arm("gemma-swap", GEMMA, swap=True, settings=lr),
        Arm("gemma-old-tokenizer-lr-2e-5", GEMMA, new_tokens=0, settings={"lr": 2e-5}),
        Arm("gemma-half-back", GEMMA, new_tokens=0, settings=lr, back=("gemma-old-tokenizer", 0.5)),
    )


def all_arms() -> tuple[Arm, ...]:
    return smollm2_arms() + gemma_arms()
