"""Tokens per word and the rest, against counts done by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.fertility import measure_fertility


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


@pytest.mark.parametrize(("limit", "value"), [("CHUNK_TEXTS", 2), ("CHUNK_CHARS", 5)])
def test_chunks_change_no_count(
    tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    texts = ["ab c c", "", "қ", "c ab", "  ", "ab", "c", "a " * 20]
    at_once = measure_fertility(tokenizer, texts)
    monkeypatch.setattr(f"qaz_llm.tokenizer.fertility.{limit}", value)
    assert measure_fertility(tokenizer, texts) == at_once


def test_few_texts_are_taken_at_a_time(tokenizer: PreTrainedTokenizerFast, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endless source is read no further than the chunk that is being tokenized."""
    monkeypatch.setattr("qaz_llm.tokenizer.fertility.CHUNK_TEXTS", 10)
    taken: list[str] = []

    def texts() -> Iterator[str]:
        for _ in range(10**6):
            taken.append("ab c")
            yield "ab c"

    class StopsAfterTwo:
        """The tokenizer, until it is called for a third chunk."""

        unk_token_id = None
        tokenize = tokenizer.tokenize
        chunks = 0

        def __call__(self, texts: list[str], **options: Any) -> Any:
            self.chunks += texts[0] == "ab c"
            if self.chunks > 2:
                raise KeyboardInterrupt
            return tokenizer(texts, **options)

    with pytest.raises(KeyboardInterrupt):
        measure_fertility(StopsAfterTwo(), texts())  # type: ignore[arg-type]
    assert len(taken) == 30


def test_unknown_tokens_are_counted_and_keep_no_word_whole() -> None:
    # қ | <unk> | <unk>, and қ
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "қ": 1, "a": 2}, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    measured = measure_fertility(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"), ["қ жж жқ", "қ"])
    assert (measured.words, measured.tokens, measured.unknown_tokens, measured.whole_words) == (4, 4, 2, 2)
