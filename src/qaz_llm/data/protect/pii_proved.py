"""Numbers that prove themselves by check digits and structure, or that a word names: IIN, BIN, bank cards.

What proves itself is taken wherever it stands at the ends of groups, whatever stands beside it:

    4111 1111 1111 1111 2024 жылы   →   <CARD> 2024 жылы
    850101 300 129                  →   <IIN>
    850 101 300 129 теңге           →   as it is: this is how sums are written
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from qaz_llm.data.protect.identifiers import is_bin, is_card, is_iin
from qaz_llm.data.protect.pii_chains import Chain, Join, is_hyphen
from qaz_llm.data.protect.pii_words import BIN_WORD, CARD_WORD, IIN_WORD

IIN_DIGITS = 12
CARD_DIGITS = range(14, 20)

CARD_CONTEXT_CHARS = 40

_WHOLE = frozenset({(12,), (6, 6)})
_GROUPED = frozenset(
    {(6, 3, 3), (4, 4, 4), (2, 2, 2, 6), (2, 2, 2, 3, 3), (6, 2, 4), (6, 4, 2), (6, 1, 5), (6, 1, 4, 1), (2, 2, 2, 1, 5), (2, 2, 2, 1, 4, 1)}
)  # fmt: skip
"""Groups of an IIN or BIN without a word before it. Thousands are parted 3-3-3-3, so these take hyphens or a word."""

_LIKE_OTHERS = frozenset({(4, 4, 4), (3, 3, 3, 3)})
"""Of these, what codes and vouchers look like as well: not where more is joined to them without spaces."""

_CARDS = frozenset(
    {(4, 4, 4, 4), (4, 4, 4, 4, 3), (4, 6, 5), (4, 6, 4), (4, 4, 8), (8, 8), (6, 10), (4, 12), (6, 13), (4, 4, 4, 7), (4, 5, 6)}
)  # fmt: skip
_FIRST_OF_CARD = frozenset(lengths[0] for lengths in _CARDS)
_GUID_BEFORE = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-$")
_YEAR = re.compile("1[5-9][0-9][0-9]|20[0-9][0-9]")


def card_at(chain: Chain, first: int) -> int:
    """The group after a bank card's number that begins with group `first`; 0 where none does."""
    length = chain.lengths[first]
    for total in CARD_DIGITS if length in _FIRST_OF_CARD else (length,) if length in CARD_DIGITS else ():
        after = chain.reach(first, total)
        if not after or _is_fraction(chain, first):
            continue
        lengths = chain.lengths[first:after]
        written = len(lengths) == 1 or (lengths in _CARDS and _are_alike(chain.gaps(first, after)))
        if written and is_card(chain.digits(first, after)):
            return after if lengths != (19,) or _is_card_spoken_of(chain, first) else 0
    return 0


def number_at(chain: Chain, first: int) -> tuple[int, str | None]:
    """The group after an IIN or BIN that proves itself, beginning with group `first`, and which it is; (0, None) if none."""
    after = chain.reach(first, IIN_DIGITS)
    if not after or _is_fraction(chain, first):
        return 0, None
    kind = structure(chain.digits(first, after))
    if kind is None or not _is_written_as_one(chain, first, after):
        return 0, None
    return after, kind


def proved_numbers(chain: Chain) -> Iterator[tuple[int, int, str]]:
    """What proves itself in a chain, in order: its first group, the group after it, its kind."""
    group = 0
    while group < len(chain):
        after = card_at(chain, group)
        after, kind = (after, "card") if after else number_at(chain, group)
        if kind is not None:
            yield group, after, kind
        group = max(after, group + 1)


def structure(digits: str) -> str | None:
    """What twelve digits are by date or month, century or kind, and control digit."""
    return "iin" if is_iin(digits) else "bin" if is_bin(digits) else None


def said_before(before: str) -> str | None:
    """Which of IIN and BIN the last word of context in a text is."""
    said = [(word.end(), "iin") for word in IIN_WORD.finditer(before)]
    said += [(word.end(), "bin") for word in BIN_WORD.finditer(before)]
    return max(said)[1] if said else None


def said_at(chain: Chain, first: int, kind: str | None) -> tuple[int, str | None]:
    """Twelve digits in any groups but those of a date, where a word of context says that they are of `kind`, if they are not part of more."""
    after = chain.reach(first, IIN_DIGITS)
    if kind is None or not after or chain.lengths[first : first + 3] == (2, 2, 4):
        return 0, None
    found = structure(chain.digits(first, after))
    whole = chain.lengths[first:after] in _WHOLE
    open_ends = {Join.NONE, Join.LOOSE, Join.SLASH, *((Join.SPACE,) if whole or found else ())}
    if {chain.join(first), chain.join(after)} - open_ends:
        return 0, None
    return after, found or kind


def is_whole(chain: Chain, first: int, after: int) -> bool:
    """Whether twelve digits stand together, or six and six."""
    return chain.lengths[first:after] in _WHOLE


def _is_card_spoken_of(chain: Chain, first: int) -> bool:
    """Numbers of 64 bits have 19 digits as well, and one in a hundred of these passes for a card."""
    start = chain.starts[first]
    return CARD_WORD.search(chain.text, max(0, start - CARD_CONTEXT_CHARS), start) is not None


def _is_fraction(chain: Chain, first: int) -> bool:
    """Digits behind a decimal point, or the last part of a GUID."""
    start = chain.starts[first]
    if chain.before(first) == "." and chain.text[start - 2 : start - 1].isdigit():
        return True
    return chain.before(first) == "-" and _GUID_BEFORE.search(chain.text, max(0, start - 24), start) is not None


def _is_written_as_one(chain: Chain, first: int, after: int) -> bool:
    lengths, gaps = chain.lengths[first:after], chain.gaps(first, after)
    if lengths in _WHOLE:
        return not gaps or _are_alike(gaps)
    if not _are_alike(gaps) or (lengths in _LIKE_OTHERS and Join.TIGHT in (chain.join(first), chain.join(after))):
        return False
    if lengths == (3, 3, 3, 3):
        return all(map(is_hyphen, gaps))
    return lengths in _GROUPED and not _are_years(chain, first, after)


def _are_alike(gaps: Sequence[str]) -> bool:
    """Whether the same sign parts all groups, and neither a slash nor a bracket does."""
    signs = {gap.strip() for gap in gaps}
    return len(signs) == 1 and not signs & {"/", "(", ")", ").", ")-"}


def _are_years(chain: Chain, first: int, after: int) -> bool:
    groups: Sequence[str] = [chain.digits(group, group + 1) for group in range(first, after)]
    return all(_YEAR.fullmatch(group) for group in groups)
