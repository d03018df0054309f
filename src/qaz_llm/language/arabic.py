"""Kazakh in the Arabic letters of China (tote), brought to Cyrillic. The table, and what is lost: docs/scripts.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from qaz_llm.language.spelling import respell

_LETTERS: Mapping[str, str] = dict(
    zip(
        "اەبۆگعدجزيكقلمنڭوپرستۋۇفحھهچشىٸٵٶٷ",
        "аебвгғджз*кқлмнңопрстуұфхһһчшыіәөү",
        strict=True,
    )
)
_VOWELS = "аеоұыіәөү"
_FRONT = dict(zip("оұы", "өүі", strict=True))
_HAMZA = "\u0674\u0621"
_WORD = re.compile(f"[{''.join(_LETTERS)}{_HAMZA}ـ]+")
_LETTER = re.compile("[\u0621-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f]")
_SIGNS = str.maketrans("،؛؟۔٪٫٬۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", ",;?.%.,01234567890123456789")
_I_FOR_Y = re.compile(r"[ыі]\*(?=[ае])|(?<!\b[тс])[ыі]\*")
"""и is written ىي: تىياناقتى is тиянақты; тый- and сый- are the common stems in which ый is meant."""
_LONG_I = re.compile(r"(?<![аеоұыіәөүу])\*\*(?=а)")
"""ия after a consonant is written ييا: قۇپييا is құпия."""
_SENTENCE_START = re.compile(r"(?:^|[.!?…]\s+|\n)[«\"(—–\- ]*([а-яәғқңөұүһі])")


def arabic_to_cyrillic(text: str) -> str:
    """Kazakh in the Arabic letters of China, with a hamza per word (ٴ) or per letter (ٵ ٶ ٷ ٸ), in Cyrillic.

    >>> arabic_to_cyrillic("بۇل بەت ٴۇشىن تىياناقتى نۇسقانى باپتاۋ")
    'Бұл бет үшін тиянақты нұсқаны баптау'
    """
    text = _WORD.sub(lambda match: _convert_word(match.group()), text.translate(_SIGNS))
    return _SENTENCE_START.sub(lambda match: match.group()[:-1] + match.group(1).upper(), text)


def has_only_tote_letters(text: str) -> bool:
    """Eight words or more without a letter foreign to Kazakh, and with the letters ە and ى that Arabic and Persian lack.

    Uyghur has these two as well, but no ten words of it go without ئ, ې, ۈ or ۆ, and no Kurdish without ێ or ی.
    """
    letters = _LETTER.findall(text)
    foreign = sum(c not in _LETTERS and c not in _HAMZA for c in letters)
    telling = min(letters.count("ە"), letters.count("ى"))
    return len(text.split()) >= 8 and not foreign and telling >= 0.02 * len(letters)


@lru_cache(maxsize=1 << 16)
def _convert_word(written: str) -> str:
    word = written.replace("ـ", "")
    bare = word.translate(dict.fromkeys(map(ord, _HAMZA)))
    letters = [_LETTERS[c] for c in bare]
    by_letter = any(c in "ٵٶٷٸ" for c in bare)
    marked = len(bare) != len(word)
    first_vowel = True
    for index, letter in enumerate(letters):
        if letter in _FRONT or letter == "а":
            front = not by_letter and (marked or _is_front(letters, index))
            if front and letter in _FRONT:
                letters[index] = _FRONT[letter]
            elif front and first_vowel and letter == "а" and _may_be_front_a(letters, index):
                letters[index] = "ә"
        if letter in _VOWELS:
            first_vowel = False
    converted = _LONG_I.sub("*", _I_FOR_Y.sub("и", "".join(letters)))
    return respell(converted)


def _may_be_front_a(letters: list[str], index: int) -> bool:
    """ә comes neither after қ and ғ nor before another ا: مالىمەت is мәлімет, but جاۋاپكەر жауапкер, كىتاپ кітап."""
    after_back = index > 0 and letters[index - 1] in "қғ"
    next_vowel = next((letter for letter in letters[index + 1 :] if letter in _VOWELS), "")
    return not after_back and next_vowel != "а"


def _is_front(letters: list[str], index: int) -> bool:
    """Whether the nearest telling consonant or е, first to the left and then to the right, is of the front kind."""
    for letter in (*reversed(letters[:index]), *letters[index + 1 :]):
        if letter in "кге":
            return True
        if letter in "қғ":
            return False
    return False
