"""The three scripts of Kazakh: told apart, and Latin and Arabic script brought to Cyrillic.

    batch of texts → detect_scripts → Cyrl, Latn, Arab            one pass over the code points
    Latn, Arab     → to_cyrillic    → Conversion, or None         None: another language in these letters

Which Latin alphabet a text is in, and whether it is Kazakh at all, is told by what it reads like in Cyrillic (`readings.py`):
its first words are converted under each alphabet that has its letters. What no conversion can bring back, and how often each
gets a word right: docs/scripts.md. Chat transliteration (zhane, kalai) is not supported.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from operator import itemgetter

import numpy as np

from qaz_llm.language.arabic import arabic_to_cyrillic, has_only_tote_letters, read_arabic
from qaz_llm.language.buffer import (
    ARABIC,
    CYRILLIC,
    LATIN,
    LETTER,
    ClassTable,
    Codes,
    ScannedTexts,
    TextBatch,
    character_classes,
    encode_texts,
    lower_table,
    table_of,
)
from qaz_llm.language.kernels import kernel
from qaz_llm.language.latin import convert_latin, sample_in_cyrillic
from qaz_llm.language.latin_alphabets import LATIN_ALPHABETS, LatinAlphabet, alphabet_named
from qaz_llm.language.readings import NO_READING, Reading, read
from qaz_llm.language.untouched import (
    CODE,
    ENGLISH,
    MARKED,
    NAME_DOT,
    SINGLE,
    apart,
    find_english,
    find_untouched,
    look_for_signs,
)
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
    left: Mapping[str, int] = field(default_factory=dict)
    """What was left as it is, counted by kind: `numeral`, `address`, `tag`, `code`, `symbol`, `abbreviation`, `name` and
    `letters` (words with a letter that the alphabet lacks)."""

    @property
    def left_words(self) -> int:
        """How many words, numerals, addresses and other signs were left in Latin letters."""
        return sum(self.left.values())


MIN_KNOWN_WORDS_FRAC = 0.04
"""Kazakh prose has 8–25 % of these words; other languages in the same letters stay below 8 % after conversion."""

MAX_COST = 0.22
"""Of a text with a word that is Kazakh alone. Kazakh texts have -0.2 to 0.1, sentences up to 0.3; Karakalpak from 0.25 on."""

MAX_COST_WITHOUT_WORDS = 0.06
"""Of a text without such a word: of its neighbours, Kyrgyz has as little, but no қ."""

MAX_BROKEN_WITHOUT_WORDS = 0.13
"""Of such a text too: words that all Turkic languages have bring its cost down, whatever the others look like."""

MAX_COST_ALONE = 0.18
"""The same in an alphabet that no neighbour writes anything like."""

MAX_COST_OF_PROOF = 0.35
"""Of a text with letters that no other language has together."""

MIN_DEEP_FRAC = 0.006
"""Share of қ among the letters; 3.4 % in Kazakh."""

SURE_COST = -0.1
"""Below it a sentence without қ is Kazakh too."""

CLEAR_COST = -0.05
"""Under which no other alphabet is tried: under a wrong one a text has 0.2 and more."""

DOUBTFUL_COST = 0.05
"""Over which a sample is read again without what is no Kazakh in it, which may have chosen the wrong alphabet."""

CLEAR_LEFT_FRAC = 0.02
CLEAR_WORDS = 40

SAMPLES = (700, 4000)
"""Characters that are looked at; the second only where the first do not say enough."""

NEAR_FRAC = 0.004
"""Alphabets that lack so much more of the letters of a text than the best one are not tried."""

NEAR_LETTERS = 2
"""The same in a short text, where one foreign name would decide."""

COST_OF_LETTER = 0.5
"""What one such letter a word adds to the cost where alphabets are compared."""

FOREIGN_LETTER = 3
"""What a letter beyond a–z that an alphabet lacks counts: w, x and c come with any foreign name, ó and ǵ with another alphabet."""

MIN_WORDS = 3

SURE_KNOWN_FRAC, SURE_WORDS = 0.15, 4
"""Of a short text in Arabic letters without a letter foreign to Kazakh."""


def to_cyrillic(text: str) -> Conversion | None:
    """Kazakh in Latin or Arabic letters as Cyrillic Kazakh; None where the text is Cyrillic, or not Kazakh.

    >>> to_cyrillic("Būl kıtap öte qyzyq jäne paidaly boldy, sondyqtan barlyq adam oqydy.").text
    'Бұл кітап өте қызық және пайдалы болды, сондықтан барлық адам оқыды.'
    """
    batch = encode_texts([text])
    codes_C = batch.codes_C
    cyrillic, latin, arabic = _count_scripts(codes_C, batch.starts_D, character_classes())[0].tolist()
    if latin > max(cyrillic, arabic - 1):
        found = _kazakh_alphabet(text, codes_C)
        if found is None and any(sign in text for sign in _OTHER_APOSTROPHES):
            text = _APOSTROPHE.sub("'", text)
            codes_C = encode_texts([text]).codes_C
            found = _kazakh_alphabet(text, codes_C)
        if found is not None:
            alphabet, known = found
            converted, left = convert_latin(text, alphabet, codes_C)
            return Conversion(converted, alphabet.name, known, dict(left))
    elif arabic > max(cyrillic, latin):
        sample = text[: SAMPLES[-1]]
        reading = read(read_arabic(codes_C[: SAMPLES[-1]]))
        is_short_kazakh = reading.known_frac >= SURE_KNOWN_FRAC and has_only_tote_letters(sample, SURE_WORDS)
        is_telling = reading.telling > 0 and reading.known_frac >= MIN_KNOWN_WORDS_FRAC
        if is_telling or is_short_kazakh or has_only_tote_letters(sample):
            return Conversion(arabic_to_cyrillic(text), "arabic-tote", reading.known_frac)
    return None


_OTHER_APOSTROPHES = "‘ʻ´`′＇ˈ"
_APOSTROPHE = re.compile(f"(?<=[acginosuyACGINOSUY])[{_OTHER_APOSTROPHES}]")
"""What is typed for the apostrophe of 2017 besides the three that every word may have; Uzbek has the first two as well."""


def may_be_converted(scanned: ScannedTexts) -> list[bool]:
    """Of each text False where `to_cyrillic` is sure to find nothing: Latin letters, none beyond those of English.

    >>> may_be_converted(scan_texts(["What is the capital?", "Astana qalasy qaı jerde ornalasqan?"]))
    [False, True]
    """
    codes_C, starts_D = scanned.batch.codes_C, scanned.batch.starts_D
    own_C = (_letter_tables()[1][codes_C] != 0) | (character_classes()[codes_C] & ARABIC != 0)
    for apostrophe in _OTHER_APOSTROPHES:
        own_C |= codes_C == ord(apostrophe)
    counts_C = np.zeros(len(codes_C) + 1, np.int64)
    np.cumsum(own_C, out=counts_C[1:])
    found: list[bool] = (np.diff(counts_C[starts_D]) > 0).tolist()
    return found


def _kazakh_alphabet(text: str, codes_C: Codes) -> tuple[LatinAlphabet, float] | None:
    """The alphabet of a Kazakh text and its share of known words; None where it is not Kazakh."""
    for size in SAMPLES:
        sample, sample_C = text[:size], codes_C[:size]
        alphabet, reading = _best_reading(sample_C)
        if reading.cost > DOUBTFUL_COST if alphabet else _has_letters_beyond_ascii(sample_C):
            bare, bare_C = _without_code(sample, sample_C)
            if bare is not sample:
                sample, (alphabet, reading) = bare, _best_reading(bare_C)
        if alphabet is not None and reading.words >= MIN_WORDS and _is_kazakh(reading, alphabet, sample):
            if alphabet is _WIKIPEDIA and _Y_ALONE.search(sample) and "ý" not in sample.lower():
                alphabet = _KAZINFORM
            return alphabet, reading.known_frac
        if len(text) <= size:
            break
    return None


_WIKIPEDIA, _KAZINFORM = alphabet_named("latin-wikipedia"), alphabet_named("latin-kazinform")
_Y_ALONE = re.compile("[yY](?![aeouwAEOUW])")
"""The only difference between the two is й: ý in one, y in the other, where jüye is жүйе."""
_TRIED = tuple(alphabet for alphabet in LATIN_ALPHABETS if alphabet is not _KAZINFORM)


def _has_letters_beyond_ascii(sample_C: Codes) -> bool:
    """Whether so many that a part of an English text may be Kazakh."""
    return int(np.count_nonzero(sample_C >= 0xC0)) >= MIN_BEYOND_ASCII * len(sample_C)


MIN_BEYOND_ASCII = 0.01


def _without_code(sample: str, sample_C: Codes) -> tuple[str, Codes]:
    """A sample without addresses, code, single letters and English, which say nothing of its alphabet."""
    signs = look_for_signs(sample_C)
    spans = find_untouched(sample, signs) if signs & (MARKED | NAME_DOT | CODE | SINGLE) else []
    if signs & ENGLISH:
        spans = apart([*spans, *find_english(sample)])
    if not spans:
        return sample, sample_C
    for span in reversed(spans):
        sample = f"{sample[: span.start]} {sample[span.end :]}"
    return sample, encode_texts([sample]).codes_C


def _best_reading(sample_C: Codes) -> tuple[LatinAlphabet | None, Reading]:
    """The alphabet under which a sample reads most like Kazakh, of those that lack fewest of its letters and have letters
    of their own in it."""
    tables = (character_classes(), lower_table(), *_letter_tables())
    lacking_A, own_A, letters, words = _count_letters(sample_C, *tables, len(_TRIED))
    all_lacking = lacking_A.tolist()
    most_lacking = min(all_lacking) + max(NEAR_FRAC * letters, NEAR_LETTERS)
    candidates = [
        (lacking, -own, alphabet)
        for alphabet, lacking, own in zip(_TRIED, all_lacking, own_A.tolist(), strict=True)
        if lacking <= most_lacking and OWN_LETTERS * own >= words
    ]
    best: tuple[LatinAlphabet | None, Reading] = (None, NO_READING)
    least = np.inf
    candidates.sort(key=itemgetter(0, 1))
    for lacking, _, alphabet in candidates:
        reading = read(*sample_in_cyrillic(sample_C, alphabet))
        if (cost := reading.cost + COST_OF_LETTER * lacking / max(words, 1)) < least:
            best, least = (alphabet, reading), cost
        if reading.cost <= CLEAR_COST and reading.left_frac <= CLEAR_LEFT_FRAC and reading.words >= CLEAR_WORDS:
            break
    return best


@cache
def _letter_tables() -> tuple[ClassTable, ClassTable]:
    """For each code point the alphabets that have it, a bit each, and those whose own it is."""
    apart = {"'": "'’ʼ", "i": "iİ"}
    groups, own = [], []
    for bit, alphabet in enumerate(_TRIED):
        letters = "".join(alphabet.characters)
        groups.append((letters + letters.upper() + "I\u0307", 1 << bit))
        letters = "".join(apart.get(letter, letter) for letter in alphabet.own)
        own.append(((letters + letters.upper()).replace("I", ""), 1 << bit))
    return table_of(groups), table_of(own)


@kernel
def _count_letters(codes_C, classes, lower, letters_table, own_table, num_alphabets):  # type: ignore[no-untyped-def]
    """For each alphabet the letters of the text that it lacks and those that are its own; letters and words.
    Capitals are passed over: numerals, abbreviations and names begin with them; a letter beyond a–z says more than w or x."""
    lacking_A = np.zeros(num_alphabets, np.int64)
    own_A = np.zeros(num_alphabets, np.int64)
    in_all = (1 << num_alphabets) - 1
    letters = words = 0
    in_word = False
    for code in codes_C:
        is_letter = classes[code] & LETTER != 0
        is_small = is_letter and lower[code] == code
        own = own_table[code]
        having = letters_table[code]
        if own or (is_small and having != in_all):  # most letters are in all alphabets and tell nothing
            for alphabet in range(num_alphabets):
                if is_small and having >> alphabet & 1 == 0:
                    lacking_A[alphabet] += 1 if code < 128 else FOREIGN_LETTER
                own_A[alphabet] += own >> alphabet & 1
        if is_letter:
            letters += 1
            words += not in_word
        in_word = is_letter or (in_word and own != 0)
    return lacking_A, own_A, letters, words


OWN_LETTERS = 8
"""One word of so many has to have a letter beyond a–z: in Kazakh most have, in English and in chat transliteration none."""


def _is_kazakh(reading: Reading, alphabet: LatinAlphabet, sample: str) -> bool:
    if reading.cost <= SURE_COST and reading.telling:
        return True
    if alphabet.proves(sample.lower()):
        return reading.cost <= MAX_COST_OF_PROOF
    if reading.deep_frac < MIN_DEEP_FRAC:
        return False
    if reading.telling and reading.known_frac >= MIN_KNOWN_WORDS_FRAC:
        return reading.cost <= MAX_COST
    if alphabet.kazakh_alone:
        return reading.cost <= MAX_COST_ALONE
    return reading.cost <= MAX_COST_WITHOUT_WORDS and reading.broken_frac <= MAX_BROKEN_WITHOUT_WORDS
