"""How telephone numbers are grouped: lengths of groups as tables, and what they say of a stretch of a chain.

8 7172 70 65 90       10 digits after the 8: a code of 4, and 2-2-2
8 725 37 5-52-92      a code of 5 in two groups
8 710 000 7 720       no way to group a number
"""

from __future__ import annotations

import re

from qaz_llm.data.protect.pii_chains import Chain
from qaz_llm.data.protect.pii_words import UNIT_AFTER

Lengths = tuple[int, ...]

_DIGITS_OF_COUNTRY: dict[str, Lengths] = {
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

LOCAL_BY_SPACES: dict[int, set[Lengths]] = {
    7: {(7,), (3, 4), (3, 2, 2), (1, 2, 2, 2)},
    6: {(6,), (2, 2, 2), (2, 4)},
    5: {(5,), (1, 2, 2), (2, 3)},
}
"""Of these, what is read as a number where only spaces part the groups; 25 000 and 125 000 are none of these."""

LOCAL_BY_HYPHENS: dict[int, set[Lengths]] = {
    7: {(3, 2, 2), (1, 2, 2, 2), (3, 4), (2, 2, 3)},
    6: {(2, 2, 2)},
    5: {(1, 2, 2)},
}
RANGES: dict[int, set[Lengths]] = {7: set(), 6: {(3, 3), (2, 4)}, 5: {(2, 3), (3, 2)}}
"""Groups that are as often the pages 123-128: the word has to stand right before."""

CODES = (3, 4, 5)
"""How many digits an area code has."""

TRUNKS = {*("83", "84", "86", "87", "88", "89"), "76", "77"}
"""The 8 before long distance with the first digit of a code (Kazakhstan 6 and 7, Russia 3, 4, 8, 9), or the 7 of the country."""


def is_grouped(lengths: Lengths) -> bool:
    """Whether ten digits are grouped like a number: the town's code of three to five, then the rest."""
    if lengths == (10,):
        return True
    return lengths[0] in CODES and lengths[1:] in _REST[10 - lengths[0]]


def less_trunk(lengths: Lengths) -> Lengths:
    """The groups of a number without the 8 or 7 it begins with: (4, 3, 2, 2) is 3-3-2-2 and so is (1, 3, 3, 2, 2)."""
    return lengths[1:] if lengths[0] == 1 else (lengths[0] - 1, *lengths[1:])


def totals_of(digits: str) -> tuple[int, ...]:
    """How many digits a number has that begins with the code of a country; none where no country's code is known."""
    return next((_DIGITS_OF_COUNTRY[digits[:n]] for n in (3, 2, 1) if digits[:n] in _DIGITS_OF_COUNTRY), ())


def is_date(chain: Chain, first: int, after: int) -> bool:
    """27-01-15, 12-20-00"""
    if chain.lengths[first:after] != (2, 2, 2):
        return False
    one, two = int(chain.digits(first, first + 1)), int(chain.digits(first + 1, first + 2))
    return 0 < min(one, two) <= 12 and 0 < max(one, two) <= 31


def is_fraction(chain: Chain, first: int, after: int) -> bool:
    """Whether a comma and digits stand before or after the groups."""
    start, end = chain.starts[first], chain.ends[after - 1]
    if chain.before(first) == "," and chain.text[start - 2 : start - 1].isdigit():
        return True
    return chain.after(after - 1) == "," and _DECIMALS.match(chain.text, end) is not None


_DECIMALS = re.compile(r",[0-9]{1,2}(?![0-9])")


def is_sum(chain: Chain, first: int, after: int) -> bool:
    """+10 250 000 000 теңге; a group of two digits, as in +7 701 000 00 00, is of a telephone."""
    if ends_in_zeros(chain, first, after):
        return True
    thousands = all(length == 3 for length in chain.lengths[first + 1 : after])
    return thousands and UNIT_AFTER.match(chain.text, chain.ends[after - 1]) is not None


def ends_in_zeros(chain: Chain, first: int, after: int) -> bool:
    """Six zeros at the end, and no group of two digits among them."""
    return chain.digits(first, after).endswith("000000") and 2 not in chain.lengths[first:after]


def goes_on_as_sum(chain: Chain, after: int) -> bool:
    """8 701 555 12 34 567: the columns of a table, the last of which is 34 567."""
    return after < len(chain) and chain.gap(after).isspace() and chain.lengths[after] == 3
