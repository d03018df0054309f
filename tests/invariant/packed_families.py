"""Tiny random models of many architectures, with weights large enough that a wrong document shows."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM

VOCAB_SIZE = 97
BASE = {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "num_attention_heads": 4, "max_position_embeddings": 256}
BLOCK = BASE | {"intermediate_size": 64, "num_hidden_layers": 2, "num_key_value_heads": 2}
HEADED = BLOCK | {"head_dim": 16}
GATED = {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8, "linear_value_head_dim": 8}
STATE = {"mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}

SEPARATED: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", BLOCK),
    "qwen2": ("Qwen2Config", BLOCK),
    "qwen3": ("Qwen3Config", HEADED),
    "mistral": ("MistralConfig", BLOCK | {"sliding_window": 16}),
    "gemma2": ("Gemma2Config", HEADED | {"sliding_window": 16, "attn_implementation": "eager"}),
    "gemma3": ("Gemma3TextConfig", HEADED | {"sliding_window": 16}),
    "phi3": ("Phi3Config", BLOCK | {"pad_token_id": 2}),
    "olmo2": ("Olmo2Config", BLOCK),
    "gpt2": ("GPT2Config", {"vocab_size": VOCAB_SIZE, "n_embd": 32, "n_layer": 2, "n_head": 4}),
}
"""Families whose attention keeps the documents of a packed row apart."""

MIXED: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen3_5": ("Qwen3_5TextConfig", HEADED | {"num_hidden_layers": 4} | GATED),
    "lfm2": ("Lfm2Config", BLOCK | {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"]}),
    "falcon_h1": (
        "FalconH1Config",
        BLOCK | STATE | {"head_dim": 8, "mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8},
    ),
    "granite_hybrid": (
        "GraniteMoeHybridConfig",
        BLOCK
        | {"layer_types": ["mamba", "attention"], "mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8}
        | {"mamba_n_groups": 1, "num_local_experts": 0, "shared_intermediate_size": 64},
    ),
    "opt": ("OPTConfig", BASE | {"ffn_dim": 64, "num_hidden_layers": 2, "word_embed_proj_dim": 32}),
    "bloom": ("BloomConfig", {"vocab_size": VOCAB_SIZE, "hidden_size": 32, "n_layer": 2, "n_head": 4}),
    "falcon": (
        "FalconConfig",
        {k: BASE[k] for k in ("vocab_size", "hidden_size", "num_attention_heads")} | {"num_hidden_layers": 2},
    ),
}
"""Families that read a packed row as one document."""


def make_family(name: str, *, scale: float = 4.0, **values: Any) -> Any:
    cls, config = (SEPARATED | MIXED)[name]
    tokens = {"bos_token_id": 0, "eos_token_id": 1}
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(getattr(transformers, cls)(**(tokens | config | values)))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(scale)
    return model.eval()
