"""The rule by which gradients become steps, and in how many bits its states are kept."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qaz_llm.config import StrictModel

if TYPE_CHECKING:
    from qaz_llm.train.config.adapter import AdapterConfig


class OptimizerConfig(StrictModel):
    """AdamW with float32 moments is what is taken unless something else is asked for; its own numbers are `adam_beta1` and so on."""

    type: Literal["adamw", "muon"] = "adamw"
    """`adamw` (arXiv 1711.05101), or `muon` (arXiv 2502.16982) for the matrices of LoRA, with AdamW for all else that is trained."""
    muon_momentum: float = Field(default=0.95, ge=0, lt=1)
    """Decay of Muon's momentum."""
    states: Literal["fp32", "torchao_8bit", "bitsandbytes_8bit"] = "fp32"
    """Moments of AdamW in float32 (8 bytes per trained parameter), or in 8 bits (2 bytes; arXiv 2110.02861) by the package named."""

    def problems(self, adapter: AdapterConfig, *, sharded: bool) -> Iterator[str]:
        """What does not go together, in words that say what to type."""
        if self.type == "muon" and adapter.type == "full":
            yield (
                "optimizer.type muon harms full tuning of a model that was pretrained with Adam, and does not harm LoRA "
                "(arXiv 2605.10468); use optimizer.type=adamw, or adapter.type=lora"
            )
        if self.type == "muon" and self.states != "fp32":
            yield "optimizer.states in 8 bits are AdamW's; use optimizer.states=fp32 with muon"
        if self.type == "adamw" and self.muon_momentum != 0.95:
            yield "optimizer.muon_momentum belongs to optimizer.type muon; leave one of the two out"
        if sharded and self != OptimizerConfig():
            yield (
                "DeepSpeed and FSDP2 split the states of AdamW in float32 between processes, other optimizers are not tried "
                "with them; leave out optimizer, or distributed.deepspeed and backend fsdp2"
            )
