"""The words of a corpus, each cut as a base tokenizer cuts it: what new tokens are learned from.

Only words of letters outside the Latin script count, after at most one space. So no new token holds a Latin letter, a digit
or a punctuation mark, and none crosses a boundary that the base's pre-tokenizer draws.

A corpus is read once, into chunks: runs without white space, with the one white space before them. Pre-tokenizers are then
asked about each different chunk, not about each text, which is what makes gigabytes bearable:

    "Бұл қала, бұл"  →  "Бұл" 1, " қала," 1, " бұл" 1  →  "Бұл" 1, "Ġқала" 1, "Ġбұл" 1       ("," is no word)

A cut is a row of units. A unit is one base token, or, where the base falls back to the bytes of a character it lacks
(Llama-2, Gemma), all the bytes of that character, which only make sense together:

    base (byte-level)     " қала"  →  (Ġ) (Ò) (Ľ) (ал) (а)
    base (byte fallback)  "▁қала"  →  (▁) (<0xD2>, <0x9B>) (ала)
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qaz_llm.progress import track

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

Unit = tuple[int, ...]
"""The base id of a token, or the ids of the bytes of one character."""

Cut = tuple[tuple[Unit, ...], int]
"""A word as units of the base, and how often it occurs."""


@dataclass(frozen=True)
class KeptWords:
    """The words of a language to be kept that new merges could touch, and how much text they come from."""

    cuts: Sequence[Cut]
    running_words: int
    """Of the whole text: what holds a Latin letter or a digit is in no cut, and still makes the text longer."""


SPACE = "▁"
"""How SentencePiece writes a space (https://github.com/google/sentencepiece)."""

MAX_DISTINCT_CHUNKS = 3_000_000
"""About 0.6 GB of counts. The Kazakh half of a web corpus has far more different chunks, nearly all of them seen once."""

_CHUNK = re.compile(r"\s?\S+")
_BYTE_TOKEN = re.compile("<0x([0-9A-F]{2})>")


def count_words(base: PreTrainedTokenizerFast, corpus: Iterable[str]) -> Counter[str]:
    """How often each word to learn from occurs, spelled as the base's normalizer and pre-tokenizer spell it."""
    return words_of_chunks(base, count_chunks(corpus))


def count_chunks(corpus: Iterable[str], *, max_distinct: int = MAX_DISTINCT_CHUNKS) -> Counter[str]:
    """How often each chunk occurs.

    Where there are more than `max_distinct` after a text, the rarest are forgotten until at most half as many are left, as in lossy
    counting (Manku and Motwani, VLDB 2002): memory stays bounded, frequent chunks are undercounted by a little at most.
    """
    counts: Counter[str] = Counter()
    for text in track(corpus, "count words", unit="texts"):
        counts.update(_CHUNK.findall(text))
        if len(counts) > max_distinct:
            counts = _without_rarest(counts, max_distinct // 2)
    return counts


def words_of_chunks(base: PreTrainedTokenizerFast, chunks: Mapping[str, int]) -> Counter[str]:
    """The words to learn from in chunks, as the base spells them, each with its count."""
    pieces_of = _piece_splitter(base)
    decode = _piece_decoder(base)
    counts: Counter[str] = Counter()
    for chunk, count in chunks.items():
        if chunk.isascii():
            continue
        # A chunk after white space is asked about after a letter: many bases treat the start of a text in their own way.
        inside = chunk[0].isspace()
        pieces = pieces_of(f"a{chunk}" if inside else chunk)
        for piece in pieces[1:] if inside else pieces:
            counts[piece] += count
    return Counter({word: count for word, count in counts.items() if _is_learnable(decode(word))})


def _without_rarest(counts: Counter[str], keep: int) -> Counter[str]:
    """The counts above the lowest limit that leaves at most `keep` of them."""
    limit = 0
    while len(counts) > keep:
        limit += 1
        counts = Counter({chunk: count for chunk, count in counts.items() if count > limit})
    return counts


def _piece_splitter(base: PreTrainedTokenizerFast) -> Callable[[str], list[str]]:
    """A function from text to the base's spelling of its pieces, which no merge to be learned may cross.

    Bases that write spaces into their tokens (SentencePiece) hardly split at all; there, words are the pieces.
    """
    normalizer, pre_tokenizer = base.backend_tokenizer.normalizer, base.backend_tokenizer.pre_tokenizer

    def pieces_of(text: str) -> list[str]:
        text = normalizer.normalize_str(text) if normalizer is not None else text
        return [text] if pre_tokenizer is None else [piece for piece, _span in pre_tokenizer.pre_tokenize_str(text)]

    if pre_tokenizer is not None and SPACE not in "".join(pieces_of("a a")):
        return pieces_of
    return lambda text: [word for piece in pieces_of(text) for word in _split_before_spaces(piece)]


def cut_words(base: PreTrainedTokenizerFast, counts: Mapping[str, int]) -> list[Cut]:
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


def token_decoder(base: PreTrainedTokenizerFast) -> Callable[[str], str | None]:
    """A function from a token's spelling to its text; None for bytes that are no whole characters."""
    if bool(getattr(base.backend_tokenizer.model, "byte_fallback", False)):
        return lambda token: None if _BYTE_TOKEN.fullmatch(token) else token.replace(SPACE, " ")
    byte_of = _bytes_by_character()

    def decode(token: str) -> str | None:
        try:
            return bytes(byte_of[char] for char in token).decode()
        except (KeyError, UnicodeDecodeError):
            return None

    return decode


def _bytes_by_character() -> dict[str, int]:
    """The byte that each character of a byte-level spelling stands for.

    GPT-2's table (github.com/openai/gpt-2, src/encoder.py): printable Latin-1 stands for itself, the 68 other bytes for the
    characters from U+0100 on, in order.
    """
    own = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(0x100 + n): byte for n, byte in enumerate(others)}


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
    """True for letters and marks outside the Latin script, after at most one space.

    `iPhoneға` and `café` are none: their `Phone` and `é` would become tokens, and English would be cut in another way.
    """
    body = text.removeprefix(" ")
    return body[:1].isalpha() and all(map(_is_foreign_letter, body))


@functools.cache
def _is_foreign_letter(char: str) -> bool:
    """True for a letter or mark that no Latin word has."""
    return unicodedata.category(char)[0] in "LM" and not of_script(char, ("LATIN",))


def of_script(char: str, scripts: tuple[str, ...]) -> bool:
    """True for a letter whose Unicode name, or that of a letter it is made of (ª, ℓ, 𝐀, Ａ), starts with one of `scripts`.

    Modifiers (ʼ ʻ ː) belong to every script, and so do characters without a name.
    """
    parts = char + unicodedata.normalize("NFKD", char)
    return any(unicodedata.name(part, "MODIFIER").startswith((*scripts, "MODIFIER")) for part in parts)
