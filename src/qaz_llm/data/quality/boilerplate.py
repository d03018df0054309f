"""Lines that belong to the web page and not to its text: menus, cookie notices, calls to subscribe, copyright lines.

Which line goes, line_kinds.py says; few lines of prose can. A kernel over the words and characters of a batch marks those that
could: at most MAX_LINE_WORDS words and one that gives a phrase away, or two separators of a menu, or a ©. Only these are read
in Python.

Suffixes: _C code points of the batch, _W its words, _L its lines, _D its documents, _T the words that give a phrase away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from qaz_llm.data.quality.furniture import PHRASES, SHORT_WORD, Phrase
from qaz_llm.data.quality.line_kinds import MAX_LINE_CHARS, MAX_LINE_WORDS, NONE, kind_of_line, lines_to_drop
from qaz_llm.language.buffer import (
    DIGIT,
    SPACE,
    ClassTable,
    Codes,
    Hashes,
    Positions,
    ScannedTexts,
    character_classes,
    encode_texts,
    lower_table,
    scan_texts,
    table_of,
)
from qaz_llm.language.kernels import inlined, kernel


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its boilerplate lines, how many there were, and their share of the words."""

    text: str
    lines: int
    words_frac: float


@lru_cache(maxsize=1 << 14)  # the furniture of a site stands on all its pages
def _kind_by_signs(line: str, signs: int) -> int:
    """`kind_of_line`, looking only for the phrases that the kernel saw signs of."""
    return kind_of_line(line, _phrases_of(signs))


def strip_boilerplate(text: str) -> Stripped:
    """Take the boilerplate lines out of a text."""
    return strip_boilerplates(scan_texts([text]))[0]


def strip_boilerplates(scanned: ScannedTexts) -> list[Stripped]:
    """Take the boilerplate lines out of each text."""
    lines, found = scanned.lines, scanned.words
    counts_L, signs_L = _look_at_lines(
        scanned.batch.codes_C,
        lines.starts_L,
        lines.ends_L,
        found.starts_W,
        found.ends_W,
        found.joined_W,
        _marks(),
        lower_table(),
        *_triggers(),
    )
    stripped = [Stripped(text, 0, 0.0) for text in scanned.texts]
    candidates = np.flatnonzero(signs_L)
    docs = np.searchsorted(lines.doc_starts_D, candidates, side="right") - 1
    found_in: dict[int, dict[int, int]] = {}
    rows = zip(
        docs.tolist(),
        candidates.tolist(),
        signs_L[candidates].tolist(),
        (lines.starts_L[candidates] - scanned.batch.starts_D[docs]).tolist(),
        (lines.ends_L[candidates] - scanned.batch.starts_D[docs]).tolist(),
        strict=True,
    )
    for doc, line, signs, start, end in rows:
        kind = _kind_by_signs(scanned.texts[doc][start:end], signs)
        if kind != NONE:
            found_in.setdefault(doc, {})[line] = kind
    for doc, kinds in found_in.items():
        first, last = lines.doc_starts_D[doc : doc + 2].tolist()
        text = scanned.texts[doc]
        gone = lines_to_drop(text.split("\n"), {line - first: kind for line, kind in kinds.items()})
        if gone:
            stripped[doc] = _strip(text, gone, counts_L[first:last])
    return stripped


def _strip(text: str, gone: Sequence[int], counts_L: Positions) -> Stripped:
    """Take out the lines numbered in `gone`; `counts_L` are the words of every line."""
    without = set(gone)
    remaining = "\n".join(line for number, line in enumerate(text.split("\n")) if number not in without).strip()
    total = int(counts_L.sum())
    return Stripped(remaining, len(gone), int(counts_L[list(gone)].sum()) / total if total else 0.0)


# ----------------------------------------------------------------------------------------------------------- kernel

_BETWEEN_SPACES = 1 << 8
_BAR = 1 << 9
_SIGN = 1 << 10
_MARKED = SPACE | _BETWEEN_SPACES | _BAR | _SIGN
_TAB = 9

_PHRASE_BITS = 62
"""Phrase p sets bit p % 62 of a line's signs; phrases that share a bit are tried together."""
_LOOKS_LIKE_MENU = np.uint64(1 << _PHRASE_BITS)

_KEY_LETTERS = SHORT_WORD + 1
"""Words are told apart by so many first letters, twelve bits each; the rest of a trigger is compared letter by letter."""


@cache
def _marks() -> ClassTable:
    table = table_of((("•·»›→/", _BETWEEN_SPACES), ("|", _BAR), ("©", _SIGN)))
    table = table | (character_classes() & np.uint16(SPACE | DIGIT))
    table.flags.writeable = False
    return table


@cache
def _phrases_of(signs: int) -> tuple[Phrase, ...]:
    """The phrases that a line with these signs can hold."""
    return tuple(phrase for number, phrase in enumerate(PHRASES) if signs >> (number % _PHRASE_BITS) & 1)


@cache
def _triggers() -> tuple[Hashes, Codes, Positions, Hashes, Hashes, npt.NDArray[np.bool_]]:
    """The words of the phrases: keys (sorted), letters and their starts, signs of the phrases they are of where the word
    begins the line and where it does not; and a bit table over the keys."""
    listed = sorted({(_key(word), word) for phrase in PHRASES for word in phrase.words})
    batch = encode_texts([word for _, word in listed])
    opening = [sum({_sign(n) for n, phrase in enumerate(PHRASES) if word in phrase.words}) for _, word in listed]
    inside = [
        sum({_sign(n) for n, phrase in enumerate(PHRASES) if word in phrase.words and not phrase.first})
        for _, word in listed
    ]
    keys_T = np.array([key for key, _ in listed], dtype=np.uint64)
    seen = np.zeros(1 << 12, np.bool_)
    seen[(keys_T * _SPREAD) >> np.uint64(52)] = True
    return keys_T, batch.codes_C, batch.starts_D, np.array(opening, np.uint64), np.array(inside, np.uint64), seen


def _sign(number: int) -> int:
    return 1 << (number % _PHRASE_BITS)


_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def _key(word: str) -> int:
    return sum(min(ord(letter), 0xFFF) << (12 * place) for place, letter in enumerate(word[:_KEY_LETTERS]))


@kernel
def _look_at_lines(  # type: ignore[no-untyped-def]
    codes_C,
    starts_L,
    ends_L,
    starts_W,
    ends_W,
    joined_W,
    marks,
    lower,
    keys_T,
    letters,
    letters_T,
    opening_T,
    inside_T,
    seen,
):
    """Words of each line, hyphenated ones as one, and the signs of what it may be."""
    num_lines = len(starts_L)
    counts_L = np.zeros(num_lines, np.int64)
    signs_L = np.zeros(num_lines, np.uint64)
    word = 0
    for line in range(num_lines):
        begin = word
        while word < len(starts_W) and starts_W[word] < ends_L[line]:
            counts_L[line] += not joined_W[word]
            word += 1
        start = starts_L[line]
        end = ends_L[line]
        while start < end and marks[codes_C[start]] & SPACE:
            start += 1
        while end > start and marks[codes_C[end - 1]] & SPACE:
            end -= 1
        if start == end or end - start > MAX_LINE_CHARS:
            continue
        if _has_separators(codes_C, start, end, marks, lower):
            signs_L[line] |= _LOOKS_LIKE_MENU
        if counts_L[line] <= MAX_LINE_WORDS:
            for at in range(begin, word):
                signs = opening_T if at == begin else inside_T
                signs_L[line] |= _signs_of(
                    codes_C, starts_W[at], ends_W[at], signs, lower, keys_T, letters, letters_T, seen
                )
    return counts_L, signs_L


@inlined
def _has_separators(codes_C, start, end, marks, lower):  # type: ignore[no-untyped-def]
    """Two separators of a menu at least, or a sign of copyright."""
    separators = 0
    for at in range(start, end):
        code = codes_C[at]
        mark = marks[code] & _MARKED
        if mark & _SIGN:
            return True
        if mark & _BAR:
            separators += 1
        elif at > start and marks[codes_C[at - 1]] & SPACE:
            if mark & _BETWEEN_SPACES:
                separators += at + 1 < end and (marks[codes_C[at + 1]] & SPACE) != 0
            elif (at - 2 >= start and marks[codes_C[at - 2]] & SPACE) or codes_C[at - 1] == _TAB:
                separators += mark == 0 and (lower[code] != code or (marks[code] & DIGIT) != 0)
        if separators >= 2:
            return True
    return False


@inlined
def _signs_of(codes_C, start, end, signs_T, lower, keys_T, letters, letters_T, seen):  # type: ignore[no-untyped-def]
    """The signs of the phrases that hold the word at start … end, or a beginning of it."""
    key = np.uint64(0)
    for place in range(min(_KEY_LETTERS, end - start)):
        key |= np.uint64(min(lower[codes_C[start + place]], np.uint32(0xFFF))) << np.uint64(12 * place)
    signs = np.uint64(0)
    if not seen[(key * _SPREAD) >> np.uint64(52)]:
        return signs
    at = np.searchsorted(keys_T, key)
    while at < len(keys_T) and keys_T[at] == key:
        length = letters_T[at + 1] - letters_T[at]
        same = end - start >= length
        for place in range(length if same else 0):
            same &= lower[codes_C[start + place]] == letters[letters_T[at] + place]
        if same:
            signs |= signs_T[at]
        at += 1
    return signs
