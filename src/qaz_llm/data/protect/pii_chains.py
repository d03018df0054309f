"""Numbers as they stand in a text: a chain of groups of digits is looked at as a whole before any part of it is taken.

    8 (7172) 70-65-90          groups 8, 7172, 70, 65, 90
    7 710 000-7 720 000        groups 7, 710, 000, 7, 720, 000: one chain, and no telephone number
    ISBN 978-601-7568-12-3     groups 978, 601, 7568, 12, 3

What stands between two groups says how closely they belong together: a space alone joins the parts of one number as well as
the columns of a table; a hyphen, dot or slash without spaces joins parts of one thing; `. `, ` – ` and `) ` may part two.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cached_property

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


class Join(Enum):
    """How two neighbouring groups belong together."""

    NONE = "the chain ends here"
    LOOSE = "two things, or one written widely"
    SPACE = "spaces alone"
    SLASH = "a slash without spaces"
    TIGHT = "one thing"


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


def is_hyphen(gap: str) -> bool:
    """Whether a hyphen or dash of any kind stands between two groups, with spaces or without."""
    return any(character in _HYPHENS for character in gap)


@dataclass(frozen=True)
class Chain:
    """Groups of digits of a text, from `starts[i]` to `ends[i]`."""

    text: str
    starts: tuple[int, ...]
    ends: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.starts)

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        return tuple(end - start for start, end in zip(self.starts, self.ends, strict=True))

    @cached_property
    def gaps(self) -> tuple[str, ...]:
        """What stands before each group and after the last; nothing at both ends."""
        inner = (self.text[end:start] for end, start in zip(self.ends, self.starts[1:], strict=False))
        return ("", *inner, "") if self.starts else ("",)

    @cached_property
    def joins(self) -> tuple[Join, ...]:
        return tuple(map(join_of, self.gaps))

    def part(self, first: int, after: int) -> Chain:
        """The groups from `first` to before `after` as a chain of their own."""
        return Chain(self.text, self.starts[first:after], self.ends[first:after])

    def digits(self, first: int, after: int) -> str:
        """The digits of the groups from `first` to before `after`."""
        return "".join(self.text[self.starts[group] : self.ends[group]] for group in range(first, after))

    def reach(self, first: int, total: int) -> int:
        """The group after those that have `total` digits together, from `first` on; 0 where no group ends there."""
        for group in range(first, len(self)):
            total -= self.lengths[group]
            if total <= 0:
                return group + 1 if total == 0 else 0
        return 0

    def before(self, group: int) -> str:
        """The character before a group."""
        return self.text[self.starts[group] - 1 : self.starts[group]]

    def after(self, group: int) -> str:
        """The character after a group."""
        return self.text[self.ends[group] : self.ends[group] + 1]

    def is_glued(self, first: int, after: int) -> bool:
        """Whether Latin letters or _ touch the groups from `first` to before `after`: parts of a code, a name, an address."""
        return any(c == "_" or (c.isascii() and c.isalpha()) for c in (self.before(first), self.after(after - 1)))


def find_chains(text: str, first: int = 0, *, min_digits: int = 5) -> Iterator[Chain]:
    """The chains with so many digits or more that begin at place `first` or later."""
    for match in _CHAIN.finditer(text, first):
        start, end = match.span()
        if end - start < min_digits:
            continue
        groups = [group.span() for group in _GROUP.finditer(text, start, end)]
        chain = Chain(text, tuple(span[0] for span in groups), tuple(span[1] for span in groups))
        if sum(chain.lengths) >= min_digits:
            yield chain
