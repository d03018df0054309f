"""A language model with random weights and a tokenizer trained on the spot, for tests that need a real one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.tokenizer.base import train_base_tokenizer

VOCAB_SIZE = 900
MAX_LENGTH = 96


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerFast:
    names = ("documents_kk_a", "documents_ru", "documents_en")
    texts = [row["text"] for name in names for row in read_jsonl(embedded_path(f"{name}.jsonl"))]
    return train_base_tokenizer(texts, vocab_size=VOCAB_SIZE)


def make_model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=VOCAB_SIZE,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=MAX_LENGTH,
        initializer_range=0.3,  # wide, so that what is predicted depends on what came before
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=2,
    )
    return LlamaForCausalLM(shape).eval()


@pytest.fixture
def model() -> LlamaForCausalLM:
    return make_model()


@pytest.fixture(scope="session")
def model_dir(tokenizer: PreTrainedTokenizerFast, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "model"
    make_model().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
