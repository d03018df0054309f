"""Models of several families give the losses that their logits give, with gradients, also with adapters."""

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import AutoModelForCausalLM

from qaz_llm.model.kernels.loss_head import give_losses, scaling_of, why_not
from qaz_llm.model.kernels.new_rows import look_up_apart
from qaz_llm.train.batches.loss import losses_of, targets_of

V = 61
BLOCK = {
    "vocab_size": V, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
FAMILIES = {
    "llama": ("LlamaConfig", {}),
    "llama_tied": ("LlamaConfig", {"tie_word_embeddings": True}),
    "gemma2": ("Gemma2Config", {"head_dim": 8, "final_logit_softcapping": 2.0, "attn_implementation": "eager"}),
    "gemma3": ("Gemma3TextConfig", {"head_dim": 8}),
    "cohere": ("CohereConfig", {"logit_scale": 0.3}),
    "granite": ("GraniteConfig", {"logits_scaling": 4.0}),
    "qwen3": ("Qwen3Config", {"head_dim": 8}),
    "gpt2": ("GPT2Config", {"n_embd": 32, "n_layer": 2, "n_head": 4}),
}


def make(family: str):
    cls, more = FAMILIES[family]
    torch.manual_seed(3)
    shape = {"vocab_size": V} if family == "gpt2" else BLOCK
    model = AutoModelForCausalLM.from_config(getattr(transformers, cls)(**(shape | more)))
    for parameter in model.parameters():
        if parameter.dim() > 1:
            parameter.data.mul_(4.0)  # so that a scale or a cap that is left out shows
    return model.eval()  # GPT-2 drops out


def batch():
    torch.manual_seed(4)
    ids = torch.randint(3, V, (2, 9))
    labels = ids.clone()
    labels[0, :4] = -100
    return ids, labels


def gradients(model):
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("family", FAMILIES)
def test_losses_and_gradients_are_those_of_the_logits(family: str) -> None:
    ids, labels = batch()
    plain, model = make(family), make(family)
    assert why_not(model) is None
    give_losses(model)
    by_logits = losses_of(plain(input_ids=ids, use_cache=False), labels)
    found = losses_of(model(input_ids=ids, use_cache=False, targets_BL=targets_of(labels)), labels)
    torch.testing.assert_close(found.nll_BL, by_logits.nll_BL, atol=1e-5, rtol=1e-5)
    assert torch.equal(found.learned_BL, by_logits.learned_BL)
    by_logits.nats.backward()
    found.nats.backward()
    expected, mine = gradients(plain), gradients(model)
    assert expected.keys() == mine.keys()
    for name in expected:
        torch.testing.assert_close(mine[name], expected[name], atol=2e-4, rtol=1e-4, msg=name)
    assert torch.equal(model(input_ids=ids).logits, make(family)(input_ids=ids).logits)  # as before where not asked


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_new_tokens_under_lora(tied: bool) -> None:
    ids, labels = batch()
    models = []
    for _ in range(2):
        base = make("llama_tied" if tied else "llama")
        tables = ["embed_tokens"] if tied else ["embed_tokens", "lm_head"]
        torch.manual_seed(5)
        config = LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices={name: [58, 60] for name in tables})
        models.append(get_peft_model(base, config))
    plain, model = models
    assert why_not(model.get_base_model()) is None
    give_losses(model.get_base_model())
    losses_of(plain(input_ids=ids, use_cache=False), labels).nats.backward()
    losses_of(model(input_ids=ids, use_cache=False, targets_BL=targets_of(labels)), labels).nats.backward()
    expected, mine = gradients(plain), gradients(model)
    assert expected.keys() == mine.keys() and any("trainable_tokens_delta" in name for name in mine)
    for name in expected:
        torch.testing.assert_close(mine[name], expected[name], atol=2e-4, rtol=1e-4, msg=name)


@pytest.mark.parametrize("family", ["llama_tied", "gemma3"])
def test_new_rows_are_looked_up_beside_the_table_with_the_same_gradient_and_none_of_its_size(family: str) -> None:
    ids, labels = batch()
    ids[0, :3] = torch.tensor([58, 60, 58])
    models = []
    for _ in range(2):
        base = make(family)
        torch.manual_seed(5)
        config = LoraConfig(r=2, target_modules=["q_proj"], trainable_token_indices={"embed_tokens": [60, 58]})
        models.append(get_peft_model(base, config))
    plain, model = models
    for one in models:
        for name, parameter in one.named_parameters():
            if "trainable_tokens_delta" in name:
                parameter.data.add_(torch.arange(float(parameter.numel())).view_as(parameter) / 50)
    assert look_up_apart(model)
    give_losses(model.get_base_model())
    by_logits = losses_of(plain(input_ids=ids, use_cache=False), labels)
    sizes: list[int] = []

    class Sizes(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, arguments=(), named=None):
            found = function(*arguments, **(named or {}))
            if isinstance(found, torch.Tensor) and "backward" in str(function):
                sizes.append(found.numel())
            return found

    found = losses_of(model(input_ids=ids, use_cache=False, targets_BL=targets_of(labels)), labels)
    torch.testing.assert_close(found.nll_BL, by_logits.nll_BL, atol=1e-5, rtol=1e-5)
    with Sizes():
        by_logits.nats.backward()
    assert V * 32 in sizes, "PEFT's own way makes one, which is to be seen"
    sizes.clear()
    with Sizes():
        found.nats.backward()
    assert V * 32 not in sizes, "a gradient of the size of the table"
    expected, mine = gradients(plain), gradients(model)
    assert expected.keys() == mine.keys()
    for name in expected:
        torch.testing.assert_close(mine[name], expected[name], atol=2e-4, rtol=1e-4, msg=name)
    with model.disable_adapter(), plain.disable_adapter():
        assert torch.equal(model(input_ids=ids).logits, plain(input_ids=ids).logits)


def test_heads_that_are_no_plain_product_are_named() -> None:
    biased = make("llama")
    biased.lm_head = torch.nn.Linear(32, V)
    assert why_not(biased) == "its output table has a bias"
    adapted = get_peft_model(make("llama"), LoraConfig(r=2, target_modules=["lm_head"])).get_base_model()
    assert why_not(adapted) == "its output table carries an adapter"


def test_scalings_by_hand() -> None:
    assert (scaling_of(make("granite").config).factor, scaling_of(make("cohere").config).factor) == (0.25, 0.3)
    assert scaling_of(make("gemma2").config).cap == 2.0
    assert (scaling_of(make("llama").config).factor, scaling_of(make("llama").config).cap) == (1.0, None)
