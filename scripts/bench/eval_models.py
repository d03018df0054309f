"""A Llama of 50 million random weights, with a tokenizer made of texts of its language."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

VOCAB_TOKENS = 16_000
VOCAB_ROWS = 32_000
"""Rows of the embedding, as many as Llama 2 has; the tokenizer uses the first VOCAB_TOKENS of them."""


def make_random_model(folder: Path, texts: Iterable[str]) -> None:
    """Write model and tokenizer to `folder`. Weights are drawn wide, so that an answer depends on all that came before it."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from qaz_llm.tokenizer.base import train_base_tokenizer

    tokenizer = train_base_tokenizer(texts, vocab_size=VOCAB_TOKENS)
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=VOCAB_ROWS, hidden_size=512, num_hidden_layers=11, num_attention_heads=8, num_key_value_heads=8,
        intermediate_size=1365, max_position_embeddings=8192, tie_word_embeddings=True, initializer_range=0.04,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
