"""A Llama small enough to look at every row of its tables."""

from __future__ import annotations

import torch
from transformers import LlamaConfig, LlamaForCausalLM

BASE_VOCAB, HIDDEN = 400, 16


def make_model(
    *, tied: bool, rows: int = BASE_VOCAB, num_layers: int = 1, dtype: torch.dtype = torch.float32
) -> LlamaForCausalLM:
    """The same weights for the same arguments."""
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=num_layers, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=tied,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(dtype).eval()


def tables(model: LlamaForCausalLM) -> tuple[torch.Tensor, torch.Tensor]:
    """Input and output table, V × D each."""
    return model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()
