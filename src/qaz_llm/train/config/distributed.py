"""How several processes share a training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel


class DistributedConfig(StrictModel):
    """How several processes share the work. `deepspeed` is the path of a DeepSpeed JSON; null means DDP."""

    backend: Literal["auto", "ddp"] = "auto"
    """`auto` takes DeepSpeed where `deepspeed` names a config and DDP otherwise; `ddp` refuses such a config."""
    deepspeed: str | None = None
    """Path of a DeepSpeed JSON, for instance configs/deepspeed/zero3.json; null: none."""
    timeout_minutes: int = Field(default=10, gt=0)
    """After so many minutes without an answer from the other processes a run fails."""
    silent_rank_s: float = Field(default=120.0, gt=0)
    """A process that gives no sign of life for so many seconds, or does not get on within a step while others wait for it, is named, and the others end."""

    @model_validator(mode="after")
    def _check_backend(self) -> DistributedConfig:
        if self.backend == "ddp" and self.deepspeed is not None:
            raise ValueError("backend ddp and a deepspeed config exclude each other; leave one of them out")
        return self
