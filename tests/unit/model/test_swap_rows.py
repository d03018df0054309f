"""Ids that stood for other tokens before: their rows are rewritten where they are, and once."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import pytest
import torch
from tiny_llama import BASE_VOCAB, HIDDEN, make_model, tables

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.choices import EmbeddingInit
from qaz_llm.model.embeddings import resize_embeddings
from qaz_llm.model.load import load_model
from qaz_llm.model.vocabulary import fit_vocabulary, has_mark
from qaz_llm.tokenizer.base import train_base_tokenizer
from qaz_llm.tokenizer.extension import ExtendedTokenizer

# shape legend: V rows of the vocabulary, D hidden size
SUB_TOKENS = {310: (20, 30), 350: (40, 41, 42), 399: (20, 20, 20, 60)}
SIMILAR = {310: ((70, 0.75), (80, 0.25)), 350: ((90, 1.0),), 399: ((70, 0.5), (90, 0.5))}
OTHER_ROWS = [index for index in range(BASE_VOCAB) if index not in SUB_TOKENS]


@functools.cache
def swapped() -> ExtendedTokenizer:
    """By hand: three old ids mean something else now. Which text they stand for is of no matter to the rows."""
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))]
    return ExtendedTokenizer(train_base_tokenizer(texts, vocab_size=BASE_VOCAB), BASE_VOCAB, SUB_TOKENS, SIMILAR)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("init", ["blend", "mean", "weighted_mean", "similar", "random"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [BASE_VOCAB, BASE_VOCAB + 12])
def test_only_the_swapped_rows_change(tied: bool, init: EmbeddingInit, dtype: torch.dtype, rows: int) -> None:
    model = make_model(tied=tied, dtype=dtype, rows=rows)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, swapped(), init=init)
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        assert new_VD.shape == (rows, HIDDEN) and new_VD.dtype == dtype
        assert torch.equal(new_VD[OTHER_ROWS], old_VD[OTHER_ROWS])
        for index in SUB_TOKENS:
            assert not torch.equal(new_VD[index], old_VD[index])
    assert model.config.vocab_size == rows
    assert (model.get_input_embeddings().weight is model.get_output_embeddings().weight) == tied


@pytest.mark.parametrize("tied", [True, False])
def test_the_new_rows_by_hand(tied: bool) -> None:
    model = make_model(tied=tied)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, swapped(), init="mean")
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        torch.testing.assert_close(new_VD[310], (old_VD[20] + old_VD[30]) / 2)
        torch.testing.assert_close(new_VD[350], (old_VD[40] + old_VD[41] + old_VD[42]) / 3)
        torch.testing.assert_close(new_VD[399], (3 * old_VD[20] + old_VD[60]) / 4)
    model = make_model(tied=tied)
    resize_embeddings(model, swapped(), init="similar")
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        torch.testing.assert_close(new_VD[310], 0.75 * old_VD[70] + 0.25 * old_VD[80])
        assert torch.equal(new_VD[350], old_VD[90])


def test_a_row_that_is_itself_rewritten_counts_as_it_was() -> None:
    """New token 310 is made of id 350 as the base meant it, whichever of the two rows is written first."""
    chained = ExtendedTokenizer(swapped().tokenizer, BASE_VOCAB, {310: (350,), 350: (310,), 399: (310, 350)})
    model = make_model(tied=False)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, chained, init="mean")
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        assert torch.equal(new_VD[310], old_VD[350]) and torch.equal(new_VD[350], old_VD[310])
        torch.testing.assert_close(new_VD[399], (old_VD[310] + old_VD[350]) / 2)


def test_random_rows_take_no_measure_from_the_rows_they_replace() -> None:
    model = make_model(tied=True)
    with torch.no_grad():
        tables(model)[0][list(SUB_TOKENS)] = 1e4
    spread_D = tables(model)[0][OTHER_ROWS].std(0)
    resize_embeddings(model, swapped(), init="random")
    distance = (tables(model)[0][list(SUB_TOKENS)] - tables(model)[0][OTHER_ROWS].mean(0)).abs()
    assert (distance < 6 * spread_D).all() and distance.max() > 0


def test_some_swapped_and_some_appended() -> None:
    both = ExtendedTokenizer(swapped().tokenizer, BASE_VOCAB, {310: (20, 30), 400: (310, 20), 401: (30,)})
    model = make_model(tied=False)
    before = [table.clone() for table in tables(model)]
    resize_embeddings(model, both, init="mean", pad_to_multiple_of=8)
    kept = [index for index in range(BASE_VOCAB) if index != 310]
    for old_VD, new_VD in zip(before, tables(model), strict=True):
        assert new_VD.shape == (408, HIDDEN)
        assert torch.equal(new_VD[kept], old_VD[kept]) and torch.equal(new_VD[401], old_VD[30])
        torch.testing.assert_close(new_VD[310], (old_VD[20] + old_VD[30]) / 2)
        torch.testing.assert_close(new_VD[400], (old_VD[310] + old_VD[20]) / 2)
        torch.testing.assert_close(new_VD[402:], old_VD[kept].mean(0).expand(6, HIDDEN))


@pytest.mark.parametrize("tied", [True, False])
def test_a_model_is_swapped_once_also_after_it_was_saved(tied: bool, tmp_path: Path) -> None:
    extended, model = swapped(), make_model(tied=tied)

    def fit(to: object) -> tuple[int, ...] | None:
        return fit_vocabulary(to, extended.tokenizer, extended, init="mean", seed=0)  # type: ignore[arg-type]

    assert not has_mark(model.config, extended)
    assert fit(model) == (310, 350, 399) and has_mark(model.config, extended)
    with torch.no_grad():
        for table_VD in tables(model):
            table_VD[310] = 7.0  # as if trained
    assert fit(model) is None
    model.save_pretrained(tmp_path)
    again = load_model(tmp_path)
    assert fit(again) is None
    for table_VD in tables(again):
        assert (table_VD[310] == 7.0).all() and len(table_VD) == BASE_VOCAB
    other = dataclasses.replace(extended, sub_tokens={311: (20, 30)})
    assert fit_vocabulary(again, other.tokenizer, other, init="mean", seed=0) == (311,)  # another extension's rows
