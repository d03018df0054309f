"""Texts as one array of code points, and the words and lines in it: what every fast look at text starts from.

    batch = encode_texts(["Қар ериді!", "Жаз-көктем"])      codes_C: Қ а р ␣ е р и д і ! Ж а з - к …    starts_D: 0 10 20
    words = scan_words(batch)                               starts_W: 0 4 10 14   ends_W: 3 9 13 20     doc_starts_D: 0 2 4

A word's hash is that of its letters in lower case, so `ҚАР` and `қар` are one word. Positions are positions in `codes_C`; in
the text of document d they are `position - starts_D[d]`. Everything a later step wants to know of words (repetition,
function words, n-grams, MinHash) is worked out from the hashes; nothing reads the letters twice.

Suffixes: _C code points of the batch, _W its words, _L its lines, _D its documents (arrays of starts have one more).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from qaz_llm.language.kernels import kernel

Codes = npt.NDArray[np.uint32]
Positions = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]
ClassTable = npt.NDArray[np.uint16]

# Bits of `character_classes()`.
WORD = 1
"""Letters and digits of any script: what `[^\\W_]` matches."""
SPACE = 2
LETTER = 4
DIGIT = 8
CYRILLIC = 16
LATIN = 32
ARABIC = 64
JOINER = 128
"""Hyphen and apostrophes, which between two runs of letters make one word of them."""

_ENCODING = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
_JOINERS = "-'’"
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)


@dataclass(frozen=True, slots=True)
class TextBatch:
    """Texts one after another as code points; text d is `codes_C[starts_D[d]:starts_D[d + 1]]`."""

    codes_C: Codes
    starts_D: Positions

    def __len__(self) -> int:
        return len(self.starts_D) - 1


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a batch in order; those of document d are `doc_starts_D[d]` to `doc_starts_D[d + 1]`.

    `joined_W` is True where a word is tied to the one before by a single hyphen or apostrophe (`2024-жылдың`).
    """

    starts_W: Positions
    ends_W: Positions
    hashes_W: Hashes
    joined_W: npt.NDArray[np.bool_]
    doc_starts_D: Positions


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a batch, blank ones too, without their line ends; those of document d as in `Words`."""

    starts_L: Positions
    ends_L: Positions
    doc_starts_D: Positions


@dataclass(frozen=True, slots=True, eq=False)
class ScannedTexts:
    """Texts with their words and lines: what the steps of a data build hand to one another. Equal only to itself."""

    texts: tuple[str, ...]
    batch: TextBatch
    words: Words
    lines: Lines

    def __len__(self) -> int:
        return len(self.texts)


def scan_texts(texts: Sequence[str]) -> ScannedTexts:
    """Encode texts and find their words and lines; some 300 MB/s on one core."""
    batch = encode_texts(texts)
    return ScannedTexts(tuple(texts), batch, scan_words(batch), scan_lines(batch))


def encode_texts(texts: Sequence[str]) -> TextBatch:
    """The texts as one batch. Lone surrogates keep their code."""
    if len(texts) == 1:  # many callers look at short texts one by one, and summing up takes longer than the rest
        starts_D = np.array((0, len(texts[0])), dtype=np.int64)
    else:
        starts_D = np.zeros(len(texts) + 1, dtype=np.int64)
        np.cumsum(np.fromiter(map(len, texts), dtype=np.int64, count=len(texts)), out=starts_D[1:])
    data = "".join(texts).encode(_ENCODING, "surrogatepass")
    return TextBatch(np.frombuffer(data, dtype=np.uint32), starts_D)


def scan_words(batch: TextBatch) -> Words:
    """The runs of letters and digits of every text."""
    return Words(*_scan_words(batch.codes_C, batch.starts_D, character_classes(), lower_table()))


def scan_lines(batch: TextBatch) -> Lines:
    """The lines of every text, as `text.split("\\n")` has them."""
    return Lines(*_scan_lines(batch.codes_C, batch.starts_D))


def hash_words(words: Iterable[str]) -> Hashes:
    """The hashes that `scan_words` gives to these words, one each.

    Raises ValueError for a string that is not one word.
    """
    listed = list(words)
    found = scan_words(encode_texts(listed))
    if len(found.hashes_W) != len(listed) or (np.diff(found.doc_starts_D) != 1).any():
        wrong = next(word for word in listed if len(scan_words(encode_texts([word])).hashes_W) != 1)
        raise ValueError(f"{wrong!r} is not one word")
    return found.hashes_W


# ----------------------------------------------------------------------------------------------------------- tables

_TABLE_SIZE = 0x110000
_LOOKED_AT = 0x40000
"""Planes 0–3 hold every letter there is; above them lie private use and tags, which are none."""


@cache
def character_classes() -> ClassTable:
    """The bits above for every code point."""
    table = np.zeros(_TABLE_SIZE, dtype=np.uint16)
    for code in range(_LOOKED_AT):
        character = chr(code)
        if character.isalnum():
            bits = WORD | (LETTER if character.isalpha() else 0) | (DIGIT if character.isdecimal() else 0)
            table[code] = bits
        elif character.isspace():
            table[code] = SPACE
    for first, last, bit in (
        (0x0400, 0x052F, CYRILLIC),
        (0x0041, 0x005A, LATIN),
        (0x0061, 0x007A, LATIN),
        (0x00C0, 0x024F, LATIN),
        (0x1E00, 0x1EFF, LATIN),
        (0x0621, 0x064A, ARABIC),
        (0x066E, 0x06D3, ARABIC),
        (0x06D5, 0x06D5, ARABIC),
        (0x06FA, 0x06FF, ARABIC),
        (0x0750, 0x077F, ARABIC),
    ):
        table[first : last + 1] |= bit
    for joiner in _JOINERS:
        table[ord(joiner)] |= JOINER
    table.flags.writeable = False
    return table


@cache
def lower_table() -> Codes:
    """Each code point in lower case, one for one: İ, the only letter whose lower case takes two, becomes i."""
    table = np.arange(_TABLE_SIZE, dtype=np.uint32)
    for code in range(0x20000):
        lowered = chr(code).lower()
        table[code] = ord(lowered[0])
    table.flags.writeable = False
    return table


def table_of(groups: Iterable[tuple[str, int]]) -> ClassTable:
    """A table with a bit for each group of characters: `table_of([("ұі", 1), ("қғ", 2)])`."""
    table = np.zeros(_TABLE_SIZE, dtype=np.uint16)
    for characters, bit in groups:
        for character in characters:
            table[ord(character)] |= bit
    table.flags.writeable = False
    return table


# ---------------------------------------------------------------------------------------------------------- kernels


@kernel
def _scan_words(codes_C, starts_D, classes, lower):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    most = len(codes_C) // 2 + num_docs + 1
    starts_W = np.empty(most, np.int64)
    ends_W = np.empty(most, np.int64)
    hashes_W = np.empty(most, np.uint64)
    joined_W = np.zeros(most, np.bool_)
    doc_starts_D = np.empty(num_docs + 1, np.int64)
    count = 0
    for doc in range(num_docs):
        doc_starts_D[doc] = count
        position = starts_D[doc]
        end = starts_D[doc + 1]
        last_end = -2
        while position < end:
            if not classes[codes_C[position]] & WORD:
                position += 1
                continue
            starts_W[count] = position
            value = np.uint64(0)
            while position < end:
                code = codes_C[position]
                if not classes[code] & WORD:
                    break
                value = (value ^ np.uint64(lower[code])) * _PRIME
                position += 1
            value ^= value >> np.uint64(32)
            hashes_W[count] = value * _MIX
            ends_W[count] = position
            start = starts_W[count]
            joined_W[count] = last_end == start - 1 and (classes[codes_C[start - 1]] & JOINER) != 0
            last_end = position
            count += 1
    doc_starts_D[num_docs] = count
    return starts_W[:count], ends_W[:count], hashes_W[:count], joined_W[:count], doc_starts_D


@kernel
def _scan_lines(codes_C, starts_D):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    total = num_docs
    for code in codes_C:
        total += code == 10
    starts_L = np.empty(total, np.int64)
    ends_L = np.empty(total, np.int64)
    doc_starts_D = np.empty(num_docs + 1, np.int64)
    count = 0
    for doc in range(num_docs):
        doc_starts_D[doc] = count
        start = starts_D[doc]
        for position in range(start, starts_D[doc + 1]):
            if codes_C[position] == 10:
                starts_L[count] = start
                ends_L[count] = position
                count += 1
                start = position + 1
        starts_L[count] = start
        ends_L[count] = starts_D[doc + 1]
        count += 1
    doc_starts_D[num_docs] = count
    return starts_L, ends_L, doc_starts_D
