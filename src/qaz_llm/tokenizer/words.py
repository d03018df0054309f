"""The words of a corpus, each cut as a base tokenizer cuts it: what new tokens are learned from.

Only words of letters outside ASCII count, after at most one space. So no new token holds an ASCII letter, a digit or a
punctuation mark, and none crosses a boundary that the base's pre-tokenizer draws.

A cut is a row of units. A unit is one base token, or, where the base falls back to the bytes of a character it lacks
(Llama-2, Gemma), all the bytes of that character, which only make sense together:

    base (byte-level)     " қала"  →  (Ġ) (Ò) (Ľ) (ал) (а)
    base (byte fallback)  "▁қала"  →  (▁) (<0xD2>, <0x9B>) (ала)
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from qaz_llm.progress import track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Unit = tuple[int, ...]
"""The base id of a token, or the ids of the bytes of one character."""

SPACE = "▁"
"""How SentencePiece writes a space (https://github.com/google/sentencepiece)."""

_BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")


def count_words(base: PreTrainedTokenizerFast, corpus: Iterable[str]) -> Counter[str]:
    """How often each word to learn from occurs, spelled as the base's normalizer and pre-tokenizer spell it."""
    backend = base.backend_tokenizer
    normalise = backend.normalizer.normalize_str if backend.normalizer is not None else str
    counts: Counter[str] = Counter()
    for text in track(corpus, "count words", unit="texts"):
        pieces = [normalise(text)]
        if backend.pre_tokenizer is not None:
            pieces = [piece for piece, _span in backend.pre_tokenizer.pre_tokenize_str(pieces[0])]
        for piece in pieces:
            counts.update(_split_before_spaces(piece) if SPACE in piece or backend.pre_tokenizer is None else [piece])
    decode = _piece_decoder(base)
    return Counter({word: n for word, n in counts.items() if _is_learnable(decode(word))})


def cut_words(base: PreTrainedTokenizerFast, counts: Mapping[str, int]) -> list[tuple[tuple[Unit, ...], int]]:
    """Each word as units of the base, with its count; words that the base cannot spell (`<unk>`) are left out."""
    model = base.backend_tokenizer.model
    spell = unit_speller(base)
    byte_fallback = bool(getattr(model, "byte_fallback", False))
    words = sorted(counts.items())  # sorted: the same corpus in another order gives the same tokenizer
    cut = []
    for word, count in track(words, "cut words", total=len(words), unit="words"):
        tokens = [(token.id, token.value) for token in model.tokenize(word)]
        units = _join_bytes(tokens) if byte_fallback else tuple((index,) for index, _value in tokens)
        if "".join(map(spell, units)) == word:
            cut.append((units, count))
    return cut


def unit_speller(base: PreTrainedTokenizerFast) -> Callable[[Unit], str]:
    """A function from a unit to its spelling in the vocabulary: of a token its own, of fallen-back bytes the character."""
    spelling: dict[int, str] = {index: token for token, index in base.get_vocab().items()}

    def spell(unit: Unit) -> str:
        if len(unit) == 1:
            return spelling[unit[0]]
        return bytes(int(spelling[index][3:5], 16) for index in unit).decode()

    return spell


def token_lengths_bytes(tokenizer: PreTrainedTokenizerFast, ids: Iterable[int]) -> dict[int, int]:
    """How many bytes of text each token stands for, its leading space included."""
    byte_fallback = bool(getattr(tokenizer.backend_tokenizer.model, "byte_fallback", False))
    lengths = {}
    for index in ids:
        token: str = tokenizer.convert_ids_to_tokens(index)
        if not byte_fallback:  # byte-level: one character for each byte
            lengths[index] = len(token)
        else:
            lengths[index] = 1 if _BYTE_TOKEN.fullmatch(token) else len(token.replace(SPACE, " ").encode())
    return lengths


def _join_bytes(tokens: Sequence[tuple[int, str]]) -> tuple[Unit, ...]:
    """Units of the tokens of a base with byte fallback; bytes that make no character stay single."""
    units: list[Unit] = []
    pending: Unit = ()
    read = b""
    for index, value in tokens:
        byte = _BYTE_TOKEN.fullmatch(value)
        if byte is None:
            units.extend([*((i,) for i in pending), (index,)])
            pending, read = (), b""
            continue
        pending, read = (*pending, index), read + bytes([int(byte[1], 16)])
        try:
            read.decode()
        except UnicodeDecodeError:
            continue
        units.append(pending)
        pending, read = (), b""
    return (*units, *((i,) for i in pending))


def _split_before_spaces(text: str) -> Iterator[str]:
    """Pieces that start at a SentencePiece space or where letters begin or end: `▁бұл▁қала,` → `▁бұл`, `▁қала`, `,`."""
    start = 0
    for index in range(1, len(text) + 1):
        if (
            index == len(text)
            or text[index] == SPACE
            or (text[index].isalpha() != text[index - 1].isalpha() and text[index - 1] != SPACE)
        ):
            yield text[start:index]
            start = index


def _piece_decoder(base: PreTrainedTokenizerFast) -> Callable[[str], str]:
    """A function from the tokenizer's own spelling of a piece (`ĠÒĽ`, `▁қ`) to plain text."""
    decoder: Any = base.backend_tokenizer.decoder
    if decoder is None:
        return lambda piece: piece.replace(SPACE, " ")
    return lambda piece: piece.replace(SPACE, " ") if SPACE in piece else decoder.decode([piece])


def _is_learnable(text: str) -> bool:
    """True for letters and marks outside ASCII, after at most one space.

    `iPhoneға` is not one: its `Phone` would become a token, and English would be cut in another way than before.
    """
    body = text.removeprefix(" ")
    return body[:1].isalpha() and all(not c.isascii() and unicodedata.category(c)[0] in "LM" for c in body)
