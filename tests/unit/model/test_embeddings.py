"""New rows for new tokens, against means taken by hand; old rows bit for bit as they were."""

from __future__ import annotations

import dataclasses
import functools
import math
import random
from fractions import Fraction
from typing import Any, get_args

import pytest
import torch
from tiny_llama import BASE_VOCAB, HIDDEN, make_model, tables
from transformers import (
    LlamaForCausalLM,
    LlamaTokenizer,
    PhiConfig,
    PhiForCausalLM,
    PreTrainedTokenizerFast,
)

from qaz_llm.errors import InputError
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.choices import EmbeddingInit
from qaz_llm.model.embeddings import BLOCK_ROWS, count_rows, mixing_shares, resize_embeddings
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extend import extend_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer

# shape legend: V rows of the vocabulary, D hidden size, T tokens of a text
NEW_TOKENS = 37
INITS = get_args(EmbeddingInit)
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


@functools.cache
def with_similar() -> ExtendedTokenizer:
    """Each new token is used like three old ones, in shares of 1/2, 3/8 and 1/8."""
    extended, draw = extended_tokenizer(), random.Random(0)
    like = {new: draw.sample(range(BASE_VOCAB), 3) for new in extended.new_ids}
    similar = {new: tuple(zip(old, (0.5, 0.375, 0.125), strict=True)) for new, old in like.items()}
    return dataclasses.replace(extended, similar=similar)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_old_rows_stay_bit_for_bit(tied: bool, init: EmbeddingInit, dtype: torch.dtype) -> None:
    model = make_model(tied=tied, dtype=dtype)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, with_similar(), init=init)
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


@pytest.mark.parametrize("tied", [True, False])
def test_the_similar_tokens_in_their_shares(tied: bool) -> None:
    model = make_model(tied=tied)
    resize_embeddings(model, with_similar(), init="similar")
    for table_VD in tables(model):
        for new, pairs in with_similar().similar.items():
            by_hand = [math.fsum(share * table_VD[i, d].item() for i, share in pairs) for d in range(HIDDEN)]
            assert table_VD[new].tolist() == pytest.approx(by_hand, abs=1e-6)


def test_similar_needs_similar_tokens_and_a_token_without_any_gets_the_mean() -> None:
    model = make_model(tied=False)
    with pytest.raises(InputError, match="holds no similar tokens") as caught:
        resize_embeddings(model, extended_tokenizer(), init="similar")
    assert "--similar" in str(caught.value.hint)
    assert count_rows(model) == BASE_VOCAB  # refused before anything was changed
    some, *_others = extended_tokenizer().new_ids
    similar = {new: pairs for new, pairs in with_similar().similar.items() if new != some}
    resize_embeddings(model, dataclasses.replace(with_similar(), similar=similar), init="similar")
    table_VD = tables(model)[0]
    torch.testing.assert_close(table_VD[some], table_VD[list(extended_tokenizer().sub_tokens[some])].mean(0))


def test_a_blend_is_half_of_either() -> None:
    rows = []
    for init in ("weighted_mean", "similar", "blend"):
        model = make_model(tied=False)
        resize_embeddings(model, with_similar(), init=init)  # type: ignore[arg-type]
        rows.append([table_VD[BASE_VOCAB:].double() for table_VD in tables(model)])
    for spelled_ND, used_ND, blend_ND in zip(*rows, strict=True):
        assert not torch.equal(spelled_ND, used_ND)
        torch.testing.assert_close(blend_ND, (spelled_ND + used_ND) / 2, rtol=0, atol=1e-7)


def test_a_blend_without_similar_tokens_is_the_weighted_mean() -> None:
    assert not extended_tokenizer().similar
    assert mixing_shares(extended_tokenizer(), "blend") == mixing_shares(extended_tokenizer(), "weighted_mean")


@pytest.mark.parametrize("init", ["blend", "mean", "weighted_mean", "similar"])
def test_the_shares_of_each_new_token_add_up_to_one(init: EmbeddingInit) -> None:
    shares = mixing_shares(with_similar(), init)
    assert set(shares) == set(with_similar().sub_tokens)
    for pairs in shares.values():
        assert float(sum(Fraction(share) for _index, share in pairs)) == pytest.approx(1.0, abs=1e-12)
        assert all(0 <= index < BASE_VOCAB and share > 0 for index, share in pairs)


@pytest.mark.parametrize(("dtype", "half_a_step"), [(torch.float32, 2**-24), (torch.bfloat16, 2**-8)])
def test_a_mean_is_rounded_once(dtype: torch.dtype, half_a_step: float) -> None:
    """bf16 rows are added up in float32: not further from the exact mean than rounding that mean puts them."""
    model = make_model(tied=True, dtype=dtype)
    old_VD = tables(model)[0].double()
    resize_embeddings(model, extended_tokenizer(), init="mean")
    for new, old in extended_tokenizer().sub_tokens.items():
        exact_D = old_VD[list(old)].mean(0)
        error_D = (tables(model)[0][new].double() - exact_D).abs()
        assert (error_D <= 1.01 * half_a_step * exact_D.abs() + 1e-8).all()


@pytest.mark.parametrize("init", INITS)
def test_work_in_blocks_is_work_in_one_go(init: EmbeddingInit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert NEW_TOKENS < BLOCK_ROWS
    whole, blocks = (make_model(tied=False, rows=BASE_VOCAB + 60) for _ in range(2))
    resize_embeddings(whole, with_similar(), init=init)
    monkeypatch.setattr("qaz_llm.model.embeddings.BLOCK_ROWS", 16)  # from 16 numbers on, noise is the same in any cut
    resize_embeddings(blocks, with_similar(), init=init)
    for whole_VD, blocks_VD in zip(tables(whole), tables(blocks), strict=True):
        torch.testing.assert_close(blocks_VD, whole_VD, atol=1e-6, rtol=1e-5)


def test_the_bias_of_an_output_table_is_mixed_too() -> None:
    torch.manual_seed(0)
    config = PhiConfig(
        vocab_size=BASE_VOCAB + 10, hidden_size=HIDDEN, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        tie_word_embeddings=False,
    )  # fmt: skip
    model = PhiForCausalLM(config).eval()
    with torch.no_grad():
        model.lm_head.bias.normal_(mean=2.0)
    old_V = model.lm_head.bias.detach().clone()
    resize_embeddings(model, extended_tokenizer(), init="mean", pad_to_multiple_of=64)
    bias_V = model.lm_head.bias.detach()
    assert bias_V.shape == (448,) == (len(tables(model)[1]),)
    assert torch.equal(bias_V[:BASE_VOCAB], old_V[:BASE_VOCAB])
    for new, old in extended_tokenizer().sub_tokens.items():
        assert bias_V[new].item() == pytest.approx(math.fsum(old_V[i].item() for i in old) / len(old), abs=1e-6)
    torch.testing.assert_close(bias_V[BASE_VOCAB + NEW_TOKENS :], old_V[:BASE_VOCAB].mean().expand(11))


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
    resize_embeddings(model, extended_tokenizer(), init="mean")
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


def test_the_extension_says_to_what_the_table_is_padded_and_an_argument_overrides_it() -> None:
    padded = dataclasses.replace(extended_tokenizer(), pad_to_multiple_of=128)
    for multiple, expected in ((None, 512), (64, 448)):
        model = make_model(tied=True)
        resize_embeddings(model, padded, pad_to_multiple_of=multiple)
        table_VD = tables(model)[0]
        assert len(table_VD) == expected == model.config.vocab_size
        mean_D = table_VD[:BASE_VOCAB].mean(0)
        torch.testing.assert_close(table_VD[padded.size :], mean_D.expand(expected - padded.size, HIDDEN))


def test_an_extension_without_new_tokens_only_pads() -> None:
    nothing = ExtendedTokenizer(base_tokenizer(), BASE_VOCAB, {})
    for init in ("mean", "random"):
        model = make_model(tied=False)
        before = [table.clone() for table in tables(model)]
        resize_embeddings(model, nothing, init=init, pad_to_multiple_of=64)
        for old_VD, new_VD in zip(before, tables(model), strict=True):
            assert torch.equal(new_VD[:BASE_VOCAB], old_VD)
            torch.testing.assert_close(new_VD[BASE_VOCAB:], old_VD.mean(0).expand(48, HIDDEN))


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


@pytest.mark.parametrize("init", INITS)
def test_the_loss_on_new_tokens_is_finite_and_reaches_their_rows(init: EmbeddingInit) -> None:
    model = make_model(tied=False)
    resize_embeddings(model, with_similar(), init=init)
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
