"""Words converted once each and then put in place by a kernel: how a text of words seen before is converted at high speed.

    table = WordTable(lambda words: ([word.upper() for word in words], {}), letters="абв…")
    table.convert(codes of "қар, қар")          codes of "ҚАР, ҚАР"; қар went through the function once

New words of a text are converted together, so that each rule of a script runs over all of them in one go. Suffixes of arrays:
_C code points, _H slots of the hash table, _S places that are left as they are.

What is known of a word stands beside its hash, so that looking it up reads one line of the cache and putting it in place
another: a corpus has more words than the cache holds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import Codes, encode_texts
from qaz_llm.language.kernels import inlined, kernel

Converted = tuple[list[str], Mapping[str, str]]
"""The words converted, one for one, and those that were left as they are with the kind of each."""

MOST_WORDS = 1 << 18
FIRST_SLOTS = 1 << 13
_ENCODING = "utf-32-le" if sys.byteorder == "little" else "utf-32-be"
_CODES = 0x110000
_PRIME = np.uint64(0x9E3779B97F4A7C15)
_MIX = np.uint64(0xFF51AFD7ED558CCD)
_LETTER, _JOINER = 1, 2
LONGEST_WORD = 1 << 20
"""Letters; a longer run of them is no word and is left as it is."""
_START, _LENGTH = np.uint64(32), np.uint64(8)
"""Where a word's start in the arena and its length begin in the number beside its hash; the lowest bits are its kind."""
_MAX_LENGTH, _MAX_KIND = np.uint64(0xFFFFFF), np.uint64(0xFF)
NOTHING_LEFT = np.zeros((0, 2), np.int64)


class WordTable:
    """What `convert` makes of each word, kept for the next text; begun anew when it holds 262,144 words.

    letters: what words are made of; joiners: what may stand behind a word's first letter besides; signs: other characters
    that are replaced one by one.
    """

    def __init__(
        self,
        convert: Callable[[Sequence[str]], Converted],
        letters: str,
        joiners: str = "",
        signs: Mapping[int, int] | None = None,
    ) -> None:
        self._convert = convert
        self._classes = np.zeros(_CODES, np.uint8)
        self._classes[[ord(letter) for letter in letters]] = _LETTER
        self._classes[[ord(joiner) for joiner in joiners]] = _JOINER
        self._signs = np.arange(_CODES, dtype=np.uint32)
        for code, sign in (signs or {}).items():
            self._signs[code] = sign
        self._kinds: list[str] = [""]
        self._clear()

    def convert(self, codes_C: Codes, spans_S: npt.NDArray[np.int64] = NOTHING_LEFT) -> tuple[Codes, dict[str, int]]:
        """A text with its words converted, but for those in the spans (starts and ends, in order), and how many words
        were left as they are, by kind."""
        while True:
            found = _put_in_place(
                codes_C,
                spans_S,
                self._classes,
                self._signs,
                self._slots_H,
                self._arena_C,
            )
            converted_C, counts, missing = found
            if not len(missing):
                break
            text = decode(codes_C)
            self._add({text[start:end] for start, end in missing.tolist()})
        left = {
            kind: count for kind, count in zip(self._kinds, counts[: len(self._kinds)].tolist(), strict=True) if count
        }
        left.pop("", None)
        return converted_C, left

    def _clear(self) -> None:
        self._slots_H = np.zeros((FIRST_SLOTS, 2), np.uint64)  # hash and place of each word; hash 0: none
        self._arena_C: Codes = np.zeros(8 * FIRST_SLOTS, np.uint32)
        self._size = self._used = 0

    def _add(self, words: Iterable[str]) -> None:
        listed = list(words)
        if self._size + len(listed) > MOST_WORDS and self._size:
            self._clear()
        converted, left = self._convert(listed)
        batch = encode_texts(converted)
        self._make_room(self._size + len(listed), self._used + len(batch.codes_C))
        self._arena_C[self._used : self._used + len(batch.codes_C)] = batch.codes_C
        kinds = np.array([self._kind(left[word]) if word in left else 0 for word in listed], np.uint8)
        written = encode_texts(listed)
        _insert(written.codes_C, written.starts_D, batch.starts_D, self._used, kinds, self._slots_H)
        self._size += len(listed)
        self._used += len(batch.codes_C)

    def _make_room(self, words: int, codes: int) -> None:
        """Arrays of twice the size where so many words or code points do not fit; slots stay half empty."""
        if codes > len(self._arena_C):
            self._arena_C = np.concatenate([self._arena_C, np.zeros(codes, np.uint32)])
        if 2 * words > len(self._slots_H):
            wider_H = np.zeros((1 << (4 * words).bit_length(), 2), np.uint64)
            _rehash(self._slots_H, wider_H)
            self._slots_H = wider_H

    def _kind(self, name: str) -> int:
        if name not in self._kinds:
            self._kinds.append(name)
        return self._kinds.index(name)


def decode(codes_C: Codes) -> str:
    """A text of its code points."""
    return codes_C.tobytes().decode(_ENCODING, "surrogatepass")


@inlined
def hash_of(codes_C, start, end):  # type: ignore[no-untyped-def]
    value = np.uint64(0)
    for position in range(start, end):
        value = (value ^ np.uint64(codes_C[position])) * _PRIME
    value ^= value >> np.uint64(32)
    value = value * _MIX
    return value if value != 0 else np.uint64(1)


@inlined
def slot_of(value, hashes_H):  # type: ignore[no-untyped-def]
    """Where a hash stands in the table, or the empty slot where it would."""
    mask = len(hashes_H) - 1
    slot = np.int64(value & np.uint64(mask))
    while hashes_H[slot] != 0 and hashes_H[slot] != value:
        slot = (slot + 1) & mask
    return slot


@kernel
def _insert(codes_C, starts_D, converted_starts_D, used, kinds, slots_H):  # type: ignore[no-untyped-def]
    for word in range(len(starts_D) - 1):
        value = hash_of(codes_C, starts_D[word], starts_D[word + 1])
        slot = slot_of(value, slots_H[:, 0])
        start = np.uint64(used + converted_starts_D[word])
        length = np.uint64(converted_starts_D[word + 1] - converted_starts_D[word])
        slots_H[slot, 0] = value
        slots_H[slot, 1] = start << _START | length << _LENGTH | np.uint64(kinds[word])


@kernel
def _rehash(slots_H, wider_H):  # type: ignore[no-untyped-def]
    for old in range(len(slots_H)):
        if slots_H[old, 0] != 0:
            slot = slot_of(slots_H[old, 0], wider_H[:, 0])
            wider_H[slot, 0] = slots_H[old, 0]
            wider_H[slot, 1] = slots_H[old, 1]


@kernel
def _put_in_place(codes_C, spans_S, classes, signs, slots_H, arena_C):  # type: ignore[no-untyped-def]
    """The converted text, the words left by kind, and starts and ends of the words that the table does not have."""
    most = len(codes_C) // 2 + 1
    found_W = np.empty((most, 4), np.int64)  # start, end, start in the arena, length there
    missing_W = np.empty((most, 2), np.int64)
    counts = np.zeros(256, np.int64)
    num_words = num_missing = 0
    total = len(codes_C)
    hashes_H = slots_H[:, 0]
    span = 0
    position = 0
    while position < len(codes_C):
        if span < len(spans_S) and position >= spans_S[span, 0]:
            position = max(position, spans_S[span, 1])
            span += 1
            continue
        if classes[codes_C[position]] != _LETTER:
            position += 1
            continue
        start = position
        stop = spans_S[span, 0] if span < len(spans_S) else len(codes_C)
        while position < stop and classes[codes_C[position]] != 0:
            position += 1
        if position - start > LONGEST_WORD:
            continue
        slot = slot_of(hash_of(codes_C, start, position), hashes_H)
        if slots_H[slot, 0] == 0:
            missing_W[num_missing, 0] = start
            missing_W[num_missing, 1] = position
            num_missing += 1
            continue
        place = slots_H[slot, 1]
        length = np.int64(place >> _LENGTH & _MAX_LENGTH)
        found_W[num_words, 0] = start
        found_W[num_words, 1] = position
        found_W[num_words, 2] = np.int64(place >> _START)
        found_W[num_words, 3] = length
        counts[np.int64(place & _MAX_KIND)] += 1
        total += int(length) - (position - start)
        num_words += 1
    if num_missing:
        return np.empty(0, np.uint32), counts, missing_W[:num_missing]
    converted_C = np.empty(total, np.uint32)
    written = 0
    position = 0
    for number in range(num_words):
        for before in range(position, found_W[number, 0]):
            converted_C[written] = signs[codes_C[before]]
            written += 1
        first = found_W[number, 2]
        for letter in range(first, first + found_W[number, 3]):
            converted_C[written] = arena_C[letter]
            written += 1
        position = found_W[number, 1]
    for after in range(position, len(codes_C)):
        converted_C[written] = signs[codes_C[after]]
        written += 1
    return converted_C, counts, missing_W[:0]
