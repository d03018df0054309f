"""Kazakh typed in old fonts, which drew its nine letters in the places of others, read as it was drawn.

    KZ-1048   ў ј ѕ є ґ ї ќ ћ    Ќазаќ халќыныѕ тарихы ґте бай їй      → Қазақ халқының тарихы өте бай үй
    PT154     ± є њ ѓ µ ‰ ќ ћ    Ќазаќ халќыныњ тарихы µте бай ‰й
    UDHR      ђ ѕ њ ѓ ґ џ ќ ћ    Ќазаќ халќыныњ тарихы ґте бай џй      the font of the declaration in the corpora of NLTK
              ұ ә ң ғ ө ү қ һ

KZ-1048 (STRK1048-2002) and PT154 are code pages, the third was one of a dozen habits of font makers. For the others the table
is worked out as a substitution cipher is: the assignment of the nine letters that makes the text most probable.

The same letters are those of Macedonian, Serbian, Ukrainian, Belarusian and Uzbek. So a table is taken only where it makes
Kazakh function words (жјне → және), and a line is only changed where no letter of another alphabet is left in it and its
words keep vowel harmony.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from math import inf

from qaz_llm.language.alphabet import BACK_VOWELS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.font_cipher import KAZAKH_LETTERS, Table, bits_of_words, is_foreign, solve
from qaz_llm.language.likelihood import bits_of
from qaz_llm.language.repair_kernels import OLD_KAZAKH_LETTERS
from qaz_llm.language.segment import match_words

MAX_LINE_BITS_PER_CHARACTER = 6.3
"""Of the changed words of one line, if none is known: a name alone has 6 (Құнанбаев), what becomes of Macedonian and
Ukrainian words 6.4 to 8."""

MAX_BROKEN_FRAC = 0.25
"""Of the changed words, those with back and front vowels: a tenth in Kazakh with its loans, two fifths by chance."""

MIN_LIKELY_WORDS = 8
MAX_WORD_BITS_PER_CHARACTER = 4.8
SURE_BITS_PER_CHARACTER = 4.0
"""Eight changed words of Kazakh have 3.6 to 4.4 bits a character, those of Macedonian, Serbian and Belarusian read by
these tables 5.5 and more (Django's translations of itself, five messages at a time)."""

MIN_WORDS_TO_SOLVE = 12
MIN_SOLVED_WORDS = 3
MIN_SOLVED_FRAC = 0.02
"""A worked-out table has to make more known words than a published one, as it is free to fit anything."""

MIN_SOLVED_GAIN = 0.98
"""Of the bits by the best published table; one letter of eight taken for another costs more."""

FEW_SUSPECTS = 12
"""A text of no more words to change needs one known word of three letters or more among them, any other text two; so does
one whose only such letter is ў, which makes бұл of Uzbek бўл."""

_OLD_LETTER = re.compile(f"[{OLD_KAZAKH_LETTERS}]")
_KNOWN_WORDS = FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS
_FRONT = "әөү"
_KAZAKH = re.compile(f"[{KAZAKH_LETTERS}]", re.IGNORECASE)
_SIGN = "\u00a1-\u00aa\u00ac\u00ae-\u00ba\u00bc-\u00bf\u00d7\u00f7†‡‰€™‹›¨ˆ˜"
_WORD = re.compile(f"(?:[^\\W\\d_]|[{_SIGN}])+")
"""Letters, and signs that fonts drew letters in."""

_SOUND_WORDS = frozenset(word for word in _KNOWN_WORDS if len(word) > 2 and not set(word) & set(KAZAKH_LETTERS)) - {
    "мен",
    "бен",
    "тек",
}
"""Function words that no font changes."""


def undo_old_kazakh(text: str) -> tuple[str, int]:
    """The text with its lines in old fonts as they were drawn, and the number of lines changed.

    >>> undo_old_kazakh("Бђл жерде ѕр адамныњ ґз џйі болѓан")
    ('Бұл жерде әр адамның өз үйі болған', 1)
    """
    lines = text.split("\n")
    suspects = [number for number, line in enumerate(lines) if _OLD_LETTER.search(line)]
    tables = _tables_for([lines[number] for number in suspects])
    changed = 0
    for number in suspects if tables else ():
        before = lines[number]
        readings = [before.translate(table) for table in tables]
        sound = [reading for reading in readings if _is_kazakh(before, reading)]
        if sound:
            lines[number] = min(sound, key=bits_of)
            changed += 1
    return ("\n".join(lines), changed) if changed else (text, 0)


def _tables_for(lines: Sequence[str]) -> list[Table]:
    """The tables that make Kazakh words of these lines: published ones, or one worked out where it is clearly better."""
    words = _words_of(lines)
    without_own = _words_of(line for line in lines if not _KAZAKH.search(line))
    found = [
        table for table in _published() if _makes_known_words(words, table) or _makes_likely_words(without_own, table)
    ]
    whole = [table for table in found if not any(is_foreign(c) for word in words for c in word.translate(table))]
    is_sure = any(_bits_per_character(words, table) <= SURE_BITS_PER_CHARACTER for table in whole)
    to_change = sum(_OLD_LETTER.search(word) is not None for word in words)
    if is_sure or to_change < MIN_WORDS_TO_SOLVE or not _may_be_kazakh(words):
        return found
    solved = solve(words, _published())
    if solved is None or not _is_solved(words, solved):
        return found
    best = min((bits_of_words(words, table) for table in whole), default=inf)
    return [solved] if bits_of_words(words, solved) < MIN_SOLVED_GAIN * best else found


def _words_of(lines: Iterable[str]) -> Counter[str]:
    return Counter(word for line in lines for word in _WORD.findall(line.lower()))


def _known(words: Iterable[str], table: Table) -> list[str]:
    """The changed words that are known then: function words, and қазақ with its endings."""
    return [
        word
        for word in words
        if (new := word.translate(table)) != word and (new in _KNOWN_WORDS or new.startswith("қазақ"))
    ]


def _makes_known_words(words: Iterable[str], table: Table) -> bool:
    known = _known(words, table)
    drawn = {c for word in words for c in word if ord(c) in table}
    is_short = len(_changed(words, table)) <= FEW_SUSPECTS and any(len(word) > 2 for word in known)
    return len(known) >= (1 if is_short and drawn != {"ў"} else 2)


def _makes_likely_words(words: Iterable[str], table: Table) -> bool:
    """Whether the changed words, known or not, are as probable as Kazakh ones. Not asked where letters of Kazakh stand
    beside: ў in a line with қ and ғ is Uzbek or Karakalpak."""
    changed = _changed(words, table)
    return (
        len(changed) >= MIN_LIKELY_WORDS
        and not any(is_foreign(c) for word in changed for c in word)
        and _bits_per_character(words, table) <= MAX_WORD_BITS_PER_CHARACTER
        and not _breaks_harmony(changed)
    )


def _is_solved(words: Mapping[str, int], table: Table) -> bool:
    known = _known(words, table)
    number = sum(words[word] for word in known)
    return len(known) >= MIN_SOLVED_WORDS and number >= MIN_SOLVED_FRAC * sum(words.values())


def _changed(words: Iterable[str], table: Table) -> list[str]:
    return [new for word in words if (new := word.translate(table)) != word]


def _bits_per_character(words: Iterable[str], table: Table) -> float:
    """Of the changed words one after another."""
    joined = " ".join(_changed(words, table))
    return bits_of(joined) / (len(joined) + 1)


def _is_kazakh(before: str, after: str) -> bool:
    """Whether the line, changed, reads as Kazakh: no letter of another alphabet, harmony, and probable; one that has
    letters of Kazakh already needs a known word besides (a text partly put right by hand)."""
    if any(is_foreign(c) for c in after):
        return False
    changed = [new for old, new in zip(match_words(before), match_words(after), strict=False) if old != new]
    if _breaks_harmony(changed):
        return False
    if not any(word in _KNOWN_WORDS for word in changed):
        joined = " ".join(changed)
        if _KAZAKH.search(before) or bits_of(joined) > MAX_LINE_BITS_PER_CHARACTER * (len(joined) + 1):
            return False
    return bits_of(after) < bits_of(before)


def _breaks_harmony(changed: Sequence[str]) -> bool:
    broken = sum(any(c in BACK_VOWELS for c in word) and any(c in _FRONT for c in word) for word in changed)
    return broken > max(1, MAX_BROKEN_FRAC * len(changed)) or (broken > 0 and len(changed) == 1)


def _may_be_kazakh(words: Mapping[str, int]) -> bool:
    sound = sum(number for word, number in words.items() if word in _SOUND_WORDS)
    return sound >= max(1, 0.01 * sum(words.values()))


@cache
def _published() -> tuple[Table, ...]:
    letters = KAZAKH_LETTERS.upper() + KAZAKH_LETTERS
    pages = [
        {ord(letter.encode(page).decode("cp1251")): letter for letter in letters} for page in ("kz1048", "ptcp154")
    ]
    return (*pages, {ord(drawn): letter for drawn, letter in zip("ЅЃЌЊҐЂЏЋѕѓќњґђџћ", letters, strict=True)})
