"""The sizes of a Llama that is made from nothing, under transformers' names, without transformers.

Importing a config of transformers imports torch and its modeling code, some seconds of a processor. A plan of a model that the
config describes needs none of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qaz_llm.model.config import ArchitectureConfig

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
"""The linear projections of a block, in the model's order."""


@dataclass(frozen=True)
class LlamaSizes:
    """What decides the shapes of a LlamaForCausalLM; all else has the defaults of transformers' LlamaConfig."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    max_position_embeddings: int
    tie_word_embeddings: bool


class LlamaForCausalLM:
    """What transformers' class of this name says of the attentions it has."""

    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True


def sizes_of(architecture: ArchitectureConfig, *, vocab_size: int) -> LlamaSizes:
    """The sizes of the model that an architecture describes."""
    return LlamaSizes(
        vocab_size=vocab_size,
        hidden_size=architecture.hidden_size,
        intermediate_size=architecture.intermediate_size,
        num_hidden_layers=architecture.num_layers,
        num_attention_heads=architecture.num_heads,
        num_key_value_heads=architecture.num_kv_heads or architecture.num_heads,
        max_position_embeddings=architecture.max_position_embeddings,
        tie_word_embeddings=architecture.tie_embeddings,
    )


def block_shapes(sizes: LlamaSizes) -> dict[str, tuple[int, int]]:
    """Of each projection of a block by its name in it how wide what goes in and what comes out are."""
    hidden, inner = sizes.hidden_size, sizes.intermediate_size
    head = hidden // sizes.num_attention_heads
    queries, keys = sizes.num_attention_heads * head, sizes.num_key_value_heads * head
    widths = ((hidden, queries), (hidden, keys), (hidden, keys), (queries, hidden),
              (hidden, inner), (hidden, inner), (inner, hidden))  # fmt: skip
    parts = ("self_attn",) * 4 + ("mlp",) * 3
    return {f"{part}.{name}": shape for part, name, shape in zip(parts, PROJECTIONS, widths, strict=True)}
