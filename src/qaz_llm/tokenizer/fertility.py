"""What a tokenizer costs: tokens per word, bytes per token, tokens per sentence, words kept whole.

Words are what stands between white space, the count used by the papers the figures are compared with
(Sherkala, arXiv 2503.01493). Special tokens are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

CHUNK_TEXTS = 1_000
CHUNK_CHARS = 500_000
"""Texts that are in memory together: whichever of the two is reached first (a single longer text is a chunk of its own)."""


@dataclass(frozen=True)
class Fertility:
    """Counts over a set of texts, and the ratios made of them."""

    texts: int
    words: int
    tokens: int
    bytes: int
    whole_words: int
    unknown_tokens: int = 0
    """Tokens that stand for text the tokenizer cannot spell (`<unk>`); each may hide several characters, so where this is
    not zero the tokenizer looks cheaper than it is."""

    def __add__(self, other: Fertility) -> Fertility:
        return Fertility(*(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True)))

    @property
    def tokens_per_word(self) -> float:
        return self.tokens / self.words

    @property
    def bytes_per_token(self) -> float:
        return self.bytes / self.tokens

    @property
    def tokens_per_text(self) -> float:
        return self.tokens / self.texts

    @property
    def whole_words_frac(self) -> float:
        """Share of running words that are a single token (with their leading space)."""
        return self.whole_words / self.words

    def to_dict(self) -> dict[str, float]:
        ratios = ("tokens_per_word", "bytes_per_token", "tokens_per_text", "whole_words_frac")
        return {**asdict(self), **{name: getattr(self, name) for name in ratios}}


def measure_fertility(tokenizer: PreTrainedTokenizerFast, texts: Iterable[str]) -> Fertility:
    """Count over `texts`, of which a bounded part is in memory at a time; blank texts are passed over.

    Raises:
        InputError: where they hold no word.
    """
    filled = (text for text in texts if text.strip())
    measured = sum((_measure_chunk(tokenizer, chunk) for chunk in _chunks(filled)), Fertility(0, 0, 0, 0, 0))
    if not measured.tokens:
        raise InputError("no text to measure a tokenizer on", hint="give a file with at least one line of text")
    return measured


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    chunk: list[str] = []
    chars = 0
    for text in texts:
        chunk.append(text)
        chars += len(text)
        if len(chunk) == CHUNK_TEXTS or chars >= CHUNK_CHARS:
            yield chunk
            chunk, chars = [], 0
    if chunk:
        yield chunk


def _measure_chunk(tokenizer: PreTrainedTokenizerFast, texts: list[str]) -> Fertility:
    words = [text.split() for text in texts]
    rows = tokenizer(texts, add_special_tokens=False, return_attention_mask=False, verbose=False)["input_ids"]
    whole = _whole_words(tokenizer, {word for line in words for word in line})
    unknown = tokenizer.unk_token_id
    return Fertility(
        texts=len(texts),
        words=sum(map(len, words)),
        tokens=sum(map(len, rows)),
        bytes=sum(len(text.encode()) for text in texts),
        whole_words=sum(word in whole for line in words for word in line),
        unknown_tokens=sum(row.count(unknown) for row in rows) if unknown is not None else 0,
    )


def _whole_words(tokenizer: PreTrainedTokenizerFast, words: set[str]) -> set[str]:
    """Those of the words that are one token where a space stands before them; a token for the unknown is none."""
    adds_space = tokenizer.tokenize("a")[0].startswith(("▁", "Ġ"))  # SentencePiece puts a space before every text
    distinct = sorted(words)
    rows = tokenizer([word if adds_space else f" {word}" for word in distinct], add_special_tokens=False)["input_ids"]
    unknown = tokenizer.unk_token_id
    return {word for word, row in zip(distinct, rows, strict=True) if len(row) == 1 and row[0] != unknown}
