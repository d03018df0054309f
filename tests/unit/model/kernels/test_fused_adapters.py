"""Adapters computed as few products, against PEFT's own: results, losses, gradients, files, and what stays PEFT's."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    Lfm2Config,
    LlamaConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from qaz_llm.model.adapters import add_lora, merge_adapter, save_adapter
from qaz_llm.model.kernels.fused_adapters import fuse_adapters
from qaz_llm.model.kernels.layers import compute_twice, decoder_layers

SHAPE: dict[str, Any] = {
    "vocab_size": 97, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": 0,
}  # fmt: skip
CONFIGS: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**SHAPE),
    "qwen2, biases": Qwen2Config(**SHAPE),
    "qwen3, norms of heads": Qwen3Config(**SHAPE, head_dim=16),
    "gemma 3, windows": Gemma3TextConfig(**SHAPE, head_dim=16, sliding_window=8),
    "lfm2, w1 and w3": Lfm2Config(**SHAPE, layer_types=["conv", "full_attention"]),
}
IDS_BL = torch.arange(80).view(2, 40) % 90 + 5


def adapted(
    config: PretrainedConfig, dtype: torch.dtype = torch.float32, *, twice: bool = False, **options: Any
) -> Any:
    """A model with adapters that change something; the same weights each time."""
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_config(config).to(dtype).train()
    if twice:
        compute_twice(base, None)
        base.enable_input_require_grads()
    model = add_lora(base, **{"r": 4, "alpha": 12.0, "dropout": 0.0} | options)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model.double() if dtype == torch.float64 else model


def learnt(model: Any, *, passes: int = 1, **named: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """Logits and loss of the last pass, gradients of all added up."""
    model.zero_grad()
    for number in range(passes):
        ids_BL = (IDS_BL + number) % 97
        made = model(input_ids=ids_BL, labels=ids_BL, use_cache=False, **named)
        made.loss.backward()
    return (
        made.logits.detach(),
        made.loss.detach(),
        {n: p.grad for n, p in model.named_parameters() if p.grad is not None},
    )


def distance(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    """‖found − expected‖ / ‖expected‖ of all gradients as one."""
    assert found.keys() == expected.keys()
    apart = sum(float((found[name].double() - expected[name].double()).square().sum()) for name in expected)
    return float((apart / sum(float(one.double().square().sum()) for one in expected.values())) ** 0.5)


def assert_same(found: Any, expected: Any, near: float) -> None:
    torch.testing.assert_close(found[0], expected[0], rtol=near, atol=near)
    torch.testing.assert_close(found[1], expected[1], rtol=near, atol=0)
    assert all("lora_" in name for name in found[2]), "a frozen weight has a gradient"
    assert distance(found[2], expected[2]) < near


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize(
    ("dtype", "near"), [(torch.float32, 1e-5), (torch.float64, 1e-13)]
)  # float32: processors round differently
@pytest.mark.parametrize("name", CONFIGS)
def test_results_and_gradients_are_pefts(name: str, dtype: torch.dtype, near: float, twice: bool) -> None:
    model = adapted(CONFIGS[name], dtype, twice=twice)
    expected = learnt(model, passes=2)
    fused = fuse_adapters(model)
    assert fused.groups < fused.layers and not fused.left
    # LFM2 multiplies what it convolves: numbers that nearly vanish, in float32 far from each other either way
    assert_same(learnt(model, passes=2), expected, near * (10 if name.startswith("lfm2") else 1))


def test_packed_rows_and_the_factor_of_stabilised_ranks() -> None:
    model = adapted(CONFIGS["llama"], torch.float64, rank_stabilised=True)
    packed = {"position_ids": torch.cat([torch.arange(13), torch.arange(27)]).repeat(2, 1)}
    expected = learnt(model, **packed)
    fuse_adapters(model)
    assert_same(learnt(model, **packed), expected, 1e-13)


def test_each_input_is_multiplied_with_all_its_adapters_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from qaz_llm.model.kernels import fused_adapters as module

    model, calls, own = adapted(CONFIGS["llama"]), [], module.lora_products
    fuse_adapters(model)
    monkeypatch.setattr(
        module, "lora_products", lambda x, layers, dtype: calls.append(len(layers)) or own(x, layers, dtype)
    )
    learnt(model)
    assert calls == [3, 1, 2, 1] * 2  # q k v, o, gate and up, down


def test_in_16_bit_it_is_no_further_from_the_exact_result_than_peft() -> None:
    """Float32 masters beside a model in 16 bit, under autocast, as a run has them."""
    model = adapted(CONFIGS["llama"], torch.bfloat16)
    exact = learnt(copy.deepcopy(model).double())[2]
    with torch.autocast("cpu", torch.bfloat16):
        peft = learnt(model)[2]
        fuse_adapters(model)
        fused = learnt(model)[2]
    assert {one.dtype for one in fused.values()} == {torch.float32}
    assert distance(fused, exact) < 1.1 * distance(peft, exact)


def test_in_16_bit_the_input_is_not_cast_for_each_layer() -> None:
    def kept(model: Any) -> int:
        found: dict[int, int] = {}
        pack = lambda t: found.update({t.untyped_storage().data_ptr(): t.untyped_storage().nbytes()}) or t  # noqa: E731
        with torch.autocast("cpu", torch.bfloat16), torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            made = model(input_ids=IDS_BL, use_cache=False)  # held, so that no storage is used twice
        return sum(found.values()) if made is not None else 0

    model = adapted(CONFIGS["llama"], torch.bfloat16)
    before = kept(model)
    fuse_adapters(model)
    copies = 2 + 1  # q k v and gate up now have one between them, 2 bytes a number
    assert kept(model) <= before - 2 * copies * IDS_BL.numel() * 32 * 2


@pytest.mark.slow
@pytest.mark.parametrize("twice", [False, True])
def test_compiled_layers_give_the_same_and_stay_whole(twice: bool) -> None:
    torch._dynamo.reset()
    expected = learnt(adapted(CONFIGS["llama"], twice=twice))
    model = adapted(CONFIGS["llama"], twice=twice)
    fuse_adapters(model)
    for layer in decoder_layers(model.get_base_model()):
        layer.compile(backend="aot_eager", fullgraph=True)  # which raises where the code would be cut
    assert_same(learnt(model), expected, 1e-5)


def test_what_is_saved_and_merged_is_pefts(tmp_path: Path) -> None:
    config = CONFIGS["llama"]
    plain, model = adapted(config), adapted(config)
    fuse_adapters(model)
    assert model.state_dict().keys() == plain.state_dict().keys()
    for one, folder in ((plain, tmp_path / "peft"), (model, tmp_path / "fused")):
        save_adapter(one, folder)
    names = sorted(path.name for path in (tmp_path / "peft").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "fused").iterdir())
    assert all((tmp_path / "peft" / name).read_bytes() == (tmp_path / "fused" / name).read_bytes() for name in names)
    expected = model(input_ids=IDS_BL).logits
    torch.manual_seed(0)
    merged = merge_adapter(AutoModelForCausalLM.from_config(config), tmp_path / "fused")
    torch.testing.assert_close(merged(input_ids=IDS_BL).logits, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(model.merge_and_unload()(input_ids=IDS_BL).logits, expected, rtol=1e-5, atol=1e-5)


def test_adapters_that_are_off_merged_or_scaled_anew_are_computed_as_peft_does() -> None:
    plain, model = adapted(CONFIGS["llama"]), adapted(CONFIGS["llama"])
    fuse_adapters(model)
    made = []
    for one in (plain, model):
        with torch.no_grad(), one.disable_adapter():
            made.append(one(input_ids=IDS_BL).logits)
        layer = one.get_base_model().model.layers[0].mlp.up_proj
        layer.scale_layer(2.0)
        made.append(one(input_ids=IDS_BL).logits.detach())
        layer.merge()
        made.append(one(input_ids=IDS_BL).logits.detach())
        layer.unmerge()
    assert torch.equal(made[0], made[3]) and not torch.allclose(made[0], made[1])
    torch.testing.assert_close(made[4], made[1], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(made[5], made[2], rtol=1e-5, atol=1e-5)


def test_without_autocast_mixed_types_are_pefts_to_the_bit() -> None:
    model = adapted(CONFIGS["llama"], torch.bfloat16)
    expected = model(input_ids=IDS_BL).logits
    fuse_adapters(model)
    assert torch.equal(model(input_ids=IDS_BL).logits, expected)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"dropout": 0.1}, "dropout, which each layer draws for itself"),
        ({"weight_decomposed": True}, "a variant of LoRA (DoraLinearVariant)"),
    ],
)
def test_what_cannot_be_fused_is_counted_by_reason(options: dict[str, Any], reason: str) -> None:
    model = adapted(CONFIGS["llama"], **options)
    fused = fuse_adapters(model)
    assert (fused.layers, dict(fused.left)) == (0, {reason: 14})
    assert str(fused) == f"adapters of 0 layers fused, by 0 inputs; 14 left to PEFT: {reason}"
    assert all("forward" not in vars(module) for module in model.modules())


def test_layers_that_cannot_be_fused_leave_the_others_of_their_input() -> None:
    model = adapted(CONFIGS["llama"], torch.float64)
    first = model.get_base_model().model.layers[0].self_attn
    first.k_proj.lora_B["default"].bias = torch.nn.Parameter(torch.randn(16, dtype=torch.float64))
    first.v_proj.base_layer.register_forward_hook(lambda _module, _inputs, output: 2 * output)
    model.add_adapter("second", model.peft_config["default"])
    model.delete_adapter("second")
    expected = learnt(model)
    fused = fuse_adapters(model)
    assert dict(fused.left) == {"an adapter with a bias": 1, "hooks on the layer or its adapter": 1}
    assert_same(learnt(model), expected, 1e-13)
    other = adapted(CONFIGS["llama"])
    other.add_adapter("second", other.peft_config["default"])
    assert dict(fuse_adapters(other).left) == {"2 adapters on one layer": 14}


def test_a_family_whose_layers_read_different_inputs_is_right_and_parted(caplog: pytest.LogCaptureFixture) -> None:
    model = adapted(CONFIGS["llama"], torch.float64)
    for layer in decoder_layers(model.get_base_model()):
        layer.mlp.forward = lambda x, mlp=layer.mlp: mlp.down_proj(mlp.act_fn(mlp.gate_proj(2 * x)) * mlp.up_proj(x))
    expected = learnt(model)
    fuse_adapters(model)
    with caplog.at_level("INFO"):
        found = [learnt(model), learnt(model)]
    for one in found:
        assert_same(one, expected, 1e-13)
    assert caplog.text.count("layers of LlamaMLP read different inputs") == 2, "once for each layer, not at each step"


def test_a_layer_called_by_itself_knows_nothing_of_an_earlier_call() -> None:
    model = adapted(CONFIGS["llama"])
    fuse_adapters(model)
    attention = model.get_base_model().model.layers[0].self_attn
    x = torch.randn(1, 3, 32)
    attention.q_proj(x)
    before = attention.k_proj(x)
    with torch.no_grad():
        attention.k_proj.lora_B["default"].weight.mul_(2)
    assert not torch.allclose(attention.k_proj(x), before)


def test_a_copy_computes_with_its_own_weights() -> None:
    model = adapted(CONFIGS["llama"])
    fuse_adapters(model)
    other = copy.deepcopy(model)
    before = model(input_ids=IDS_BL).logits
    with torch.no_grad():
        for name, parameter in other.named_parameters():
            if "lora_B" in name:
                parameter.zero_()
    assert torch.equal(model(input_ids=IDS_BL).logits, before)
    with model.disable_adapter():
        torch.testing.assert_close(other(input_ids=IDS_BL).logits, model(input_ids=IDS_BL).logits)
