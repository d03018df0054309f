"""How several processes share a training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel


class DistributedConfig(StrictModel):
    """How several processes share the work: each holds all (DDP), or a part, by DeepSpeed's ZeRO or torch's FSDP2."""

    backend: Literal["auto", "ddp", "fsdp2"] = "auto"
    """`auto` takes DeepSpeed where `deepspeed` names a config and DDP otherwise; `fsdp2` shares out weights, gradients and moments as ZeRO-3 does, by torch alone; `ddp` and `fsdp2` refuse a `deepspeed` config."""
    deepspeed: str | None = None
    """Path of a DeepSpeed JSON, for instance configs/deepspeed/zero3.json; null: none."""
    reshard_after_forward: bool = True
    """FSDP2: free each layer's gathered weights after its forward pass and gather them again for the backward; false: keep them, more memory for less traffic."""
    timeout_minutes: int = Field(default=10, gt=0)
    """After so many minutes without an answer from the other processes a run fails."""
    silent_rank_s: float = Field(default=120.0, gt=0)
    """A process that gives no sign of life for so many seconds, or does not get on within a step while others wait for it, is named, and the others end."""

    @model_validator(mode="after")
    def _check_backend(self) -> DistributedConfig:
        if self.backend != "auto" and self.deepspeed is not None:
            raise ValueError(f"backend {self.backend} and a deepspeed config exclude each other; leave one of them out")
        if not self.reshard_after_forward and self.backend != "fsdp2":
            raise ValueError("reshard_after_forward belongs to backend fsdp2; leave it out, or choose that backend")
        return self
