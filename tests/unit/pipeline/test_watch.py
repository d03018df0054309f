"""Bits per byte while training, against a model whose probabilities are known."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from qaz_llm.config import load_config
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.watch import SENTENCES, watch_bits
from qaz_llm.tokenizer.base import train_base_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[3]


def sentences() -> list[dict[str, str]]:
    path = ROOT / "src" / "qaz_llm" / "embedded" / "parallel_sentences.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return train_base_tokenizer([row["ru"] for row in sentences()], vocab_size=400)


def model_of(tokenizer: PreTrainedTokenizerFast) -> PreTrainedModel:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=16, num_hidden_layers=1,
        num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=512,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def test_a_model_that_knows_nothing_needs_log2_of_its_vocabulary_per_token(tokenizer: PreTrainedTokenizerFast) -> None:
    import torch

    model = model_of(tokenizer)
    with torch.no_grad():
        model.get_output_embeddings().weight.zero_()  # every token is as likely as any other
    found = watch_bits(load_config(RunConfig, ROOT / "configs" / "demo.yaml"))(model, tokenizer, 1)
    assert list(found) == ["kk", "ru", "en"]
    for language, bits in found.items():
        texts = [row[language].strip() for row in sentences()[:SENTENCES]]
        tokens = sum(len(tokenizer.encode(text, add_special_tokens=False)) for text in texts)
        size_bytes = sum(len(text.encode()) for text in texts)
        assert bits == pytest.approx(tokens * math.log2(len(tokenizer)) / size_bytes, rel=1e-5)


def test_bits_are_those_of_a_forward_pass_by_hand(tokenizer: PreTrainedTokenizerFast) -> None:
    import torch

    model = model_of(tokenizer)
    start = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    nats, size_bytes = 0.0, 0
    for row in sentences()[:SENTENCES]:
        ids = [start, *tokenizer.encode(row["kk"].strip(), add_special_tokens=False)]
        with torch.no_grad():
            logprobs_TV = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        nats -= float(logprobs_TV[range(len(ids) - 1), ids[1:]].double().sum())
        size_bytes += len(row["kk"].strip().encode())
    found = watch_bits(load_config(RunConfig, ROOT / "configs" / "demo.yaml"))(model, tokenizer, 1)
    assert found["kk"] == pytest.approx(nats / math.log(2) / size_bytes, rel=1e-5)


def test_a_few_questions_are_asked_with_the_bits(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    """Against an evaluation of the same model on as many groups."""
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.evals.run import run_eval
    from qaz_llm.evals.scoring.local import HFScorer

    config = load_config(RunConfig, ROOT / "configs" / "demo.yaml", ["eval.quick_items=7"])
    model = model_of(tokenizer)
    found = watch_bits(config)(model, tokenizer, 1)
    assert list(found) == ["kk", "ru", "en", "qaz_mc.kk", "qaz_mc.ru", "qaz_mc.en"]
    settings = EvalConfig(model="m", out=tmp_path, suite="demo", tasks=("qaz_mc",), max_items=7, samples=False)
    scores = run_eval(settings, scorer=HFScorer(model, tokenizer)).parity["scores"]["qaz_mc"]
    assert {code: score["n"] for code, score in scores.items()} == {"kk": 7, "ru": 7, "en": 7}
    for code, score in scores.items():
        assert found[f"qaz_mc.{code}"] == pytest.approx(1 - score["score"])
