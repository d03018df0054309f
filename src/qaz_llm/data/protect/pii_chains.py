"""Numbers as they stand in a text: a chain of groups of digits is looked at as a whole before any part of it is taken.

    8 (7172) 70-65-90          groups 8, 7172, 70, 65, 90
    7 710 000-7 720 000        groups 7, 710, 000, 7, 720, 000: one chain, and no telephone number
    ISBN 978-601-7568-12-3     groups 978, 601, 7568, 12, 3

What stands between two groups says how closely they belong together: a space alone joins the parts of one number as well as
the columns of a table; a hyphen, dot or slash without spaces joins parts of one thing; `. `, ` – ` and `) ` may part two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from itertools import accumulate
from operator import sub
from string import ascii_letters

SPACES = " \u00a0\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f"
HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
GAPS = SPACES + HYPHENS + ".()/"
MAX_GAP_CHARS = 3
"""More characters than these, or any others, end a chain; so does the end of a line."""

_G = f"[{re.escape(GAPS)}]"
_CHAIN = re.compile(
    rf"[0-9](?<![0-9][0-9])(?<![0-9]{_G}[0-9])(?<![0-9]{_G}{_G}[0-9])(?<![0-9]{_G}{_G}{_G}[0-9])"
    rf"[0-9]*(?:{_G}{{1,3}}[0-9]+)*"
)
_GROUP = re.compile("[0-9]+")
_SPACES = frozenset(SPACES)
_HYPHENS = frozenset(HYPHENS)
_LATIN = frozenset(ascii_letters + "_")


class Join(Enum):
    """How two neighbouring groups belong together."""

    NONE = "the chain ends here"
    LOOSE = "two things, or one written widely"
    SPACE = "spaces alone"
    SLASH = "a slash without spaces"
    TIGHT = "one thing"


@cache
def join_of(gap: str) -> Join:
    """What the characters between two groups say.

    >>> join_of(" – "), join_of("-"), join_of("")
    (<Join.LOOSE: 'two things, or one written widely'>, <Join.TIGHT: 'one thing'>, <Join.NONE: 'the chain ends here'>)
    """
    if not gap:
        return Join.NONE
    spaces = sum(character in _SPACES for character in gap)
    if spaces:
        return Join.SPACE if spaces == len(gap) else Join.LOOSE
    return Join.SLASH if "/" in gap else Join.TIGHT


@cache
def is_hyphen(gap: str) -> bool:
    """Whether a hyphen or dash of any kind stands between two groups, with spaces or without."""
    return any(character in _HYPHENS for character in gap)


@dataclass(frozen=True, slots=True)
class Chain:
    """Groups of digits of a text, from `starts[i]` to `ends[i]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    lengths: tuple[int, ...]
    offsets: tuple[int, ...]
    """How many digits of the chain stand before each group, and at the end how many it has."""
    group_at: Mapping[int, int]
    """The group that so many digits stand before."""

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def num_digits(self) -> int:
        return self.offsets[-1]

    def gap(self, group: int) -> str:
        """What stands before a group, or after the last; nothing at both ends."""
        return self.text[self.ends[group - 1] : self.starts[group]] if 0 < group < len(self.starts) else ""

    def gaps(self, first: int, after: int) -> list[str]:
        """What parts the groups from `first` to before `after`."""
        return [self.text[self.ends[group - 1] : self.starts[group]] for group in range(first + 1, after)]

    def join(self, group: int) -> Join:
        """How a group belongs to the one before it."""
        return join_of(self.gap(group))

    def part(self, first: int, after: int) -> Chain:
        """The groups from `first` to before `after` as a chain of their own."""
        whole = after - first == len(self.starts)
        return self if whole else chain_of(self.text, self.starts[first:after], self.ends[first:after])

    def digits(self, first: int, after: int) -> str:
        """The digits of the groups from `first` to before `after`."""
        return "".join([self.text[self.starts[group] : self.ends[group]] for group in range(first, after)])

    def reach(self, first: int, total: int) -> int:
        """The group after those that have `total` digits together, from `first` on; 0 where no group ends there."""
        return self.group_at.get(self.offsets[first] + total, 0)

    def before(self, group: int) -> str:
        """The character before a group."""
        return self.text[max(0, self.starts[group] - 1) : self.starts[group]]

    def after(self, group: int) -> str:
        """The character after a group."""
        return self.text[self.ends[group] : self.ends[group] + 1]

    def is_glued(self, first: int, after: int) -> bool:
        """Whether Latin letters or _ touch the groups from `first` to before `after`: parts of a code, a name, an address."""
        return self.before(first) in _LATIN or self.after(after - 1) in _LATIN


def chain_of(text: str, starts: tuple[int, ...], ends: tuple[int, ...]) -> Chain:
    """A chain of groups of a text.

    >>> chain_of("8 (7172) 70-65-90", (0, 3, 9, 12, 15), (1, 7, 11, 14, 17)).offsets
    (0, 1, 5, 7, 9, 11)
    """
    lengths = tuple(map(sub, ends, starts))
    offsets = tuple(accumulate(lengths, initial=0))
    return Chain(text, starts, ends, lengths, offsets, {offset: group for group, offset in enumerate(offsets)})


def find_chains(text: str, first: int = 0, *, min_digits: int = 5) -> Iterator[Chain]:
    """The chains with so many digits or more that begin at place `first` or later."""
    for match in _CHAIN.finditer(text, first):
        start, end = match.span()
        if end - start < min_digits:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        starts, ends = zip(*groups, strict=True)
        if sum(ends) - sum(starts) >= min_digits:
            yield chain_of(text, starts, ends)
