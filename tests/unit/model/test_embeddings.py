"""New rows for new tokens, against means taken by hand; old rows bit for bit as they were."""

from __future__ import annotations

import functools
import math
from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer, PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.embeddings import EmbeddingInit, resize_embeddings
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import ExtendedTokenizer, extend_tokenizer

# shape legend: V rows of the vocabulary, D hidden size, T tokens of a text
HIDDEN = 16
BASE_VOCAB = 400
NEW_TOKENS = 37
KAZAKH = "Қазақстанның ең үлкен қаласы, өзен мен көл, бала мен ана."
RUSSIAN = "Самый большой город страны."


@functools.cache
def texts(name: str) -> tuple[str, ...]:
    return tuple(row["text"] for row in read_jsonl(embedded_path(name)))


@functools.cache
def base_tokenizer() -> PreTrainedTokenizerFast:
    return train_base_tokenizer([*texts("documents_ru.jsonl"), *texts("documents_en.jsonl")], vocab_size=BASE_VOCAB)


@functools.cache
def extended_tokenizer() -> ExtendedTokenizer:
    return extend_tokenizer(base_tokenizer(), texts("documents_kk_a.jsonl"), num_new_tokens=NEW_TOKENS)


def make_model(*, tied: bool, rows: int = BASE_VOCAB, dtype: torch.dtype = torch.float32) -> LlamaForCausalLM:
    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=rows, hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=256, tie_word_embeddings=tied,
    )  # fmt: skip
    return LlamaForCausalLM(config).to(dtype).eval()


def tables(model: LlamaForCausalLM) -> tuple[torch.Tensor, torch.Tensor]:
    return model.get_input_embeddings().weight.detach(), model.get_output_embeddings().weight.detach()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("init", ["mean", "weighted_mean", "random"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_old_rows_stay_bit_for_bit(tied: bool, init: EmbeddingInit, dtype: torch.dtype) -> None:
    model = make_model(tied=tied, dtype=dtype)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, extended_tokenizer(), init=init)
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        assert new_VD.shape == (BASE_VOCAB + NEW_TOKENS, HIDDEN)
        assert new_VD.dtype == dtype
        assert torch.equal(new_VD[:BASE_VOCAB], old_VD)
        assert torch.isfinite(new_VD.float()).all()
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied
    assert model.config.vocab_size == BASE_VOCAB + NEW_TOKENS
    assert model.get_input_embeddings().num_embeddings == BASE_VOCAB + NEW_TOKENS
    assert model.get_output_embeddings().out_features == BASE_VOCAB + NEW_TOKENS


@pytest.mark.parametrize("tied", [True, False])
def test_the_mean_of_the_sub_tokens(tied: bool) -> None:
    model = make_model(tied=tied)
    resize_embeddings(model, extended_tokenizer(), init="mean")
    for table_VD in tables(model):
        for new, old in extended_tokenizer().sub_tokens.items():
            by_hand = [math.fsum(table_VD[i, d].item() for i in old) / len(old) for d in range(HIDDEN)]
            assert table_VD[new].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_the_mean_weighted_by_bytes() -> None:
    model = make_model(tied=False)
    extended = extended_tokenizer()
    resize_embeddings(model, extended, init="weighted_mean")
    uneven = 0
    for table_VD in tables(model):
        for new, old in extended.sub_tokens.items():
            weights = [len(extended.tokenizer.convert_ids_to_tokens(i)) for i in old]  # byte-level: a character a byte
            uneven += len(set(weights)) > 1
            by_hand = [
                math.fsum(w * table_VD[i, d].item() for w, i in zip(weights, old, strict=True)) / sum(weights)
                for d in range(HIDDEN)
            ]
            assert table_VD[new].tolist() == pytest.approx(by_hand, abs=1e-6)
    assert uneven


def test_fallen_back_bytes_weigh_one_each() -> None:
    vocab = {
        token: index for index, token in enumerate(["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256))])
    }
    for piece in ("▁", "а", "л", "ла"):
        vocab[piece] = len(vocab)
    base = LlamaTokenizer(vocab=vocab, merges=[("л", "а")])
    extended = extend_tokenizer(base, ["қала қала"] * 3, num_new_tokens=3)
    spelled = dict(
        zip(extended.tokenizer.convert_ids_to_tokens(list(extended.sub_tokens)), extended.sub_tokens, strict=True)
    )
    assert "▁қала" in spelled or "қала" in spelled or "▁қа" in spelled
    model = make_model(tied=False, rows=len(base))
    resize_embeddings(model, extended, init="weighted_mean")
    table_VD = tables(model)[0]
    size = {vocab["▁"]: 1, vocab["<0xD2>"]: 1, vocab["<0x9B>"]: 1, vocab["а"]: 2, vocab["ла"]: 4}
    for new in spelled.values():
        old = extended.sub_tokens[new]
        expected_D = sum(size[i] * table_VD[i] for i in old) / sum(size[i] for i in old)
        torch.testing.assert_close(table_VD[new], expected_D)


def test_random_rows_have_the_old_table_s_moments_and_follow_the_seed() -> None:
    made = []
    for seed in (0, 0, 1):
        model = make_model(tied=False)
        with torch.no_grad():
            for table_VD in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
                table_VD[:, 0] += 5.0
        resize_embeddings(model, extended_tokenizer(), init="random", seed=seed)
        made.append([table_VD[BASE_VOCAB:].clone() for table_VD in tables(model)])
    first, again, other = made
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], first[1])
    old_VD = tables(make_model(tied=False))[0]
    assert (first[0][:, 0] - 5.0).abs().max() < 6 * old_VD[:, 0].std()
    spread = first[0].std(0).mean() / old_VD.std(0).mean()
    assert 0.8 < spread < 1.2  # 37 rows × 16 columns: the standard error is 3 %


# --------------------------------------------------------------------------------------------------------------- padding


@pytest.mark.parametrize("tied", [True, False])
def test_padding_rows_are_taken_first(tied: bool) -> None:
    model = make_model(tied=tied, rows=BASE_VOCAB + 112)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, extended_tokenizer())
    first_free = BASE_VOCAB + NEW_TOKENS
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        assert len(new_VD) == BASE_VOCAB + 112
        assert torch.equal(new_VD[:BASE_VOCAB], old_VD[:BASE_VOCAB])
        expected_D = old_VD[:BASE_VOCAB].mean(0)
        torch.testing.assert_close(new_VD[first_free:], expected_D.expand(112 - NEW_TOKENS, HIDDEN))
        some_new, its_parts = next(iter(extended_tokenizer().sub_tokens.items()))
        torch.testing.assert_close(new_VD[some_new], old_VD[list(its_parts)].mean(0))


@pytest.mark.parametrize(
    ("rows", "multiple", "expected"), [(400, 64, 448), (400, 128, 512), (430, 64, 448), (512, 64, 512)]
)
def test_the_table_is_padded_to_a_multiple(rows: int, multiple: int, expected: int) -> None:
    model = make_model(tied=False, rows=rows)
    resize_embeddings(model, extended_tokenizer(), pad_to_multiple_of=multiple)
    for table_VD in tables(model):
        assert len(table_VD) == expected
    assert model.config.vocab_size == expected


def test_a_model_of_another_tokenizer_is_refused() -> None:
    model = make_model(tied=True, rows=BASE_VOCAB - 1)
    before = tables(model)[0].clone()
    with pytest.raises(InputError, match=r"399 embedding rows.*400 tokens"):
        resize_embeddings(model, extended_tokenizer())
    assert torch.equal(tables(model)[0], before)


# -------------------------------------------------------------------------------------------------------------- in a model


def _logits_TV(model: Any, text: str, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    with torch.no_grad():
        return model(**tokenizer(text, return_tensors="pt", return_token_type_ids=False)).logits[0]


@pytest.mark.parametrize("tied", [True, False])
def test_text_without_new_tokens_gets_the_same_logits(tied: bool) -> None:
    text = "The river is wide."
    model = make_model(tied=tied)
    before_TV = _logits_TV(model, text, base_tokenizer())
    resize_embeddings(model, extended_tokenizer())
    after_TV = _logits_TV(model, text, extended_tokenizer().tokenizer)
    assert after_TV.shape == (len(before_TV), BASE_VOCAB + NEW_TOKENS)
    torch.testing.assert_close(after_TV[:, :BASE_VOCAB], before_TV, rtol=0, atol=1e-6)


@pytest.mark.parametrize("init", ["mean", "weighted_mean", "random"])
def test_the_loss_on_new_tokens_is_finite_and_reaches_their_rows(init: EmbeddingInit) -> None:
    model = make_model(tied=False)
    resize_embeddings(model, extended_tokenizer(), init=init)
    encoded = extended_tokenizer().tokenizer(KAZAKH, return_tensors="pt", return_token_type_ids=False)
    used = [i for i in encoded["input_ids"][0].tolist() if i >= BASE_VOCAB]
    assert used
    loss = model(**encoded, labels=encoded["input_ids"]).loss
    loss.backward()
    assert torch.isfinite(loss)
    for table in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert table.weight.grad[used[:-1]].abs().sum(1).gt(0).all()


def test_a_saved_model_comes_back_with_its_rows(tmp_path: Any) -> None:
    for tied in (True, False):
        model = make_model(tied=tied)
        resize_embeddings(model, extended_tokenizer())
        model.save_pretrained(tmp_path / str(tied))
        again = LlamaForCausalLM.from_pretrained(tmp_path / str(tied))
        for saved_VD, loaded_VD in zip(tables(model), tables(again), strict=True):
            assert torch.equal(saved_VD, loaded_VD)
        torch.testing.assert_close(
            _logits_TV(again.eval(), RUSSIAN, extended_tokenizer().tokenizer),
            _logits_TV(model, RUSSIAN, extended_tokenizer().tokenizer),
        )
