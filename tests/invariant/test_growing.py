"""What growing costs a kept language, as `qaz tokenizer extend --keep --for-model` says it, beside a plain loop."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from qaz_llm.evals.growing import MAX_TEXT_CHARS, SAMPLE_BYTES, price_of_growing, sample
from qaz_llm.io import embedded_path, read_jsonl
from qaz_llm.model.load import load_model, load_tokenizer
from qaz_llm.model.vocabulary import extension_of, fit_vocabulary


def plain_bits(model: Any, tokenizer: Any, texts: list[str]) -> float:
    """One text after the other, token by token."""
    bits = size = 0.0
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False)["input_ids"]]
        with torch.no_grad():
            logprobs_TV = model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(-1)
        bits -= sum(logprobs_TV[n, token].item() for n, token in enumerate(ids[1:])) / math.log(2)
        size += len(text.encode())
    return bits / size


def test_bits_before_and_after(base_model: Path, extended_tokenizer: Path, tmp_path: Path) -> None:
    """Every second kept text is measured; without old or new tokens to tell apart rows stay as blend made them."""
    texts = [row["text"] for row in read_jsonl(embedded_path("documents_ru.jsonl"))][:6]
    kept = tmp_path / "ru.jsonl"
    kept.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    found = price_of_growing(str(base_model), str(base_model), extended_tokenizer, added=[], kept={"ru": kept})
    measured = [text[:MAX_TEXT_CHARS] for text in texts[::2]]
    model = load_model(base_model, dtype="float32")
    assert found["ru"]["before"] == pytest.approx(plain_bits(model, load_tokenizer(base_model), measured), rel=1e-4)
    tokenizer = load_tokenizer(extended_tokenizer)
    fit_vocabulary(model, tokenizer, extension_of(extended_tokenizer), init="fitted", seed=0)
    others = [tokenizer(text)["input_ids"] for text in texts[1::2]]
    if not any(index >= 600 for row in others for index in row):  # nothing to fit to
        assert found["ru"]["after"] == pytest.approx(plain_bits(model, tokenizer, measured), rel=1e-4)
    else:
        assert found["ru"]["after"] < plain_bits(model, tokenizer, measured) + 0.05


def test_a_sample_is_the_first_texts_that_are_enough() -> None:
    long, short = "ұ" * 3000, "ab "
    assert sample([" ", short, short], size_bytes=4) == [short, short]
    assert sample([long, short]) == [long[:MAX_TEXT_CHARS], short]
    assert len(sample([long] * 100)) == -(-SAMPLE_BYTES // (2 * MAX_TEXT_CHARS))
