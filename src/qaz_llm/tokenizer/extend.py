"""Continued BPE: new merges on top of an existing fast tokenizer, appended to its merge list.

    corpus ─► words ─► cut by the base ─► merges ─► appended            (make.py: also chosen, pruned, swapped in)

Why a text never gets longer: every base merge outranks every new one, so the base's own cut is reached first, and from
there new merges can only join. Why English stays as it is: only words without a Latin letter are learned from, so no new
token holds a Latin letter, a digit or punctuation. A character that the base lacks and spells byte by byte (byte
fallback, as in Llama-2) becomes a token first: byte tokens are decoded one by one, so none can be part of a merge.
The alternative, `add_tokens`, matches strings before pre-tokenization, splits words that contain them, and lengthens text.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.extension import ExtendedTokenizer
from qaz_llm.tokenizer.fast import backend_spec, is_byte_level
from qaz_llm.tokenizer.merges import LearnedMerges, append_merges, learn_merges
from qaz_llm.tokenizer.words import count_words, cut_words

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NO_WORDS = "the corpus holds no word with a non-Latin letter to learn from"


def extend_tokenizer(
    base: PreTrainedTokenizerFast, corpus: Iterable[str], *, num_new_tokens: int, min_frequency: int = 2
) -> ExtendedTokenizer:
    """Add `num_new_tokens` learned from `corpus` to a fast BPE tokenizer.

    Args:
        base: byte-level BPE (Llama-3, Qwen, GPT-2) or BPE with byte fallback (Llama-2, Gemma).
        corpus: texts in the language to be added.
        num_new_tokens: how many; the ids start at `len(base)`.
        min_frequency: a new token joins a pair seen at least this often.

    Raises:
        InputError: where the tokenizer is not BPE, `num_new_tokens` is not positive, the corpus holds no word to learn
            from, or it supports fewer tokens than asked for.
    """
    if num_new_tokens < 1:
        raise InputError(f"num_new_tokens is {num_new_tokens}, at least 1 was expected")
    learned = learn_from_corpus(base, corpus, num_new_tokens=num_new_tokens, min_frequency=min_frequency)
    return append_merges(learned, num_new_tokens=num_new_tokens)


def learn_from_corpus(
    base: PreTrainedTokenizerFast, corpus: Iterable[str], *, num_new_tokens: int, min_frequency: int = 2
) -> LearnedMerges:
    """At most `num_new_tokens` tokens that a corpus teaches a base, the most useful first.

    Raises:
        InputError: where the base cannot be extended, or the corpus holds no word to learn from.
    """
    check_extensible(base)
    words = cut_words(base, count_words(base, corpus))
    if not words:
        raise InputError(NO_WORDS, hint="give Kazakh text")
    return learn_merges(base, words, num_new_tokens=num_new_tokens, min_frequency=min_frequency)


def check_extensible(base: PreTrainedTokenizerFast) -> None:
    """Raises InputError for a tokenizer that merges cannot be appended to."""
    model = backend_spec(base)["model"]
    if model["type"] != "BPE":
        raise InputError(
            f"the base tokenizer is {model['type']}, only BPE can be extended by merges",
            hint="choose a base with a BPE tokenizer (Llama, Qwen, Gemma, Mistral …)",
        )
    if model["continuing_subword_prefix"] or model["end_of_word_suffix"]:
        raise InputError("the base tokenizer marks the inside or end of words, as CLIP's does; it cannot be extended")
    if not (model["byte_fallback"] or is_byte_level(base)):
        raise InputError(
            "the base tokenizer neither works on bytes nor falls back to them: there are texts that it cannot spell",
            hint="choose a base with byte-level BPE or byte fallback (Llama, Qwen, Gemma, Mistral …)",
        )
