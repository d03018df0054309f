"""Tokens of the base that Kazakh, Russian and English text never needs: new tokens can have their ids.

The vocabulary, and the model with it, then does not grow. The price is paid by other languages: their text still comes back letter
for letter, but in more tokens. What may go is decided so that nothing else changes:

    a token may go   where it is whole text (no scrap of a character's bytes), is no special token, and holds a letter that
                     · is not of a protected script: Latin, Cyrillic, Greek, and Arabic, in which Kazakh is written too,
                       nor a modifier such as ʼ, which goes with several of them
                     · does not occur in the texts that were measured

So a text without such a letter keeps all its tokens, also those it only passes through while it is being merged: every piece of a
text is made of the letters of that text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.progress import track
from qaz_llm.tokenizer.fast import backend_spec
from qaz_llm.tokenizer.words import of_script, token_decoder

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PROTECTED_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK", "ARABIC")
"""First words of the Unicode names of the letters that stay, whether the measured texts hold them or not. What is made of such
a letter by compatibility (µ, ª, ℓ, full-width Latin) stays too."""


def swappable_tokens(base: PreTrainedTokenizerFast, texts: Iterable[str]) -> dict[str, int]:
    """The tokens of the base that `texts` can do without, and their ids, in the order of the ids.

    Args:
        base: a fast BPE tokenizer.
        texts: text in all languages that the model is to serve.
    """
    letters: set[str] = set()
    for text in track(texts, "letters in use", unit="texts"):
        letters |= set(text)
    normalizer = base.backend_tokenizer.normalizer
    if normalizer is not None:  # a base that folds letters sees the folded ones
        letters |= set(normalizer.normalize_str("".join(sorted(letters))))
    spec = backend_spec(base)
    special = {token["content"] for token in spec["added_tokens"]}
    decode = token_decoder(base)
    found = {
        token: index
        for token, index in spec["model"]["vocab"].items()
        if token not in special and _may_go(decode(token), letters)
    }
    return dict(sorted(found.items(), key=lambda entry: entry[1]))


def take_swappable(swappable: Mapping[str, int], wanted: int) -> dict[str, int]:
    """The last `wanted` of them: BPE learns frequent tokens first, so the last are the rarest of those it learned.

    Raises:
        InputError: where there are fewer.
    """
    if len(swappable) < wanted:
        raise InputError(
            f"{len(swappable):,} tokens of the base are not used by the texts, {wanted:,} are to be swapped in",
            hint=f"ask for at most {len(swappable)}, or extend without --swap",
        )
    return dict(list(swappable.items())[len(swappable) - wanted :])


def _may_go(text: str | None, letters: set[str]) -> bool:
    """True for whole text with a letter that is neither of a protected script nor in use."""
    return text is not None and any(_is_foreign(char) and char not in letters for char in text)


def _is_foreign(char: str) -> bool:
    return char.isalpha() and not of_script(char, PROTECTED_SCRIPTS)
