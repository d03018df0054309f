"""What a process keeps of each parameter without DeepSpeed, in bytes; for the estimate before a run.

    trained   weight 4 + gradient 4 + states of AdamW 8 (in 8 bits 2, of Muon 4)     = 16, 10, 12;   pull_to_base 4 more
    frozen    4 in float32 · 2 beside LoRA in bf16 · 0.52 in NF4 with its scales in 8 bits (arXiv 2305.14314, section 3)

What full tuning leaves frozen stays in float32, as the layers around it give and take float32.
"""

from __future__ import annotations

from typing import Any

from qaz_llm.train.config import TrainSettings

NF4_BYTES = 0.52
"""4 bits, an 8-bit scale for every 64 of them, and a float32 scale for every 256 of these: 4.127 bits."""


def trained_bytes(settings: TrainSettings) -> int:
    """Of a trained parameter."""
    moments = 2 if settings.optimizer.states != "fp32" else 4 if settings.optimizer.type == "muon" else 8
    return 8 + moments + (4 if settings.pull_to_base else 0)


def frozen_bytes(settings: TrainSettings, model_config: Any, frozen: int) -> float:
    """Of all `frozen` parameters together."""
    wide = 4 if settings.adapter.type == "full" or settings.precision == "fp32" else 2
    if not settings.adapter.quantised:
        return float(wide * frozen)
    tables: int = model_config.vocab_size * model_config.hidden_size * (1 if model_config.tie_word_embeddings else 2)
    return float(wide * tables) + NF4_BYTES * (frozen - tables)
