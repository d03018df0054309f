"""What stands among the words of a text and is no word: addresses, tags, code, formulas, numerals, single letters.

`find_untouched` marks these places; a conversion to another script leaves them as they are and says how many they were.

    "XX ğasyrda https://egov.kz/kk, #qazaq, H2O"      XX numeral, https://egov.kz/kk address, #qazaq tag, H2O code
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import numpy as np

from qaz_llm.language.buffer import DIGIT, WORD, ClassTable, Codes, character_classes, encode_texts
from qaz_llm.language.kernels import kernel


class Span(NamedTuple):
    """A place in a text, and what stands there."""

    start: int
    end: int
    kind: str


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ENDINGS = _listed(
    "kz ru com org net info edu gov int io eu uk de fr tr uz kg az tj cn us su biz dev app ai tv wiki asia "
    "txt pdf doc docx xls xlsx csv ppt pptx odt rtf html htm xml json yaml yml md jpg jpeg png gif svg bmp mp3 mp4 avi mkv wav "
    "zip gz rar tar exe dll bat sh py js ts css java cpp rs go php sql ini cfg log tex apk iso"
)
_ENDINGS_OF_LINKS = _listed("me ly be gl co gg cc fm site online store")
"""Domains that are words too, so that something has to follow: t.me/qazaq."""
_TRAILING = ".,;:!?»”\"')]}…"

# Bits of `look_for_signs`: what stands in a text, so that clean text is searched for nothing.
NAME_DOT = 1
"""A full stop between two characters of words, as in egov.kz."""
CODE = 2
"""A digit behind a letter, or a capital behind a digit."""
SINGLE = 4
"""A letter of a–z alone, without a full stop."""
UNIT = 8
"""At most four letters of a–z behind a number."""
SHOUTED = 16
"""A line in capitals."""
MARKED = 32
"""A mark of addresses, tags or code."""
ENGLISH = 64
"""The letters th, which no English sentence of some length goes without and no word of Kazakh has."""

_PATTERNS: tuple[tuple[str, str, re.Pattern[str]], ...] = (
    ("`", "code", re.compile(r"^(```|~~~)[^\n]*\n.*?^\1|`[^`\n]+`", re.MULTILINE | re.DOTALL)),
    ("~~~", "code", re.compile(r"^(~~~)[^\n]*\n.*?^\1", re.MULTILINE | re.DOTALL)),
    ("://", "address", re.compile(r"[A-Za-z][A-Za-z+]*://[^\s<>«»\"]+")),
    ("www.", "address", re.compile(r"(?<!\w)www\.[^\s<>«»\"]+")),
    ("@", "address", re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    ("@", "tag", re.compile(r"(?<![\w@])@\w[\w.]*")),
    ("#", "tag", re.compile(r"(?<![\w&])#\w+")),
    ("<", "code", re.compile(r"</?[A-Za-z][^<>\n]*>")),
    ("&", "code", re.compile(r"&[A-Za-z]\w{1,7};")),
    ("\\", "code", re.compile(r"\\[A-Za-z]+|[A-Za-z]:\\\S+")),
    ("{{", "code", re.compile(r"\{\{[A-Za-z#][^{}\n]*\}\}")),
    ("_", "code", re.compile(r"\w*_\w*")),
)
_DOMAIN = re.compile(
    rf"\.(?:(?:{'|'.join(_ENDINGS)})(?:/[^\s<>«»\"]*)?(?!\w)|(?:{'|'.join(_ENDINGS_OF_LINKS)})/[^\s<>«»\"]+)"
)
_CODE = re.compile(r"(?<![^\W_])(?:[^\W\d_]{1,3}|[A-Z]+)\d\w*|\d+(?:[A-Z]+\d\w*|[A-Z](?![^\W_]))")
"""Letters and digits in one: COVID19, A4, 5G."""
_DIGITS = re.compile(r"\d+")
_SINGLE = re.compile(r"[^\w'’ʼ.][A-Za-z](?![\w'’ʼ])")
"""A letter alone: a sign of a formula or a numeral; initials and abbreviations have a full stop."""
_GLOSS = re.compile(
    r"\((?:lat|a[ğǵg]['’]?[yıь]l(?:şyn|şın|ş|shyn|sh|s['’])?|nem|fr|franc|frants|ital|isp|port|pol)\.:? ([A-Za-z][^(),;–—\n]*?)(?= ?[(),;–—\n]| - )"
)
"""A name in the language that is named before it: (lat. Canis lupus)."""
_HEADING = re.compile(r"^([IVX])\.(?=\s)", re.MULTILINE)


def find_untouched(text: str, signs: int | None = None) -> list[Span]:
    """The places of a text that are no words, in order and apart from one another. signs: what `look_for_signs` found."""
    if signs is None:
        signs = look_for_signs(encode_texts([text]).codes_C)
    found: list[Span] = []
    if signs & (MARKED | NAME_DOT):
        for sign, kind, pattern in _PATTERNS:
            if sign in text:
                found.extend(_matches(text, kind, pattern))
    if signs & NAME_DOT:
        found.extend(_matches(text, "address", _DOMAIN))
    if signs & CODE:
        found.extend(_codes(text))
    if signs & SINGLE or "II." in text:
        found.extend(_letters(text))
    if "(" in text:
        found.extend(Span(*match.span(1), "name") for match in _GLOSS.finditer(text))
    return apart(found) if found else found


_ENGLISH = ("and", "of", "that", "the", "to", "with", "you")
_ENGLISH_WORD = re.compile(
    rf"\b(?:{'|'.join(_ENGLISH)}|are|for|from|have|not|they|this|was|were|which|will|your)\b", re.IGNORECASE
)
_PASSAGE = re.compile('[^«»“”"\n.!?]+')
_LATIN_WORD = re.compile("[^\\W\\d_]+")
MIN_ENGLISH_FRAC = 0.2
"""English prose has a third of these words."""


def find_english(text: str) -> list[Span]:
    """Sentences and quotations in English: three words or more of a–z, one in five of them a word that only English has."""
    found: list[Span] = []
    for match in _PASSAGE.finditer(text):
        passage = match.group()
        telling = len(_ENGLISH_WORD.findall(passage))
        if not telling:
            continue
        words = _LATIN_WORD.findall(passage)
        if len(words) >= 3 and telling >= MIN_ENGLISH_FRAC * len(words):
            found.append(Span(*match.span(), "english"))
    return found


def _matches(text: str, kind: str, pattern: re.Pattern[str]) -> Iterator[Span]:
    for match in pattern.finditer(text):
        start, end = match.span()
        if kind == "address":
            while text[end - 1] in _TRAILING:
                end -= 1
            if text[start] == ".":  # a domain or a file: back to where its name begins
                start = _name_start(text, start)
        yield Span(start, end, kind)


def _codes(text: str) -> Iterator[Span]:
    """What `_CODE` finds, looked for around digits only: at each letter it takes three times as long."""
    position = 0
    while digits := _DIGITS.search(text, position):
        start = digits.start()
        while start > position and text[start - 1].isalnum() and not text[start - 1].isdecimal():
            start -= 1
        match = _CODE.match(text, start) or _CODE.match(text, digits.start())
        if match:
            yield Span(*match.span(), "code")
        position = (match or digits).end()


_NAME = re.compile(r"[\w./\\~-]*$")


def _name_start(text: str, end: int) -> int:
    match = _NAME.search(text, max(0, end - 200), end)
    return match.start() if match else end


def _letters(text: str) -> Iterator[Span]:
    for match in _SINGLE.finditer(f" {text}"):
        start, end = match.end() - 2, match.end() - 1
        after = text[end : end + 1]
        if after == "." or (after == ")" and not text[:start].rstrip(" \t\"'«“").endswith(("(", "="))):
            continue  # an initial, an abbreviation, an item of a list
        yield Span(start, end, "numeral" if text[start] in "IVX" else "symbol")
    if "II." in text:
        yield from (Span(*match.span(1), "numeral") for match in _HEADING.finditer(text))


def apart(found: list[Span]) -> list[Span]:
    """In order; of two that overlap, the one that begins first and then the longer one."""
    kept: list[Span] = []
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


# ----------------------------------------------------------------------------------------------------------- signs

_UPPER, _LOWER, _ASCII, _DIGIT, _WORD, _APOSTROPHE, _MARK = (1 << bit for bit in range(7))
_LONGEST_UNIT = 4


@cache
def _sign_table() -> ClassTable:
    classes = character_classes()
    table = np.zeros(len(classes), np.uint16)
    for code in range(0x250):
        letter = chr(code)
        table[code] |= (_UPPER if letter.isupper() else 0) | (_LOWER if letter.islower() else 0)
        table[code] |= _ASCII if letter.isascii() and letter.isalpha() else 0
    table[ord("ə")], table[ord("Ə")] = _LOWER, _UPPER
    table |= np.where(classes & WORD, _WORD, 0).astype(np.uint16) | np.where(classes & DIGIT, _DIGIT, 0).astype(
        np.uint16
    )
    for apostrophe in "'’ʼ":
        table[ord(apostrophe)] |= _APOSTROPHE
    table[ord("_")] |= _WORD
    for mark in "`~@#<&\\{_/":
        table[ord(mark)] |= _MARK
    return table


def look_for_signs(codes_C: Codes) -> int:
    """Which of the bits above a text has."""
    return int(_look_for_signs(codes_C, _sign_table()))


@kernel
def _look_for_signs(codes_C, table):  # type: ignore[no-untyped-def]
    found = 0
    before = before_that = 0
    run = 0  # letters of a–z in a row, and whether a number stands before them
    after_number = False
    upper = lower = 0
    for position in range(len(codes_C) + 1):
        code = codes_C[position] if position < len(codes_C) else np.uint32(10)
        bits = table[code]
        if bits & _ASCII:
            if run == 0:
                after_number = before & _DIGIT != 0 or (before_that & _DIGIT != 0 and before == 0)
            if code == 104 and run and codes_C[position - 1] in (116, 84):
                found |= ENGLISH
            run += 1
        else:
            joined = bits & (_WORD | _APOSTROPHE)
            if run == 1 and not joined and code != 46:
                start = position - 2
                outside = table[codes_C[start]] if start >= 0 else 0
                if not outside & (_WORD | _APOSTROPHE):
                    found |= SINGLE
            if 0 < run <= _LONGEST_UNIT and after_number and not joined & _APOSTROPHE:
                found |= UNIT
            run = 0
        if bits & _DIGIT and before & _WORD and not before & _DIGIT:
            found |= CODE
        if bits & _UPPER and before & _DIGIT:
            found |= CODE
        if (
            bits & _LOWER
            and code < 128
            and before == 0
            and before_that & _WORD
            and position
            and codes_C[position - 1] == 46
        ):
            found |= NAME_DOT
        if bits & _MARK:
            found |= MARKED
        upper += bits & _UPPER != 0
        lower += bits & _LOWER != 0
        if code == 10:
            if upper > _LONGEST_UNIT and not lower:
                found |= SHOUTED
            upper = lower = 0
        before_that = before
        before = bits
    return found
