"""Where in a batch of texts personal data can be: windows around the few signs without which no rule matches.

    ... Ол 2015 жылы 25 000 теңге алды ... тел. 55-01-99 ...
             no sign (too few digits, no word of context)  └────── window: SPOKEN_OF

A single pass looks at digits, @ and colons only. Digits parted by at most three gap characters make a cluster; what its
length, its dots and the words before it allow are the window's signs. Windows hold enough text on both sides that the rules
find in them what they would find in the whole text.

Suffixes: _C code points of the batch, _D its documents, _V windows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from qaz_llm.data.protect.pii_chains import GAPS, HYPHENS, MAX_GAP_CHARS, SPACES
from qaz_llm.data.protect.pii_context import LIST_CHARS
from qaz_llm.data.protect.pii_rules import (
    AT,
    COLONS,
    CONTEXT_CHARS,
    DOTTED,
    IBAN,
    LONG,
    MIN_DIGITS,
    MIN_DIGITS_ALONE,
    PLATE,
    SPOKEN_OF,
)
from qaz_llm.data.protect.pii_words import CONTEXT_STEMS, SHORT_WORDS, STEMS_AFTER
from qaz_llm.language.buffer import (
    LETTER,
    WORD,
    ClassTable,
    Positions,
    TextBatch,
    character_classes,
    lower_table,
    table_of,
)
from qaz_llm.language.kernels import inlined, kernel

BEFORE_CHARS = CONTEXT_CHARS + 8
AFTER_CHARS = 16
DIGITS_MAY_FOLLOW = 8
"""Characters of a match before its first digit: № AB № 123456."""

MAX_LOCAL_CHARS = 64
"""Of an e-mail address before the @, as its pattern has it; so no window reaches back into one before the last."""

MAX_ADDRESS_CHARS = 39
NEXT_CHARS = LIST_CHARS + 4
"""Behind a number that may be something; less, to the brackets and the + of the next, its list may go on."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Stretches of the batch: from `starts_V` to `ends_V`, matches beginning at `firsts_V` or later, of document `docs_V`."""

    docs_V: Positions
    starts_V: Positions
    firsts_V: Positions
    ends_V: Positions
    signs_V: Positions


def find_windows(batch: TextBatch) -> Windows:
    """The windows of a batch, in order, none overlapping another."""
    found = _find_windows(batch.codes_C, batch.starts_D, _marks(), lower_table(), _stem_bits())
    return Windows(*(found[row] for row in range(5)))


# Bits of _marks(); the low ones are those of character_classes().
_NUMERAL = 1 << 8
_AT = 1 << 9
_COLON = 1 << 10
_GAP = 1 << 11
_HYPHEN_OR_SPACE = 1 << 12
_LOCAL = 1 << 13
_HEX = 1 << 14
_PLATE_LETTER = 1 << 15
_SHORT_WORD = 1 << 7
_LOOKED_AT = _NUMERAL | _AT | _COLON


@cache
def _marks() -> ClassTable:
    digits = "0123456789"
    table = table_of(
        (
            (digits, _NUMERAL | _HEX),
            ("@", _AT),
            (":", _COLON),
            (GAPS, _GAP),
            (SPACES + HYPHENS, _HYPHEN_OR_SPACE),
            ("._+-", _LOCAL),
            ("".join(SHORT_WORDS).upper() + "".join(SHORT_WORDS), _SHORT_WORD),
            ("abcdefABCDEF", _HEX),
            ("ABCDEFGHIJKLMNOPQRSTUVWXYZАВЕКМНОРСТУХ", _PLATE_LETTER),
        )
    )
    table = table | (character_classes() & np.uint16(LETTER | WORD))
    table.flags.writeable = False
    return table


_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_SHORT_STEM = 3
_LONG_STEM = 5
"""Stems are compared by their first five letters, shorter ones by three."""

_BEFORE = 1
_AFTER = 2


@cache
def _stem_bits() -> npt.NDArray[np.uint8]:
    """By a hash of the first letters, whether a word of context begins with them: one that stands before a number, or after."""
    seen = np.zeros(1 << 16, np.uint8)
    for stem, bit in (*((stem, _BEFORE) for stem in CONTEXT_STEMS), *((stem, _AFTER) for stem in STEMS_AFTER)):
        key = 0
        for letter in stem[: _LONG_STEM if len(stem) >= _LONG_STEM else _SHORT_STEM]:
            key = (key ^ ord(letter)) * int(_SPREAD) & 0xFFFFFFFFFFFFFFFF
        seen[key >> 48] |= bit
    return seen


@kernel
def _find_windows(codes_C, starts_D, marks, lower, stems):  # type: ignore[no-untyped-def]
    found = np.empty((5, 64), np.int64)
    count = 0
    for doc in range(len(starts_D) - 1):
        begin = starts_D[doc]
        end = starts_D[doc + 1]
        at = begin
        colons_end = begin
        flagged_end = begin - NEXT_CHARS - 1
        own = count  # the first window of this document
        while True:
            at = _skip(codes_C, at, end, marks)
            if at >= end:
                break
            mark = marks[codes_C[at]]
            signs = 0
            if mark & _NUMERAL:
                start, stop, signs = _look_at_digits(codes_C, begin, at, end, flagged_end, marks, lower, stems)
                after = stop
                if signs:
                    flagged_end = stop
                if signs & (IBAN | PLATE):
                    stop += 48
            elif mark & _AT:
                start, stop, signs = _look_at_at(codes_C, begin, at, end, marks)
                after = at + 1
            else:
                start, stop, signs = at, at + 1, 0
                if at >= colons_end:
                    start, stop, signs = _look_at_colon(codes_C, begin, at, end, marks)
                    colons_end = stop
                after = at + 1
            at = after
            if not signs:
                continue
            if count > own and start - BEFORE_CHARS <= found[3, count - 1]:
                found[1, count - 1] = min(found[1, count - 1], max(start - BEFORE_CHARS, begin))
                found[2, count - 1] = min(found[2, count - 1], start)
                found[3, count - 1] = max(found[3, count - 1], min(stop + AFTER_CHARS, end))
                found[4, count - 1] |= signs
                continue
            if count == found.shape[1]:
                found = np.concatenate((found, np.empty_like(found)), axis=1)
            found[0, count] = doc
            found[1, count] = max(start - BEFORE_CHARS, begin)
            found[2, count] = start
            found[3, count] = min(stop + AFTER_CHARS, end)
            found[4, count] = signs
            count += 1
    return found[:, :count]


@kernel
def _skip(codes_C, at, end, marks):  # type: ignore[no-untyped-def]
    """The next digit, @ or colon; by itself so that the compiler makes a tight loop of it."""
    while at < end and not marks[codes_C[at]] & _LOOKED_AT:
        at += 1
    return at


@inlined
def _look_at_digits(codes_C, begin, at, end, flagged_end, marks, lower, stems):  # type: ignore[no-untyped-def]
    """The cluster of digits that begins at `at`: where it may begin and does end, and what it may be."""
    signs = 0
    digits = 0
    dots = 0
    tight = 0
    groups = 0
    first = 0
    second = 0
    place = at
    while True:
        run = place
        if _follows_kz(codes_C, begin, run, lower, marks):
            signs |= IBAN
        while place < end and marks[codes_C[place]] & _NUMERAL:
            place += 1
        length = place - run
        digits += length
        groups += 1
        if groups == 1:
            first = length
        elif groups == 2:
            second = length
        elif groups == 3 and tight == 2 and first == 2 and second == 2 and length == 4 and _may_be_day(codes_C, at):
            digits -= 8  # 14.02.2015 is part of no number; what follows may be one
        if length == 3 and _plate_letters_follow(codes_C, place, end, marks):
            signs |= PLATE
        gap = 0
        while gap < MAX_GAP_CHARS and place + gap < end and marks[codes_C[place + gap]] & _GAP:
            gap += 1
        if gap == 0 or place + gap >= end or not marks[codes_C[place + gap]] & _NUMERAL:
            break
        dots += gap == 1 and codes_C[place] == 46
        tight += gap == 1 and 45 <= codes_C[place] <= 47
        place += gap
    if groups == 2 and first == 4 and second == 4:
        digits = 0  # 2010-2015
    if dots >= 3:
        signs |= DOTTED
    if digits >= MIN_DIGITS_ALONE:
        signs |= LONG
    if digits >= MIN_DIGITS and (
        at - flagged_end <= NEXT_CHARS
        or _follows_short_word(codes_C, begin, at, marks)
        or _word_follows(codes_C, place, end, marks, lower, stems)
        or _is_spoken_of(codes_C, begin, at, marks, lower, stems)
    ):
        signs |= SPOKEN_OF
    return max(at - DIGITS_MAY_FOLLOW, begin), place, signs


@inlined
def _may_be_day(codes_C, at):  # type: ignore[no-untyped-def]
    """Whether two digits are 01 to 39."""
    return codes_C[at] < 52 and (codes_C[at] != 48 or codes_C[at + 1] != 48)


@inlined
def _follows_kz(codes_C, begin, run, lower, marks):  # type: ignore[no-untyped-def]
    z = run - 1
    if z > begin and marks[codes_C[z]] & _HYPHEN_OR_SPACE:
        z -= 1
    if z <= begin or lower[codes_C[z]] != 122:
        return False
    k = lower[codes_C[z - 1]]
    return k == 107 or k == 1082


@inlined
def _plate_letters_follow(codes_C, place, end, marks):  # type: ignore[no-untyped-def]
    if place < end and marks[codes_C[place]] & _HYPHEN_OR_SPACE:
        place += 1
    return (
        place + 1 < end
        and (marks[codes_C[place]] & _PLATE_LETTER) != 0
        and (marks[codes_C[place + 1]] & _PLATE_LETTER) != 0
    )


@inlined
def _stem_at(codes_C, place, end, lower, stems):  # type: ignore[no-untyped-def]
    """Which words of context begin with the letters at a place; at least three code points follow."""
    key = np.uint64(0)
    for offset in range(_SHORT_STEM):
        key = (key ^ np.uint64(lower[codes_C[place + offset]])) * _SPREAD
    found = stems[key >> np.uint64(48)]
    for offset in range(_SHORT_STEM, min(_LONG_STEM, end - place)):
        key = (key ^ np.uint64(lower[codes_C[place + offset]])) * _SPREAD
    return found | stems[key >> np.uint64(48)]


@inlined
def _word_follows(codes_C, place, end, marks, lower, stems):  # type: ignore[no-untyped-def]
    """Whether the next word, at most four signs off, begins as one does that stands after numbers."""
    stop = min(place + 4, end - _SHORT_STEM)
    while place < stop and not marks[codes_C[place]] & LETTER:
        place += 1
    return place <= end - _SHORT_STEM and (_stem_at(codes_C, place, end, lower, stems) & _AFTER) != 0


@inlined
def _follows_short_word(codes_C, begin, at, marks):  # type: ignore[no-untyped-def]
    """Whether a word of one letter, т. or ф., stands right before, with at most eight signs between."""
    place = at - 1
    while place > begin and at - place < 9 and not marks[codes_C[place]] & (WORD | _NUMERAL):
        place -= 1
    return (
        place >= begin
        and (marks[codes_C[place]] & _SHORT_WORD) != 0
        and (place == begin or not marks[codes_C[place - 1]] & WORD)
    )


@inlined
def _is_spoken_of(codes_C, begin, at, marks, lower, stems):  # type: ignore[no-untyped-def]
    """Whether a word shortly before begins as a word of context does."""
    inside = False
    for place in range(max(begin, at - CONTEXT_CHARS - 8), at - 2):
        is_letter = (marks[codes_C[place]] & LETTER) != 0
        if is_letter and not inside and _stem_at(codes_C, place, at, lower, stems) & _BEFORE:
            return True
        inside = is_letter
    return False


@kernel
def _look_at_at(codes_C, begin, at, end, marks):  # type: ignore[no-untyped-def]
    """The characters around an @ that an address is made of."""
    if at == begin or at + 1 == end:
        return at, at + 1, 0
    start = at
    while start > begin and marks[codes_C[start - 1]] & (_LOCAL | WORD):
        start -= 1
    stop = at + 1
    while stop < end and marks[codes_C[stop]] & (_LOCAL | WORD):
        stop += 1
    return start, stop, AT if 0 < at - start <= MAX_LOCAL_CHARS and stop > at + 1 else 0


@kernel
def _look_at_colon(codes_C, begin, at, end, marks):  # type: ignore[no-untyped-def]
    """The hexadecimal digits and colons around a colon: three colons, or two together, may be an address."""
    start = at
    while start > begin and marks[codes_C[start - 1]] & (_HEX | _COLON):
        start -= 1
    stop = at
    colons = 0
    pair = False
    while stop < end and marks[codes_C[stop]] & (_HEX | _COLON):
        is_colon = (marks[codes_C[stop]] & _COLON) != 0
        colons += is_colon
        pair |= is_colon and stop > start and (marks[codes_C[stop - 1]] & _COLON) != 0
        stop += 1
    return start, stop, COLONS if 6 < stop - start <= MAX_ADDRESS_CHARS and (pair or colons >= 3) else 0
