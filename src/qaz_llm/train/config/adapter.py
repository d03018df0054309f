"""What is trained of a model: all weights, or low-rank matrices beside frozen ones."""

from __future__ import annotations

from collections.abc import Iterator
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
    weight_decomposed: bool = False
    """Learn the length of each weight's columns beside their direction (DoRA, arXiv 2402.09353): nearer to full tuning at small ranks, slower steps."""
    lora_plus_ratio: float = Field(default=1.0, ge=1.0)
    """Learning rate of the B matrices over that of the A matrices (LoRA+, arXiv 2402.12354, which proposes about 16); 1: the same."""
    quantised: Literal["nf4"] | None = None
    """Keep the frozen weights in 4 bits while training (QLoRA, arXiv 2305.14314), by bitsandbytes on a GPU; null: as they are. What is merged in the end are the weights as they are."""
    new_embeddings: Literal["trainable_token_indices", "modules_to_save", "frozen"] = "trainable_token_indices"
    """Rows of new tokens under LoRA: trained alone (`trainable_token_indices`), as whole tables (`modules_to_save`), or left as they start (`frozen`)."""

    @property
    def lora_options(self) -> dict[str, Any]:
        """What `add_lora` takes of it."""
        names = ("r", "alpha", "dropout", "target_modules", "rank_stabilised", "weight_decomposed", "new_embeddings")
        return {name: getattr(self, name) for name in names}

    @model_validator(mode="after")
    def _check_targets(self) -> AdapterConfig:
        if self.type == "lora" and not self.target_modules:
            raise ValueError("adapter.type lora needs target_modules, for instance [q_proj, v_proj]")
        if self.type == "full" and (key := next(self._keys_of_lora(), None)):
            raise ValueError(f"adapter.{key} belongs to LoRA; leave it out, or type adapter.type=lora")
        return self

    def _keys_of_lora(self) -> Iterator[str]:
        """Those that are set and would do nothing for a model that is trained whole."""
        yield from (key for key in ("weight_decomposed", "quantised") if getattr(self, key))
        yield from (key for key in ("lora_plus_ratio",) if self.lora_plus_ratio != 1)
