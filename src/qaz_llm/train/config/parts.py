"""Parts of a model that stay as they are, or near to what they were; what of it excludes what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Protocol

from pydantic import Field

from qaz_llm.train.config.adapter import AdapterConfig
from qaz_llm.train.config.distributed import DistributedConfig

Part = Annotated[str, Field(pattern=r"^(layers \d+(-\d+)?|[A-Za-z_][\w.]*)$")]
"""`embeddings`, `head`, `norms`, `layers 0-7`, or the end of a module's name."""


class Settings(Protocol):
    """What is looked at of the settings of a training."""

    @property
    def method(self) -> str: ...
    @property
    def adapter(self) -> AdapterConfig: ...
    @property
    def distributed(self) -> DistributedConfig: ...
    @property
    def freeze(self) -> tuple[str, ...]: ...
    @property
    def pull_to_base(self) -> float: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def lr(self) -> float | Literal["auto"]: ...
    @property
    def warm_rows_steps(self) -> int: ...


def part_problems(settings: Settings) -> Iterator[str]:
    """What does not go together, in words that say what to type."""
    is_lora = settings.adapter.type == "lora"
    if settings.freeze and is_lora:
        yield "LoRA freezes the whole model already; leave freeze out, adapter.target_modules says what gets adapters"
    if settings.freeze and settings.method == "pretrain":
        yield "pretrain starts from fresh weights, which would stay random where they are frozen; leave freeze out"
    if settings.warm_rows_steps and {"embeddings", "head"} & set(settings.freeze):
        yield "warm_rows_steps trains rows of tables that freeze keeps as they are; leave one of the two out"
    for name, pull in (("weight_decay", settings.weight_decay), ("pull_to_base", settings.pull_to_base)):
        if (
            pull >= 1 and settings.lr != "auto" and settings.lr * pull >= 1
        ):  # of a smaller one it is the rate that is far too high: divergence.py
            yield (
                f"lr {settings.lr:g} × {name} {pull:g} is {settings.lr * pull:g}: each step would move the weights beyond "
                f"where {name} pulls them; their product has to stay below 1"
            )
    if not settings.pull_to_base:
        return
    if settings.method == "pretrain":
        yield "pull_to_base pulls to trained weights, and pretrain has none; leave it out"
    if is_lora:
        yield (
            "pull_to_base is for full tuning: under LoRA the base does not move, and weight_decay pulls what is added "
            "to it to nothing; use weight_decay"
        )
    if settings.weight_decay:
        yield (
            f"weight_decay {settings.weight_decay:g} pulls to zero and pull_to_base to the base; "
            "with pull_to_base type weight_decay=0"
        )
    if settings.distributed.deepspeed is not None:
        yield (
            "pull_to_base moves the weights that a process holds, and DeepSpeed keeps them in an optimizer of its own; "
            "leave one of the two out, or type distributed.backend=fsdp2"
        )
