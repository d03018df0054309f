"""What personal data looks like: rules over a stretch of text, each for one kind of sign, and what each match is, if anything.

The rules are applied one after another. What one has claimed is overwritten, place by place, with a character that stands
for its type, so that shorter structures do not find it again and later rules still see how far off it is.
Digits are ASCII digits; a number does not go on over a line end.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from qaz_llm.data.protect.identifiers import is_iban
from qaz_llm.data.protect.pii_chains import HYPHENS, SPACES, Chain, find_chains
from qaz_llm.data.protect.pii_context import Before, before_of
from qaz_llm.data.protect.pii_phones import phone_at, span_of
from qaz_llm.data.protect.pii_proved import IIN_DIGITS, is_whole, proved_numbers, said_at, said_before
from qaz_llm.data.protect.pii_words import DOCUMENT_WORD, IP_WORD, PLATE_WORD, VERSION_WORD, VERSION_WORD_AFTER

AT, IBAN, LONG, SPOKEN_OF, DOTTED, COLONS, PLATE = (1 << bit for bit in range(7))
"""What the kernel of pii_windows has seen: @ in a word; KZ and digits; ten digits; five digits near a word
of context; a dotted quad; colons among hexadecimal digits; three digits and letters of number plates."""

CONTEXT_CHARS = 60
"""How far before a number its word of context may stand."""

MIN_DIGITS = 5
"""Fewer are no number of a telephone; nor are fewer than MIN_DIGITS_ALONE where no word says so."""
MIN_DIGITS_ALONE = 10

KINDS = ("iin", "bin", "iban", "card", "phone", "email", "ip", "plate", "id_number")
CLAIMED = {kind: chr(0xFDD0 + place) for place, kind in enumerate(KINDS)}
"""Unicode's noncharacters, which no text holds: neither letters, digits nor spaces."""


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data of a type at start … end of a text."""

    start: int
    end: int
    kind: str


Find = Callable[[str, int, bool], list[Span]]
"""From a text, the place to begin at, and whether words of context count, to what is found there, in order."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What can only find something where the kernel has seen one of `signs`."""

    signs: int
    find: Find


def find_personal_data(text: str, types: Sequence[str], *, first: int = 0, signs: int = -1) -> list[Span]:
    """All that the rules find from place `first` on, in order; only rules for the given signs are tried.

    Without the sign SPOKEN_OF, words say nothing of telephones: what remains says itself what it is.
    """
    spans: list[Span] = []
    for rule in RULES:
        if not rule.signs & signs:
            continue
        claims = rule.find(text, first, bool(signs & SPOKEN_OF))
        if claims:
            text = _overwrite(text, claims)
            spans += claims
    return sorted((span for span in spans if span.kind in types), key=lambda span: span.start)


def _overwrite(text: str, claims: Sequence[Span]) -> str:
    parts, done = [], 0
    for claim in claims:
        parts += [text[done : claim.start], CLAIMED[claim.kind] * (claim.end - claim.start)]
        done = claim.end
    return "".join((*parts, text[done:]))


# ------------------------------------------------------------------------------------------------- by digits in chains


@dataclass(slots=True)
class _Found:
    """What has been found so far in a text; ends are -1 where there is nothing yet."""

    before: Before
    spans: list[Span] = field(default_factory=list)
    twelve_end: int = -1
    """Of the last IIN or BIN, and which it was."""
    twelve_kind: str | None = None

    def add(self, start: int, end: int, kind: str) -> None:
        self.spans.append(Span(start, end, kind))
        if kind == "phone":
            self.before.phone_end = end
        elif kind in ("iin", "bin"):
            self.twelve_end, self.twelve_kind = end, kind
            if kind == "iin":
                self.before.iin_end = end


def _numbers(text: str, first: int, words_count: bool) -> list[Span]:
    """Cards, IIN and BIN, telephone numbers: in each chain first what proves itself, then what is left between."""
    found = _Found(Before(text, words_count))
    for chain in find_chains(text, first, min_digits=MIN_DIGITS if words_count else MIN_DIGITS_ALONE):
        group = 0
        for start, after, kind in proved_numbers(chain) if chain.num_digits >= IIN_DIGITS else ():
            _look_at_rest(chain.part(group, start), found)
            found.add(chain.starts[start], chain.ends[after - 1], kind)
            group = after
        _look_at_rest(chain.part(group, len(chain)), found)
    return found.spans


def _look_at_rest(chain: Chain, found: _Found) -> None:
    group = 0
    while group < len(chain):
        after, kind = _named(chain, group, found)
        if kind is not None:
            found.add(chain.starts[group], chain.ends[after - 1], kind)
        else:
            after = phone_at(chain, group, found.before)
            if after:
                found.add(*span_of(chain, group, after), "phone")
        group = max(after, group + 1)


def _named(chain: Chain, group: int, found: _Found) -> tuple[int, str | None]:
    """Twelve digits by the last word of context since those before, and in a list by the first's."""
    after = chain.reach(group, IIN_DIGITS)
    if not after:
        return 0, None
    start = chain.starts[group]
    kind = said_before(before_of(chain.text, start, CONTEXT_CHARS, found.twelve_end))
    if kind is None and is_whole(chain, group, after) and _LIST.fullmatch(chain.text, max(0, found.twelve_end), start):
        kind = found.twelve_kind
    return said_at(chain, group, kind)


_LIST = re.compile(r"[,;/ \t]{1,3}")


# ------------------------------------------------------------------------------------------------------- by patterns

KindOf = Callable[[re.Match[str]], str | None]
"""From a match to the type of data; None: nothing."""


def _matching(pattern: re.Pattern[str], kind_of: KindOf) -> Find:
    def find(text: str, first: int, words_count: bool) -> list[Span]:
        spans = []
        for match in pattern.finditer(text, first):
            kind = kind_of(match)
            if kind is not None:
                spans.append(Span(match.start(), match.end(), kind))
        return spans

    return find


def _before(match: re.Match[str], length: int) -> str:
    return before_of(match.string, match.start(), length)


_D = "[0-9]"
_S = f"[{SPACES}]"
_H = f"[{re.escape(HYPHENS)}]"
_SH = f"[{re.escape(SPACES + HYPHENS)}]"


def _email(match: re.Match[str]) -> str | None:
    return "email"


def _iban(match: re.Match[str]) -> str | None:
    return "iban" if is_iban("KZ" + re.sub(_SH, "", match.group())[2:].upper()) else None


def _ip(match: re.Match[str]) -> str | None:
    """Public addresses. Numbers of paragraphs and versions are small; 127.0.0.1 and 192.168.0.1 are nobody's."""
    try:
        address = ipaddress.ip_address(match.group())
    except ValueError:
        return None
    before = _before(match, 24).lower()
    if not address.is_global or VERSION_WORD.search(before) or VERSION_WORD_AFTER.match(match.string, match.end()):
        return None
    large = address.version == 6 or max(address.packed) >= 32
    return "ip" if large or IP_WORD.search(before) else None


_CURRENCIES = frozenset(
    ("USD", "EUR", "KZT", "RUB", "RUR", "GBP", "CNY", "JPY", "TRY", "UZS", "KGS", "AED", "CHF", "UAH", "BYN")
)


def _plate(match: re.Match[str]) -> str | None:
    letters = re.sub("[^A-ZА-Я]", "", match.group())
    if letters in _CURRENCIES:
        return None
    tight = len(letters) == 3 and match.group().isalnum() and match.group()[0].isdigit()
    return "plate" if tight or PLATE_WORD.search(_before(match, CONTEXT_CHARS).lower()) else None


def _document(match: re.Match[str]) -> str | None:
    return "id_number" if DOCUMENT_WORD.search(_before(match, CONTEXT_CHARS).lower()) else None


_PLATE_LETTER = "[A-ZАВЕКМНОРСТУХ]"

RULES: tuple[Rule, ...] = (
    Rule(AT, _matching(re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,5}[^\W\d_]{2,24}\b"), _email)),
    Rule(
        IBAN,
        _matching(
            re.compile(
                rf"[KkКк](?<![0-9A-Za-z][KkКк])[Zz]{_SH}?{_D}{{2}}{_SH}?(?:[0-9A-Za-z]{_SH}?){{15}}[0-9A-Za-z](?![0-9A-Za-z])"
            ),
            _iban,
        ),
    ),
    Rule(LONG | SPOKEN_OF, _numbers),
    Rule(DOTTED, _matching(re.compile(rf"{_D}(?<![0-9.]{_D}){_D}{{0,2}}(?:\.{_D}{{1,3}}){{3}}(?!{_D}|\.{_D})"), _ip)),
    Rule(COLONS, _matching(re.compile(r"[23](?<![\w:.].)[0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}(?![\w:])"), _ip)),
    Rule(
        PLATE,
        _matching(
            re.compile(rf"{_D}(?<!\w{_D}){_D}{{2}}{_SH}?{_PLATE_LETTER}{{2,3}}{_SH}?(?:0[1-9]|1[0-9]|20)\b"), _plate
        ),
    ),
    Rule(
        PLATE, _matching(re.compile(rf"{_PLATE_LETTER}(?<!\w\w){_SH}?{_D}{{3}}{_SH}?{_PLATE_LETTER}{{2,3}}\b"), _plate)
    ),
    Rule(
        SPOKEN_OF,
        _matching(
            re.compile(
                rf"(?<!\w)(?<!{_D}[-/])(?:(?:[A-ZА-Я]{_S}?)?{_D}{{8,9}}|[A-ZА-Я]{{2}}{_S}?(?:№{_S}?)?{_D}{{6,7}}"
                rf"|{_D}{{2}}{_S}?{_D}{{2}}{_S}?(?:№{_S}?)?{_D}{{6}})(?!{_D}|[.,/-]{_D})"
            ),
            _document,
        ),
    ),
)
"""In this order: what a longer structure claims is not offered to a shorter one."""
