"""The models and rows that training is timed on: made once, read by every contender alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAMES = ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size",
         "vocab_size")  # fmt: skip


@dataclass(frozen=True)
class Shape:
    """A Llama with fresh weights, or a real model's folder (`size` empty); rows of a micro-batch and tokens of a row."""

    name: str
    size: tuple[int, ...]
    rows: int
    seq_len: int


SHAPES = (
    Shape("120k", (64, 2, 2, 2, 176, 500), 8, 256),
    Shape("10m-512", (320, 6, 5, 5, 864, 8_000), 4, 512),
    Shape("10m-1024", (320, 6, 5, 5, 864, 8_000), 2, 1024),
    Shape("48m-512", (512, 10, 8, 8, 1408, 32_000), 4, 512),
    Shape("48m-1024", (512, 10, 8, 8, 1408, 32_000), 2, 1024),
    Shape("smollm2-1024", (), 2, 1024),
)
GPU_SHAPES = (
    Shape("1b-4096", (2048, 16, 32, 8, 8192, 128_256), 4, 4096),
    Shape("8b-4096", (4096, 32, 32, 8, 14_336, 128_256), 4, 4096),
)
"""Of Llama 3.2 1B and Llama 3.1 8B."""


def make_checkpoint(shape: Shape, texts: Sequence[str], folder: Path) -> Path:
    """A model with fresh weights and a tokenizer learned from the texts, on a GPU's shapes one of 32,000."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from qaz_llm.model.export import write_model
    from qaz_llm.tokenizer.base import train_base_tokenizer

    if (folder / "config.json").is_file():
        return folder
    values = dict(zip(NAMES, shape.size, strict=True))
    tokenizer = train_base_tokenizer(texts, vocab_size=min(values["vocab_size"], 32_000))
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    values["vocab_size"] = max(values["vocab_size"], len(tokenizer))
    large = values["hidden_size"] >= 2048
    torch.manual_seed(0)
    config = LlamaConfig(**values, **ids, tie_word_embeddings=not large, max_position_embeddings=8192)
    config.dtype = torch.bfloat16 if large else torch.float32
    with torch.device("cuda" if large and torch.cuda.is_available() else "cpu"):
        model = LlamaForCausalLM(config).to(config.dtype)
    write_model(model, tokenizer, folder, facts={})
    return folder


def config_of(
    checkpoint: Path, text: Path, shape: Shape, cache: Path, run_dir: Path, *, steps: int, **more: Any
) -> dict[str, Any]:
    """A training config for `qaz train`; constant learning rate, no checkpoint on the way, and a last step
    more than is timed: the run saves after it, which the peers do not."""
    return {
        "run_dir": str(run_dir),
        "method": "cpt",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"mix": [{"name": "kk", "path": str(text)}], "cache_dir": str(cache)},
        "seq_len": shape.seq_len,
        "micro_batch_size": shape.rows,
        "max_steps": steps + 1,
        "lr": 1e-4,
        "schedule": "constant",
        "checkpoint_every_steps": None,
        "async_save": "off",
    } | more
