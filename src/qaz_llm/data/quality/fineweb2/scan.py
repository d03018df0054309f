"""A document as FineWeb-2's rules see it: its words, its lines, and hashes of any run of its letters.

Words are those of `\\w+|[^\\w\\s]`, so the words of a document one after another are its text without white space. That text
is kept as `letters_C`; word w is `letters_C[offsets_W[w]:offsets_W[w + 1]]`, and any run of words is a slice of it. Slices
are compared by a polynomial hash, worked out from prefix sums by a subtraction and a multiplication: with the sum
`S(i) = c(0) + c(1)·B + … + c(i-1)·B^(i-1)`, the key of letters i … j is `(S(j) - S(i)) · B^-i`, modulo 2^64. Wherever two keys
agree the letters themselves are compared, so a collision costs time and never a verdict.

Suffixes: _C code points, _W words of the document at hand (offsets have one more), _L its lines, _T slots of a hash table.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qaz_llm.data.hash_tables import make_table
from qaz_llm.language.buffer import Codes, Hashes, Positions
from qaz_llm.language.kernels import kernel

Places = npt.NDArray[np.int32]

# Bits of the class table that preset.py makes.
WORD = 1
"""What `\\w` matches: letters, digits, other numerals and the underscore."""
SPACE = 2
ALPHA = 4
PUNCTUATION = 8
TERMINAL = 16
LINE_END = 32
"""Where `str.splitlines` cuts."""

MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)
"""The base of the polynomial; any odd number will do, for equality is checked."""

NEWLINE = 10


class Scratch(NamedTuple):
    """Room for the longest document of a batch, used again for each. Memory is taken only where it is written."""

    letters_C: Codes
    sums_C: Hashes
    offsets_W: Places
    inverses_W: Hashes
    words_W: Places
    """The place in the document where each word came first; the next two likewise for runs of words, by turns."""
    runs_W: Places
    longer_runs_W: Places
    word_counts_W: Places
    run_counts_W: Places
    longer_run_counts_W: Places
    suspects_W: Places
    """The first words of runs that may come twice."""
    line_starts_L: Places
    line_ends_L: Places
    keys_T: Hashes
    marks_T: Positions
    base: Positions
    """One number: marks below it are of earlier passes."""


def make_scratch(most_codes: int) -> Scratch:
    """Room for documents of so many code points."""
    room = most_codes + 2

    def places() -> Places:
        return np.empty(room, dtype=np.int32)

    keys_T, marks_T = make_table(room)
    return Scratch(
        letters_C=np.empty(room, dtype=np.uint32),
        sums_C=np.empty(room, dtype=np.uint64),
        offsets_W=places(),
        inverses_W=np.empty(room, dtype=np.uint64),
        words_W=places(),
        runs_W=places(),
        longer_runs_W=places(),
        word_counts_W=places(),
        run_counts_W=places(),
        longer_run_counts_W=places(),
        suspects_W=places(),
        line_starts_L=places(),
        line_ends_L=places(),
        keys_T=keys_T,
        marks_T=marks_T,
        base=np.ones(1, dtype=np.int64),
    )


class Counts(NamedTuple):
    """What the scan for words counts on its way."""

    words: int
    words_with_alpha: int
    plain_words: int
    """Words that are not punctuation alone; the next is their characters."""
    plain_letters: int


def inverse_of(multiplier: np.uint64) -> np.uint64:
    """The number that undoes a multiplication by an odd number modulo 2^64."""
    return np.uint64(pow(int(multiplier), -1, 1 << 64))


@kernel
def scan_words(text_C, classes, scratch, multiplier, inverse):  # type: ignore[no-untyped-def]
    """Fills letters, offsets, prefix sums and the powers that make slices of them comparable."""
    letters_C, sums_C, offsets_W, inverses_W = scratch.letters_C, scratch.sums_C, scratch.offsets_W, scratch.inverses_W
    words = with_alpha = plain_words = plain_letters = letters = position = 0
    total = np.uint64(0)
    power = inverse_power = np.uint64(1)
    while position < len(text_C):
        kind = classes[text_C[position]]
        if kind & SPACE:
            position += 1
            continue
        offsets_W[words] = letters
        inverses_W[words] = inverse_power
        of_any = kind_of_all = kind
        while True:
            code = text_C[position]
            letters_C[letters] = code
            sums_C[letters] = total
            total += np.uint64(code) * power
            power *= multiplier
            inverse_power *= inverse
            letters += 1
            position += 1
            if not kind & WORD or position == len(text_C):
                break
            following = classes[text_C[position]]
            if not following & WORD:
                break
            of_any |= following
            kind_of_all &= following
        words += 1
        with_alpha += (of_any & ALPHA) != 0
        if not kind_of_all & PUNCTUATION:
            plain_words += 1
            plain_letters += letters - offsets_W[words - 1]
    offsets_W[words] = letters
    sums_C[letters] = total
    return Counts(words, with_alpha, plain_words, plain_letters)


@kernel
def find_lines(text_C, scratch):  # type: ignore[no-untyped-def]
    """The lines that are not empty; returns their number."""
    starts_L, ends_L = scratch.line_starts_L, scratch.line_ends_L
    num_lines = start = 0
    for position in range(len(text_C) + 1):
        if position == len(text_C) or text_C[position] == NEWLINE:
            if position > start:
                starts_L[num_lines] = start
                ends_L[num_lines] = position
                num_lines += 1
            start = position + 1
    return num_lines


@kernel
def same(left_C, left, right_C, right, length):  # type: ignore[no-untyped-def]
    for step in range(length):  # noqa: SIM110 - numba compiles no generator expressions
        if left_C[left + step] != right_C[right + step]:
            return False
    return True


@kernel
def is_blank(text_C, start, end, classes):  # type: ignore[no-untyped-def]
    for position in range(start, end):  # noqa: SIM110
        if not classes[text_C[position]] & SPACE:
            return False
    return True
