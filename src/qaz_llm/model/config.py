"""Which model to start from: a checkpoint, or an architecture with fresh weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel

EmbeddingInit = Literal["blend", "mean", "weighted_mean", "similar", "random"]
"""How the rows of new tokens start; model/embeddings.py says what each does."""


class ArchitectureConfig(StrictModel):
    """The shape of a model trained from nothing. Llama's block: RMSNorm, rotary positions, SwiGLU, grouped queries."""

    family: Literal["llama"] = "llama"
    hidden_size: int = Field(gt=0)
    num_layers: int = Field(gt=0)
    num_heads: int = Field(gt=0)
    num_kv_heads: int | None = Field(default=None, gt=0)
    intermediate_size: int = Field(gt=0)
    max_position_embeddings: int = Field(default=2048, gt=0)
    tie_embeddings: bool = True
    rope_theta: float = Field(default=10_000.0, gt=0)

    @model_validator(mode="after")
    def _check_heads(self) -> ArchitectureConfig:
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}")
        if (self.hidden_size // self.num_heads) % 2:
            raise ValueError(
                f"hidden_size / num_heads is {self.hidden_size // self.num_heads}; rotary positions need an even number"
            )
        if self.num_heads % (self.num_kv_heads or self.num_heads):
            raise ValueError(f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.num_kv_heads}")
        return self


class ModelConfig(StrictModel):
    """A model and its tokenizer.

    `checkpoint` is a folder or a hub id. `tokenizer` is a folder or a hub id; null means the checkpoint's own, or, with
    an architecture, one of `train_vocab_size` tokens trained on the training text. Where the tokenizer is an extended
    one (it holds `extension.json`) and the checkpoint is older, the new rows are made by `embedding_init`.
    """

    checkpoint: str | None = None
    architecture: ArchitectureConfig | None = None
    tokenizer: str | None = None
    train_vocab_size: int | None = Field(default=None, ge=300)
    embedding_init: EmbeddingInit = "blend"
    attn_implementation: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    trust_remote_code: bool = False

    @model_validator(mode="after")
    def _check_start(self) -> ModelConfig:
        if (self.checkpoint is None) == (self.architecture is None):
            found = "neither" if self.checkpoint is None else "both"
            raise ValueError(f"give exactly one of checkpoint and architecture, found {found}")
        if self.architecture is not None and (self.tokenizer is None) == (self.train_vocab_size is None):
            raise ValueError("a fresh architecture needs exactly one of tokenizer and train_vocab_size")
        if self.checkpoint is not None and self.train_vocab_size is not None:
            raise ValueError("train_vocab_size trains a new tokenizer, which a checkpoint cannot read; leave it out")
        return self
