"""The table of ways to cut text, and what is refused; test_gguf_export.py asks a real llama.cpp about each."""

from __future__ import annotations

import json
from typing import Any

import pytest
from small_models import byte_level, marked_spaces

from qaz_llm.errors import InputError
from qaz_llm.model.gguf.vocabulary import GPT2, LLAMA3, NAMES, QWEN2, vocabulary_of


def spec_of(tokenizer: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return found


@pytest.mark.parametrize(("steps", "ignore_merges"), NAMES)
def test_a_tokenizer_is_known_by_how_it_cuts(steps: tuple[str, ...], ignore_merges: bool) -> None:
    found = vocabulary_of(spec_of(byte_level(steps, ignore_merges=ignore_merges)), "x")
    assert (found.model, found.pre) == ("gpt2", NAMES[steps, ignore_merges])


def test_gemma_is_known_and_what_composes_letters_is_said() -> None:
    from tokenizers import normalizers

    assert vocabulary_of(spec_of(marked_spaces()), "x").model == "gemma4"
    assert vocabulary_of(spec_of(byte_level((QWEN2,), normalizer=normalizers.NFC())), "x").is_nfc


def test_tokens_over_line_ends_are_refused_in_gemmas_shape_alone() -> None:
    spec = spec_of(marked_spaces())
    spec["model"]["vocab"] |= {"\n\n": 9001}
    assert vocabulary_of(spec, "x").model == "gemma4"
    spec["model"]["vocab"] |= {"\n▁ал": 9002}
    with pytest.raises(InputError, match="over line ends"):
        vocabulary_of(spec, "x")


def test_matches_kept_or_their_gaps_removed_are_the_same_cut() -> None:
    spec = spec_of(byte_level((LLAMA3,)))
    split = spec["pre_tokenizer"]["pretokenizers"][0]
    split |= {"behavior": "Removed", "invert": True}
    assert vocabulary_of(spec, "x").pre == "dbrx"
    split |= {"behavior": "Removed", "invert": False}
    with pytest.raises(InputError, match="Removed"):
        vocabulary_of(spec, "x")


def changed(**parts: Any) -> dict[str, Any]:
    return spec_of(byte_level((GPT2,))) | parts


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (changed(model={"type": "Unigram"}), "Unigram"),
        (changed(pre_tokenizer=None), "nothing"),
        (changed(pre_tokenizer={"type": "Whitespace"}), "Whitespace"),
        (changed(pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True}), "add_prefix_space"),
        (changed(normalizer={"type": "Lowercase"}), "Lowercase"),
        (changed(model={"type": "BPE", "ignore_merges": True}), "ignore_merges"),
        (changed(model={"type": "BPE", "byte_fallback": True}, normalizer={"type": "Prepend"}), "Llama 2"),
    ],
)
def test_what_llama_cpp_would_cut_otherwise_is_refused(spec: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        vocabulary_of(spec, "x")
