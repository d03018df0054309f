"""A model of two small layers with fresh weights."""

from __future__ import annotations

from transformers import LlamaConfig, LlamaForCausalLM


def tiny_llama(*, layers: int = 2, vocab_size: int = 64) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=vocab_size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=128,
    )
    return LlamaForCausalLM(config).eval()
