"""The three scripts of Kazakh: told apart, and Latin and Arabic script brought to Cyrillic.

    batch of texts → detect_scripts → Cyrl, Latn, Arab            one pass over the code points
    Latn, Arab     → to_cyrillic    → Conversion, or None         None: another language in these letters

Which Latin alphabet a text is in is settled on its first 4,000 characters: by Kazakh function words, which each alphabet
spells its own way, then by how well the converted words keep vowel harmony. What no conversion can bring back, and how
often each gets a word right: docs/scripts.md. Chat transliteration (zhane, kalai) is not supported.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import numpy as np

from qaz_llm.language.alphabet import BACK_VOWELS, FRONT_VOWELS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.arabic import arabic_to_cyrillic, has_only_tote_letters
from qaz_llm.language.buffer import (
    ARABIC,
    CYRILLIC,
    LATIN,
    WORD,
    ClassTable,
    ScannedTexts,
    TextBatch,
    character_classes,
    encode_texts,
    table_of,
)
from qaz_llm.language.kernels import kernel
from qaz_llm.language.latin import LATIN_ALPHABETS, LATIN_WORD, LatinAlphabet, latin_to_cyrillic, one_apostrophe
from qaz_llm.language.segment import match_words
from qaz_llm.records import Script

_SCRIPTS: tuple[Script, ...] = ("Cyrl", "Latn", "Arab")


def detect_script(text: str) -> Script:
    """The script of most letters of the text: Cyrl, Latn or Arab; Zyyy where it has no letter of these."""
    return _scripts_of(encode_texts([text]))[0]


def detect_scripts(scanned: ScannedTexts) -> list[Script]:
    """`detect_script` of each text."""
    return _scripts_of(scanned.batch)


def _scripts_of(batch: TextBatch) -> list[Script]:
    counts_DS = _count_scripts(batch.codes_C, batch.starts_D, character_classes())
    best_D = counts_DS.argmax(axis=1)
    return [
        _SCRIPTS[best] if number else "Zyyy"
        for best, number in zip(best_D.tolist(), counts_DS.max(axis=1).tolist(), strict=True)
    ]


@kernel
def _count_scripts(codes_C, starts_D, classes):  # type: ignore[no-untyped-def]
    counts_DS = np.zeros((len(starts_D) - 1, 3), np.int64)
    for doc in range(len(starts_D) - 1):
        cyrillic = latin = arabic = 0
        for position in range(starts_D[doc], starts_D[doc + 1]):
            bits = classes[codes_C[position]]
            cyrillic += (bits & CYRILLIC) != 0
            latin += (bits & LATIN) != 0
            arabic += (bits & ARABIC) != 0
        counts_DS[doc, 0] = cyrillic
        counts_DS[doc, 1] = latin
        counts_DS[doc, 2] = arabic
    return counts_DS


# ------------------------------------------------------------------------------------------------------- conversion


@dataclass(frozen=True, slots=True)
class Conversion:
    """Kazakh text brought to Cyrillic, and from which alphabet: `latin-2021`, `latin-wikipedia`, `arabic-tote` …"""

    text: str
    alphabet: str
    known_words_frac: float
    """Share of the words looked at that are known Kazakh function words; on it rests that this is Kazakh."""


MIN_KNOWN_WORDS_FRAC = 0.04
"""Kazakh prose has 8–20 % of these words; other languages in the same letters stay below 3 % after conversion."""

MAX_LEFT_FRAC = 0.3
"""Words with letters that the alphabet lacks; in Karakalpak two fifths of the words have one under any of these."""

SAMPLE_CHARACTERS = 4000
COMPARED_CHARACTERS = 600
MIN_HITS_FRAC = 0.01
MAX_BROKEN_FRAC = 0.12
"""Kazakh text in the right alphabet has 0.02–0.08, by loans that break harmony."""
MOST_HITS_FRAC = 0.6
"""Alphabets with this share of the known words of the best one are compared further."""
NEAR_FRAC = 0.02


def to_cyrillic(text: str) -> Conversion | None:
    """Kazakh in Latin or Arabic letters as Cyrillic Kazakh; None where the text is Cyrillic, or not Kazakh.

    >>> to_cyrillic("Būl kıtap öte qyzyq jäne paidaly boldy, sondyqtan barlyq adam oqydy.").text
    'Бұл кітап өте қызық және пайдалы болды, сондықтан барлық адам оқыды.'
    """
    script = detect_script(text)
    if script == "Latn":
        alphabet = _likeliest_alphabet(text[:SAMPLE_CHARACTERS])
        if alphabet is not None:
            converted = latin_to_cyrillic(text, alphabet)
            sample = converted[:SAMPLE_CHARACTERS]
            known = known_words_frac(sample)
            if _reads_as_kazakh(known, sample) or (alphabet.proves(text) and _broken_frac(sample) <= MAX_BROKEN_FRAC):
                return Conversion(converted, alphabet.name, known)
    elif script == "Arab":
        sample = arabic_to_cyrillic(text[:SAMPLE_CHARACTERS])
        known = known_words_frac(sample)
        if known >= MIN_KNOWN_WORDS_FRAC or has_only_tote_letters(text[:SAMPLE_CHARACTERS]):
            return Conversion(arabic_to_cyrillic(text), "arabic-tote", known)
    return None


def _reads_as_kazakh(known: float, converted: str) -> bool:
    return known >= MIN_KNOWN_WORDS_FRAC and _left_frac(converted) <= MAX_LEFT_FRAC


def _likeliest_alphabet(sample: str) -> LatinAlphabet | None:
    """The alphabet that spells most known Kazakh words as the sample does, lacks fewest of its letters and keeps vowel
    harmony best; None where the sample has next to none of these words."""
    words = LATIN_WORD.findall(one_apostrophe(sample).lower())
    hits: Counter[str] = Counter()
    for word in words:
        for name in _known_spellings().get(word, ()):
            hits[name] += 1
    most = max(hits.values(), default=0)
    if most >= max(1, MIN_HITS_FRAC * len(words)):
        candidates = [alphabet for alphabet in LATIN_ALPHABETS if hits[alphabet.name] >= MOST_HITS_FRAC * most]
    else:
        candidates = [alphabet for alphabet in LATIN_ALPHABETS if alphabet.proves(sample)]
    candidates = [alphabet for alphabet in candidates if alphabet.is_used_in(words)]
    if len(candidates) > 1:
        lacking = [alphabet.lacking_frac(words) for alphabet in candidates]
        least = min(lacking) + NEAR_FRAC
        candidates = [alphabet for alphabet, frac in zip(candidates, lacking, strict=True) if frac <= least]
    if len(candidates) > 1:
        short = sample[:COMPARED_CHARACTERS]
        candidates.sort(key=lambda alphabet: _broken_frac(latin_to_cyrillic(short, alphabet)))
    return candidates[0] if candidates else None


@cache
def _known_spellings() -> Mapping[str, tuple[str, ...]]:
    """The alphabets that spell a known Kazakh word this way: `jäne` → latin-2021, latin-wikipedia, latin-2019."""
    spellings: dict[str, list[str]] = {}
    for alphabet in LATIN_ALPHABETS:
        for word in KAZAKH_ONLY_WORDS:
            for letters in itertools.product(*(alphabet.spellings.get(letter, ()) for letter in word)):
                spellings.setdefault("".join(letters), []).append(alphabet.name)
    return {word: tuple(names) for word, names in spellings.items()}


_BACK, _FRONT, _LEFT, _IN_WORD = 1, 2, 4, 8


def _left_frac(converted: str) -> float:
    """Share of words that still have a Latin letter."""
    words, left, _ = _word_shapes(converted)
    return left / max(words, 1)


def _broken_frac(converted: str) -> float:
    """Words left in Latin and, half as bad, words of back and front vowels: ı read as ы where it is і makes елдың."""
    words, left, broken = _word_shapes(converted)
    return (1.5 * left + 0.5 * broken) / max(words, 1)


def _word_shapes(text: str) -> tuple[int, int, int]:
    """How many words a text has, how many with a Latin letter, how many with both back and front vowels."""
    return tuple(map(int, _count_shapes(encode_texts([text]).codes_C, _shape_table())))  # type: ignore[return-value]


@cache
def _shape_table() -> ClassTable:
    classes = character_classes()
    table = table_of([(BACK_VOWELS + BACK_VOWELS.upper(), _BACK), (FRONT_VOWELS + FRONT_VOWELS.upper(), _FRONT)])
    return table | np.where(classes & LATIN, _LEFT, 0) | np.where(classes & WORD, _IN_WORD, 0)


@kernel
def _count_shapes(codes_C, table):  # type: ignore[no-untyped-def]
    words = left = broken = 0
    seen = 0
    for code in codes_C:
        bits = table[code]
        if bits & _IN_WORD:
            seen |= bits
        elif seen:
            words += 1
            left += (seen & _LEFT) != 0
            broken += (seen & (_BACK | _FRONT)) == (_BACK | _FRONT)
            seen = 0
    if seen:
        words += 1
        left += (seen & _LEFT) != 0
        broken += (seen & (_BACK | _FRONT)) == (_BACK | _FRONT)
    return words, left, broken


_KNOWN_WORDS = FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS


def known_words_frac(text: str) -> float:
    """Share of frequent Kazakh words in the text; 0 where no word, or one alone in a longer text that breaks vowel
    harmony, is one that no neighbour of Kazakh spells the same."""
    found = match_words(text)
    telling = {word for word in found if word in KAZAKH_ONLY_WORDS}
    if not telling or (len(telling) == 1 and len(found) > 12 and _broken_frac(text) > MAX_BROKEN_FRAC):
        return 0.0
    return sum(word in _KNOWN_WORDS for word in found) / len(found)
