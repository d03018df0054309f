"""The table of an old Kazakh font worked out from a text, as a substitution cipher is.

    жўне, єчин … in a font nobody knows  →  {ў: ә, є: ү …}: the assignment of Kazakh letters that makes the words most probable

Hill climbing over single changes and swaps of letters, from several starts, since one may end on a lower hill (Jakobsen, A
fast method for the cryptanalysis of substitution ciphers, Cryptologia 1995).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from qaz_llm.language.likelihood import bits_of, class_of

Table = Mapping[int, str]

KAZAKH_LETTERS = "әғқңөұүһ"
"""Those that Russian lacks, without і, which cp1251 has."""

MAX_WORDS = 300
MAX_SWEEPS = 4


def solve(words: Mapping[str, int], starts: Iterable[Table]) -> Table | None:
    """The assignment of Kazakh letters to the foreign letters and signs in these words (counted, in small letters) that
    makes them most probable; None where there are fewer than two or more than nine to assign."""
    commonest = Counter(words).most_common(MAX_WORDS)
    chosen = {word: number for word, number in commonest if any(_stands_for_letter(c) for c in word)}
    drawn = sorted({c for word in chosen for c in word if _stands_for_letter(c)})
    if not 2 <= len(drawn) <= len(KAZAKH_LETTERS) + 1:
        return None
    solved = min((_climb(chosen, drawn, start) for start in starts), key=lambda found: found[0])[1]
    return {**{ord(chr(code).upper()): letter.upper() for code, letter in solved.items()}, **solved}


def bits_of_words(words: Mapping[str, int], table: Table) -> float:
    """The bits of counted words, read by a table, each alone."""
    return sum(number * bits_of(word.translate(table), " ", " ") for word, number in words.items())


def is_foreign(character: str) -> bool:
    """Whether it is a Cyrillic letter that neither Kazakh nor Russian has."""
    return class_of(character) == "cyrillic"


def _stands_for_letter(character: str) -> bool:
    return is_foreign(character) or class_of(character) == "sign"


def _climb(words: Mapping[str, int], drawn: Sequence[str], start: Mapping[int, str]) -> tuple[float, dict[int, str]]:
    table = {ord(c): start.get(ord(c), "") for c in drawn}
    free = [letter for letter in KAZAKH_LETTERS if letter not in table.values()]
    table = {code: letter or (free.pop(0) if free else "һ") for code, letter in table.items()}
    best = bits_of_words(words, table)
    for _ in range(MAX_SWEEPS):
        before = best
        for code in list(table):
            for letter in KAZAKH_LETTERS:
                holder = next((other for other, held in table.items() if held == letter), code)
                tried = {**table, holder: table[code], code: letter}
                bits = bits_of_words(words, tried)
                if bits < best:
                    table, best = tried, bits
        if best == before:
            break
    return best, table
