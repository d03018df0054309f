"""One pass over a batch of texts that says which repairs could change each of them.

    damage = find_damage(encode_texts(["Таза мәтін.", "бiр  сөз"]))
    damage.flags_D              0, MIXED | SPACES
    damage.mixed_words(1)       [(0, 3, True)]       бiр, in a line of mostly Cyrillic letters

A flag may be raised for nothing (a letter that could compose with another stands alone), but never fails to be raised: a
text without flags is one that no repair changes.

Suffixes: _C code points, _M words of mixed alphabets, _D documents.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from qaz_llm.language import selectors
from qaz_llm.language.alphabet import CYRILLIC_VARIANTS, GREEK_TO_CYRILLIC
from qaz_llm.language.buffer import Hashes, TextBatch
from qaz_llm.language.kernels import kernel
from qaz_llm.language.presentation import COMPATIBILITY_FORMS

Flags = npt.NDArray[np.uint32]

# What a text may need; the first ten are also bits of single characters.
SURROGATE = 1
CONTROL = 2
INVISIBLE = 4
"""Characters of no width, and ¬ and U+FFFD."""
UNCOMPOSED = 8
VARIANT = 16
ODD_SPACE = 32
"""Tab, carriage return, no-break space; all other white space but space and line feed is RARE_SPACE."""
OLD_KAZAKH = 64
"""Letters that KZ-1048 text read as cp1251 has in place of Kazakh ones: ќ for қ, ѕ for ң …"""
MOJIBAKE = 128
JOINED = 256
"""Zero-width joiners, which belong in emoji and nowhere in a Kazakh word."""
RARE_SPACE = 512
SPACES = 1024
MARKUP = 2048
MIXED = 4096
SELECTORS = 1 << 14
"""A variation selector, which may be of a label of machine-made text or of no sign at all, or a letter of tags."""
_BENT = 8192
"""A capital after a small letter: MOJIBAKE where there is one in every CHARACTERS_PER_BENT_WORD, as where one Cyrillic
encoding was read as another (пРИВЕТ)."""
CHARACTERS_PER_BENT_WORD = 150

UNSEEN = SURROGATE | CONTROL | INVISIBLE | JOINED
WHITE_SPACE = SPACES | ODD_SPACE | RARE_SPACE
OF_PROSE = VARIANT | MARKUP | WHITE_SPACE
"""What is not looked for in code."""

# What a character is to its neighbour; pairs of these raise MOJIBAKE, SPACES, MARKUP and MIXED.
_CYRILLIC = 1 << 16
_FOREIGN = 1 << 17
_LEAD_1251 = 1 << 18
_TRAIL_1251 = 1 << 19
_LEAD_WESTERN = 1 << 20
_TRAIL_WESTERN = 1 << 21
_HIGH = 1 << 22
_SPACE = 1 << 23
_NEWLINE = 1 << 24
_OPENS_MARKUP = 1 << 25
_IN_MARKUP = 1 << 26
_LOWER = 1 << 27
_UPPER = 1 << 28
_WORD_SIGN = 1 << 29
_LEAD_MAC = 1 << 30
_TRAIL_MAC = 1 << 31
_SELECTOR = 1 << 32
_LEAD_KOI8 = 1 << 33
_TRAIL_KOI8 = 1 << 34
_OF_ONE = 0x3FF
_OF_PAIRS = 0x7FFFF0000

SURROGATES = "\\ud800-\\udfff"
CONTROLS = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f"
INVISIBLES = "\\u00ad\\u061c\\u180e\\u200b\\u200e\\u200f\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufeff\\ufff9-\\ufffc\\ufffe\\uffff"
HYPHENS_AND_LOSSES = "¬\ufffd"
"""The sign that old programs wrote for a soft hyphen, and the one for characters that are lost, which are counted."""
JOINERS = "\u200c\u200d"
CYRILLIC_RANGE = "\u0400-\u052f"
FOREIGN_LETTERS = "A-Za-zƏəǝƎƟɵËë" + "".join(GREEK_TO_CYRILLIC)
OLD_KAZAKH_LETTERS = "ЂЃЄЅЇЈЉЊЋЌЎЏђѓєѕїјљњћќўџҐґ"
"""Letters of other alphabets that cp1251 has besides the Russian ones: what old Kazakh fonts put their letters in."""

REAL_AFTER_CAPITALS = "\u00a0»“”’–—…іІёЁ"
"""What follows Р, С, Т or У in sound text (СССР», ТІЛ), though UTF-8 read as cp1251 has it there too."""
MOJIBAKE_LEADS = {"cp1251": "РСТУШЩЪЫ", "western": "ÂÃÄÅÐÑÒÓØÙÚÛâ", "mac_cyrillic": "–—“”"}
MAC_TRAILS = "†°Ґ£§•¶®©™Ђђ≠Ѓѓ∞±≤≥µґЈЄєЇїЉљЊњ" + bytes(range(0x80, 0xC0)).decode("mac_roman")
"""What letters end in where UTF-8 is read as mac-cyrillic or mac-roman, but for і, І, Ѕ and the capitals А–Я, which open quotations."""
KOI8_LEADS, KOI8_TRAILS = "пяр", "√≈≤≥÷²·⌠⌡∙"
"""і, И and a few more letters of UTF-8 read as KOI8-R (я√, п≤), whose other letters are full of BOX_DRAWING."""
WORD_SIGNS = "¤¦§©¬®†°¶±µ‡‰"
"""Signs that stand in the place of letters where one Cyrillic encoding is read as another."""
BOX_DRAWING = "\u2500-\u25a0"
"""UTF-8 read as KOI8-R (п÷я─п╦) or cp866 (╨Я╤А╨╕) is full of these."""


@dataclass(frozen=True, slots=True)
class Damage:
    """What `find_damage` saw. A mixed word is (start, end, True where its line has at least as many Cyrillic letters as
    others); its positions are those in its own text."""

    flags_D: Flags
    mixed_M: list[tuple[int, int, bool]]
    doc_starts_D: list[int]

    def mixed_words(self, document: int) -> list[tuple[int, int, bool]]:
        """The mixed words of one document in order."""
        return self.mixed_M[self.doc_starts_D[document] : self.doc_starts_D[document + 1]]


def find_damage(batch: TextBatch) -> Damage:
    """Which repairs each text of the batch could need."""
    flags_D, starts_M, ends_M, cyrillic_line_M, doc_starts_D = _find_damage(batch.codes_C, batch.starts_D, *_tables())
    mixed_M = list(zip(starts_M.tolist(), ends_M.tolist(), cyrillic_line_M.tolist(), strict=True))
    return Damage(flags_D, mixed_M, doc_starts_D.tolist())


@cache
def _tables() -> tuple[npt.NDArray[np.uint16], Flags]:
    """For every code point its own flags (low ten bits) and its class (high six), and for every two classes the flags that
    characters of them raise side by side, shape [classes, classes]."""
    bits = np.zeros(0x110000, dtype=np.uint64)
    for characters, bit in _groups():
        for character in characters:
            bits[ord(character)] |= bit
    of_pairs = bits & _OF_PAIRS
    telling = np.flatnonzero(of_pairs)  # to sort all code points would take longer than to repair megabytes
    kinds = np.unique(np.append(of_pairs[telling], np.uint64(0)))
    classes = np.zeros(len(bits), dtype=np.uint16)
    classes[telling] = np.searchsorted(kinds, of_pairs[telling])
    table = (bits & _OF_ONE).astype(np.uint16) | (classes << np.uint16(10))
    pairs = np.zeros((len(kinds), len(kinds)), dtype=np.uint32)
    for left, right, flag in (
        (_LEAD_1251, _TRAIL_1251, MOJIBAKE),
        (_LEAD_WESTERN, _TRAIL_WESTERN, MOJIBAKE),
        (_HIGH, _HIGH, MOJIBAKE),
        (_LOWER, _UPPER, _BENT),
        (_CYRILLIC, _WORD_SIGN, MOJIBAKE),
        (_LEAD_MAC, _TRAIL_MAC, MOJIBAKE),
        (_LEAD_KOI8, _TRAIL_KOI8, MOJIBAKE),
        (_SPACE | _NEWLINE, _SPACE, SPACES),
        (_SPACE, _NEWLINE, SPACES),
        (_OPENS_MARKUP, _IN_MARKUP, MARKUP),
        (_CYRILLIC, _FOREIGN, MIXED),
        (_FOREIGN, _CYRILLIC, MIXED),
    ):
        pairs[np.ix_((kinds & left) != 0, (kinds & right) != 0)] |= np.uint32(flag)
    pairs[:, (kinds & _SELECTOR) != 0] |= np.uint32(SELECTORS)
    table.flags.writeable = pairs.flags.writeable = False
    return table, pairs


def _groups() -> Iterable[tuple[Iterable[str], int]]:
    yield characters_of(SURROGATES), SURROGATE
    yield characters_of(CONTROLS), CONTROL
    yield (*characters_of(INVISIBLES), *HYPHENS_AND_LOSSES), INVISIBLE
    yield JOINERS, JOINED
    yield _uncomposed(), UNCOMPOSED
    yield characters_of(COMPATIBILITY_FORMS), UNCOMPOSED
    yield CYRILLIC_VARIANTS, VARIANT
    yield "\r\t\u00a0", ODD_SPACE
    yield (chr(c) for c in range(0x3001) if chr(c).isspace() and chr(c) not in " \n\r\t\u00a0"), RARE_SPACE
    yield OLD_KAZAKH_LETTERS, OLD_KAZAKH
    yield characters_of(BOX_DRAWING), MOJIBAKE
    yield characters_of(CYRILLIC_RANGE), _CYRILLIC
    yield characters_of(FOREIGN_LETTERS), _FOREIGN
    yield MOJIBAKE_LEADS["cp1251"], _LEAD_1251
    yield MOJIBAKE_LEADS["western"], _LEAD_WESTERN
    yield set(_high_half("cp1251")) - set(REAL_AFTER_CAPITALS), _TRAIL_1251
    yield (*_high_half("cp1252"), *map(chr, range(0x80, 0xC0))), _TRAIL_WESTERN
    yield map(chr, range(0xC0, 0x100)), _HIGH
    yield characters_of("а-яё"), _LOWER
    yield characters_of("А-ЯЁ"), _UPPER
    yield WORD_SIGNS, _WORD_SIGN
    yield MOJIBAKE_LEADS["mac_cyrillic"], _LEAD_MAC
    yield MAC_TRAILS, _TRAIL_MAC
    yield KOI8_LEADS, _LEAD_KOI8
    yield KOI8_TRAILS, _TRAIL_KOI8
    yield " ", _SPACE
    yield "\n", _NEWLINE
    yield characters_of(selectors.SELECTORS + selectors.TAGS), _SELECTOR
    yield "&<", _OPENS_MARKUP
    yield (*characters_of("A-Za-z"), *"#/!?"), _IN_MARKUP


def characters_of(ranges: str) -> Iterable[str]:
    """The characters of a regular expression's class: `a-cx` is a b c x."""
    plain = ranges.encode("ascii", "backslashreplace").decode("unicode_escape")
    index = 0
    while index < len(plain):
        last = index + 2 if plain[index + 1 : index + 2] == "-" else index
        yield from map(chr, range(ord(plain[index]), ord(plain[last]) + 1))
        index = last + 1


def _high_half(encoding: str) -> str:
    """The characters of the bytes 80–BF, which follow the first byte of a letter in UTF-8."""
    return bytes(range(0x80, 0xC0)).decode(encoding, "ignore")


def _uncomposed() -> Iterable[str]:
    """Characters that NFC could change or compose: all whose NFC_Quick_Check is not Yes, and all combining ones
    (Unicode Standard Annex #15, section 9)."""
    for code in range(0x30000):
        character = chr(code)
        if 0xD800 <= code < 0xE000:
            continue
        if unicodedata.combining(character) or not unicodedata.is_normalized("NFC", character):
            yield character
        parts = unicodedata.decomposition(character).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            yield chr(int(parts[1], 16))
    yield from map(chr, (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)))  # Korean vowels and finals compose by rule


@kernel
def _find_damage(codes_C, starts_D, table, pairs):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    most = len(codes_C) // 2 + 1
    flags_D = np.zeros(num_docs, np.uint32)
    starts_M = np.empty(most, np.int64)
    ends_M = np.empty(most, np.int64)
    cyrillic_line_M = np.empty(most, np.bool_)
    doc_starts_D = np.empty(num_docs + 1, np.int64)
    newline = table[10] >> 10
    count = 0
    for doc in range(num_docs):
        doc_starts_D[doc] = count
        start = starts_D[doc]
        end = starts_D[doc + 1]
        if start == end:
            continue
        seen = np.uint32(0)
        bent = 0
        before = newline  # as if a line had just ended
        word_end = start
        line_end = start
        line_is_cyrillic = False
        for position in range(start, end):
            cell = table[codes_C[position]]
            own = cell >> 10
            raised = pairs[before, own]
            seen |= cell & _OF_ONE
            before = own
            if raised:
                seen |= raised
                bent += (raised & _BENT) != 0
                if raised & MIXED and position >= word_end:
                    if position >= line_end:
                        line_is_cyrillic, line_end = _line_is_cyrillic(codes_C, position, start, end, table, pairs)
                    word_start, word_end = _word_around(codes_C, position, start, end, table, pairs)
                    starts_M[count] = word_start - start
                    ends_M[count] = word_end - start
                    cyrillic_line_M[count] = line_is_cyrillic
                    count += 1
            if own == newline and position >= start + 2 and codes_C[position - 1] == 10 and codes_C[position - 2] == 10:
                seen |= SPACES
        if codes_C[start] == 10 or codes_C[end - 1] == 10 or codes_C[end - 1] == 32:
            seen |= SPACES
        if bent * CHARACTERS_PER_BENT_WORD >= end - start and bent > 0:
            seen |= MOJIBAKE
        flags_D[doc] = seen & ~np.uint32(_BENT)
    doc_starts_D[num_docs] = count
    return flags_D, starts_M[:count], ends_M[:count], cyrillic_line_M[:count], doc_starts_D


@kernel
def _letter(code, table, pairs):  # type: ignore[no-untyped-def]
    """1 for a Cyrillic letter, -1 for another one, else 0: `x` and `я` raise MIXED beside the other kind."""
    own = table[code] >> 10
    if pairs[own, table[120] >> 10] & MIXED:
        return 1
    return -1 if pairs[own, table[1103] >> 10] & MIXED else 0


@kernel
def _word_around(codes_C, position, start, end, table, pairs):  # type: ignore[no-untyped-def]
    first = position
    while first > start and _letter(codes_C[first - 1], table, pairs) != 0:
        first -= 1
    last = position
    while last < end and _letter(codes_C[last], table, pairs) != 0:
        last += 1
    return first, last


@kernel
def _line_is_cyrillic(codes_C, position, start, end, table, pairs):  # type: ignore[no-untyped-def]
    """Whether the line around a position has as many Cyrillic letters as others, and where the line ends."""
    first = position
    while first > start and codes_C[first - 1] != 10:
        first -= 1
    balance = 0
    last = first
    while last < end and codes_C[last] != 10:
        balance += _letter(codes_C[last], table, pairs)
        last += 1
    return balance >= 0, last


def hash_slots(hashes: Hashes) -> Hashes:
    """A few hashes spread over a table of a power of two of slots, for `count_words`; 0 is a free slot."""
    size = 1 << (4 * len(hashes) - 1).bit_length()
    slots = np.zeros(size, dtype=np.uint64)
    for value in hashes.tolist():
        slot = value & (size - 1)
        while slots[slot]:
            slot = (slot + 1) & (size - 1)
        slots[slot] = value
    slots.flags.writeable = False
    return slots


@kernel
def count_words(hashes_W, doc_starts_D, slots):  # type: ignore[no-untyped-def]
    """How many words of each document have a hash in `slots`."""
    counts_D = np.zeros(len(doc_starts_D) - 1, np.int64)
    last = np.uint64(len(slots) - 1)
    for doc in range(len(counts_D)):
        for word in range(doc_starts_D[doc], doc_starts_D[doc + 1]):
            slot = hashes_W[word] & last
            while slots[slot] != 0:
                if slots[slot] == hashes_W[word]:
                    counts_D[doc] += 1
                    break
                slot = (slot + np.uint64(1)) & last
    return counts_D
