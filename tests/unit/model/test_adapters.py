"""Adapters over a grown vocabulary: what is trained, what the file holds, and that it comes back as it was in memory."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file
from tiny_llama import HIDDEN, make_model, tables
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from qaz_llm.errors import ConfigError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.adapters import NewEmbeddings, add_lora, merge_adapter, save_adapter
from qaz_llm.model.embeddings import resize_embeddings
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer

# shape legend: V rows of the vocabulary, D hidden size, T tokens of a text
BASE_VOCAB = 320
APPENDED = {320: (20, 30), 321: (40, 41, 42), 322: (20, 60)}
SWAPPED = {100: (20, 30), 200: (40, 41, 42), 319: (20, 60)}
TREATMENTS = ("trainable_token_indices", "modules_to_save", "frozen")
PREFIX = "base_model.model."
EMBED, HEAD = "model.embed_tokens", "lm_head"


@functools.cache
def extension(swapped: bool) -> ExtendedTokenizer:
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    tokenizer = train_base_tokenizer(texts, vocab_size=BASE_VOCAB)
    return ExtendedTokenizer(tokenizer, BASE_VOCAB, SWAPPED if swapped else APPENDED, pad_to_multiple_of=8)


def grown_model(*, tied: bool, swapped: bool = False, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    model = make_model(tied=tied, rows=BASE_VOCAB, num_layers=2, dtype=dtype)
    resize_embeddings(model, extension(swapped))
    return model


def adapted(
    model: LlamaForCausalLM,
    new_embeddings: NewEmbeddings,
    *,
    swapped: bool = False,
    targets: tuple[str, ...] = ("q_proj",),
) -> PeftModel:
    ids = extension(swapped).new_ids
    return add_lora(
        model, r=2, alpha=4.0, dropout=0.0, target_modules=targets, new_tokens=ids, new_embeddings=new_embeddings
    )


def ids_of(swapped: bool) -> torch.Tensor:
    """A text with all new tokens in it, and others."""
    return torch.tensor([[5, *extension(swapped).new_ids, 6, 7, *extension(swapped).new_ids]])


def train(model: PeftModel, ids: torch.Tensor, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.05)
    for _ in range(steps):
        logits_TV = model(input_ids=ids).logits[0]
        cross_entropy(logits_TV[:-1].float(), ids[0, 1:]).backward()
        optimizer.step()
        optimizer.zero_grad()


def logits_of(model: torch.nn.Module, ids: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(input_ids=ids).logits[0].clone()


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new_embeddings", TREATMENTS)
def test_reloaded_and_merged_is_what_was_in_memory(
    tmp_path: Path, tied: bool, swapped: bool, new_embeddings: NewEmbeddings
) -> None:
    ids = ids_of(swapped)
    model = adapted(grown_model(tied=tied, swapped=swapped), new_embeddings, swapped=swapped)
    start = logits_of(model, ids)
    train(model, ids)
    in_memory = logits_of(model, ids)
    assert (in_memory - start).abs().max() > 1e-3
    save_adapter(model, tmp_path / "adapter")

    reloaded = PeftModel.from_pretrained(grown_model(tied=tied, swapped=swapped), str(tmp_path / "adapter"))
    torch.testing.assert_close(logits_of(reloaded, ids), in_memory, atol=0, rtol=0)
    merged = merge_adapter(grown_model(tied=tied, swapped=swapped), tmp_path / "adapter")
    torch.testing.assert_close(logits_of(merged, ids), in_memory, atol=1e-5, rtol=1e-5)

    new_ids = list(extension(swapped).new_ids)
    old_ids = [index for index in range(BASE_VOCAB) if index not in new_ids]
    for before_VD, after_VD in zip(tables(grown_model(tied=tied, swapped=swapped)), tables(merged), strict=True):
        if new_embeddings != "modules_to_save":
            assert torch.equal(after_VD[old_ids], before_VD[old_ids])
        assert torch.equal(after_VD[new_ids], before_VD[new_ids]) == (new_embeddings == "frozen")
    merged.save_pretrained(tmp_path / "merged")
    assert (tables(merged)[0].data_ptr() == tables(merged)[1].data_ptr()) == tied
    assert ("lm_head.weight" not in load_file(tmp_path / "merged" / "model.safetensors")) == tied
    assert merged.config.tie_word_embeddings == tied
    again = LlamaForCausalLM.from_pretrained(tmp_path / "merged").eval()
    torch.testing.assert_close(logits_of(again, ids), in_memory, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new_embeddings", TREATMENTS)
def test_the_adapter_file_holds_each_trained_table_once(
    tmp_path: Path, tied: bool, new_embeddings: NewEmbeddings, given: bool
) -> None:
    """Keys, shapes and bytes, counted by hand; also where the weights are given from outside, as under ZeRO-3."""
    model = adapted(grown_model(tied=tied), new_embeddings)
    rows, new = len(tables(model)[0]), len(APPENDED)
    save_adapter(model, tmp_path, state_dict=model.state_dict() if given else None)
    lora = {
        f"{PREFIX}model.layers.{layer}.self_attn.q_proj.lora_{side}.weight": shape
        for layer in (0, 1)
        for side, shape in (("A", (2, HIDDEN)), ("B", (HIDDEN, 2)))
    }
    names = [EMBED] if tied else [EMBED, HEAD]
    expected: dict[str, dict[str, tuple[int, ...]]] = {
        "trainable_token_indices": {f"{PREFIX}{n}.token_adapter.trainable_tokens_delta": (new, HIDDEN) for n in names},
        "modules_to_save": {f"{PREFIX}{name}.weight": (rows, HIDDEN) for name in names},
        "frozen": {},
    }
    wanted = lora | expected[new_embeddings]
    assert {
        name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "adapter_model.safetensors").items()
    } == wanted
    content = (tmp_path / "adapter_model.safetensors").read_bytes()
    header = 8 + int.from_bytes(content[:8], "little")  # https://github.com/huggingface/safetensors#format
    assert len(content) - header == 4 * sum(torch.Size(shape).numel() for shape in wanted.values())


@pytest.mark.parametrize("tied", [True, False])
def test_only_what_was_asked_for_is_trained(tied: bool) -> None:
    for new_embeddings in TREATMENTS:
        model = adapted(grown_model(tied=tied), new_embeddings)
        trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
        names = [EMBED] if tied else [EMBED, HEAD]
        beside = {
            "trainable_token_indices": {f"{PREFIX}{n}.token_adapter.trainable_tokens_delta.default" for n in names},
            "modules_to_save": {f"{PREFIX}{name}.weight" for name in names},
            "frozen": set(),
        }[new_embeddings]
        assert {name for name in trained if "lora_" not in name} == beside


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("new_embeddings", TREATMENTS)
def test_a_model_in_training_takes_up_a_saved_adapter(
    tmp_path: Path, tied: bool, new_embeddings: NewEmbeddings
) -> None:
    """As transformers' Trainer does on a resume: the weights come from the file, and stay trainable."""
    ids = ids_of(False)
    first = adapted(grown_model(tied=tied), new_embeddings)
    train(first, ids)
    save_adapter(first, tmp_path)
    second = adapted(grown_model(tied=tied), new_embeddings)
    trainable = {name for name, parameter in second.named_parameters() if parameter.requires_grad}
    second.load_adapter(str(tmp_path), "default", is_trainable=True)
    torch.testing.assert_close(logits_of(second, ids), logits_of(first, ids), atol=0, rtol=0)
    assert {name for name, parameter in second.named_parameters() if parameter.requires_grad} == trainable
    train(first, ids, steps=1)
    train(second, ids, steps=1)
    torch.testing.assert_close(logits_of(second, ids), logits_of(first, ids), atol=0, rtol=0)


def test_rows_are_trained_in_float32_over_a_bfloat16_base_and_merged_back(tmp_path: Path) -> None:
    ids = ids_of(False)
    model = adapted(grown_model(tied=True, dtype=torch.bfloat16), "trainable_token_indices")
    train(model, ids)
    save_adapter(model, tmp_path)
    rows = load_file(tmp_path / "adapter_model.safetensors")[f"{PREFIX}{EMBED}.token_adapter.trainable_tokens_delta"]
    assert rows.dtype == torch.float32
    merged = merge_adapter(grown_model(tied=True, dtype=torch.bfloat16), tmp_path)
    before_VD, after_VD = (tables(m)[0] for m in (grown_model(tied=True, dtype=torch.bfloat16), merged))
    assert after_VD.dtype == torch.bfloat16
    assert torch.equal(after_VD[:BASE_VOCAB], before_VD[:BASE_VOCAB])
    assert torch.equal(after_VD[list(APPENDED)], rows.bfloat16())


def test_a_table_is_not_trained_whole_and_by_low_rank_at_once() -> None:
    with pytest.raises(ConfigError, match=r"names lm_head, which .* trains whole"):
        adapted(grown_model(tied=False), "modules_to_save", targets=("q_proj", "lm_head"))
