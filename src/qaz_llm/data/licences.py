"""Licences: what SPDX expressions demand, which copy of a text is the freer one, and what a build may use.

What is said here about a licence is what its text demands of whoever passes the material on; whether training on it needs
a licence at all is a question of law that differs by country and is not answered here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from qaz_llm.data.config import LicencePolicy
from qaz_llm.data.licence_names import PUBLIC_DOMAIN, spdx

# ---------------------------------------------------------------------------------------------------------- demands


@dataclass(frozen=True, slots=True)
class Demands:
    """What a licence asks of whoever passes its text on."""

    attribution: bool = False
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    unknown: bool = False

    def names(self) -> tuple[str, ...]:
        """Those that hold, in the order of the fields."""
        return tuple(name for name in self.__slots__ if getattr(self, name))


_FREE = {"CC0-1.0", "PDDL-1.0", "Unlicense", "0BSD", "WTFPL", "MIT-0", "CC-PDDC", PUBLIC_DOMAIN}
_SHARE_ALIKE = re.compile(
    r"-SA\b|\b[AL]?GPL\b|\b(?:MPL|ODBL|GFDL|EUPL|EPL|CPL|CDDL|OSL|SSPL|OFL|CECILL|RPL|CPAL|QPL|LPPL|C-UDA|MS-RL)\b|CDLA-SHARING"
)
_NON_COMMERCIAL = re.compile(r"-NC\b|NON-?COMMERCIAL|\b(?:BUSL|NCGL)\b")
_OWN = re.compile(r"LicenseRef-(?!public-domain$|CC-BY\b|BSD$|GFDL$|[AL]?GPL$|MPL$)")
"""Licences nobody but their author has read: what they demand is unknown."""


@lru_cache(maxsize=4096)
def demands(licence: str) -> Demands:
    """What an SPDX expression demands: of several to choose from the freest, of several at once all.

    >>> demands("CC-BY-NC-SA-4.0").names(), demands("MIT OR GPL-3.0-only").names()
    (('attribution', 'share_alike', 'non_commercial'), ('attribution',))
    """
    together = min(alternatives(licence), key=lambda parts: max(map(_rank_of_one, parts)))
    ones = [_demands_of_one(part) for part in together]
    return Demands(*(any(getattr(one, name) for one in ones) for name in Demands.__slots__))


def _demands_of_one(licence: str) -> Demands:
    name = licence.upper()
    return Demands(
        attribution=licence not in _FREE,
        share_alike=_SHARE_ALIKE.search(name) is not None,
        non_commercial=_NON_COMMERCIAL.search(name) is not None,
        no_derivatives=re.search(r"-ND\b", name) is not None,
        unknown=_OWN.match(licence) is not None,
    )


@lru_cache(maxsize=4096)
def alternatives(licence: str) -> tuple[tuple[str, ...], ...]:
    """The expression as a choice between sets of licences that hold together.

    >>> alternatives("(MIT OR Apache-2.0) AND CC-BY-4.0")
    (('MIT', 'CC-BY-4.0'), ('Apache-2.0', 'CC-BY-4.0'))
    """
    return _either(iter(licence.replace("(", " ( ").replace(")", " ) ").split()))


def _either(tokens: Iterator[str]) -> tuple[tuple[str, ...], ...]:
    """AND binds tighter than OR (SPDX 2.3, annex D); reads up to a closing bracket."""
    found: list[tuple[str, ...]] = []
    current: tuple[tuple[str, ...], ...] = ((),)
    for token in tokens:
        match token:
            case ")":
                break
            case "OR":
                found, current = [*found, *current], ((),)
            case "AND":
                continue
            case "WITH":  # an exception goes with the licence before it
                exception = next(tokens)
                current = tuple((*parts[:-1], f"{parts[-1]} WITH {exception}") for parts in current)
            case _:
                inner = _either(tokens) if token == "(" else ((token,),)
                current = tuple((*one, *other) for one, other in product(current, inner))
    return (*found, *current)


@lru_cache(maxsize=4096)
def rank(licence: str) -> int:
    """How freely a text may be used, 0 the most: of two copies of a text the one with the lower rank is kept."""
    return min(max(map(_rank_of_one, parts)) for parts in alternatives(licence))


def _rank_of_one(licence: str) -> int:
    asked = _demands_of_one(licence)
    if asked.unknown:
        return 5
    if asked.non_commercial or asked.no_derivatives:
        return 4
    if asked.share_alike:
        return 3 if "GPL" in licence.upper() else 2
    return 1 if asked.attribution else 0


# ----------------------------------------------------------------------------------------------------------- policy


@lru_cache(maxsize=4096)
def refusal(licence: str, policy: LicencePolicy) -> str | None:
    """Why the policy refuses a licence (`non_commercial`, `listed` …), None where it allows it.

    Of licences to choose from one that is allowed is enough. Made to be asked for every document.
    """
    listed = {spdx(name) for name in policy.refuse}
    if licence in listed:
        return "listed"
    reasons = [_refusal_of_all(parts, policy, listed) for parts in alternatives(licence)]
    return None if None in reasons else reasons[0]


def _refusal_of_all(parts: Iterable[str], policy: LicencePolicy, listed: set[str]) -> str | None:
    for part in parts:
        asked = _demands_of_one(part)
        if part in listed:
            return "listed"
        for reason in ("unknown", "non_commercial", "no_derivatives", "share_alike"):
            if getattr(policy, reason) == "refuse" and getattr(asked, reason):
                return reason
    return None
