"""Stems whose usual Cyrillic spelling no rule finds, looked up by how another script writes them.

Only the Cyrillic stems are listed (`loans.py`). How they may be written is worked out here: абсолют is absolüt, absoliut and,
with one letter for и and й, абсол*ут after the letters were replaced one by one. The longest stem that a word begins with wins.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

WHOLE = "$"
"""Ends a spelling that no suffix follows."""

KEY_LETTERS = 3
"""Stems are sorted into lists by this many first letters."""

SURE_LETTERS = 6
"""Stems shorter than this are taken only where suffixes or nothing follow."""

_NATIVE = frozenset(("мол", "сол", "рол", "бол", "тол", "кол", "тон", "маса", "мал", "бал", "сан", "бар"))
"""Words of Kazakh that a stem without its ь looks like: of моль only möl is taken."""

_SUFFIXES = re.compile(
    "(?:[лдт][ае]р|[ндт]?[ыі]ң?|[ғгқк][ае]|[дтн][ае]н?|[мбп]ен|[ыі]?[мң]|с?[ыі]н?|[ыі][мң][ыі]з|[лдт][ыі][қкғг]|[ғгқк][ыі]|л[ыі]|с[ыі]з"
    "|[дт][ае][*й]|ш[ае]|ш[ыі]|[дт][ае][ғг][ыі]|[ндт][*и]к[*иі]|[лдт][ае]н?)*"
)
_MOST_SPELLINGS = 96
_VOWELS = "аәеёиоөуұүыіэюя"

_PIECE = re.compile(
    f"ция|ий$|ия|ию|ст$|дж|сх|ь[еёюя]|ъ[еёюя]|[аоу](?=(?:[лнрмтсв]|бл)ь)|([бвгджзклмнпрстф])\\1|(?<=[^{_VOWELS}йьъ])[яюё]|."
)
_MERGED: Mapping[str, str] = {
    "ция": "с*а с**а тс*а тс**а",
    "ий": "** *",
    "ия": "*а **а",
    "ию": "*у **у",
    "и": "*",
    "й": "*",
    "я": "*а",
    "ю": "*у",
    "ё": "*о о",
    "ц": "с тс",
    "щ": "шш ш",
    "э": "е",
    "ст": "ст с$",
    "дж": "дж ж",
    "ье": "е *е",
    "ьё": "*о о",
    "ью": "*у у",
    "ья": "*а ә",
    "ъе": "е *е",
    "ъё": "*о",
    "ъю": "*у",
    "ъя": "*а",
    "һ": "х",
    "сх": "сх ш",
}
_MERGED_AFTER_CONSONANT: Mapping[str, str] = {"я": "ә *а", "ю": "ү *у", "ё": "*о о ө"}
_APART: Mapping[str, str] = {"ц": "ц с", "щ": "щ", "э": "э е", "ье": "ье е йе", "дж": "дж ж", "ий": "ий и"}
_SOFTENED: Mapping[str, str] = {"а": "а ә", "о": "о ө", "у": "у ү"}
_JOTTED = str.maketrans({"я": "йа", "ю": "йу", "ё": "йо"})
_SIGNS = "ьъ"
_FRONTED = "әөү"
_DROP_SIGN = "ыіеаи*"
"""Vowels before which a stem loses its last ь: кремль, кремлі."""


@dataclass(frozen=True, slots=True)
class StemGroup:
    """Stems that begin with the same letters: what each stands for, and how long they are, the longest first."""

    cyrillic: Mapping[str, str]
    lengths: tuple[int, ...]


StemTable = Mapping[str, StemGroup]


def spellings(
    stem: str,
    *,
    merged: bool,
    exact: bool = False,
    first_i: bool = False,
    v_as_u: bool = False,
    jotted: bool = False,
) -> list[str]:
    """How a Cyrillic stem may come out of a letter-by-letter replacement.

    merged: и and й are one letter, `*`. exact: only ь and ъ are not written. first_i: a capital И is written like І. v_as_u: в and у are one letter, у.
    jotted: я and ю are йа and йу.

    >>> spellings("цирк", merged=True)
    ['с*рк', 'тс*рк']
    """
    if exact:
        return list(dict.fromkeys((stem.replace("ь", "").replace("ъ", ""), stem)))
    pieces = [_options(match, merged) for match in _PIECE.finditer(stem)]
    if first_i and stem[0] == "и":
        pieces[0] = ("*", "і")
    if v_as_u:
        pieces = [("у",) if options == ("в",) else options for options in pieces]
    if jotted:
        pieces = [tuple(option.translate(_JOTTED) for option in options) for options in pieces]
    return ["".join(choice) for choice in itertools.islice(itertools.product(*pieces), _MOST_SPELLINGS)]


def _options(match: re.Match[str], merged: bool) -> tuple[str, ...]:
    piece = match.group()
    if match[1]:  # металл, but металдар: before a suffix one is dropped in Cyrillic too
        return (piece, piece[0] + WHOLE if match.end() == len(match.string) else piece[0])
    if piece in _SOFTENED and len(piece) == 1 and "ь" in match.string[match.end() + 1 : match.end() + 3] and merged:
        return tuple(_SOFTENED[piece].split())
    if piece in _SIGNS:
        return ("",) if merged else (piece, "")
    if not merged:
        return tuple(_APART.get(piece, piece).split())
    before = match.string[match.start() - 1 : match.start()]
    if piece in _MERGED_AFTER_CONSONANT and before and before not in _VOWELS + "йьъ":
        return tuple(_MERGED_AFTER_CONSONANT[piece].split())
    return tuple(_MERGED.get(piece, piece).split())


def stem_table(pairs: Iterable[tuple[str, str]]) -> StemTable:
    """Written stems and what they stand for, by their first three letters."""
    found: dict[str, str] = {}
    for written, cyrillic in pairs:
        if (
            len(cyrillic) > KEY_LETTERS and cyrillic[-1] == cyrillic[-2] and written[-1] == WHOLE
        ):  # процесс, but процесі
            found.setdefault(written[:-1], cyrillic[:-1])
        if len(written) >= KEY_LETTERS and written not in _NATIVE:
            found.setdefault(written, cyrillic)
    groups: dict[str, dict[str, str]] = {}
    for written, cyrillic in found.items():
        groups.setdefault(written[:KEY_LETTERS], {})[written] = cyrillic
    return {
        key: StemGroup(group, tuple(sorted({len(written) for written in group}, reverse=True)))
        for key, group in groups.items()
    }


def find_stem(word: str, table: StemTable, sure_letters: int = SURE_LETTERS) -> tuple[str, str] | None:
    """The longest stem that the word begins with: what of the word it covers, and its Cyrillic spelling."""
    group = table.get(word[:KEY_LETTERS])
    if group is None:
        return None
    whole = group.cyrillic.get(word + WHOLE)
    if whole is not None:
        return word, whole
    for length in group.lengths:
        cyrillic = group.cyrillic.get(word[:length])
        if cyrillic is None or length > len(word):
            continue
        rest = word[length:]
        if not rest:
            return word, cyrillic
        if (length >= sure_letters and rest[0] not in _FRONTED) or _SUFFIXES.fullmatch(rest):
            return word[:length], cyrillic[:-1] if cyrillic[-1] == "ь" and rest[0] in _DROP_SIGN else cyrillic
    return None
