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
from dataclasses import dataclass
from functools import cache

from qaz_llm.language.alphabet import BACK_VOWELS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.likelihood import bits_of, class_of
from qaz_llm.language.repair_kernels import OLD_KAZAKH_LETTERS
from qaz_llm.language.segment import match_words

Table = Mapping[int, str]

KAZAKH_LETTERS = "әғқңөұүһ"
"""Those that Russian lacks, without і, which cp1251 has."""

MAX_BITS_PER_CHARACTER = 7.0
MAX_BROKEN_FRAC = 0.25
"""Of the changed words, those with back and front vowels: a tenth in Kazakh with its loans, two fifths by chance."""

MIN_LIKELY_WORDS = 8
MAX_WORD_BITS_PER_CHARACTER = 4.8
"""Eight changed words of Kazakh have 3.6 to 4.4 bits a character, those of Macedonian, Serbian and Belarusian read by
these tables 5.5 and more (Django's translations of itself, five messages at a time)."""

FEW_SUSPECTS = 12
"""A text of no more words to change needs one known word of three letters or more among them, any other text two."""

_OLD_LETTER = re.compile(f"[{OLD_KAZAKH_LETTERS}]")
_KNOWN_WORDS = FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS
_FRONT = "әөү"


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
    """The tables that make Kazakh words of these lines."""
    words = Counter(word for line in lines for word in _WORD.findall(line.lower()))
    found = [
        table
        for table in _published()
        if _makes_words(words, table, least=2, least_frac=0.0) or _makes_likely_words(words, table)
    ]
    if any(_leaves_none(words, table) for table in found) or not _may_be_kazakh(words):
        return found
    solved = _solve(words)
    if solved and _makes_words(words, solved, least=MIN_SOLVED_WORDS, least_frac=MIN_SOLVED_FRAC):
        return [*found, solved]
    return found


def _makes_words(words: Mapping[str, int], table: Table, *, least: int, least_frac: float) -> bool:
    suspects = [word for word in words if word.translate(table) != word]
    known = [word for word in suspects if word.translate(table) in _KNOWN_WORDS]
    if least == 2 and len(suspects) <= FEW_SUSPECTS and any(len(word) > 2 for word in known):
        least = 1
    number = sum(words[word] for word in known)
    return len(known) >= least and number >= least_frac * sum(words.values())


def _makes_likely_words(words: Iterable[str], table: Table) -> bool:
    """Whether the changed words, known or not, are as probable as Kazakh ones."""
    changed = [new for word in words if (new := word.translate(table)) != word]
    joined = " ".join(changed)
    return (
        len(changed) >= MIN_LIKELY_WORDS
        and not any(map(_is_foreign, joined))
        and bits_of(joined) <= MAX_WORD_BITS_PER_CHARACTER * len(joined)
        and not _breaks_harmony(changed)
    )


def _leaves_none(words: Iterable[str], table: Table) -> bool:
    return not any(_is_foreign(c) for word in words for c in word.translate(table))


def _is_kazakh(before: str, after: str) -> bool:
    """Whether the line, changed, reads as Kazakh: no letter of another alphabet, harmony, and probable."""
    if any(_is_foreign(c) for c in after):
        return False
    changed = [new for old, new in zip(match_words(before), match_words(after), strict=False) if old != new]
    if _breaks_harmony(changed):
        return False
    bits = bits_of(after)
    return bits < bits_of(before) and bits <= MAX_BITS_PER_CHARACTER * (len(after) + 1)


def _breaks_harmony(changed: Sequence[str]) -> bool:
    broken = sum(any(c in BACK_VOWELS for c in word) and any(c in _FRONT for c in word) for word in changed)
    return broken > max(1, MAX_BROKEN_FRAC * len(changed)) or (broken > 0 and len(changed) == 1)


def _is_foreign(character: str) -> bool:
    return class_of(character) == "cyrillic"


@cache
def _published() -> tuple[Table, ...]:
    letters = KAZAKH_LETTERS.upper() + KAZAKH_LETTERS
    pages = [
        {ord(letter.encode(page).decode("cp1251")): letter for letter in letters} for page in ("kz1048", "ptcp154")
    ]
    return (*pages, {ord(drawn): letter for drawn, letter in zip("ЅЃЌЊҐЂЏЋѕѓќњґђџћ", letters, strict=True)})


# --------------------------------------------------------------------------------------------- a table worked out

MIN_SOLVED_WORDS = 3
MIN_SOLVED_FRAC = 0.02
"""A worked-out table has to make more known words than a published one, as it is free to fit anything."""

MAX_WORDS = 300
MAX_SWEEPS = 4
_SIGN = "\u00a1-\u00aa\u00ac\u00ae-\u00ba\u00bc-\u00bf\u00d7\u00f7†‡‰€™‹›¨ˆ˜"
_WORD = re.compile(f"(?:[^\\W\\d_]|[{_SIGN}])+")
"""Letters, and signs that fonts drew letters in."""

_SOUND_WORDS = frozenset(
    word for word in _KNOWN_WORDS if len(word) > 2 and not set(word) & set(KAZAKH_LETTERS)
) - frozenset("мен бен тек".split())
"""Function words that no font changes."""


def _may_be_kazakh(words: Mapping[str, int]) -> bool:
    sound = sum(number for word, number in words.items() if word in _SOUND_WORDS)
    return sound >= max(1, 0.01 * sum(words.values()))


def _solve(words: Mapping[str, int]) -> Table | None:
    """The assignment of Kazakh letters to the foreign ones of these words that makes them most probable.

    Hill climbing over single changes and swaps, as for a substitution cipher; from several starts, since one may end on
    a lower hill.
    """
    commonest = Counter(words).most_common(MAX_WORDS)
    chosen = {word: number for word, number in commonest if any(_stands_for_letter(c) for c in word)}
    drawn = sorted({c for word in chosen for c in word if _stands_for_letter(c)})
    if not 2 <= len(drawn) <= len(KAZAKH_LETTERS) + 1:
        return None
    starts = [{ord(c): table.get(ord(c), "") for c in drawn} for table in _published()]
    solved = min((_climb(chosen, drawn, start) for start in starts), key=lambda found: found[0])[1]
    return {**solved, **{ord(chr(code).upper()): letter.upper() for code, letter in solved.items()}} if solved else None


def _stands_for_letter(character: str) -> bool:
    return _is_foreign(character) or class_of(character) == "sign"


def _climb(words: Mapping[str, int], drawn: Sequence[str], start: Mapping[int, str]) -> tuple[float, dict[int, str]]:
    free = [letter for letter in KAZAKH_LETTERS if letter not in start.values()]
    table = {ord(c): start[ord(c)] or (free.pop(0) if free else "һ") for c in drawn}
    best = _bits(words, table)
    for _ in range(MAX_SWEEPS):
        before = best
        for code in list(table):
            for letter in KAZAKH_LETTERS:
                holder = next((other for other, held in table.items() if held == letter), code)
                tried = {**table, holder: table[code], code: letter}
                bits = _bits(words, tried)
                if bits < best:
                    table, best = tried, bits
        if best == before:
            break
    return best, table


def _bits(words: Mapping[str, int], table: Table) -> float:
    return sum(number * bits_of(word.translate(table), " ", " ") for word, number in words.items())
