"""The three scripts of Kazakh: told apart, and Latin and Arabic script brought to Cyrillic.

What cannot be brought back, because the other script writes two Cyrillic letters as one:
- и and й (Latin 2017, 2018, 2019, 2021; Arabic ي): й after a vowel, и elsewhere, by rule; йа and иа become я and ия.
- х and һ (Latin 2017–2021 write both h): х, except in a short list of words.
- э and е, щ and шш, ъ and ь of Russian loans: written е, щ, and nothing.
- Arabic script without a hamza sign: front or back vowel is read off the letters ك گ ە (front) and ق ع (back) of the
  word; a front ا is taken for ә in a first syllable only. There are no capitals; sentences are given one, names are not.
- in 2018 the capital I stands for і and и alike; і is taken.

Sources of the tables: the decrees of 26 October 2017 (No. 569) and 19 February 2018 (No. 637), the drafts of November 2019
and of January 2021 as listed at https://en.wikipedia.org/wiki/Kazakh_alphabets, and the Latin and Arabic Kazakh of
MediaWiki's interface texts. Yañalif (1929–40) and chat transliteration (zh, q/k at will) are not read yet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from qaz_llm.language.alphabet import BACK_VOWELS, FRONT_VOWELS, FUNCTION_WORDS, KAZAKH_ONLY_WORDS
from qaz_llm.language.segment import match_words
from qaz_llm.records import Script

_CYRILLIC = re.compile("[\u0400-\u052f]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_ARABIC = re.compile("[\u0621-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f]")


def detect_script(text: str) -> Script:
    """The script of most letters of the text: Cyrl, Latn or Arab; Zyyy where it has no letter of these."""
    counts: dict[Script, int] = {
        "Cyrl": len(_CYRILLIC.findall(text)),
        "Latn": len(_LATIN.findall(text)),
        "Arab": len(_ARABIC.findall(text)),
    }
    best = max(counts, key=lambda script: counts[script])
    return best if counts[best] else "Zyyy"


@dataclass(frozen=True, slots=True)
class Conversion:
    """Kazakh text brought to Cyrillic, and from which alphabet: `latin-2021`, `latin-wikipedia`, `arabic-tote` …"""

    text: str
    alphabet: str
    known_words_frac: float
    """Share of the words that are known Kazakh function words; what the decision that this is Kazakh rests on."""


MIN_KNOWN_WORDS_FRAC = 0.04
"""Kazakh prose has 8–20 % of these words; other languages in the same letters stay below 3 % after conversion."""


def to_cyrillic(text: str) -> Conversion | None:
    """Kazakh in Latin or Arabic letters as Cyrillic Kazakh; None where the text is Cyrillic, or not Kazakh.

    The alphabet is the one under which most words become known Kazakh ones and keep vowel harmony.

    >>> to_cyrillic("Būl kıtap öte qyzyq jäne paidaly boldy, sondyqtan barlyq adam oqydy.").text
    'Бұл кітап өте қызық және пайдалы болды, сондықтан барлық адам оқыды.'
    """
    script = detect_script(text)
    if script == "Latn":
        candidates = [
            Conversion(converted, alphabet.name, known_words_frac(converted))
            for alphabet in LATIN_ALPHABETS
            if alphabet.may_be(text)
            for converted in [latin_to_cyrillic(text, alphabet)]
        ]
    elif script == "Arab":
        converted = arabic_to_cyrillic(text)
        conversion = Conversion(converted, "arabic-tote", known_words_frac(converted))
        if _has_only_tote_letters(text):
            return conversion
        candidates = [conversion]
    else:
        return None
    best = max(candidates, key=_plausibility, default=None)
    return best if best is not None and best.known_words_frac >= MIN_KNOWN_WORDS_FRAC else None


def _plausibility(conversion: Conversion) -> float:
    """Known words, less words left in Latin, less broken harmony: ı read as ы where it is і makes елдың of елдің."""
    found = match_words(conversion.text)
    left = sum(_LATIN.search(word) is not None for word in found)
    broken = sum(any(c in BACK_VOWELS for c in word) and any(c in FRONT_VOWELS for c in word) for word in found)
    return conversion.known_words_frac - (1.5 * left + 0.5 * broken) / max(len(found), 1)


_KNOWN_WORDS = FUNCTION_WORDS["kk"] | KAZAKH_ONLY_WORDS


def known_words_frac(text: str) -> float:
    """Share of Kazakh function words that no Turkic neighbour spells the same, 0 for fewer than two of them."""
    found = match_words(text)
    known = [word for word in found if word in KAZAKH_ONLY_WORDS]
    if not known or (len(set(known)) < 2 and len(found) > 12):
        return 0.0
    return sum(word in _KNOWN_WORDS for word in found) / len(found)


# ------------------------------------------------------------------------------------------------------------ Latin


@dataclass(frozen=True)
class LatinAlphabet:
    """A Latin alphabet of Kazakh: letters and digraphs to Cyrillic. `*` stands for the letter that is both и and й."""

    name: str
    letters: Mapping[str, str]
    markers: str
    """A text in this alphabet has at least one of these characters (as a regular expression)."""

    def may_be(self, text: str) -> bool:
        return re.search(self.markers, text.replace("’", "'").replace("ʼ", "'"), re.IGNORECASE) is not None


_SHARED = dict(zip("abdefgjklmnopqrstvzABDEFGJKLMNOPQRSTVZ", "абдефгжклмнопқрствзАБДЕФГЖКЛМНОПҚРСТВЗ", strict=True))


def _alphabet(name: str, markers: str, pairs: str, exact: Mapping[str, str]) -> LatinAlphabet:
    return LatinAlphabet(name, {**_SHARED, **_cased(pairs), **exact}, markers)


def _cased(pairs: str) -> dict[str, str]:
    """`ä=ә sh=ш` with capitals added: Ä=Ә, Sh=Ш, SH=Ш."""
    table: dict[str, str] = {}
    for pair in pairs.split():
        latin, cyrillic = pair.split("=")
        table[latin] = cyrillic
        upper = cyrillic.upper() if cyrillic != "*" else "^"
        table.setdefault(latin[0].upper() + latin[1:], upper)
        table.setdefault(latin.upper(), upper)
    return table


LATIN_ALPHABETS: tuple[LatinAlphabet, ...] = (
    _alphabet(
        "latin-2021",
        "[äğñŋöşüūıy]",
        "ä=ә ğ=ғ ñ=ң ŋ=ң ö=ө ş=ш ü=ү ū=ұ u=у y=ы h=х",
        {"ı": "і", "I": "І", "i": "*", "İ": "^"},
    ),
    _alphabet(
        "latin-wikipedia",
        "[äğñöşüıïýw]",
        "ä=ә ç=ч ğ=ғ ñ=ң ö=ө ş=ш ü=ү u=ұ w=у x=х h=һ ï=и y=й ý=й c=ц é=э",
        {"ı": "ы", "I": "Ы", "i": "і", "İ": "І", "ʺ": "ъ", "ʹ": "ь"},
    ),
    _alphabet(
        "latin-2018",
        "[áǵńóúý]|sh|y",
        "á=ә ǵ=ғ ń=ң ó=ө ú=ү ý=у u=ұ y=ы h=х sh=ш ch=ч ı=*",
        {"i": "і", "I": "І", "İ": "І"},
    ),
    _alphabet(
        "latin-2019",
        "[äğŋöşüwı]",
        "ä=ә ç=ч ğ=ғ ŋ=ң ñ=ң ö=ө ş=ш ü=ү u=ұ w=у y=ы h=х",
        {"ı": "*", "I": "^", "i": "і", "İ": "І"},
    ),
    _alphabet(
        "latin-2017",
        "[aginouscy]'",
        "a'=ә g'=ғ i'=* n'=ң o'=ө u'=ү s'=ш c'=ч y'=у u=ұ y=ы h=х",
        {"i": "і", "I": "І"},
    ),
)

_LATIN_WORD = re.compile("[A-Za-zʺʹ\u00c0-\u024f\u0307][A-Za-zʺʹ\u00c0-\u024f\u0307'’ʼ]*")


def latin_to_cyrillic(text: str, alphabet: LatinAlphabet) -> str:
    """Each word of the alphabet's letters in Cyrillic; words with other letters (names, code) are left as they are."""
    pattern = _pattern(alphabet.name)
    allowed_apostrophe = "'" in "".join(alphabet.letters)

    def convert(match: re.Match[str]) -> str:
        word = match.group().replace("i\u0307", "i")
        plain = word.replace("’", "'").replace("ʼ", "'") if allowed_apostrophe else word
        if pattern.sub("", plain).strip("'’ʼ"):
            return word
        return _finish(pattern.sub(lambda m: alphabet.letters[m.group()], plain))

    return _LATIN_WORD.sub(convert, text)


@cache
def _pattern(name: str) -> re.Pattern[str]:
    letters = next(a.letters for a in LATIN_ALPHABETS if a.name == name)
    return re.compile("|".join(sorted(map(re.escape, letters), key=len, reverse=True)))


# ---------------------------------------------------------------------------------------------- spelling after both

_VOWELS = "аәеёиоөуұүыіэюяАӘЕЁИОӨУҰҮЫІЭЮЯ"


def _finish(word: str) -> str:
    """Choose between и and й, write йа, йу and иа the Cyrillic way, put һ where a known word has it."""
    word = re.sub(f"(?<=[{_VOWELS}])\\*", "й", word)
    word = re.sub(f"(?<=[{_VOWELS}])\\^", "Й", word)
    word = word.replace("*", "и").replace("^", "И")
    word = word.replace("йа", "я").replace("йу", "ю").replace("Йа", "Я").replace("Йу", "Ю").replace("шш", "щ")
    word = re.sub("(?<=[Ии])а", "я", word)
    return re.sub("(?i)(гау|айда|жи|қа|ша)х(?=ар|аз|ан)", lambda m: m.group(1) + "һ", word)


# ----------------------------------------------------------------------------------------------------------- Arabic

_ARABIC_LETTERS: Mapping[str, str] = dict(
    zip(
        "اەبۆگعدجزيكقلمنڭوپرستۋۇفحھهچشىٸٵٶٷ",
        "аебвгғджз*кқлмнңопрстуұфхһһчшыіәөү",
        strict=True,
    )
)
_FRONT = dict(zip("оұы", "өүі", strict=True))
_HAMZA = "\u0674\u0621"
_ARABIC_WORD = re.compile(f"[{''.join(_ARABIC_LETTERS)}{_HAMZA}ـ]+")
_ARABIC_SIGNS = str.maketrans("،؛؟۔٪٫٬۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", ",;?.%.,01234567890123456789")
_I_FOR_Y = re.compile(r"[ыі]\*(?=[ае])|(?<!\b[тс])[ыі]\*")
"""и is written ىي: تىياناقتى is тиянақты; тый- and сый- are the common stems in which ый is meant."""
_SENTENCE_START = re.compile(r"(?:^|[.!?…]\s+|\n)[«\"(—–\- ]*([а-яәғқңөұүһі])")


def arabic_to_cyrillic(text: str) -> str:
    """Kazakh in the Arabic letters of China (tote), with a hamza per word (ٴ) or per letter (ٵ ٶ ٷ ٸ), in Cyrillic.

    >>> arabic_to_cyrillic("بۇل بەت ٴۇشىن تىياناقتى نۇسقانى باپتاۋ")
    'Бұл бет үшін тиянақты нұсқаны баптау'
    """
    text = text.translate(_ARABIC_SIGNS)
    text = _ARABIC_WORD.sub(lambda match: _finish(_I_FOR_Y.sub("и", _arabic_word(match.group()))), text)
    return _SENTENCE_START.sub(lambda match: match.group()[:-1] + match.group(1).upper(), text)


def _has_only_tote_letters(text: str) -> bool:
    """Eight words or more without a letter foreign to Kazakh, and with the letters ە and ى that Arabic and Persian lack.

    Uyghur has these two as well, but no ten words of it go without ئ, ې, ۈ or ۆ, and no Kurdish without ێ or ی.
    """
    letters = _ARABIC.findall(text)
    foreign = sum(c not in _ARABIC_LETTERS and c not in _HAMZA for c in letters)
    telling = min(letters.count("ە"), letters.count("ى"))
    return len(text.split()) >= 8 and not foreign and telling >= 0.02 * len(letters)


def _arabic_word(word: str) -> str:
    word = word.replace("ـ", "")
    bare = word.translate(dict.fromkeys(map(ord, _HAMZA)))
    letters = [_ARABIC_LETTERS[c] for c in bare]
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
        if letter in "аеоұыіәөү":
            first_vowel = False
    return "".join(letters)


def _may_be_front_a(letters: list[str], index: int) -> bool:
    """ә comes neither after қ and ғ nor before another ا: مالىمەت is мәлімет, but جاۋاپكەر жауапкер, كىتاپ кітап."""
    after_back = index > 0 and letters[index - 1] in "қғ"
    next_vowel = next((letter for letter in letters[index + 1 :] if letter in "аеоұыіәөү"), "")
    return not after_back and next_vowel != "а"


def _is_front(letters: list[str], index: int) -> bool:
    """Whether the nearest telling consonant or е, first to the left and then to the right, is of the front kind."""
    for letter in (*reversed(letters[:index]), *letters[index + 1 :]):
        if letter in "кге":
            return True
        if letter in "қғ":
            return False
    return False
