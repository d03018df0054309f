"""Which model to start from: a checkpoint, or an architecture with fresh weights."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from qaz_llm.config import StrictModel
from qaz_llm.model.choices import Attention, EmbeddingInit, NewRows


class ArchitectureConfig(StrictModel):
    """The shape of a model trained from nothing. Llama's block: RMSNorm, rotary positions, SwiGLU, grouped queries."""

    family: Literal["llama"] = "llama"
    """Kind of model; Llama's block is the one there is."""
    hidden_size: int = Field(gt=0)
    """Width of the residual stream, a multiple of `num_heads`."""
    num_layers: int = Field(gt=0)
    """Transformer blocks."""
    num_heads: int = Field(gt=0)
    """Attention heads."""
    num_kv_heads: int | None = Field(default=None, gt=0)
    """Heads of keys and values, a divisor of `num_heads`; null: as many."""
    intermediate_size: int = Field(gt=0)
    """Inner width of the feed-forward layer."""
    max_position_embeddings: int = Field(default=2048, gt=0)
    """Longest text in tokens."""
    tie_embeddings: bool = True
    """One table for input and output."""
    rope_theta: float = Field(default=10_000.0, gt=0)
    """Base of the rotary positions."""

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
    """Folder or hub id of the model to go on from."""
    architecture: ArchitectureConfig | None = None
    """In place of a checkpoint: the shape of a fresh model."""
    tokenizer: str | None = None
    """Folder or hub id; null: the checkpoint's own, or one that is trained (`train_vocab_size`)."""
    chat_template: str | None = None
    """File with a chat template in Jinja in place of the tokenizer's own, or `chatml`; its special tokens have to be in the
    vocabulary. null: the tokenizer's own. Method sft is refused where there is none."""
    train_vocab_size: int | None = Field(default=None, ge=300)
    """With a fresh architecture: train a tokenizer of so many tokens on the training text."""
    embedding_init: EmbeddingInit = "fitted"
    """How the rows of new tokens start where the tokenizer was extended; docs/results/tokenizer.md and growing.md have what was measured."""
    new_rows: NewRows = "auto"
    """With an extended tokenizer: `make` rows for its new tokens, or `keep` those that the checkpoint has. `auto` finds out from the checkpoint's config and tokenizer, and refuses where they do not tell."""
    attn_implementation: Attention = "auto"
    """How attention is computed; `auto`: `documents` (no mask) in training on packed rows where the family allows it, else `sdpa` where the architecture has it, else `eager`; flash attention needs its package and a GPU."""
    trust_remote_code: bool = False
    """Run code that a checkpoint brings. Leave this off for what you have not read."""

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
