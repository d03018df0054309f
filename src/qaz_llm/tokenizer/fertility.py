"""What a tokenizer costs: tokens per word, bytes per token, tokens per sentence, words kept whole.

Words are what stands between white space, the count used by the papers the figures are compared with
(Sherkala, arXiv 2503.01493). Special tokens are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


@dataclass(frozen=True)
class Fertility:
    """Counts over a set of texts, and the ratios made of them."""

    texts: int
    words: int
    tokens: int
    bytes: int
    whole_words: int

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
    """Count over `texts`. Raises InputError where they hold no word."""
    texts = [text for text in texts if text.strip()]
    words = [text.split() for text in texts]
    tokens = sum(len(ids) for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]) if texts else 0
    if not tokens:
        raise InputError("no text to measure a tokenizer on", hint="give a file with at least one line of text")
    distinct = sorted({word for line in words for word in line})
    adds_space = tokenizer.tokenize("a")[0].startswith(("▁", "Ġ"))  # SentencePiece puts a space before every text
    ids = tokenizer([word if adds_space else f" {word}" for word in distinct], add_special_tokens=False)["input_ids"]
    whole = {word for word, word_ids in zip(distinct, ids, strict=True) if len(word_ids) == 1}
    return Fertility(
        texts=len(texts),
        words=sum(map(len, words)),
        tokens=tokens,
        bytes=sum(len(text.encode()) for text in texts),
        whole_words=sum(word in whole for line in words for word in line),
    )
