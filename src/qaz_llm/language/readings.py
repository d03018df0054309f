"""How well a converted text reads as Kazakh: by its frequent words, by the shapes of its words, by what could not be read.

Words of Kazakh are of back or of front vowels, and have ә ө ұ ү in their first syllable only; и hardly ever stands between
consonants further on; ы and і follow no other vowel but у and и; no vowel is doubled, as it is in Kyrgyz, and ч stands in
loans alone, so beside no ғ ң ә ө ұ ү. A text read by the wrong alphabet, or in another language, breaks these in one word of four or more:
елдың, мұрұнкұ, йәшәгән, болип.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

from qaz_llm.language.alphabet import BACK_VOWELS, FRONT_VOWELS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.buffer import (
    LATIN,
    WORD,
    ClassTable,
    Codes,
    Hashes,
    character_classes,
    encode_texts,
    lower_table,
    table_of,
)
from qaz_llm.language.kernels import kernel
from qaz_llm.language.word_table import hash_of, slot_of


@dataclass(frozen=True, slots=True)
class Reading:
    """What a converted text looks like; shares are of its words."""

    words: int
    known_frac: float
    """Frequent words of Kazakh."""
    telling: int
    """How many of them no neighbour spells the same."""
    broken_frac: float
    """Words of a shape that Kazakh does not have."""
    left_frac: float
    """Words that could not be read."""
    deep_frac: float
    """Letters қ, of all letters: one in thirty in Kazakh, none in Kyrgyz, Turkish and Turkmen."""

    @property
    def cost(self) -> float:
        """Low where the text is Kazakh, read by the right alphabet."""
        return 1.5 * self.left_frac + self.broken_frac - self.known_frac


NO_READING = Reading(0, 0.0, 0, 0.0, 0.0, 0.0)


def read(codes_C: Codes, left: Mapping[str, int] | None = None) -> Reading:
    """A converted text looked at; best some hundred words of it.

    left: words that were left as they are, by kind, where that is known. Numerals, abbreviations and names among them are no
    words of the language; those of kind `letters` could not be read.
    """
    known_H, bits_H = _known_words()
    words, known, telling, broken, unread, letters, deep = _look(
        codes_C, _shape_table(), lower_table(), known_H, bits_H
    )
    if left:
        unread = left.get("letters", 0)
        words -= sum(left.values()) - unread
    total = max(words, 1)
    return Reading(words, known / total, telling, broken / total, unread / total, deep / max(letters, 1))


_KNOWN, _TELLING = 1, 2
_OF_NEIGHBOURS = frozenset({"жылы", "тағы"})
"""Words that Bashkir and Kyrgyz spell the same in Latin letters."""


@cache
def _known_words() -> tuple[Hashes, npt.NDArray[np.uint8]]:
    """A hash table of the frequent words of Kazakh, and which of them are Kazakh alone."""
    words = sorted(FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS)
    hashes_H, bits_H = np.zeros(1024, np.uint64), np.zeros(1024, np.uint8)
    batch = encode_texts(words)
    telling = KAZAKH_ONLY_WORDS - _OF_NEIGHBOURS
    bits = np.array([_KNOWN | (_TELLING if word in telling else 0) for word in words], np.uint8)
    _fill(batch.codes_C, batch.starts_D, bits, hashes_H, bits_H)
    return hashes_H, bits_H


@kernel
def _fill(codes_C, starts_D, bits, hashes_H, bits_H):  # type: ignore[no-untyped-def]
    for word in range(len(starts_D) - 1):
        value = hash_of(codes_C, starts_D[word], starts_D[word + 1])
        slot = slot_of(value, hashes_H)
        hashes_H[slot] = value
        bits_H[slot] = bits[word]


_BACK, _FRONT, _LEFT, _IN_WORD, _FIRST_ONLY, _VOWEL, _I, _Y, _DEEP, _CLOSED, _OPEN, _LOANED, _NATIVE = (
    1 << bit for bit in range(13)
)


@cache
def _shape_table() -> ClassTable:
    classes = character_classes()
    groups = (
        (BACK_VOWELS, _BACK),
        (FRONT_VOWELS, _FRONT),
        ("әөұү", _FIRST_ONLY),
        ("аәеёиоөұүыіэюя", _VOWEL),
        ("и", _I),
        ("й", _Y),
        ("қ", _DEEP),
        ("ыі", _CLOSED),
        ("аәеоөұүыі", _OPEN),
        ("ч", _LOANED),
        ("ғңөүұә", _NATIVE),
    )
    table = table_of([(letters + letters.upper(), bit) for letters, bit in groups])
    return table | np.where(classes & LATIN, _LEFT, 0) | np.where(classes & WORD, _IN_WORD, 0)


@kernel
def _look(codes_C, table, lower, known_H, bits_H):  # type: ignore[no-untyped-def]
    """Words; known, telling, broken ones and those with a Latin letter; letters, and қ among them."""
    words = known = telling = broken = left = letters = deep = 0
    lowered_C = np.empty(len(codes_C), np.uint32)
    seen = before = start = 0
    wrong = False
    for position in range(len(codes_C) + 1):
        bits = table[codes_C[position]] if position < len(codes_C) else 0
        if bits & _IN_WORD:
            after = table[codes_C[position + 1]] if position + 1 < len(codes_C) else 0
            neighbours = before | after
            late = seen & _VOWEL != 0 and (
                bits & _FIRST_ONLY != 0 or (bits & _I != 0 and after & _IN_WORD != 0 and neighbours & _VOWEL == 0)
            )
            wrong = wrong or late or (bits & _Y != 0 and neighbours & _VOWEL == 0)
            wrong = wrong or (bits & _CLOSED != 0 and before & _OPEN != 0)
            wrong = wrong or (bits & _OPEN != 0 and position > start and codes_C[position] == codes_C[position - 1])
            if not seen:
                start = position
            lowered_C[position] = lower[codes_C[position]]
            seen |= bits
            letters += 1
            deep += (bits & _DEEP) != 0
            before = bits
        elif seen:
            words += 1
            left += (seen & _LEFT) != 0
            wrong = wrong or (seen & (_BACK | _FRONT)) == (_BACK | _FRONT)
            wrong = wrong or (seen & (_LOANED | _NATIVE)) == (_LOANED | _NATIVE)
            broken += not seen & _LEFT and wrong
            found = bits_H[slot_of(hash_of(lowered_C, start, position), known_H)]
            known += found & _KNOWN != 0
            telling += found & _TELLING != 0
            seen = before = 0
            wrong = False
    return words, known, telling, broken, left, letters, deep
