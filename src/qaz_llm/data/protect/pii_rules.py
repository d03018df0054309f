"""What personal data looks like: patterns over a stretch of text, and what each match is, if anything.

The rules are applied one after another. What one has claimed is overwritten, place by place, with a character that stands
for its type, so that shorter structures do not find it again and later rules still see how far off it is.
Digits are ASCII digits; gaps inside a number are spaces, hyphens, dots and brackets, never line ends.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qaz_llm.data.protect.identifiers import is_bin, is_card, is_iban, is_iin
from qaz_llm.data.protect.pii_words import (
    BIN_WORD,
    DOCUMENT_WORD,
    IIN_WORD,
    IP_WORD,
    PHONE_WORD,
    PHONE_WORD_NEAR,
    PLATE_WORD,
    UNIT_AFTER,
    VERSION_WORD,
)

AT, IBAN, LONG, SPOKEN_OF, DOTTED, COLONS, PLATE = (1 << bit for bit in range(7))
"""What the kernel of pii_windows has seen: @ in a word; KZ and digits; ten digits, or + and eight; five digits near a word
of context; a dotted quad; colons among hexadecimal digits; three digits and letters of number plates."""

CONTEXT_CHARS = 60
"""How far before a number its word of context may stand."""

KINDS = ("iin", "bin", "iban", "card", "phone", "email", "ip", "plate", "id_number")
CLAIMED = {kind: chr(0xFDD0 + place) for place, kind in enumerate(KINDS)}
"""Unicode's noncharacters, which no text holds: neither letters, digits nor spaces."""

SPACES = " \u00a0\u2009\u202f"
HYPHENS = "-\u2010\u2011\u2012\u2013"
GAPS = SPACES + HYPHENS + ".()"

KindOf = Callable[[re.Match[str], int], str | None]
"""From a match and the end of the rule's claim before it (-1 where there is none) to the type of data; None: nothing."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern that can only match where the kernel has seen one of `signs`."""

    signs: int
    pattern: re.Pattern[str]
    kind_of: KindOf


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data of a type at start … end of a text."""

    start: int
    end: int
    kind: str


def find_personal_data(text: str, types: Sequence[str], *, first: int = 0, signs: int = -1) -> list[Span]:
    """All that the rules find from place `first` on, in order; only rules for the given signs are tried."""
    spans: list[Span] = []
    for rule in RULES:
        if not rule.signs & signs:
            continue
        claims: list[Span] = []
        for match in rule.pattern.finditer(text, first):
            kind = rule.kind_of(match, claims[-1].end if claims else -1)
            if kind is not None and kind in types:
                claims.append(Span(match.start(), match.end(), kind))
        if claims:
            text = _overwrite(text, claims)
            spans += claims
    return sorted(spans, key=lambda span: span.start)


def _overwrite(text: str, claims: Sequence[Span]) -> str:
    parts, done = [], 0
    for claim in claims:
        parts += [text[done : claim.start], CLAIMED[claim.kind] * (claim.end - claim.start)]
        done = claim.end
    return "".join((*parts, text[done:]))


# ---------------------------------------------------------------------------------------------------------------- parts


def _before(match: re.Match[str], length: int, since: int = -1) -> str:
    """So many characters before a match, from `since` at the earliest, less a word cut in two: of `жасұялы` no `ұялы` stays."""
    text, start, end = match.string, max(0, since, match.start() - length), match.start()
    while 0 < start < end and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start += 1
    return text[start:end]


def _digits(match: re.Match[str]) -> str:
    return re.sub("[^0-9]", "", match.group())


# --------------------------------------------------------------------------------------------------------------- rules

_D = "[0-9]"
_S = f"[{SPACES}]"
_H = f"[{re.escape(HYPHENS)}]"
_SH = f"[{re.escape(SPACES + HYPHENS)}]"
_G = f"[{re.escape(GAPS)}]"
_LIST = re.compile(r"[,;/ \t]{1,3}")


def _email(match: re.Match[str], previous: int) -> str | None:
    return "email"


def _iban(match: re.Match[str], previous: int) -> str | None:
    return "iban" if is_iban("KZ" + re.sub(_SH, "", match.group())[2:].upper()) else None


def _twelve_digits(match: re.Match[str], previous: int) -> str | None:
    """By structure; else by the last word of context since the number before, and in a list by the first's."""
    digits = _digits(match)
    whole = match.group() == digits or re.fullmatch(rf"{_D}{{6}}{_SH}{_D}{{6}}", match.group()) is not None
    structure = "iin" if is_iin(digits) else "bin" if is_bin(digits) else None
    if whole and structure:
        return structure
    before = _before(match, CONTEXT_CHARS, previous)
    said = [(word.end(), "iin") for word in IIN_WORD.finditer(before)]
    said += [(word.end(), "bin") for word in BIN_WORD.finditer(before)]
    if said:
        return structure or max(said)[1]
    if previous >= 0 and whole and _LIST.fullmatch(match.string, previous, match.start()):
        return "iin"
    return None


def _card(match: re.Match[str], previous: int) -> str | None:
    return "card" if is_card(_digits(match)) else None


def _international(match: re.Match[str], previous: int) -> str | None:
    digits = _digits(match)
    return "phone" if 10 <= len(digits) <= 14 and not digits.endswith("000000") else None


_SPACED = {
    7: {(7,), (3, 4), (3, 2, 2), (1, 2, 2, 2)},
    6: {(6,), (2, 2, 2), (2, 4)},
    5: {(5,), (1, 2, 2), (2, 3)},
}
"""Lengths of the groups of a number within a town, where only spaces part them; 25 000 and 125 000 are none of these."""


def _is_grouped(lengths: tuple[int, ...]) -> bool:
    """Whether ten digits after the 8 are grouped like a number: the town's code of three to five, then the rest."""
    if lengths == (10,):
        return True
    code, rest = lengths[0], lengths[1:]
    return code in (3, 4, 5) and rest in _SPACED[10 - code]


def _lengths(match: re.Match[str]) -> tuple[int, ...]:
    return tuple(map(len, re.findall("[0-9]+", match.group())))


def _national(match: re.Match[str], previous: int) -> str | None:
    """8 or 7 and ten digits; in groups that a number has, unless brackets or hyphens say that it is one."""
    lengths = _lengths(match)
    if lengths[0] == 1:
        lengths = lengths[1:]
    elif len(lengths) > 1:
        lengths = (lengths[0] - 1, *lengths[1:])
    else:
        return "phone"
    marked = re.search(rf"[()]|{_H}", match.group()) is not None
    return "phone" if marked or ("  " not in match.group() and _is_grouped(lengths)) else None


def _bracketed(match: re.Match[str], previous: int) -> str | None:
    digits = _digits(match)
    if len(digits) == 10 and (digits[0] == "7" or re.search(_H, match.group())):
        return "phone"
    return "phone" if 7 <= len(digits) <= 11 and _phone_is_spoken_of(match, previous) else None


def _local(match: re.Match[str], previous: int) -> str | None:
    """Numbers of five to seven digits where telephones are spoken of; ten digits also in groups parted by hyphens, and in
    the row of an IIN."""
    lengths, digits = _lengths(match), _digits(match)
    hyphenated = re.search(_H, match.group()) is not None
    if len(digits) == 10:
        if not _is_grouped(lengths):
            return None
        if hyphenated and lengths in ((3, 3, 4), (3, 3, 2, 2)):
            return "phone"
        row = _before(match, CONTEXT_CHARS).rpartition("\n")[2]
        in_row_of_iin = CLAIMED["iin"] in row and digits[0] == "7"
        return "phone" if in_row_of_iin or _phone_is_spoken_of(match, previous) else None
    if len(digits) not in _SPACED or not (hyphenated or lengths in _SPACED[len(digits)]):
        return None
    if UNIT_AFTER.match(match.string, match.end()) or (digits.endswith("000") and not hyphenated):
        return None
    return "phone" if _phone_is_spoken_of(match, previous, near=not hyphenated) else None


def _phone_is_spoken_of(match: re.Match[str], previous: int, *, near: bool = False) -> bool:
    """A word of context shortly before, with at most two words between where it has to be near; or another number."""
    since = max(previous, match.string.rfind(CLAIMED["phone"], max(0, match.start() - 4), match.start()) + 1)
    if since > 0 and _LIST.fullmatch(match.string, since, match.start()):
        return True
    word = PHONE_WORD_NEAR if near else PHONE_WORD
    return word.search(_before(match, 32).lower()) is not None


def _ip(match: re.Match[str], previous: int) -> str | None:
    """Public addresses. Numbers of paragraphs and versions are small; 127.0.0.1 and 192.168.0.1 are nobody's."""
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return None
    before = _before(match, 24).lower()
    if not address.is_global or VERSION_WORD.search(before):
        return None
    large = address.version == 6 or max(address.packed) >= 32
    return "ip" if large or IP_WORD.search(before) else None


_CURRENCIES = frozenset(
    ("USD", "EUR", "KZT", "RUB", "RUR", "GBP", "CNY", "JPY", "TRY", "UZS", "KGS", "AED", "CHF", "UAH", "BYN")
)


def _plate(match: re.Match[str], previous: int) -> str | None:
    letters = re.sub("[^A-ZА-Я]", "", match.group())
    if letters in _CURRENCIES:
        return None
    tight = len(letters) == 3 and match.group().isalnum() and match.group()[0].isdigit()
    return "plate" if tight or PLATE_WORD.search(_before(match, CONTEXT_CHARS).lower()) else None


def _document(match: re.Match[str], previous: int) -> str | None:
    return "id_number" if DOCUMENT_WORD.search(_before(match, CONTEXT_CHARS).lower()) else None


_END = rf"(?!{_D}|\.{_D})"
_FIRST = rf"{_D}(?<!{_D}{_D})(?<!{_D}\.{_D})"
"""A digit that no digit stands before. The look back comes after it, so that the search runs from digit to digit."""
_PLATE_LETTER = "[A-ZАВЕКМНОРСТУХ]"

RULES: tuple[Rule, ...] = (
    Rule(AT, re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}\b"), _email),
    Rule(IBAN, re.compile(rf"[KkКк](?<!\w\w)[Zz]{_SH}?{_D}{{2}}{_SH}?(?:[0-9A-Za-z]{_SH}?){{15}}[0-9A-Za-z]\b"), _iban),
    Rule(
        LONG,
        re.compile(
            rf"{_FIRST}(?:{_D}{{11}}|{_D}{{5}}{_SH}{_D}{{6}}|{_D}{{3}}{_SH}{_D}{{4}}{_SH}{_D}{{4}}"
            rf"|{_D}{{2}}(?:{_SH}{_D}{{3}}){{3}}|(?:{_SH}?{_D}){{11}}){_END}"
        ),
        _twelve_digits,
    ),
    Rule(
        LONG,
        re.compile(
            rf"{_FIRST}(?<!{_D}{{4}}{_SH}{_D})(?:{_D}{{12,18}}|{_D}{{3}}({_SH}){_D}{{4}}\1{_D}{{4}}\1{_D}{{4}}(?:\1{_D}{{3}})?"
            rf"|{_D}{{3}}({_SH}){_D}{{6}}\2{_D}{{4,5}}){_END}(?!{_SH}{_D}{{4}})"
        ),
        _card,
    ),
    Rule(
        LONG,
        re.compile(
            rf"\+(?<![\w+]\+){_G}?(?:7(?:{_G}{{0,3}}{_D}){{10}}|{_D}{{1,3}}(?:{_G}{{0,3}}{_D}){{7,12}})(?!{_D})"
        ),
        _international,
    ),
    Rule(
        LONG,
        re.compile(
            rf"[78](?<!{_D}{_D})(?<!{_D}[.,-]{_D})(?:(?<=8){_G}{{0,3}}[3479]|(?<=7){_G}{{0,3}}7)"
            rf"{_D}{{2}}(?:{_G}{{0,3}}{_D}){{7}}{_END}(?!,{_D}{{1,2}}(?!{_D}))"
        ),
        _national,
    ),
    Rule(LONG, re.compile(rf"\((?<!{_D}\(){_S}?{_D}{{3,5}}{_S}?\)(?:{_G}{{0,2}}{_D}){{5,7}}(?!{_D})"), _bracketed),
    Rule(
        LONG | SPOKEN_OF,
        re.compile(rf"{_FIRST}(?<!{_D}[,-]{_D})(?:{_SH}?{_D}){{4,9}}(?!{_D}|[.,]{_D})"),
        _local,
    ),
    Rule(DOTTED, re.compile(rf"{_D}(?<![0-9.]{_D}){_D}{{0,2}}(?:\.{_D}{{1,3}}){{3}}(?!{_D}|\.{_D})"), _ip),
    Rule(COLONS, re.compile(r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?![\w:])"), _ip),
    Rule(
        PLATE,
        re.compile(rf"{_D}(?<!\w{_D}){_D}{{2}}{_SH}?{_PLATE_LETTER}{{2,3}}{_SH}?(?:0[1-9]|1[0-9]|20)\b"),
        _plate,
    ),
    Rule(PLATE, re.compile(rf"{_PLATE_LETTER}(?<!\w\w){_SH}?{_D}{{3}}{_SH}?{_PLATE_LETTER}{{2,3}}\b"), _plate),
    Rule(
        SPOKEN_OF,
        re.compile(
            rf"(?<!\w)(?:(?:[A-ZА-Я]{_S}?)?{_D}{{8,9}}|[A-ZА-Я]{{2}}{_S}?(?:№{_S}?)?{_D}{{6,7}}"
            rf"|{_D}{{2}}{_S}?{_D}{{2}}{_S}?(?:№{_S}?)?{_D}{{6}})(?!{_D}|[.,]{_D})"
        ),
        _document,
    ),
)
"""In this order: what a longer structure claims is not offered to a shorter one."""
