"""Kazakh words with other endings as the same word: қаласында, қаласы and қала.

A noun takes, in this order, plural, possessive and case, each in a shape that follows the sound before it:

    stem    plural          possessive                              case
    қала    лар лер         м ң ңыз сы мыз                          ның ға ны да дан мен, after сы: ның на н нда нан мен
    кітап   тар тер         ым ың ыңыз ы ымыз                       тың қа ты та тан пен
    адам    дар дер         (as above)                              ның ға ды да нан мен

and locative -да takes -ғы (қаладағы). Where -ы, -ым … follow, the last consonant softens: кітап, кітабы. Nothing here knows words, so an ending may be
taken off that belongs to the stem (Алматы, алма); two words are the same where one is the other with endings, or both are one stem with endings, and the
stem keeps two letters, a vowel among them. How often that is right is measured on UniMorph's Kazakh nouns (docs/results/evaluation.md).

Endings as in Muhamedowa 2016, Kazakh: A Comprehensive Grammar, chapters on number, possession and case.
"""

from __future__ import annotations

import re
from functools import lru_cache

SHORTEST_STEM = 2
"""Letters; of two letters only what is followed by an ending of two or more: ел, елдің."""

_VOICELESS = "пфкқтсшщчцхһбвгд"
"""After these endings begin with т, к, п: also б, в, г, д at the end of a loan, which are spoken п, ф, к, т."""

_CASE = re.compile(
    "(?:[ндт][ыі]ң"  # genitive
    "|[ғгқк][ае]|н[ае]"  # dative; after a third person's possessive на
    "|[ндт][ыі]|н"  # accusative
    "|н?[дт][ае](?:ғы|гі)?"  # locative, and what is there
    "|н?[дт][ае]н|н[ае]н"  # ablative
    "|[мбп]ен(?:ен)?"  # instrumental
    ")$"
)
_POSSESSIVE = re.compile("(?:[ыі]?м|[ыі]?ң|[ыі]?ң[ыі]з|с?[ыі]|[ыі]?м[ыі]з)$")
_PLURAL = re.compile("[лдт][ае]р$")
_BACK, _FRONT = frozenset("аоұыяё"), frozenset("әөүіеэ")
_GLIDES = frozenset("уию")
"""Vowels or consonants, and of either harmony: тауы, өндіруден and таудан."""
_VOWELS = _BACK | _FRONT | _GLIDES
_SOFTENED = {"б": "п", "ғ": "қ", "г": "к"}


def same_word(one: str, other: str) -> bool:
    """Whether two lower-cased words are one word, whatever their endings. Words with digits have to be equal.

    >>> same_word("қаласында", "қала"), same_word("кітабы", "кітаптар"), same_word("бала", "қала")
    (True, True, False)
    """
    return one == other or not _stems(one).isdisjoint(_stems(other))


@lru_cache(maxsize=8192)
def _stems(word: str) -> frozenset[str]:
    """The word itself, and what may be left of it without case, possessive and plural; softened ends made hard."""
    if not word.isalpha():
        return frozenset({word})
    found = {word}
    for endings in (_CASE, _POSSESSIVE, _PLURAL):
        found |= {stem for form in found for stem in _without(form, endings)}
    return frozenset(found | {stem[:-1] + _SOFTENED[stem[-1]] for stem in found - {word} if stem[-1] in _SOFTENED})


def _without(word: str, endings: re.Pattern[str]) -> list[str]:
    """The word without an ending, for each one it may end in."""
    return [
        word[:cut]
        for cut in range(SHORTEST_STEM, len(word))
        if endings.fullmatch(word, cut) and _fits(word[:cut], word[cut:]) and len(word) > SHORTEST_STEM + 1
    ]


def _fits(stem: str, ending: str) -> bool:
    """Whether the ending may follow: its vowel is back or front as the stem's last one, its consonant as loud."""
    vowels = [letter for letter in stem if letter in _VOWELS]
    own = [letter for letter in ending if letter in _VOWELS]
    if not vowels:
        return False
    if own and ending[0] not in "мбп" and vowels[-1] in _BACK | _FRONT and (own[0] in _BACK) != (vowels[-1] in _BACK):
        return False
    if ending[0] in "ыі":
        return stem[-1] not in _BACK | _FRONT
    if ending[0] in "тқкп" and len(ending) > 1:
        return stem[-1] in _VOICELESS
    if ending in {"м", "ң", "н"} or ending[0] == "с":
        return stem[-1] in _VOWELS
    return True
