"""A tiny model with fresh weights of each family's true architecture, and what can be seen on it without training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedModel

from qaz_llm.model.architecture import choose_attention, text_config_of
from qaz_llm.model.targets import find_targets
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.packing import make_row
from qaz_llm.train.batches.collate import collate

# shape legend: T tokens of a row, V rows of the vocabulary, D hidden size
SAME_LOGITS = 1e-4
WINDOW = 16
"""Tokens that a layer with a sliding window looks back; the documents below are longer."""

SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1024,
}
LLAMA3_ROPE = {
    "rope_type": "llama3", "rope_theta": 500_000.0, "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 128,
}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
DELTA_NET = {"head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 8,
             "linear_value_head_dim": 8}  # fmt: skip
MAMBA = {"mamba_n_heads": 4, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 16}
GEMMA = {"head_dim": 8, "sliding_window": WINDOW, "query_pre_attn_scalar": 8}
VISION = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
          "image_size": 28, "patch_size": 14}  # fmt: skip
IMAGE_IDS = {"mm_tokens_per_image": 4, "image_token_index": 5, "boi_token_index": 6, "eoi_token_index": 7}


@dataclass(frozen=True)
class Family:
    """The config class of a family in transformers and what differs from SHAPE; `inside` of a multimodal model or not."""

    config: str
    values: dict[str, Any]
    tied: bool
    inside: bool = False
    reads_rows_as_one: bool = False
    """Its layers with a state carry what stands before into the next document, so its rows are not packed."""

    def make_config(self, ids: dict[str, int]) -> Any:
        """`ids`: vocab_size and the special tokens' ids."""
        values = SHAPE | ids | self.values | {"tie_word_embeddings": self.tied}
        if not self.inside:
            return getattr(transformers, self.config)(**values)
        return getattr(transformers, self.config)(text_config=values, vision_config=VISION, **IMAGE_IDS)


FAMILIES = {
    "Llama 3.x": Family("LlamaConfig", {"rope_parameters": LLAMA3_ROPE}, tied=False),
    "SmolLM2": Family("LlamaConfig", {}, tied=True),
    "Qwen2.5": Family("Qwen2Config", {}, tied=True),
    "Qwen3": Family("Qwen3Config", {"head_dim": 16}, tied=True),
    "Qwen3-MoE": Family("Qwen3MoeConfig", EXPERTS | {"head_dim": 16}, tied=False),
    "Qwen3-Next": Family(
        "Qwen3NextConfig",
        EXPERTS | DELTA_NET | {"num_hidden_layers": 4, "shared_expert_intermediate_size": 16},
        tied=False,
        reads_rows_as_one=True,
    ),
    "Qwen3.5": Family("Qwen3_5TextConfig", DELTA_NET | {"num_hidden_layers": 4}, tied=True, reads_rows_as_one=True),
    "Mistral": Family("MistralConfig", {"head_dim": 8, "sliding_window": WINDOW}, tied=False),
    "Gemma 2": Family("Gemma2Config", GEMMA, tied=True),
    "Gemma 3, text": Family("Gemma3TextConfig", GEMMA | {"num_hidden_layers": 6}, tied=True),
    "Gemma 3, multimodal": Family("Gemma3Config", GEMMA | {"num_hidden_layers": 6}, tied=True, inside=True),
    "Phi-3": Family("Phi3Config", {}, tied=False),
    "OLMo 2": Family("Olmo2Config", {}, tied=False),
    "Falcon-H1": Family(
        "FalconH1Config", MAMBA | {"mamba_d_ssm": 32, "mamba_d_head": 8}, tied=False, reads_rows_as_one=True
    ),
    "LFM2": Family(
        "Lfm2Config",
        {"num_hidden_layers": 3, "layer_types": ["conv", "full_attention", "conv"], "block_multiple_of": 8},
        tied=True,
        reads_rows_as_one=True,
    ),
    "Granite 4 hybrid": Family(
        "GraniteMoeHybridConfig",
        MAMBA
        | {
            "num_hidden_layers": 3,
            "layer_types": ["mamba", "attention", "mamba"],
            "mamba_d_head": 16,
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "shared_intermediate_size": 32,
        },
        tied=True,
        reads_rows_as_one=True,
    ),
}


def make_family(family: Family, ids: dict[str, int]) -> PreTrainedModel:
    """The model as its makers publish it, multimodal where it is; the same weights for the same arguments."""
    config = family.make_config(ids)
    torch.manual_seed(5)
    model = (
        transformers.Gemma3ForConditionalGeneration(config)
        if family.inside
        else AutoModelForCausalLM.from_config(config)
    )
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # so that a look into a wrong document shows
            if parameter.dim() >= 2 and "embed" not in name and "lm_head" not in name:
                parameter.mul_(2)
    return model.eval()


def save_family(family: Family, tokenizer: Any, folder: Path) -> Path:
    ids = {"vocab_size": len(tokenizer), "bos_token_id": tokenizer.bos_token_id,
           "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}  # fmt: skip
    make_family(family, ids).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class Facts:
    """A row of docs/models.md, as far as no training is needed for it."""

    kind: str
    attention: str
    targets: tuple[str, ...]
    tied: bool
    separates: dict[str, bool]
    """By attention: packed documents are read as if alone."""


def facts_of(family: Family, load: Callable[..., PreTrainedModel]) -> Facts:
    """`load` gives the model with the attention that it is called with."""
    model = load("auto")
    attention = choose_attention(text_config_of(model.config), "auto")
    names = ("sdpa", "eager") if attention == "sdpa" else ("eager",)
    return Facts(
        type(model).__name__,
        attention,
        find_targets(model, "auto").names,
        model.get_output_embeddings().weight is model.get_input_embeddings().weight,
        {name: leak(load(name)) < SAME_LOGITS for name in names},
    )


def leak(model: PreTrainedModel) -> float:
    """The largest difference in the logits of the second document of a row to those of the document alone."""
    first, second = list(range(100, 120)), list(range(200, 224))
    model.config.use_cache = False
    with torch.no_grad():
        batch = collate([_row([first, second])])
        packed_TV = model(**{k: v for k, v in batch.items() if k != "labels"}).logits[0, len(first) :]
        alone_TV = model(input_ids=torch.tensor([second])).logits[0]
    return float((packed_TV - alone_TV).abs().max())


def _row(documents: Sequence[Sequence[int]]) -> dict[str, Any]:
    row = make_row([TokenizedExample(tuple(ids), tuple(ids)) for ids in documents])
    return {"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}
