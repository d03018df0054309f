"""Tokens per word and the rest, against counts done by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.fertility import measure_fertility
from qaz_llm.tokenizer.report import compare_tokenizers, parse_text_option


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level, with one merge: `ab`; every other byte, a space included, is a token of its own, save ` c` = `Ġc`."""
    vocab = {char: index for index, char in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    vocab |= {"ab": 256, "Ġc": 257}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[("a", "b"), ("Ġ", "c")]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=backend)


def test_counts_by_hand(tokenizer: PreTrainedTokenizerFast) -> None:
    # "ab c c" → ab, Ġc, Ġc: 3 tokens, 3 words, 6 bytes, two whole words (" c" twice; " ab" is Ġ + ab)
    # "қ"      → 2 bytes:    2 tokens, 1 word,  2 bytes, none whole
    measured = measure_fertility(tokenizer, ["ab c c", "", "қ", "  "])
    assert (measured.texts, measured.words, measured.tokens) == (2, 4, 5)
    assert (measured.bytes, measured.whole_words) == (8, 2)
    assert measured.tokens_per_word == 5 / 4
    assert measured.bytes_per_token == 8 / 5
    assert measured.tokens_per_text == 5 / 2
    assert measured.whole_words_frac == 2 / 4
    assert json.loads(json.dumps(measured.to_dict()))["tokens_per_word"] == 1.25


def test_whole_words_are_counted_in_every_family(family: Any, kk_documents: tuple[str, ...]) -> None:
    """Against the tokens that cover each word where it stands in its text."""
    texts = [" ".join(text.split()) for text in kk_documents[:15]]
    measured = measure_fertility(family.extended.tokenizer, texts)
    whole = 0
    for text in texts:
        encoded = family.extended.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        spans = encoded["offset_mapping"]
        for match in re.finditer(r"\S+", text):
            covering = [(s, e) for s, e in spans if e > match.start() and s < match.end()]
            with_space = [(s, e) for s, e in spans if s == match.start() - 1 and e <= match.start() and e > s]
            whole += len(covering) == 1 and covering[0][1] == match.end() and (not with_space or match.start() == 0)
    assert whole > 30
    assert abs(measured.whole_words - whole) <= len(texts)  # the first word of a text has no space before it


@pytest.mark.parametrize("texts", [[], [""], ["  \n"]])
def test_no_text_is_an_error(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> None:
    with pytest.raises(InputError, match="no text"):
        measure_fertility(tokenizer, texts)


def test_several_tokenizers_are_measured_on_the_same_lines(tokenizer: PreTrainedTokenizerFast, tmp_path: Path) -> None:
    tokenizer.save_pretrained(tmp_path / "t")
    (tmp_path / "kk.txt").write_text("қ қ\n\nab\n", encoding="utf-8")
    (tmp_path / "en.jsonl").write_text('{"text": "ab c"}\n', encoding="utf-8")
    name = str(tmp_path / "t")
    measured = compare_tokenizers([name], {"kk": tmp_path / "kk.txt", "en": tmp_path / "en.jsonl"})
    assert measured[name]["kk"].tokens == 2 + 3 + 1
    assert measured[name]["en"].tokens == 2
    assert measured[name]["en"].words == 2


def test_text_options_name_a_language_and_a_file() -> None:
    assert parse_text_option("kk=a=b.txt") == ("kk", Path("a=b.txt"))
    for wrong, said in (
        ("kz=a.txt", "'kk'"),
        ("a.txt", "LANGUAGE=FILE"),
        ("kk=", "LANGUAGE=FILE"),
        ("de=x", "kk, ru, en"),
    ):
        with pytest.raises(InputError, match=said):
            parse_text_option(wrong)
