"""Telephone numbers in the ways Kazakhstan writes them, told from sums, years, pages and points by how digits are grouped.

    +7 701 555 01 23 · 8/701/555-01-23 · 87015550123 · 8 (725 37) 5-52-92    the code of a country or the 8 says it
    (7172) 55-01-99 · 701-555-01-23                                          an area code, and groups of a telephone
    тел. 55-01-99, 55-01-98 · т. 2-18-00                                     a word of context

Each form ends where its digits are complete, at the end of a group, and what follows must not belong to the same number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from qaz_llm.data.protect.pii_chains import Chain, Join, is_hyphen
from qaz_llm.data.protect.pii_words import (
    LINK_BEFORE,
    PHONE_LABEL,
    PHONE_WORD,
    PHONE_WORD_BEFORE,
    PHONE_WORD_NEAR,
    UNIT_AFTER,
)

CONTEXT_CHARS = 32
"""How far before a number of a town its word of context may stand."""

LIST_CHARS = 28
"""How far behind a telephone number the next of the same list may begin: `тел. 70-65-90 (қабылдау), 70-65-91`."""

_DIGITS_OF_COUNTRY = {
    "7": (11,), "1": (11,), "20": (12,), "30": (12,), "31": (11,), "32": (10, 11), "33": (11,), "34": (11,), "36": (10, 11),
    "39": (12, 11, 13), "40": (11,), "41": (11,), "43": (12, 13, 11), "44": (12,), "45": (10,), "46": (11, 10), "47": (10,),
    "48": (11,), "49": (13, 12, 11), "55": (13, 12), "60": (11, 12), "61": (11,), "62": (12, 13, 11), "65": (10,), "66": (11, 10),
    "81": (12, 11), "82": (12, 11), "84": (11,), "86": (13, 12), "90": (12,), "91": (12,), "92": (12,), "98": (12,),
    "358": (12, 11), "370": (11,), "371": (11,), "372": (11, 10), "373": (11,), "374": (11,), "375": (12,), "380": (12,),
    "420": (12,), "421": (12,), "852": (11,), "966": (12,), "971": (12,), "972": (12, 11), "974": (11,), "976": (11,),
    "992": (12,), "993": (11,), "994": (12,), "995": (12,), "996": (12,), "998": (12,),
}  # fmt: skip
"""Digits of numbers with the code of the country (ITU-T E.164, list of country codes; lengths as in national plans)."""

_REST = {
    7: {(7,), (3, 4), (3, 2, 2), (1, 2, 2, 2), (2, 2, 3), (2, 3, 2), (4, 3)},
    6: {(6,), (2, 2, 2), (2, 4), (3, 3), (4, 2), (1, 5)},
    5: {(5,), (1, 2, 2), (2, 3), (3, 2), (1, 4)},
}
"""Lengths of the groups of a number within a town, by its digits."""

_LOCAL_BY_SPACES = {
    7: {(7,), (3, 4), (3, 2, 2), (1, 2, 2, 2)},
    6: {(6,), (2, 2, 2), (2, 4)},
    5: {(5,), (1, 2, 2), (2, 3)},
}
"""Of these, what is read as a number where only spaces part the groups; 25 000 and 125 000 are none of these."""

_LOCAL_BY_HYPHENS: dict[int, set[tuple[int, ...]]] = {
    7: {(3, 2, 2), (1, 2, 2, 2), (3, 4), (2, 2, 3)},
    6: {(2, 2, 2)},
    5: {(1, 2, 2)},
}
_RANGES: dict[int, set[tuple[int, ...]]] = {7: set(), 6: {(3, 3), (2, 4)}, 5: {(2, 3), (3, 2)}}
"""Groups that are as often the pages 123-128: the word has to stand right before."""

_CODES = (3, 4, 5)
_SPELLED = {5: {(3, 2)}, 4: {(3, 1)}}
"""Area codes in two groups: (725 37), (232-2)."""

_PLUS = re.compile(r"(?<![\w+])\+[\s(]{0,2}$")


@dataclass(frozen=True)
class Before:
    """What stands before a number on its way through a text: words of context, and the numbers found so far."""

    text: str
    last_phone: int = -1
    """Where the last telephone number ends; -1 where there is none."""
    in_row_of_iin: bool = False
    words_count: bool = True
    """False where words say nothing, as in the name of a file."""

    def is_spoken_of(self, chain: Chain, group: int, *, near: bool = False, hyphens: bool = False) -> bool:
        """A word of context shortly before, with at most two words between where it has to be near; or another number."""
        if not self.words_count:
            return False
        start = _start(chain, group)
        if self.last_phone >= 0:
            between = self.text[self.last_phone : start]
            if _LIST.fullmatch(between) or (hyphens and len(between) <= LIST_CHARS and _ASIDE.fullmatch(between)):
                return True
        before = before_of(self.text, start, CONTEXT_CHARS).lower()
        if (PHONE_WORD_NEAR if near else PHONE_WORD).search(before) is not None:
            return True
        return hyphens and PHONE_WORD_BEFORE.search(before) is not None

    def is_right_before(self, chain: Chain, group: int, *, label: bool = False) -> bool:
        """Whether a word of context stands right before a number; as a `label`, with a colon or full stop."""
        if not self.words_count:
            return False
        before = before_of(self.text, _start(chain, group), CONTEXT_CHARS).lower()
        return (PHONE_LABEL if label else PHONE_WORD_BEFORE).search(before) is not None


_LIST = re.compile(r"[,;/ \t\u00a0]{1,3}|,? ?(?:және|мен|немесе|и|или|and|or) ")
_ASIDE = re.compile(r"[^\d\n]*")

Form = Callable[[Chain, int, Before], int]


def before_of(text: str, end: int, length: int, since: int = 0) -> str:
    """So many characters before `end`, less a word cut in two: of `жасұялы` no `ұялы` stays."""
    start = max(0, since, end - length)
    while 0 < start < end and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start += 1
    return text[start:end]


def phone_at(chain: Chain, first: int, before: Before) -> int:
    """The group after a telephone number that begins with group `first`; 0 where none does."""
    for form in _FORMS:
        after = form(chain, first, before)
        if after:
            return _with_extension(chain, after)
    return 0


def span_of(chain: Chain, first: int, after: int) -> tuple[int, int]:
    """Where the number of these groups begins and ends in the text, with its + and brackets."""
    start, end = _start(chain, first), chain.ends[after - 1]
    if chain.text[end : end + 1] == ")" and chain.text.count("(", start, end) > chain.text.count(")", start, end):
        end += 1
    return start, end


def _start(chain: Chain, first: int) -> int:
    """Where a number begins: at its +, or at a bracket that is closed within the chain."""
    start = chain.starts[first]
    plus = _PLUS.search(chain.text, max(0, start - 4), start)
    if plus is not None:
        return plus.start()
    opens = chain.text[max(0, start - 2) : start].rstrip().endswith("(")
    if opens and any(")" in gap for gap in chain.gaps[first + 1 :]):
        return chain.text.rindex("(", 0, start)
    return start


# --------------------------------------------------------------------------------------------------------------- forms


def _international(chain: Chain, first: int, before: Before) -> int:
    """A + or 00, or a link for messages, and the code of a country."""
    start = chain.starts[first]
    digits = chain.digits(first, len(chain))
    if LINK_BEFORE.search(chain.text, max(0, start - 24), start) is not None:
        after = first + 1
        return after if 10 <= chain.lengths[first] <= 15 else 0
    if _PLUS.search(chain.text, max(0, start - 4), start) is None:
        return _dialled_out(chain, first, digits)
    after = next((group for total in _totals(digits) if (group := chain.reach(first, total))), 0)
    if after and _ends(chain, after, after == len(chain) or _is_grouped_abroad(chain, first, after)):
        return 0 if _is_sum(chain, first, after) else after
    after = next((group for group in range(first + 1, len(chain) + 1) if chain.joins[group] in _PARTING), 0)
    total = sum(chain.lengths[first:after])
    return after if after and 10 <= total <= 14 and not _is_sum(chain, first, after) else 0


def _dialled_out(chain: Chain, first: int, digits: str) -> int:
    """007 701 …, 8-10-7-701-…"""
    for prefix, total in (("007", 13), ("8107", 14)):
        if digits.startswith(prefix) and digits[len(prefix) : len(prefix) + 1] in ("6", "7") and _is_free(chain, first):
            after = chain.reach(first, total)
            if after and _ends(chain, after, True):
                return after
    return 0


def _national(chain: Chain, first: int, before: Before) -> int:
    """8 or 7 and ten digits, in the groups that a telephone number has."""
    after = chain.reach(first, 11)
    if not after or not _is_free(chain, first):
        return 0
    digits, lengths = chain.digits(first, after), chain.lengths[first:after]
    if (digits[0], digits[1]) not in _TRUNKS or digits.endswith("000000"):
        return 0
    rest = lengths[1:] if lengths[0] == 1 else (lengths[0] - 1, *lengths[1:])
    in_brackets = lengths[0] == 1 and _is_bracketed(chain, first + 1, after)
    if not in_brackets and not _is_grouped(rest):
        return 0
    by_spaces = len(lengths) > 1 and all(join is Join.SPACE for join in chain.joins[first + 1 : after])
    if by_spaces and (_is_decimal(chain, first, after) or any("  " in gap for gap in chain.gaps[first + 1 : after])):
        return 0
    said = in_brackets or len(lengths) == 1 or digits[1] == "7" or before.is_spoken_of(chain, first)
    if chain.joins[first] is Join.SPACE and not said:
        return 0
    return after if _ends(chain, after, said and not (by_spaces and _goes_on_as_sum(chain, after))) else 0


def _with_code(chain: Chain, first: int, before: Before) -> int:
    """An area code and the number within the area: ten digits; seven to eleven in brackets, where telephones are spoken of."""
    if not _is_free(chain, first):
        return 0
    if _opens(chain, first):
        for total in (10, 11, 9, 8):
            after = chain.reach(first, total)
            if after and _is_bracketed(chain, first, after) and _ends(chain, after, True):
                return (
                    after if total == 10 and _is_area(chain, first, after) else _if_spoken(chain, first, after, before)
                )
        return 0
    after = chain.reach(first, 10)
    if not after or chain.is_glued(first, after) or not _ends(chain, after, True):
        return 0
    lengths, digits = chain.lengths[first:after], chain.digits(first, after)
    if not _is_grouped(lengths) or digits[0] in "01" or (digits[0] == "2" and lengths[0] == 4):
        return 0
    hyphenated = all(map(is_hyphen, chain.gaps[first + 1 : after]))
    if hyphenated and lengths in ((3, 3, 4), (3, 3, 2, 2)):
        return after
    if before.in_row_of_iin and digits[0] == "7":
        return after
    return _if_spoken(chain, first, after, before)


def _local(chain: Chain, first: int, before: Before) -> int:
    """Numbers of five to seven digits where telephones are spoken of."""
    if not before.words_count or not _is_free(chain, first):
        return 0
    for total in (7, 6, 5):
        after = chain.reach(first, total)
        if (
            after
            and _ends(chain, after, True)
            and not chain.is_glued(first, after)
            and not _is_decimal(chain, first, after)
            and not UNIT_AFTER.match(chain.text, chain.ends[after - 1])
            and _is_local(chain, first, after, before)
        ):
            return after
    return 0


def _is_local(chain: Chain, first: int, after: int, before: Before) -> bool:
    """By groups, and by how near the word of context is that such groups need."""
    lengths, gaps = chain.lengths[first:after], chain.gaps[first + 1 : after]
    total = sum(lengths)
    spaces = any(join in (Join.SPACE, Join.LOOSE) for join in chain.joins[first + 1 : after])
    if gaps and not spaces:
        if lengths in _LOCAL_BY_HYPHENS[total] and all(map(is_hyphen, gaps)):
            return before.is_spoken_of(chain, first, hyphens=True)
        return lengths in _LOCAL_BY_HYPHENS[total] | _RANGES[total] and before.is_right_before(chain, first)
    if is_hyphen(chain.gaps[first] + chain.gaps[after]) or not _stands_apart(chain, first, after):
        return False
    if chain.digits(first, after).endswith("000"):
        return False
    if lengths in _LOCAL_BY_SPACES[total] or (any(map(is_hyphen, gaps)) and lengths in _LOCAL_BY_HYPHENS[total]):
        return before.is_spoken_of(chain, first, near=True)
    return lengths in _RANGES[total] and before.is_right_before(chain, first, label=True)


def _stands_apart(chain: Chain, first: int, after: int) -> bool:
    """Whether no other number is near, or only such as stand in a list of telephones: 328442 329841."""
    others = [first - 1] if chain.joins[first] is Join.SPACE else []
    others += [after] if chain.joins[after] is Join.SPACE else []
    return all(after - first == 1 and chain.lengths[other] in _LOCAL_BY_SPACES for other in others)


_FORMS: tuple[Form, ...] = (_international, _national, _with_code, _local)
_PARTING = (Join.NONE, Join.LOOSE)
_TRUNKS = {("8", digit) for digit in "346789"} | {("7", "6"), ("7", "7")}
"""The 8 before long distance with the first digit of a code (Kazakhstan 6 and 7, Russia 3, 4, 8, 9), or the 7 of the country."""


# ------------------------------------------------------------------------------------------------------ ends and groups


def _is_free(chain: Chain, first: int) -> bool:
    """Whether a number may begin here: not in the middle of one thing. Behind a slash only if another stands before it."""
    join = chain.joins[first]
    if join is Join.SLASH:
        return chain.lengths[first] >= 5 or chain.lengths[first - 1] not in (1, 3, 4)
    return join is not Join.TIGHT or (_opens(chain, first) and chain.gaps[first] != "(")


def _ends(chain: Chain, after: int, spaces_part: bool) -> bool:
    """Whether a number may end before group `after`."""
    join = chain.joins[after]
    if join is Join.TIGHT or join is Join.SLASH:
        return _is_extension(chain, after) or (join is Join.SLASH and sum(chain.lengths[after:]) >= 5)
    return spaces_part or join is not Join.SPACE


def _is_extension(chain: Chain, after: int) -> bool:
    """70-65-90/91: the last digits of the next number."""
    return after < len(chain) and chain.gaps[after] == "/" and chain.lengths[after] <= 2


def _with_extension(chain: Chain, after: int) -> int:
    while _is_extension(chain, after):
        after += 1
    return after


def _goes_on_as_sum(chain: Chain, after: int) -> bool:
    """8 701 555 12 34 567: the columns of a table, the last of which is 34 567."""
    return after < len(chain) and chain.joins[after] is Join.SPACE and chain.lengths[after] == 3


def _is_decimal(chain: Chain, first: int, after: int) -> bool:
    """Whether a comma and digits stand before or after: parts of a fraction."""
    start, end = chain.starts[first], chain.ends[after - 1]
    return (chain.before(first) == "," and chain.text[start - 2 : start - 1].isdigit()) or (
        re.match(r",[0-9]{1,2}(?![0-9])", chain.text[end : end + 4]) is not None
    )


def _is_grouped(lengths: tuple[int, ...]) -> bool:
    """Whether ten digits are grouped like a number: the town's code of three to five, then the rest."""
    if lengths == (10,):
        return True
    if lengths[0] in _CODES and lengths[1:] in _REST[10 - lengths[0]]:
        return True
    code = lengths[:2]
    return any(code in ways and lengths[2:] in _REST[10 - size] for size, ways in _SPELLED.items())


def _is_grouped_abroad(chain: Chain, first: int, after: int) -> bool:
    """Any groups, but of +7 those of a telephone number."""
    lengths = chain.lengths[first:after]
    if chain.text[chain.starts[first]] != "7" or any(")" in gap for gap in chain.gaps[first:after]):
        return True
    return _is_grouped(lengths[1:] if lengths[0] == 1 else (lengths[0] - 1, *lengths[1:]))


def _opens(chain: Chain, first: int) -> bool:
    return chain.text[max(0, chain.starts[first] - 2) : chain.starts[first]].rstrip().endswith("(")


def _is_bracketed(chain: Chain, first: int, after: int) -> bool:
    """Whether three to five digits from group `first` stand in brackets, and more before `after`."""
    if not _opens(chain, first):
        return False
    closed = next((group for group in range(first + 1, after) if ")" in chain.gaps[group]), 0)
    return closed > 0 and sum(chain.lengths[first:closed]) in _CODES


def _is_area(chain: Chain, first: int, after: int) -> bool:
    """A code of Kazakhstan; or another, and then groups parted by hyphens. Years begin with 1 and 2 and have four digits."""
    code, rest = chain.digits(first, first + 1), chain.lengths[first + 1 : after]
    if code[0] == "7":
        return True
    hyphenated = all(map(is_hyphen, chain.gaps[first + 2 : after]))
    known = len(code) == 3 or (code[0] in "3489" and len(rest) > 2)
    return known and len(rest) > 1 and hyphenated and code[0] not in "01" and _is_grouped(chain.lengths[first:after])


def _if_spoken(chain: Chain, first: int, after: int, before: Before) -> int:
    return after if before.is_spoken_of(chain, first) else 0


def _totals(digits: str) -> tuple[int, ...]:
    """How many digits a number has that begins with the code of a country."""
    return next((_DIGITS_OF_COUNTRY[digits[:n]] for n in (3, 2, 1) if digits[:n] in _DIGITS_OF_COUNTRY), ())


def _is_sum(chain: Chain, first: int, after: int) -> bool:
    """+10 250 000 000 теңге"""
    if chain.digits(first, after).endswith("000000"):
        return True
    thousands = all(length == 3 for length in chain.lengths[first + 1 : after])
    return thousands and UNIT_AFTER.match(chain.text, chain.ends[after - 1]) is not None
