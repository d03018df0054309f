"""Which layers get adapters, against lists written by hand from the families' own papers and modules."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
import transformers
from tiny_llama import make_model
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM, PreTrainedModel

from qaz_llm.errors import ConfigError
from qaz_llm.model.adapters import add_lora, merge_adapter, save_adapter
from qaz_llm.model.targets import find_targets

SHAPE: dict[str, Any] = {"vocab_size": 96, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
                         "num_attention_heads": 4, "num_key_value_heads": 2, "pad_token_id": 0}  # fmt: skip
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16, "head_dim": 8}
ATTENTION = ("q_proj", "k_proj", "v_proj", "o_proj")
MLP = ("gate_proj", "up_proj", "down_proj")


def make(kind: str, **values: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(getattr(transformers, f"{kind}Config")(**SHAPE | values)).eval()


BY_HAND = {
    "Llama": ({}, ATTENTION + MLP),
    "Phi3": ({}, ("o_proj", "qkv_proj", "gate_up_proj", "down_proj")),
    "Phi": ({}, ("q_proj", "k_proj", "v_proj", "dense", "fc1", "fc2")),
    "GPTNeoX": ({"rotary_pct": 0.5}, ("query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h")),
    "OPT": ({"ffn_dim": 48}, ("k_proj", "v_proj", "q_proj", "out_proj", "fc1", "fc2")),
    "GPT2": ({"n_embd": 32, "n_head": 4, "n_layer": 2}, ("c_attn", "c_proj", "c_fc")),
    "Qwen3Moe": (EXPERTS, (*ATTENTION, "experts.gate_up_proj", "experts.down_proj")),
    "Mixtral": ({"num_local_experts": 4}, (*ATTENTION, "experts.gate_up_proj", "experts.down_proj")),
}


@pytest.mark.parametrize("kind", BY_HAND)
def test_auto_finds_the_projections_of_the_blocks(kind: str) -> None:
    values, names = BY_HAND[kind]
    model = make(kind, **values)
    targets = find_targets(model, "auto")
    assert set(targets.names) == set(names)
    adapted = add_lora(model, r=2, alpha=4.0, dropout=0.0)
    blocks = 2
    sides = [n for n, p in adapted.named_parameters() if p.requires_grad]
    assert all("lora_" in name for name in sides) and len(sides) == 2 * blocks * len(
        [name for name in names if name != "c_proj"] + ["c_proj"] * (2 if "c_proj" in names else 0)
    )
    assert not any(part in name for name in sides for part in ("embed", "lm_head", "router", "mlp.gate."))


def test_experts_are_merged_as_they_were_in_memory(tmp_path: Any) -> None:
    ids = torch.arange(5, 25)[None]
    model = add_lora(make("Qwen3Moe", **EXPERTS), r=2, alpha=8.0, dropout=0.0)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    for _ in range(3):
        cross_entropy(model(input_ids=ids).logits[0, :-1], ids[0, 1:]).backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        in_memory, start = model(input_ids=ids).logits, make("Qwen3Moe", **EXPERTS)(input_ids=ids).logits
        save_adapter(model, tmp_path)
        merged = merge_adapter(make("Qwen3Moe", **EXPERTS), tmp_path)(input_ids=ids).logits
    assert (in_memory - start).abs().max() > 1e-2
    torch.testing.assert_close(merged, in_memory, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    ("kind", "values", "wanted", "said"),
    [
        # what Llama calls its projections, on models that fuse them: some match, and nothing may be passed over
        ("Phi3", {}, ATTENTION + MLP, r"q_proj, k_proj, v_proj, gate_proj, up_proj match nothing in Phi3ForCausalLM; "
         r"o_proj, down_proj match(.|\n)*o_proj, qkv_proj, gate_up_proj, down_proj"),
        ("Llama", {}, ("q_proj", "value_proj"), "value_proj match nothing in LlamaForCausalLM; q_proj match"),
        ("Llama", {}, ("proj",), "proj match nothing in LlamaForCausalLM\n"),
        ("Llama", {}, ("mlp",), "mlp match nothing"),
        ("Llama", {}, ("input_layernorm", "q_proj"), "input_layernorm match nothing"),
        ("Qwen3Moe", EXPERTS, ("q_proj", "gate_proj"), "gate_proj and up_proj are one weight in the experts"),
        ("Llama", {"tie_word_embeddings": True}, ("q_proj", "lm_head"), "lm_head shares its weights with the input table"),
        ("Llama", {"tie_word_embeddings": True}, ("embed_tokens",), "embed_tokens shares its weights with the output table"),
        ("FalconH1", {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8, "mamba_d_state": 8}, ("out_proj",),
         "belongs to a Mamba block"),
    ],
)  # fmt: skip
def test_names_that_do_not_match_are_refused(kind: str, values: dict, wanted: tuple[str, ...], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        add_lora(make(kind, **values), r=2, alpha=4.0, dropout=0.0, target_modules=wanted)


def test_names_may_be_longer_ends() -> None:
    model = make("Llama")
    assert find_targets(model, ("self_attn.q_proj", "layers.1.mlp.up_proj")).layers == {
        "model.layers.0.self_attn.q_proj", "model.layers.1.self_attn.q_proj", "model.layers.1.mlp.up_proj"
    }  # fmt: skip


def test_old_names_of_experts_mean_the_stack() -> None:
    targets = find_targets(make("Qwen3Moe", **EXPERTS), ATTENTION + MLP)
    assert targets.parameters == ("experts.gate_up_proj", "experts.down_proj") and targets.modules == ATTENTION


def test_dropout_beside_experts_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"adapter.dropout 0.1 cannot be had beside the weights of experts"):
        add_lora(make("Qwen3Moe", **EXPERTS), r=2, alpha=4.0, dropout=0.1)


def test_layers_that_peft_cannot_reach_are_named(caplog: pytest.LogCaptureFixture) -> None:
    """Beside experts PEFT takes gate_proj for theirs, so a dense layer of that name gets no adapter."""
    model = make("Qwen3Moe", **EXPERTS, mlp_only_layers=[0])
    with caplog.at_level(logging.WARNING, logger="qaz"):
        add_lora(model, r=2, alpha=4.0, dropout=0.0)
    assert "3 linear layers have no adapters" in caplog.text and "model.layers.0.mlp.gate_proj" in caplog.text


@pytest.mark.parametrize("tied", [True, False])
def test_whole_tables_over_a_bfloat16_base_keep_small_updates(tied: bool) -> None:
    """An update of a thousandth of a weight is lost in bfloat16, whose step is 1/256 of it: here it is not."""
    model = make_model(tied=tied, dtype=torch.bfloat16)
    adapted = add_lora(model, r=2, alpha=4.0, dropout=0.0, new_tokens=[7], new_embeddings="modules_to_save")
    trained = {name: p for name, p in adapted.named_parameters() if p.requires_grad}
    assert {p.dtype for p in trained.values()} == {torch.float32}
    assert {p.dtype for name, p in adapted.named_parameters() if name not in trained} == {torch.bfloat16}
    table = model.get_input_embeddings().weight
    before = table.detach().clone()
    ids = torch.arange(5, 25)[None]
    for autocast in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            hidden = model.get_input_embeddings()(ids)
            assert hidden.dtype == torch.bfloat16  # the frozen layers go on in 16 bit
            cross_entropy(adapted(input_ids=ids).logits[0, :-1].float(), ids[0, 1:]).backward()
    torch.optim.SGD([table], lr=1e-3 * float(before[5].abs().mean() / table.grad[5].abs().mean())).step()
    changed = (table[5] - before[5]).abs().mean() / before[5].abs().mean()
    assert 5e-4 < changed < 2e-3


def test_a_head_with_a_bias_is_trained_whole_over_a_bfloat16_base() -> None:
    model = make("Phi").to(torch.bfloat16)
    adapted = add_lora(model, r=2, alpha=4.0, dropout=0.0, new_tokens=[7], new_embeddings="modules_to_save")
    ids = torch.arange(5, 25)[None]
    for autocast in (True, False):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = adapted(input_ids=ids).logits
        cross_entropy(logits[0, :-1].float(), ids[0, 1:]).backward()
    assert model.get_output_embeddings().weight.grad.dtype == torch.float32
