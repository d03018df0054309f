"""Telephone numbers in the ways Kazakhstan writes them, told from sums, years, pages and points by how digits are grouped.

    +7 701 555 01 23 · 8/701/555-01-23 · 87015550123 · 8 (725 37) 5-52-92    the code of a country or the 8 says it
    (7172) 55-01-99 · 701-555-01-23                                          an area code, and groups of a telephone
    тел. 55-01-99, 55-01-98 · т. 2-18-00                                     a word of context

Each form ends where its digits are complete, at the end of a group, and what follows must not belong to the same number.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from qaz_llm.data.protect.pii_chains import Chain, Join, is_hyphen, join_of
from qaz_llm.data.protect.pii_context import Before
from qaz_llm.data.protect.pii_groups import (
    CODES,
    LOCAL_BY_HYPHENS,
    LOCAL_BY_SPACES,
    RANGES,
    TRUNKS,
    ends_in_zeros,
    goes_on_as_sum,
    is_date,
    is_fraction,
    is_grouped,
    is_sum,
    less_trunk,
    totals_of,
)
from qaz_llm.data.protect.pii_words import LINK_BEFORE, UNIT_AFTER

_PLUS = re.compile(r"(?<![\w+])\+[\s(]{0,2}$")
_PARTING = (Join.NONE, Join.LOOSE)

Form = Callable[[Chain, int, Before], int]
"""From a chain, the group a number may begin with and what stands before it to the group after the number; 0: none."""


def phone_at(chain: Chain, first: int, before: Before) -> int:
    """The group after a telephone number that begins with group `first`; 0 where none does."""
    if not _is_free(chain, first):
        return 0
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
    if "+" in chain.text[max(0, start - 4) : start]:
        plus = _PLUS.search(chain.text, max(0, start - 4), start)
        if plus is not None:
            return plus.start()
    if _opens(chain, first) and any(")" in gap for gap in chain.gaps(first, len(chain))):
        return chain.text.rindex("(", 0, start)
    return start


# --------------------------------------------------------------------------------------------------------------- forms


def _international(chain: Chain, first: int, before: Before) -> int:
    """A + or 00, or a link for messages, and the code of a country."""
    start = chain.starts[first]
    lead = chain.text[max(0, start - 4) : start]
    if "+" not in lead:
        if lead[-1:] in _LINK_ENDS and LINK_BEFORE.search(chain.text, max(0, start - 24), start):
            return first + 1 if 10 <= chain.lengths[first] <= 15 else 0
        return _dialled_out(chain, first) if chain.text[start] in "08" else 0
    if _PLUS.search(lead) is None:
        return 0
    digits = chain.digits(first, len(chain))
    after = next((group for total in totals_of(digits) if (group := chain.reach(first, total))), 0)
    if after and _ends(chain, after, after == len(chain) or _is_grouped_abroad(chain, first, after)):
        return 0 if is_sum(chain, first, after) else after
    after = next((group for group in range(first + 1, len(chain) + 1) if chain.join(group) in _PARTING), 0)
    total = sum(chain.lengths[first:after])
    allowed = range(10, 13) if digits[0] == "7" else range(10, 15)  # a digit too few or too many
    return after if after and total in allowed and not is_sum(chain, first, after) else 0


_HEX_LETTERS = frozenset("abcdefABCDEF")
"""Behind digits they say that these are part of a hash or a GUID."""
_LINK_ENDS = ("/", "=", ":", "B", "b")


def _is_grouped_abroad(chain: Chain, first: int, after: int) -> bool:
    """Any groups, but of +7 those of a telephone number."""
    if chain.text[chain.starts[first]] != "7" or any(")" in gap for gap in chain.gaps(first, after)):
        return True
    return is_grouped(less_trunk(chain.lengths[first:after]))


def _dialled_out(chain: Chain, first: int) -> int:
    """007 701 …, 8-10-7-701-…"""
    for prefix, total in (("007", 13), ("8107", 14)):
        after = chain.reach(first, total)
        if after and re.match(rf"{prefix}[67]", chain.digits(first, after)):
            return after if _ends(chain, after, True) else 0
    return 0


def _national(chain: Chain, first: int, before: Before) -> int:
    """8 or 7 and ten digits, in the groups that a telephone number has."""
    after = chain.reach(first, 11) if chain.text[chain.starts[first]] in "78" else 0
    if not after:
        return 0
    digits, lengths = chain.digits(first, after), chain.lengths[first:after]
    if digits[:2] not in TRUNKS or ends_in_zeros(chain, first, after) or chain.after(after - 1) in _HEX_LETTERS:
        return 0
    in_brackets = lengths[0] == 1 and _is_bracketed(chain, first + 1, after)
    if not in_brackets and not is_grouped(less_trunk(lengths)):
        return 0
    by_spaces = len(lengths) > 1 and _are_all(Join.SPACE, chain, first, after)
    if by_spaces and (is_fraction(chain, first, after) or any("  " in gap for gap in chain.gaps(first, after))):
        return 0
    said = in_brackets or len(lengths) == 1 or digits[1] == "7" or before.is_spoken_of(_start(chain, first))
    if chain.join(first) is Join.SPACE and not said:
        return 0
    return after if _ends(chain, after, said and not (by_spaces and goes_on_as_sum(chain, after))) else 0


def _with_code(chain: Chain, first: int, before: Before) -> int:
    """Ten digits with the code of an area; 1 before them in North America."""
    for total in (11, 10):
        after = chain.reach(first, total)
        if after and not chain.is_glued(first, after) and _ends(chain, after, True):
            lengths, digits = chain.lengths[first:after], chain.digits(first, after)
            if _is_hyphenated(chain, first, after):
                return after
            if total == 10 and is_grouped(lengths) and not _is_year(digits, lengths):
                in_row = before.in_row_of_iin(chain.starts[first]) and digits[0] == "7"
                return after if in_row or before.is_spoken_of(_start(chain, first)) else 0
    return 0


def _is_hyphenated(chain: Chain, first: int, after: int) -> bool:
    """701-555-01-23, 202-555-0123, 1-800-555-0123: unlike other numbers by their hyphens alone; not 450-150-36-50=214."""
    lengths = chain.lengths[first:after]
    code = first + 1 if lengths[0] == 1 and chain.digits(first, first + 1) == "1" else first
    initial = chain.text[chain.starts[code]]
    return (
        (chain.lengths[code:after] == (3, 3, 4) or (chain.lengths[code:after] == (3, 3, 2, 2) and initial == "7"))
        and initial not in "01"
        and chain.after(after - 1) != "="
        and all(map(is_hyphen, chain.gaps(first, after)))
    )


def _is_year(digits: str, lengths: tuple[int, ...]) -> bool:
    """Whether what stands in the place of a code is a year, or begins as no code does."""
    return digits[0] in "01" or (digits[0] == "2" and lengths[0] == 4)


def _with_bracketed_code(chain: Chain, first: int, before: Before) -> int:
    """A code in brackets, ten digits in all; where telephones are spoken of eight to eleven."""
    if not _is_bracketed(chain, first, len(chain)):
        return 0
    for total in (10, 11, 9, 8):
        after = chain.reach(first, total)
        if after and _is_bracketed(chain, first, after) and _ends(chain, after, True):
            sure = total == 10 and _is_area(chain, first, after)
            return after if sure or before.is_spoken_of(_start(chain, first)) else 0
    return 0


def _is_area(chain: Chain, first: int, after: int) -> bool:
    """A code of Kazakhstan; or another, and then groups parted by hyphens. Years begin with 1 and 2 and have four digits."""
    code, rest = chain.digits(first, first + 1), chain.lengths[first + 1 : after]
    if code[0] == "7":
        return True
    hyphenated = all(map(is_hyphen, chain.gaps(first + 1, after)))
    known = len(code) == 3 or (code[0] in "3489" and len(rest) > 2)
    return known and len(rest) > 1 and hyphenated and code[0] not in "01" and is_grouped(chain.lengths[first:after])


def _local(chain: Chain, first: int, before: Before) -> int:
    """Numbers of five to seven digits where telephones are spoken of."""
    for total in (7, 6, 5) if before.words_count else ():
        after = chain.reach(first, total)
        if (
            after
            and _ends(chain, after, True)
            and chain.text[chain.starts[first]] != "0"
            and not chain.is_glued(first, after)
            and not is_fraction(chain, first, after)
            and not UNIT_AFTER.match(chain.text, chain.ends[after - 1])
            and _is_local(chain, first, after, before)
        ):
            return after
    return 0


def _is_local(chain: Chain, first: int, after: int, before: Before) -> bool:
    """By groups, and by how near the word of context is that such groups need."""
    lengths, gaps, total = chain.lengths[first:after], chain.gaps(first, after), sum(chain.lengths[first:after])
    start, end = _start(chain, first), chain.ends[_with_extension(chain, after) - 1]
    if gaps and not any(map(_has_space, gaps)):
        if lengths in LOCAL_BY_HYPHENS[total] and all(map(is_hyphen, gaps)):
            return before.is_spoken_of(start) or before.is_hinted_at(start, end, is_date=is_date(chain, first, after))
        return lengths in LOCAL_BY_HYPHENS[total] | RANGES[total] and before.is_right_before(start)
    if is_hyphen(chain.gap(first)) or is_hyphen(chain.gap(after)) or not _stands_apart(chain, first, after):
        return False
    if chain.digits(first, after).endswith("000"):
        return False
    if lengths in LOCAL_BY_SPACES[total] or (any(map(is_hyphen, gaps)) and lengths in LOCAL_BY_HYPHENS[total]):
        return before.is_spoken_of(start, near=True)
    return lengths in RANGES[total] and before.is_right_before(start, label=True)


def _stands_apart(chain: Chain, first: int, after: int) -> bool:
    """Whether no other number is near, or only such as stand in a list of telephones: 328442 329841."""
    others = [first - 1] if chain.join(first) is Join.SPACE else []
    others += [after] if chain.join(after) is Join.SPACE else []
    return all(after - first == 1 and chain.lengths[other] in LOCAL_BY_SPACES for other in others)


_FORMS: tuple[Form, ...] = (_international, _national, _with_bracketed_code, _with_code, _local)


# ------------------------------------------------------------------------------------------------- beginnings and ends


def _is_free(chain: Chain, first: int) -> bool:
    """Whether a number may begin here: not in the middle of one thing. Behind a slash only if another stands before it."""
    join = chain.join(first)
    if first == 0 and chain.before(0) == ":" and chain.text[chain.starts[0] - 2 : chain.starts[0] - 1].isdigit():
        return False  # 20:315-020-1234
    if join is Join.SLASH:
        return chain.lengths[first] >= 5 or chain.lengths[first - 1] not in (1, 3, 4)
    return join is not Join.TIGHT or (_opens(chain, first) and chain.gap(first) != "(")


def _ends(chain: Chain, after: int, spaces_part: bool) -> bool:
    """Whether a number may end before group `after`."""
    join = chain.join(after)
    if join is Join.TIGHT or join is Join.SLASH:
        return _is_extension(chain, after) or (join is Join.SLASH and sum(chain.lengths[after:]) >= 5)
    return spaces_part or join is not Join.SPACE


def _is_extension(chain: Chain, after: int) -> bool:
    """70-65-90/91: the last digits of the next number."""
    return after < len(chain) and chain.lengths[after] <= 2 and chain.gap(after) == "/"


def _with_extension(chain: Chain, after: int) -> int:
    while _is_extension(chain, after):
        after += 1
    return after


def _opens(chain: Chain, first: int) -> bool:
    lead = chain.text[max(0, chain.starts[first] - 2) : chain.starts[first]]
    return "(" in lead and lead.rstrip().endswith("(")


def _is_bracketed(chain: Chain, first: int, after: int) -> bool:
    """Whether three to five digits from group `first` stand in brackets, and more before `after`."""
    if not _opens(chain, first):
        return False
    closed = next((group for group in range(first + 1, after) if ")" in chain.gap(group)), 0)
    return closed > 0 and sum(chain.lengths[first:closed]) in CODES


def _are_all(join: Join, chain: Chain, first: int, after: int) -> bool:
    return all(join_of(gap) is join for gap in chain.gaps(first, after))


def _has_space(gap: str) -> bool:
    return join_of(gap) in (Join.SPACE, Join.LOOSE)
