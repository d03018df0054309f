"""Licences: SPDX identifiers, what they demand, which copy of a text is the freer one, and what a build may use."""

from __future__ import annotations

import re
from collections.abc import Mapping

from qaz_llm.data.config import LicencePolicy

UNKNOWN = "LicenseRef-unknown"

_ALIASES: Mapping[str, str] = {
    "unknown": UNKNOWN,
    "none": UNKNOWN,
    "": UNKNOWN,
    "cc0": "CC0-1.0",
    "public domain": "LicenseRef-public-domain",
    "public-domain": "LicenseRef-public-domain",
    "pd": "LicenseRef-public-domain",
    "apache 2.0": "Apache-2.0",
    "mit license": "MIT",
}

_SPDX_EXPRESSION = re.compile(r"^[A-Za-z0-9.+-]+(?: (?:OR|AND|WITH) [A-Za-z0-9.+-]+)*$")


def spdx(licence: str) -> str:
    """The licence as an SPDX expression; what is none becomes a LicenseRef.

    >>> spdx("CC-BY-4.0"), spdx("unknown"), spdx("Public Domain"), spdx("own terms, 2020")
    ('CC-BY-4.0', 'LicenseRef-unknown', 'LicenseRef-public-domain', 'LicenseRef-own-terms-2020')
    """
    alias = _ALIASES.get(licence.strip().lower())
    if alias is not None:
        return alias
    if _SPDX_EXPRESSION.match(licence):
        return licence
    return "LicenseRef-" + re.sub(r"[^A-Za-z0-9.]+", "-", licence).strip("-")


def is_unknown(licence: str) -> bool:
    return licence == UNKNOWN


def is_non_commercial(licence: str) -> bool:
    return "-NC" in licence.upper()


def is_no_derivatives(licence: str) -> bool:
    return re.search(r"-ND\b", licence.upper()) is not None


def is_share_alike(licence: str) -> bool:
    """Whether works made from the text must carry the same licence: CC-BY-SA, GPL, MPL, ODbL and the like."""
    return re.search(r"-SA\b|\b[AL]?GPL\b|\bMPL\b|\bODBL\b|\bGFDL\b|\bEUPL\b|\bCC-SA\b", licence.upper()) is not None


def rank(licence: str) -> int:
    """How freely a text may be used, 0 the most: of two copies of a text the one with the lower rank is kept."""
    if " OR " in licence:
        return min(rank(part) for part in licence.split(" OR "))
    if " AND " in licence:
        return max(rank(part) for part in licence.split(" AND "))
    if is_unknown(licence):
        return 5
    if is_non_commercial(licence) or is_no_derivatives(licence):
        return 4
    if is_share_alike(licence):
        return 3 if "GPL" in licence.upper() else 2
    if licence in {"CC0-1.0", "PDDL-1.0", "Unlicense", "LicenseRef-public-domain"}:
        return 0
    return 1


def refusal(licence: str, policy: LicencePolicy) -> str | None:
    """Why the policy refuses a licence (`non_commercial`, `listed` …), None where it allows it."""
    checks = (
        ("listed", licence in {spdx(name) for name in policy.refuse}),
        ("unknown", policy.unknown == "refuse" and is_unknown(licence)),
        ("non_commercial", policy.non_commercial == "refuse" and is_non_commercial(licence)),
        ("no_derivatives", policy.no_derivatives == "refuse" and is_no_derivatives(licence)),
        ("share_alike", policy.share_alike == "refuse" and is_share_alike(licence)),
    )
    return next((reason for reason, refused in checks if refused), None)
