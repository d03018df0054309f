"""How improbable a text is as Kazakh, Russian or English, in bits: what a repair has to lower.

    bits_of("қазақ тілі")      35 bits, three and a half for each character
    bits_of("Т›Р°Р·Р°Т›")     220 bits: capitals inside words, signs between letters, letters of other languages

A character costs -log2 of its probability after the one before it (pairs of classes: every letter of the two Cyrillic
alphabets and of a–z, every common sign, digits, other letters, other signs; `letter_pairs.py` has them), and -log2 of the
probability that it is a capital there. A text that was broken on its way is told from one that was written so by
bits(repaired) + bits(of the breaking) < bits(as found): the noisy channel of spelling correction (Kernighan, Church and
Gale, COLING 1990).
"""

from __future__ import annotations

import unicodedata

from qaz_llm.language.letter_pairs import CLASSES, CODE, LETTERS, PAIR_BITS, SIGNS, STEP_BITS

_NO_CASE, _LOWER, _UPPER = range(3)
_CASE_BITS = (
    (0.0, 0.3, 2.4),  # at the start of a word: one word in five begins with a capital
    (0.0, 0.0, 10.0),  # after a small letter
    (0.0, 0.8, 1.3),  # after a capital
)
"""Of a character without case, a small letter and a capital."""

_SIZE_BITS = {"digit": 3.3, "latin": 6.6, "cyrillic": 6.6, "letter": 10.0, "sign": 8.0, "control": 6.0}
"""How many characters share a class, as log2: ten digits, about a hundred letters of other Latin or Cyrillic alphabets."""

_BITS = tuple(tuple(CODE.index(code) * STEP_BITS for code in row) for row in PAIR_BITS.split())
_INDEX = {name: index for index, name in enumerate((*LETTERS, *SIGNS, *CLASSES))}
_NEWLINE = _INDEX["newline"]


def class_of(character: str) -> str:
    """The class of a character: itself in lower case if it is a letter of the three languages or a common sign.

    >>> [class_of(c) for c in "Қ,7éћ¶\\x9d"]
    ['қ', ',', 'digit', 'latin', 'cyrillic', 'sign', 'control']
    """
    small = character.lower()
    if small in _INDEX:
        return small
    if character.isspace():
        return "newline" if character in "\n\r" else "space"
    if character.isdecimal():
        return "digit"
    if character.isalpha():
        if "\u00c0" <= character <= "\u024f" or "\u1e00" <= character <= "\u1eff":
            return "latin"
        return "cyrillic" if "\u0400" <= character <= "\u052f" else "letter"
    return "control" if unicodedata.category(character)[0] == "C" or character == "\ufffd" else "sign"


class _Costs(dict[str, tuple[int, int, float]]):
    """Of each character its class, its case and the bits that tell it from others of its class; filled as they come."""

    def __missing__(self, character: str) -> tuple[int, int, float]:
        name = class_of(character)
        case = _UPPER if character.isupper() else _LOWER if character.isalpha() else _NO_CASE
        self[character] = cost = (_INDEX[name], case, _SIZE_BITS.get(name, 0.0))
        return cost


_COSTS = _Costs()


def bits_of(text: str, before: str = "\n", after: str = "\n") -> float:
    """The bits of `text` between two characters, by default as a line of its own. `before` costs nothing, and
    `after` may be empty."""
    previous, previous_case, _ = _COSTS[before]
    total = 0.0
    for character in text + after:
        index, case, size_bits = _COSTS[character]
        total += _BITS[previous][index] + _CASE_BITS[previous_case][case] + size_bits
        previous, previous_case = index, case
    return total
