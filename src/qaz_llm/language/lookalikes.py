"""Words written in two alphabets at once, given one; letters of other Cyrillic alphabets, given the Kazakh form.

бiлiм        Latin i                          білім      only Cyrillic fits: б, л, м have no Latin twin
fооd         Cyrillic о                       food       only Latin fits
iрi          either would do                  ірі        takes the alphabet of its line
IТ, iPhoneды neither, or a short name         unchanged
YКIМЕТ       Latin Y in a front-vowel word    ҮКІМЕТ     (YЧЕБНИК, ҚҰРY: У)
ХIХ, ХVІІІ   a Roman numeral                  XIX, XVIII
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from qaz_llm.language.alphabet import (
    BACK_VOWELS,
    CYRILLIC_TO_LATIN,
    GREEK_TO_CYRILLIC,
    LATIN_TO_CYRILLIC,
)
from qaz_llm.language.repair_kernels import CYRILLIC_RANGE, FOREIGN_LETTERS

_FOREIGN_TO_CYRILLIC = {**LATIN_TO_CYRILLIC, **GREEK_TO_CYRILLIC}
_TO_CYRILLIC = str.maketrans(_FOREIGN_TO_CYRILLIC)
_TO_LATIN = str.maketrans(dict(CYRILLIC_TO_LATIN))
_CYRILLIC = re.compile(f"[{CYRILLIC_RANGE}]")
_LATIN = re.compile(f"[{FOREIGN_LETTERS}]")
_MAY_BE_CYRILLIC = re.compile(f"[{CYRILLIC_RANGE}{''.join(_FOREIGN_TO_CYRILLIC)}]+")
_MAY_BE_LATIN = re.compile(f"[A-Za-zƏəǝƎƟɵËë{''.join(CYRILLIC_TO_LATIN)}]+")
_YANALIF = re.compile(f"[ьЬ{FOREIGN_LETTERS}]+")
"""Latin letters and ь, a vowel of the Latin alphabet of 1929–40 that is mostly typed as the Cyrillic letter."""
_ROMAN = re.compile("(?=[IVX]{2})X{0,3}(?:IX|IV|V?I{0,3})")
"""Up to 39, as centuries and chapters are numbered; letters beyond those make words (МI, СI)."""

_Y = re.compile("[YΥ]|^y(?![аәеёиоөуұүыіэюя])")
"""Where a Latin y may stand for ү: a capital, whose shape is that of Ү, or a word's first letter (yшін, yлкен)."""
_NOT_FRONT = re.compile(f"[{BACK_VOWELS}aoывфхцчщъьэюяёи]")
"""Back vowels, and letters of Russian words, in lower case; ao are Latin letters that stand for Cyrillic ones."""


def one_alphabet(text: str, mixed: Iterable[tuple[int, int, bool]]) -> tuple[str, int]:
    """The text with its mixed words (start, end, line is Cyrillic) repaired, and how many could be."""
    pieces: list[str] = []
    done = changed = 0
    for start, end, line_is_cyrillic in mixed:
        word = text[start:end]
        repaired = _repair_word(word, line_is_cyrillic)
        if repaired != word:
            pieces += text[done:start], repaired
            done = end
            changed += 1
    return ("".join((*pieces, text[done:])), changed) if changed else (text, 0)


@lru_cache(maxsize=1 << 15)  # what is misspelt so is misspelt often
def _repair_word(word: str, line_is_cyrillic: bool) -> str:
    may_be_cyrillic = _MAY_BE_CYRILLIC.fullmatch(word) is not None
    may_be_latin = _MAY_BE_LATIN.fullmatch(word) is not None
    if _YANALIF.fullmatch(word):
        return word
    if _ROMAN.fullmatch(word.translate(_TO_LATIN)):
        return word.translate(_TO_LATIN)
    if may_be_cyrillic and may_be_latin:
        if len(word) <= 3 and word.isupper():
            return word
        to_cyrillic = line_is_cyrillic
    elif may_be_cyrillic or may_be_latin:
        to_cyrillic = may_be_cyrillic
        fitting = len((_CYRILLIC if to_cyrillic else _LATIN).findall(word))
        if 2 * fitting < len(word):
            return word
    else:
        return word
    return _cyrillic_word(word) if to_cyrillic else word.translate(_TO_LATIN)


def _cyrillic_word(word: str) -> str:
    if ("Y" in word or "Υ" in word or word.startswith("y")) and not _NOT_FRONT.search(word.lower()):
        word = _Y.sub(lambda match: "ү" if match.group() == "y" else "Ү", word)
    return word.translate(_TO_CYRILLIC)
