"""What the running words of terms say of a licence: names in Russian, addresses within a text, and that commerce is excluded.

"Creative Commons С указанием авторства — Некоммерческая 4.0"     the names of Creative Commons in Russian
"<a href='https://creativecommons.org/licenses/by-nc/4.0/'>CC</a>"    an address, and what stands around it
"СС BY 4.0"                                                         Cyrillic letters that look like Latin ones
"MIT, коммерциялық мақсатта қолдануға болмайды"                     a restriction beside a name that is known
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_NOT_COMMERCIAL = re.compile(
    r"non[-_ ]?commercial|commons clause|by-?nc(?![a-z])|(?<![a-z])nc(?![a-z])"
    r"|\b(?:no|not for|without|prohibits?|excludes?|forbids?)\s+(?:any\s+)?commercial"
    r"|\bcommercial\s+(?:use|usage|purposes?)?\s*(?:is\s+|are\s+)?(?:not|prohibited|forbidden|excluded)"
    r"|\b(?:research|academic|educational|personal)\s+(?:use|purposes?|only)\b"
    r"|не\s?коммерческ|коммерческ\w+(?:\s+\w+){0,3}\s+(?:запрещ|не\s)|(?:запрещ|кроме)\w*(?:\s+\w+){0,2}\s+коммерческ"
    r"|только для (?:учебн|научн|личн|образоват|исследоват)"
    r"|коммерциялық(?:\s+\w+){0,4}\s*(?:емес|тыйым|болмайды|берілмейді|етілмейді)|тек (?:ғылыми|оқу|жеке)\s+мақсат",
    re.I,
)
_CREATIVE_COMMONS_IN_RUSSIAN = (
    (re.compile(r"(?:с )?указани\w+ авторства|атрибуци[яи]|с атрибуцией", re.I), "attribution"),
    (re.compile(r"некоммерческ\w+(?: использовани\w+)?", re.I), "noncommercial"),
    (re.compile(r"(?:с сохранением|(?:распространение )?на тех же) услови\w+", re.I), "sharealike"),
    (re.compile(r"без (?:производных(?: произведений)?|переработки)", re.I), "noderivatives"),
    (re.compile(r"\b(?:всемирн|международн|непортированн|общественн|публичн)(?:ая|ой)\b|\bверси[яи]\b", re.I), ""),
)
"""As the Russian deeds of creativecommons.org call the elements."""

_TWO_CAPITALS = re.compile(r"(?<!\w)[СВУҮАCBYSAND]{2}(?!\w)")
_TO_LATIN = str.maketrans("СВУҮА", "CBYYA")
_PHRASING = re.compile(
    r"^(?:this (?:\w+ )?(?:is|are) |it is )?(?:licensed|available|released|distributed|published) under (?:the |an? )?"
    r"|^(?:(?:по|под|на условиях) )?лицензи\w+\s+(?=\S)|\s+лицензия\w*(?:\s+(?:бойынша|аясында|негізінде))?(?:\s+таратыл\w+)?$",
    re.I,
)
_ADDRESS = re.compile(r"(?:https?://|(?<![\w./])(?:www\.)?creativecommons\.org/)[^\s<>\"'()\[\]]+", re.I)
_MARKUP = re.compile(r"<[^<>]*>|[()\[\]«»\"]")
_JOINING = re.compile(r"[\W_]+|\b(?:and|or|и|или|және|немесе|see|at)\b", re.I)


def excludes_commerce(terms: str) -> bool:
    """Whether terms say anywhere that commerce is excluded.

    >>> excludes_commerce("other-nc"), excludes_commerce("MIT, no commercial use"), excludes_commerce("NCSA")
    (True, True, False)
    """
    return _NOT_COMMERCIAL.search(terms) is not None


def object_excludes_commerce(value: Any) -> bool:
    """The same of a value of any shape: whatever its fields are called, and by fields such as `commercial: false`.

    >>> object_excludes_commerce({"id": "CC-BY-4.0", "note": "no commercial use"})
    True
    """
    match value:
        case str():
            return excludes_commerce(value)
        case Mapping():
            return any(
                object_excludes_commerce(one) or _field_excludes_commerce(str(key), one) for key, one in value.items()
            )
        case list() | tuple():
            return any(map(object_excludes_commerce, value))
        case _:
            return False


_FIELD_FORBIDS = re.compile(r"(?:non?|not|without|forbid\w*|prohibit\w*|exclud\w*|deny|denies|restrict\w*)commerc|^nc$")
_YES = frozenset(("true", "yes", "1", "y", "on"))
_NO = frozenset(("false", "no", "0", "n", "off", "none", "never", "forbidden", "prohibited", "denied", "disallowed"))


def _field_excludes_commerce(key: str, value: Any) -> bool:
    """What a flag says by its name: `nonCommercial: true`, `allows_commercial_use: false`."""
    name, said = re.sub(r"[^a-z]", "", key.lower()), " ".join(str(value).lower().split()).removeprefix("not ")
    if _FIELD_FORBIDS.search(name):
        return said in _YES
    return "commerc" in name and (said in _NO or str(value).lower().startswith("not "))


def in_latin_names(given: str) -> str:
    """Names in Cyrillic as their Latin ones.

    >>> in_latin_names("СС BY 4.0"), in_latin_names("С указанием авторства-Некоммерческая 4.0 Всемирная")
    ('CC BY 4.0', 'attribution-noncommercial 4.0 ')
    """
    if given.isascii():
        return given
    given = _TWO_CAPITALS.sub(lambda match: match.group().translate(_TO_LATIN), given)
    for pattern, name in _CREATIVE_COMMONS_IN_RUSSIAN:
        given = pattern.sub(name, given)
    return given


def without_phrasing(given: str) -> str:
    """A name without the sentence around it.

    >>> without_phrasing("Лицензия MIT"), without_phrasing("This work is licensed under a CC BY 4.0")
    ('MIT', 'CC BY 4.0')
    """
    return _PHRASING.sub("", given).strip(" «»\"'")


def addresses_and_rest(given: str) -> Iterator[str]:
    """The addresses within a text, and what it says beside them; nothing where there is none or only one alone.

    >>> list(addresses_and_rest("[CC BY](https://example.org/by) text"))
    ['https://example.org/by', 'CC BY text']
    """
    found = _ADDRESS.findall(given)
    rest = " ".join(_MARKUP.sub(" ", _ADDRESS.sub(" ", given)).split())
    if found and (rest or len(found) > 1):
        yield from (address.rstrip(".,;:") for address in found)
        if _JOINING.sub("", rest):
            yield rest
