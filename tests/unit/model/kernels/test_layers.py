"""Layers computed twice, compiled and in 8 bit."""

from itertools import pairwise

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from qaz_llm.model.kernels.layers import compile_layers, compute_twice, decoder_layers, multiply_in_8_bit

SHAPE = {
    "vocab_size": 61, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


def make():
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE)).train()


def learn(model) -> tuple[dict[str, torch.Tensor], int]:
    """Gradients, and the bytes that the forward pass kept for the backward pass."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = model(input_ids=torch.arange(40).view(2, 20), use_cache=False).logits.square().mean()
    loss.backward()
    return {name: p.grad for name, p in model.named_parameters()}, sum(kept.values())


def test_the_more_layers_are_computed_twice_the_less_is_kept_and_the_gradients_stay() -> None:
    expected, before = learn(make())
    for count in (1, 2, 3, None):
        model = make()
        compute_twice(model, count)
        gradients, kept = learn(model)
        assert [layer.gradient_checkpointing for layer in decoder_layers(model)] == [n < (count or 3) for n in range(3)]
        assert kept < before or count is None
        before = kept
        for name in expected:
            torch.testing.assert_close(gradients[name], expected[name])


@pytest.mark.slow
@pytest.mark.thorough
def test_compiled_layers_give_the_same_and_are_compiled_once_whatever_the_bounds() -> None:
    from torch._dynamo.utils import counters

    from qaz_llm.model.kernels.documents import as_bounds, register_documents

    register_documents()
    torch._dynamo.reset()
    counters.clear()

    def loss_of(model, bounds: list[int]) -> torch.Tensor:
        mask = as_bounds(torch.tensor(bounds))
        positions = torch.cat([torch.arange(b - a) for a, b in pairwise(bounds)]).view(2, 20)
        ids = torch.arange(40).view(2, 20)
        return model(input_ids=ids, position_ids=positions, attention_mask=mask, use_cache=False).logits.square().mean()

    plain, model = make(), make()
    for one in (plain, model):
        one.set_attn_implementation("documents")
    assert compile_layers(model) == 3
    assert dict(plain.named_parameters()).keys() == dict(model.named_parameters()).keys()
    seen = []
    for bounds in ([0, 20, 40], [0, 3, 20, 40], [0, 5, 20, 30, 40], [0, 1, 2, 20, 25, 40]):
        found, expected = loss_of(model, bounds), loss_of(plain, bounds)
        torch.testing.assert_close(found, expected)
        found.backward()
        seen.append(counters["stats"]["unique_graphs"])
    assert seen[1:] == seen[1:2] * 3, "recompiled for another number of documents"


def test_8_bit_products_of_layers_alone_and_near_those_in_32() -> None:
    pytest.importorskip("torchao")
    plain, model = make(), make()
    assert multiply_in_8_bit(model, "tensorwise", emulate=True) == 3 * 7
    assert type(model.lm_head) is torch.nn.Linear
    ids = torch.arange(40).view(2, 20)
    found, expected = model(input_ids=ids).logits, plain(input_ids=ids).logits
    assert 0 < float((found - expected).abs().max()) < 0.1 * float(expected.abs().max())
    found.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_a_frozen_base_in_8_bit_under_lora_passes_gradients_on_and_gets_none() -> None:
    pytest.importorskip("torchao")
    from qaz_llm.model.adapters import add_lora

    model = make()
    assert multiply_in_8_bit(model, "rowwise", emulate=True) == 3 * 7
    adapted = add_lora(model, r=4, alpha=8, dropout=0.0)
    adapted(input_ids=torch.arange(20)[None]).logits.square().mean().backward()
    assert all(p.grad is None for n, p in adapted.named_parameters() if "lora_" not in n)
    first = model.model.layers[0].self_attn.q_proj.lora_B["default"].weight.grad
    assert first is not None and float(first.abs().max()) > 0
