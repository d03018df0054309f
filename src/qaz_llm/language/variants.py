"""Letters of other alphabets that stand in for Kazakh ones, put right where the text is Kazakh otherwise.

    Ауыл жанында ѳзен ағады, жаӊа кӛпір      → өзен, жаңа …           a badly made font or keyboard
    каѳедральная, Ѳеодоръ, миѳахъ             unchanged                Russian of before 1918
    ҝөзәл, Азәрбајҹан; ӈамгъатӄэн             unchanged                Azerbaijani, Chukchi: letters of their own

A line speaks for itself where it can: by letters and words of Kazakh, or by letters that Kazakh never has. One that says
nothing goes with the rest of the text.
"""

from __future__ import annotations

import re

from qaz_llm.language.alphabet import CYRILLIC_VARIANTS, FORBIDDEN_LETTERS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.likelihood import bits_of
from qaz_llm.language.segment import match_words

_VARIANT = re.compile(f"[{''.join(CYRILLIC_VARIANTS)}]")
_WORD = re.compile(f"[^\\W\\d_]*[{''.join(CYRILLIC_VARIANTS)}][^\\W\\d_]*")
_TO_KAZAKH = str.maketrans(dict(CYRILLIC_VARIANTS))
_TO_RUSSIAN = str.maketrans("ѳѲ", "фФ")
_OWN = re.compile("[қңұҚҢҰ]")
_SHARED = re.compile("[әғөүһіӘҒӨҮҺІ]")
"""Kazakh letters that a neighbour with letters like ѳ or ҝ has too: Azerbaijani, Khanty, old Russian."""
_WORDS = frozenset(
    word
    for word in FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS
    if len(word) > 3 or _OWN.search(word) or _SHARED.search(word)
)
_FOREIGN = re.compile(f"[{FORBIDDEN_LETTERS}ѣѵѡѯѱӈԓԡԯӆӎҋҟҹӷӻӽӿҏ]", re.IGNORECASE)
_HARD_END = re.compile(r"[бвгджзклмнпрстфхцчшщ]ъ(?!\w)", re.IGNORECASE)
"""ъ at the end of a word, as every masculine noun had it in Russian before 1918."""

MAX_BITS_PER_CHARACTER = 6.5
"""Up to which a line without a telling letter or word, once put right, is taken for Kazakh: `ѳмір, жаӊа`."""


def kazakh_forms(text: str) -> tuple[str, int]:
    """ӊ, ӄ, ѳ, ӛ … in Kazakh lines as the letters they stand for, and how many.

    >>> kazakh_forms("Ѳзен жаӊа арнамен ағады")
    ('Өзен жаңа арнамен ағады', 2)
    """
    lines = text.split("\n")
    said = [_is_kazakh(line) for line in lines]
    others = said.count(True) > said.count(False)
    changed = 0
    for number, line in enumerate(lines):
        if others if said[number] is None else said[number]:
            put_right = _WORD.sub(_put_right, line)
            changed += sum(before != after for before, after in zip(line, put_right, strict=True))
            lines[number] = put_right
    return ("\n".join(lines), changed) if changed else (text, 0)


def _put_right(match: re.Match[str]) -> str:
    """The word in Kazakh letters, unless it reads better with ф for ѳ: Ѳеодор in a Kazakh text on church history."""
    kazakh = match.group().translate(_TO_KAZAKH)
    russian = match.group().translate(_TO_RUSSIAN)
    return kazakh if bits_of(kazakh, " ", " ") < bits_of(russian, " ", " ") else match.group()


def _is_kazakh(line: str) -> bool | None:
    """Whether a line is Kazakh apart from such letters; None where it does not say."""
    if _FOREIGN.search(line) or _HARD_END.search(line):
        return False
    put_right = line.translate(_TO_KAZAKH)
    if _OWN.search(line) or any(word in _WORDS for word in match_words(put_right)):
        return True
    kinds = {CYRILLIC_VARIANTS[c].lower() for c in _VARIANT.findall(line)}
    if kinds and (len(kinds) > 1 or _SHARED.search(line)):
        return True if bits_of(put_right) <= MAX_BITS_PER_CHARACTER * (len(put_right) + 1) else None
    return None
