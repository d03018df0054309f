"""Attention `documents` on packed rows: the logits and gradients of transformers' dense mask, in every family that takes it.

torch's kernel for a GPU is stood in for by attention by its definition, with the same interface.
"""

import inspect
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from packed_families import VOCAB_SIZE, make_family
from torch.nn.attention import varlen

from qaz_llm.errors import ConfigError
from qaz_llm.model.architecture import choose_attention, choose_training_attention
from qaz_llm.model.kernels import documents
from qaz_llm.model.kernels.documents import UnsupportedAttentionError, register_documents
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.packing import make_row
from qaz_llm.train.batches.collate import Collator, document_bounds
from qaz_llm.train.batches.loss import losses_of
from qaz_llm.train.batches.packing_probe import probe

TOKENS = np.random.default_rng(0).integers(5, VOCAB_SIZE, 400)
FAMILIES = ["llama", "qwen2", "qwen3", "mistral", "gemma2", "gemma3", "phi3", "olmo2", "gpt2"]


def make(family: str, **values):
    register_documents()
    if family == "gpt2":
        values = {"attn_pdrop": 0.0} | values
    return make_family(family, attn_implementation="documents", **values)


def rows(count: int):
    """Documents of 23, 1 and 8 tokens, longer than the windows of 16 and shorter; the second row in another order."""
    rng = np.random.default_rng(1)
    for number in range(count):
        lengths = [23, 1, 8] if number % 2 == 0 else [8, 24]
        pieces = [tuple(rng.integers(5, VOCAB_SIZE, n).tolist()) for n in lengths]
        row = make_row([TokenizedExample(p, p) for p in pieces])
        yield {"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}


def learn(model, collator):
    batch = collator(list(rows(2)))
    labels = batch.pop("labels")
    outputs = model(**batch)
    losses_of(outputs, labels).nats.backward()
    return outputs.logits.detach(), {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("num_rows", [1, 3])
@pytest.mark.parametrize("family", FAMILIES)
def test_documents_are_apart(family: str, num_rows: int) -> None:
    assert probe(make(family), Collator(attention="documents"), TOKENS, num_rows=num_rows).holds


@pytest.mark.parametrize("family", FAMILIES)
def test_logits_and_gradients_are_those_of_the_dense_mask(family: str) -> None:
    logits, gradients = learn(make(family), Collator(attention="documents"))
    plain = make_family(family, **({"attn_pdrop": 0.0} if family == "gpt2" else {}))
    expected, expected_gradients = learn(plain, Collator())
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)
    assert gradients.keys() == expected_gradients.keys()
    for name, gradient in gradients.items():
        scale = float(expected_gradients[name].abs().max())
        torch.testing.assert_close(gradient, expected_gradients[name], atol=1e-4 * max(scale, 1), rtol=1e-3, msg=name)


@pytest.mark.parametrize("family", ["llama", "gemma2", "gemma3"])
def test_without_bounds_it_generates_and_reads_as_before(family: str) -> None:
    ids = torch.from_numpy(TOKENS[:40].reshape(2, 20))
    mask = torch.ones_like(ids)
    mask[0, :6] = 0
    model, plain = make(family), make_family(family)
    with torch.no_grad():
        for named in ({}, {"attention_mask": mask}):
            found, expected = model(input_ids=ids, **named).logits, plain(input_ids=ids, **named).logits
            torch.testing.assert_close(found[:, 6:], expected[:, 6:], atol=2e-4, rtol=1e-4)
    asked = {"attention_mask": mask, "max_new_tokens": 6, "do_sample": False, "pad_token_id": 0}
    assert torch.equal(model.generate(ids, **asked), plain.generate(ids, **asked))


def test_a_forgotten_window_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make("gemma3")
    for layer in model.model.layers:
        layer.self_attn.sliding_window = None
    with pytest.raises(UnsupportedAttentionError, match="does not tell attention documents its window"):
        learn(model, Collator(attention="documents"))


def test_what_it_cannot_do_is_an_error_and_auto_takes_another() -> None:
    with pytest.raises(UnsupportedAttentionError, match=r"has no dropout 0\.1"):
        learn(make("llama", attention_dropout=0.1).train(), Collator(attention="documents"))
    config = make_family("llama", attention_dropout=0.1).config
    with pytest.raises(ConfigError, match=r"documents: not of LlamaForCausalLM: its attention drops out \(0\.1\)"):
        choose_attention(config, "documents")
    chosen, why = choose_training_attention(config, packs=True, on_gpu=False, half=False)
    assert chosen == "sdpa" and why is not None and "drops out" in why
    lfm2 = make_family("lfm2").config
    assert choose_training_attention(lfm2, packs=True, on_gpu=False, half=False)[0] == "sdpa"
    assert choose_training_attention(make_family("gemma2").config, packs=True, on_gpu=True, half=True)[0] == "eager"
    llama = make_family("llama").config
    assert choose_training_attention(llama, packs=True, on_gpu=False, half=False)[0] == "documents"
    assert choose_training_attention(llama, packs=False, on_gpu=False, half=False) == ("sdpa", None)
    assert choose_training_attention(llama, packs=True, on_gpu=True, half=False)[0] == "sdpa"
    assert choose_training_attention(llama, packs=True, on_gpu=True, half=True)[0] == "documents"


def varlen_by_definition(query, key, value, cu_q, cu_k, max_q, max_k, *, scale, window_size, enable_gqa):
    """What `varlen_attn` says it does, document by document, as flash attention counts a window: so many before a token."""
    assert cu_q.dtype == torch.int32 and (enable_gqa or query.shape[1] == key.shape[1])
    left, right = window_size
    assert right == 0
    bounds, groups = cu_q.tolist(), query.shape[1] // key.shape[1]
    assert bounds[-1] == len(query) and max(b - a for a, b in pairwise(bounds)) <= max_q
    found = []
    for a, b in pairwise(bounds):
        k, v = key[a:b].repeat_interleave(groups, 1), value[a:b].repeat_interleave(groups, 1)
        back = torch.arange(b - a)[:, None] - torch.arange(b - a)
        seen = (back >= 0) & ((back <= left) if left >= 0 else True)
        scores = torch.einsum("qhe,khe->hqk", query[a:b], k) * scale
        found.append(torch.einsum("hqk,khe->qhe", scores.masked_fill(~seen, -torch.inf).softmax(-1), v))
    return torch.cat(found)


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma3"])
def test_on_a_gpu_torchs_varlen_attention_is_asked_for_the_same(monkeypatch: pytest.MonkeyPatch, family: str) -> None:
    asked = inspect.signature(varlen.varlen_attn).parameters
    assert set(inspect.signature(varlen_by_definition).parameters) - {"cu_q", "cu_k"} <= set(asked)
    monkeypatch.setattr(varlen, "varlen_attn", varlen_by_definition)
    monkeypatch.setattr(documents, "document_attention", lambda *a: (documents._on_gpu(*a), None))
    logits, gradients = learn(make(family), Collator(attention="documents"))
    expected, expected_gradients = learn(make_family(family), Collator())
    torch.testing.assert_close(logits, expected, atol=2e-4, rtol=1e-4)
    for name, gradient in gradients.items():
        scale = float(expected_gradients[name].abs().max())
        torch.testing.assert_close(gradient, expected_gradients[name], atol=1e-4 * max(scale, 1), rtol=1e-3, msg=name)


def test_bounds_by_hand() -> None:
    mask = document_bounds(torch.tensor([[0, 1, 2], [0, 1, 0]]))["attention_mask"]
    assert mask.tolist() == [[[[0, 3, 5, 6]]]] and mask.dtype == torch.int32
    assert "attention_mask" not in replace(Collator(), attention="sdpa")(list(rows(1)))
