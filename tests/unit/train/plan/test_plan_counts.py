"""FLOPs against torch's own counter, activations against what autograd packs, on tiny models of several families."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PretrainedConfig,
    Qwen3Config,
    Qwen3MoeConfig,
)

from qaz_llm.model.adapters import add_lora
from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.model.kernels.documents import register_documents
from qaz_llm.model.kernels.fused_adapters import fuse_adapters
from qaz_llm.model.kernels.norms import keep_less
from qaz_llm.model.targets import find_targets
from qaz_llm.train.batches.collate import document_bounds
from qaz_llm.train.plan.activations import Precision, count_activations
from qaz_llm.train.plan.flops import count_flops, seen_tokens
from qaz_llm.train.plan.matrices import Attention, Structure, structure_of

SEQ_LEN, ROWS, RANK = 64, 2, 4
SHAPE: dict[str, Any] = {
    "vocab_size": 200, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "pad_token_id": 0,
}  # fmt: skip
GEMMA = {"head_dim": 16, "sliding_window": 16, "query_pre_attn_scalar": 16}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "head_dim": 16}
CONFIGS = {
    "llama, tied": LlamaConfig(**SHAPE, tie_word_embeddings=True),
    "llama, untied": LlamaConfig(**SHAPE, tie_word_embeddings=False),
    "mistral, window": MistralConfig(**SHAPE, head_dim=16, sliding_window=16),
    "qwen3, norms of heads": Qwen3Config(**SHAPE, head_dim=32),
    "qwen3, experts": Qwen3MoeConfig(**SHAPE, **EXPERTS),
    "phi-3, fused": Phi3Config(**SHAPE),
    "gemma 2, capped": Gemma2Config(**SHAPE, **GEMMA),
    "gemma 3, windows": Gemma3TextConfig(**SHAPE | {"num_hidden_layers": 6}, **GEMMA),
}
HOWS = ["full", "lora", "lora with rows"]


def prepared(config: PretrainedConfig, how: str, attention: str) -> tuple[Any, Structure]:
    """A model to train, and its structure as the plan reads it."""
    config._experts_implementation = "eager"  # torch's counter knows no grouped products
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention).train()
    structure = structure_of(model)
    if how == "full":
        return model, structure
    rows = [3, 4] if how == "lora with rows" else None
    structure = structure.adapted(find_targets(model, "auto").names, rank=RANK, trains_tables=rows is not None)
    return add_lora(model, r=RANK, alpha=8, dropout=0.0, new_tokens=rows), structure


@pytest.mark.parametrize("how", HOWS)
@pytest.mark.parametrize("name", CONFIGS)
def test_flops_are_those_that_torch_counts(name: str, how: str) -> None:
    """Eager attention computes the whole square, so that is what is compared; the causal half is counted below."""
    model, structure = prepared(CONFIGS[name], how, "eager")
    with FlopCounterMode(display=False) as counter:
        model(input_ids=torch.randint(5, 100, (ROWS, SEQ_LEN)), use_cache=False).logits.sum().backward()
    counted = count_flops(structure, SEQ_LEN, trains_all=how == "full", input_gets_gradient=how != "lora", causal=False)
    added = sum(m.total for m in structure.matrices if m.is_stack) * 6 * RANK if how != "full" else 0
    # the adapters' product is added to stacks of experts once a micro-batch, however many tokens it has: no part of a token
    wanted = (counter.get_total_flops() - added) / (ROWS * SEQ_LEN)
    assert counted.model == pytest.approx(wanted, rel=0.02)


@pytest.mark.parametrize(("window", "chunk"), [(None, None), (3, None), (1, None), (100, None), (None, 4)])
def test_seen_tokens_are_those_that_the_mask_lets_through(window: int | None, chunk: int | None) -> None:
    length = 12
    allowed = [
        sum(
            1
            for k in range(q + 1)
            if (window is None or q - k < window) and (chunk is None or q // chunk == k // chunk)
        )
        for q in range(length)
    ]
    assert seen_tokens(Attention("b", 1, 1, 1, window, chunk), length) == pytest.approx(sum(allowed) / length)


def packed_bytes(model: Any, attention: str = "sdpa") -> int:
    """Bytes of all that autograd keeps of a forward pass on packed rows, but for parameters."""
    parameters = {id(parameter) for parameter in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        whole = tensor._base if tensor._base is not None else tensor
        if id(whole) not in parameters:
            kept[id(whole)] = whole
        return tensor

    positions = torch.cat([torch.arange(SEQ_LEN // 2)] * 2).repeat(ROWS, 1)
    bounds = document_bounds(positions) if attention == DOCUMENTS else {}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        model(input_ids=torch.randint(5, 100, (ROWS, SEQ_LEN)), position_ids=positions, use_cache=False, **bounds)
    return sum(tensor.numel() * tensor.element_size() for tensor in kept.values())


@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("name", CONFIGS)
def test_activations_are_those_that_autograd_keeps(name: str, how: str) -> None:
    _compare(name, how, "eager" if name.startswith("gemma 2") else "sdpa")


@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("name", ["llama, tied", "qwen3, norms of heads", "phi-3, fused"])
def test_activations_with_attention_within_documents(name: str, how: str) -> None:
    """No mask is kept, and keys and values are as many heads as the model has of them."""
    register_documents()
    _compare(name, how, DOCUMENTS)


@pytest.mark.parametrize("how", ["full", "lora"])
@pytest.mark.parametrize("name", ["llama, tied", "qwen3, norms of heads", "phi-3, fused"])
def test_activations_where_norms_keep_their_input_alone(name: str, how: str) -> None:
    _compare(name, how, "sdpa", lean_norms=True)


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("name", ["llama, tied", "qwen3, norms of heads"])
def test_activations_in_16_bit_where_adapters_are_fused_and_where_they_are_not(name: str, fused: bool) -> None:
    """PEFT casts the input for each of its float32 adapters."""
    model, structure = prepared(CONFIGS[name], "lora", "sdpa")
    for parameter in model.parameters():
        if not parameter.requires_grad:
            parameter.data = parameter.data.bfloat16()
    if fused:
        fuse_adapters(model)
    keep_less(model)
    counted = count_activations(
        structure, SEQ_LEN, Precision(2, 2), attention="sdpa", lean_norms=True, fused_adapters=fused
    ).kept(checkpointed=0)
    with torch.autocast("cpu", torch.bfloat16):
        assert counted * SEQ_LEN * ROWS == pytest.approx(packed_bytes(model, "sdpa"), rel=0.1)


def _compare(name: str, how: str, attention: str, *, lean_norms: bool = False) -> None:
    model, structure = prepared(CONFIGS[name], how, attention)
    assert bool(keep_less(model) if lean_norms else False) == lean_norms
    counted = count_activations(structure, SEQ_LEN, Precision(), attention=attention, lean_norms=lean_norms).kept(
        checkpointed=0
    )
    added = sum(m.total for m in structure.matrices if m.is_stack) * 4 if how == "lora" else 0  # no part of a token
    assert counted * SEQ_LEN * ROWS + added == pytest.approx(packed_bytes(model, attention), rel=0.1)
