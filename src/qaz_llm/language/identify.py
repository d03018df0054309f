"""Which language a text is in, sentence by sentence: Kazakh, Russian, English, or something else.

Kazakh's neighbours (Kyrgyz, Tatar, Bashkir, Uzbek, Karakalpak, Mongolian …) share its letters and fool every detector on
short text, so letters are looked at first:

1. A letter of FORBIDDEN_LETTERS: a neighbour's, whatever a detector says.
2. ұ or і together with қ or ғ: Kazakh. It holds for 96 % of Kazakh sentences and for no sentence of ky tt ru mn uk be
   (Khakas, the exception, uses forbidden letters).
3. Otherwise pycld2, and py3langid where pycld2 is unsure or says Kazakh without any letter of its own.

Languages outside kk, ru, en come back by their ISO 639-1 code in `detail`, and together as `other`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from qaz_llm.language.alphabet import FORBIDDEN_LETTERS, FUNCTION_WORDS
from qaz_llm.language.segment import match_words, sentences
from qaz_llm.records import LANGUAGES

UNDETERMINED = "und"
OTHER = "other"

_FORBIDDEN = re.compile(f"[{FORBIDDEN_LETTERS}{FORBIDDEN_LETTERS.upper()}]")
_KAZAKH_VOWEL = re.compile("[ұіҰІ]")
_KAZAKH_CONSONANT = re.compile("[қғҚҒ]")
_KAZAKH_TELLING = re.compile("[ұіқғҰІҚҒ]")
_KAZAKH_ANY = re.compile("[әғқңөұүһіӘҒҚҢӨҰҮҺІ]")
_LETTER = re.compile(r"[^\W\d_]")

_SLAVIC = frozenset({"ru", "be", "bg", "mk", "sr", "uk"})
_RUSSIAN_SIGN = re.compile("[ыэё]")
"""Of the Slavic languages in Cyrillic only Russian and Belarusian have these, and Belarusian has і beside them."""

MIN_LETTERS = 12
"""Pieces with fewer letters (`1999 ж.`, `Иә.`) are left to the rest of the text."""

FLAT_MIN_LETTERS = 100
MIN_KAZAKH_LETTER_FRAC = 0.01
"""At least this share of a Kazakh text of 100 letters or more is і, ұ, қ or ғ (of 697 encyclopaedia passages all but
two have over 0.03). What a detector calls Kazakh without them is flattened to Russian letters, or a neighbour's."""


@dataclass(frozen=True, slots=True)
class LanguageShares:
    """How much of a text, by letters of its sentences, is in which language.

    `kk`, `ru`, `en` and `other` add up to 1 where anything could be told, else all are 0 and `main` is `und`.
    `main` is kk, ru, en, or the ISO code of another language; `detail` holds every language found, by code.
    """

    kk: float
    ru: float
    en: float
    other: float
    main: str
    detail: Mapping[str, float]

    def share(self, language: str) -> float:
        """The share of one language code."""
        return self.detail.get(language, 0.0)


def identify(text: str) -> LanguageShares:
    """The language shares of a (repaired) text."""
    letters: Counter[str] = Counter()
    for sentence in _pieces(text):
        language = identify_sentence(sentence)
        letters[language] += len(_LETTER.findall(sentence))
    known = {code: number for code, number in letters.items() if code != UNDETERMINED}
    if not known:
        whole = identify_sentence(text[:2000])
        known = {whole: 1} if whole != UNDETERMINED else {}
    if not known:
        return LanguageShares(0.0, 0.0, 0.0, 0.0, UNDETERMINED, {})
    known = _kazakh_needs_its_letters(known, text)
    total = sum(known.values())
    detail = {code: number / total for code, number in sorted(known.items(), key=lambda pair: (-pair[1], pair[0]))}
    kept = {code: detail.get(code, 0.0) for code in LANGUAGES}
    return LanguageShares(
        **kept,
        other=max(0.0, 1.0 - sum(kept.values())),
        main=next(iter(detail)),
        detail=detail,
    )


def _pieces(text: str) -> list[str]:
    """Sentences, short ones joined to what follows until there are enough letters to tell a language by."""
    joined: list[str] = []
    waiting = ""
    for sentence in sentences(text):
        waiting = f"{waiting} {sentence}" if waiting else sentence
        if len(waiting) >= 2 * MIN_LETTERS and len(_LETTER.findall(waiting)) >= MIN_LETTERS:
            joined.append(waiting)
            waiting = ""
    if waiting:
        joined.append(waiting)
    return joined


def _kazakh_needs_its_letters(letters: dict[str, int], text: str) -> dict[str, int]:
    """Move what was called Kazakh to `kk-flat` where a long text lacks the letters і, ұ, қ and ғ."""
    total = len(_LETTER.findall(text))
    if "kk" in letters and total >= FLAT_MIN_LETTERS:
        kazakh_part = total * letters["kk"] / sum(letters.values())
        if len(_KAZAKH_TELLING.findall(text)) < MIN_KAZAKH_LETTER_FRAC * kazakh_part:
            return {("kk-flat" if code == "kk" else code): number for code, number in letters.items()}
    return letters


def identify_sentence(sentence: str) -> str:
    """The language code of one sentence; `und` where it cannot be told."""
    if _KAZAKH_VOWEL.search(sentence) and _KAZAKH_CONSONANT.search(sentence) and not _FORBIDDEN.search(sentence):
        names_only = len(_KAZAKH_ANY.findall(sentence)) < 0.05 * len(_LETTER.findall(sentence))
        return "ru" if names_only and _by_function_words(sentence.lower()) == "ru" else "kk"
    if len(_LETTER.findall(sentence)) < MIN_LETTERS // 2:
        return UNDETERMINED
    lowered = sentence.lower()  # detectors are weak on capitals
    first = _cld2(lowered)
    if _FORBIDDEN.search(sentence):
        return first if first not in {"kk", UNDETERMINED, *LANGUAGES} else OTHER
    if first == "kk" and _KAZAKH_ANY.search(sentence):
        return first
    if first in {"ru", "en"} and not _KAZAKH_ANY.search(sentence):
        return first
    return _second_opinion(lowered, first)


def _second_opinion(lowered: str, first: str) -> str:
    """Where pycld2 is unsure or at odds with the letters: py3langid, and function words between kk, ru and en."""
    by_words = _by_function_words(lowered)
    if first == UNDETERMINED and by_words != UNDETERMINED:
        return by_words
    second = _langid(lowered)
    if second in _SLAVIC and _RUSSIAN_SIGN.search(lowered) and not _KAZAKH_ANY.search(lowered):
        return "ru"
    if second == first:
        return first
    if by_words in {first, second}:
        return by_words
    if first != UNDETERMINED and not _KAZAKH_ANY.search(lowered):
        return first
    return second if len(lowered) >= 40 else UNDETERMINED


def _by_function_words(lowered: str) -> str:
    found = match_words(lowered)
    counts = {code: sum(word in FUNCTION_WORDS[code] for word in found) for code in LANGUAGES}
    best = max(counts, key=lambda code: counts[code])
    others = max(number for code, number in counts.items() if code != best)
    return best if counts[best] >= 2 and counts[best] > 2 * others else UNDETERMINED


def _cld2(text: str) -> str:
    import pycld2

    try:
        reliable, _, details = pycld2.detect(text.encode("utf-8"), bestEffort=False)
    except pycld2.error:  # it refuses some control characters
        return UNDETERMINED
    code = details[0][1]
    return code if reliable and code != "un" else UNDETERMINED


def _langid(text: str) -> str:
    import py3langid

    return str(py3langid.classify(text)[0])
