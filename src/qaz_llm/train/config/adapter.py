"""What is trained of a model: all weights, or low-rank matrices beside frozen ones."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel


class AdapterConfig(StrictModel):
    """Train all weights (`full`) or low-rank adapters beside frozen ones (`lora`, arXiv 2106.09685).

    `new_embeddings` says what happens to the rows of an extended vocabulary under LoRA: only those rows are trained
    (`trainable_token_indices`), whole tables are (`modules_to_save`), or they stay as initialised (`frozen`).
    """

    type: Literal["full", "lora"] = "full"
    """`full` trains all weights, `lora` low-rank matrices beside frozen ones."""
    r: int = Field(default=16, gt=0)
    """Rank of the matrices."""
    alpha: float = Field(default=32.0, gt=0)
    """Their product is scaled by alpha / r."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of inputs of the matrices that are zeroed in training, 0 to below 1."""
    target_modules: Literal["auto"] | tuple[str, ...] = "auto"
    """Linear layers that get matrices, by the end of their names; `auto`: all projections of the blocks."""
    rank_stabilised: bool = False
    """Scale by alpha / √r instead (arXiv 2312.03732)."""
    new_embeddings: Literal["trainable_token_indices", "modules_to_save", "frozen"] = "trainable_token_indices"
    """Rows of new tokens under LoRA: trained alone (`trainable_token_indices`), as whole tables (`modules_to_save`), or left as they start (`frozen`)."""

    @property
    def lora_options(self) -> dict[str, Any]:
        """What `add_lora` takes of it."""
        names = ("r", "alpha", "dropout", "target_modules", "rank_stabilised", "new_embeddings")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _check_targets(self) -> AdapterConfig:
        if self.type == "lora" and not self.target_modules:
            raise ValueError("adapter.type lora needs target_modules, for instance [q_proj, v_proj]")
        return self
