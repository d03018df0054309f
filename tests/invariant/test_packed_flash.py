"""Flash attention keeps documents apart for any number of rows. Its kernels need a GPU; exact ones in plain PyTorch with
the same interface stand in for them, everything around them is transformers' own.

Shape legend: N tokens of all rows, H heads, G heads of keys and values, K head size.
"""

from itertools import pairwise

import numpy as np
import pytest
import torch
from packed_families import VOCAB_SIZE, make_family

from qaz_llm.records import TokenizedExample
from qaz_llm.rows.packing import make_row
from qaz_llm.train.batches.collate import Collator, document_lengths, needs_lengths
from qaz_llm.train.batches.packing_probe import probe

TOKENS = np.random.default_rng(0).integers(5, VOCAB_SIZE, 400)


def exact(q_NHK, k_NGK, v_NGK, *, softmax_scale, causal, window_size, softcap):
    """Attention within one document, by its definition."""
    length, repeats = len(q_NHK), q_NHK.shape[1] // k_NGK.shape[1]
    k_NHK, v_NHK = (t.repeat_interleave(repeats, 1) for t in (k_NGK, v_NGK))
    scores_HNN = torch.einsum("qhk,nhk->hqn", q_NHK, k_NHK) * (softmax_scale or q_NHK.shape[-1] ** -0.5)
    scores_HNN = torch.tanh(scores_HNN / softcap) * softcap if softcap else scores_HNN
    back_NN = torch.arange(length)[:, None] - torch.arange(length)[None]
    seen_NN = (back_NN >= 0) if causal else torch.ones_like(back_NN, dtype=torch.bool)
    seen_NN &= back_NN <= window_size[0] if window_size[0] >= 0 else True
    return torch.einsum("hqn,nhk->qhk", scores_HNN.masked_fill(~seen_NN, -torch.inf).softmax(-1), v_NHK)


def flash_attn_varlen_func(
    q, k, v, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p=0.0, softmax_scale=None, causal=False,
    window_size=(-1, -1), softcap=0.0, deterministic=False,
):  # fmt: skip
    assert cu_seqlens_q.dtype == torch.int32
    bounds = cu_seqlens_q.tolist()
    assert bounds[0] == 0 and bounds[-1] == len(q) and max_seqlen_q == max(b - a for a, b in pairwise(bounds))
    how = {"softmax_scale": softmax_scale, "causal": causal, "window_size": window_size, "softcap": softcap}
    return torch.cat([exact(q[a:b], k[a:b], v[a:b], **how) for a, b in pairwise(bounds)])


def flash_attn_func(
    q, k, v, dropout_p=0.0, softmax_scale=None, causal=False, window_size=(-1, -1), softcap=0.0, deterministic=False
):
    how = {"softmax_scale": softmax_scale, "causal": causal, "window_size": window_size, "softcap": softcap}
    return torch.stack([exact(*row, **how) for row in zip(q, k, v, strict=True)])


@pytest.fixture
def exact_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    from transformers import modeling_flash_attention_utils as flash

    kernels = (flash_attn_func, flash_attn_varlen_func, None, flash._pad_input, flash._unpad_input)
    monkeypatch.setattr(flash, "_lazy_imports", lambda *_, **__: kernels)
    monkeypatch.setattr(flash, "_loaded_implementation", None)


def make_flash(family: str):
    model = make_family(family)
    for config in {id(m.config): m.config for m in model.modules() if hasattr(m, "config")}.values():
        config._attn_implementation_internal = "flash_attention_2"
    return model


@pytest.mark.parametrize("num_rows", [1, 2, 3])
@pytest.mark.parametrize("family", ["llama", "qwen3", "mistral", "gemma2", "gemma3"])
def test_documents_are_apart_for_any_micro_batch_size(exact_kernels, family: str, num_rows: int) -> None:
    """Also equal to sdpa, which has another way to the same numbers."""
    model = make_flash(family)
    assert needs_lengths(model.config._attn_implementation)
    assert probe(model, Collator(attention="flash_attention_2"), TOKENS, num_rows=num_rows).holds
    assert probe(model, Collator(packs=False, attention="flash_attention_2"), TOKENS, num_rows=num_rows).holds
    pieces = [[5, 6, 7, 8, 9], [10, 11], [12, 13, 14]]
    row = make_row([TokenizedExample(tuple(p), tuple(p)) for p in pieces])
    rows = [{"input_ids": row.input_ids, "labels": row.labels, "position_ids": row.position_ids}] * num_rows
    batches = {flash: Collator(attention="flash_attention_2" if flash else "sdpa")(rows) for flash in (True, False)}
    with torch.no_grad():
        flash_BLV = model(**{k: v for k, v in batches[True].items() if k != "labels"}).logits
        plain_BLV = make_family(family)(**{k: v for k, v in batches[False].items() if k != "labels"}).logits
    torch.testing.assert_close(flash_BLV, plain_BLV, atol=1e-4, rtol=1e-4)


def test_without_lengths_two_rows_leak_and_the_probe_says_so(exact_kernels) -> None:
    """What transformers does by itself: it looks for packed rows in a batch of one row alone."""
    model = make_flash("llama")
    assert probe(model, Collator(), TOKENS, num_rows=1).holds
    result = probe(model, Collator(), TOKENS, num_rows=2)
    assert not result.holds and result.difference > 0.1 and result.foreign_gradient


def test_lengths_by_hand() -> None:
    found = document_lengths(torch.tensor([[0, 1, 2], [0, 1, 0]]))
    assert found["cu_seq_lens_q"].tolist() == found["cu_seq_lens_k"].tolist() == [0, 3, 5, 6]
    assert (found["max_length_q"], found["max_length_k"]) == (3, 3)


@pytest.mark.parametrize(
    ("name", "flash"),
    [("flash_attention_2", True), ("kernels-community/flash-attn2", True), ("sdpa", False), (None, False)],
)
def test_what_counts_as_flash_attention(name: str | None, flash: bool) -> None:
    assert needs_lengths(name) == flash
