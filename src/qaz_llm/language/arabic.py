"""Kazakh in the Arabic letters of China (tote), brought to Cyrillic. The table, and what is lost: docs/scripts.md.

Arabic letters have one sign each for а ә, о ө, ұ ү, ы і. A hamza before a word says that its vowels are of the front, and is
left out where ه, ك or گ say so. So a word is read in two steps: its letters one by one, with а о ұ ы for both of each pair, then
its harmony (`_harmonised`). Words whose harmony is no rule's are listed (`loans.py`, `tote_words.py`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache

from qaz_llm.language.buffer import ClassTable, Codes, encode_texts, table_of
from qaz_llm.language.kernels import kernel
from qaz_llm.language.loans import LOANS
from qaz_llm.language.spelling import respell_after_stems, tell_i_apart
from qaz_llm.language.stems import StemTable, find_stem, stem_table
from qaz_llm.language.tote_words import FRONT_BEFORE_MEN, NATIVE
from qaz_llm.language.word_table import Converted, WordTable, decode

_LETTERS: Mapping[str, str] = dict(
    zip(
        "اەبۆگعدجزيكقلمنڭوپرستۋۇفحھهچشىٸٵٶٷ",
        "аебвгғджз*кқлмнңопрстуұфхһһчшыіәөү",
        strict=True,
    )
)
_LETTER_TABLE = {ord(arabic): cyrillic for arabic, cyrillic in _LETTERS.items()} | {ord("ـ"): None}
_HAMZA = "\u0674\u0621"
_BARE = dict.fromkeys(map(ord, _HAMZA))
_LETTER = re.compile("[\u0621-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f]")
_SIGNS = str.maketrans("،؛؟۔٪٫٬۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", ",;?.%.,01234567890123456789")


def arabic_to_cyrillic(text: str) -> str:
    """Kazakh in the Arabic letters of China, with a hamza per word (ٴ) or per letter (ٵ ٶ ٷ ٸ), in Cyrillic.

    >>> arabic_to_cyrillic("بۇل بەت ٴۇشىن تىياناقتى نۇسقانى باپتاۋ")
    'Бұл бет үшін тиянақты нұсқаны баптау'
    """
    return decode(read_arabic(encode_texts([text]).codes_C))


def read_arabic(codes_C: Codes) -> Codes:
    """The same for code points."""
    converted_C, _ = _words().convert(codes_C)
    _capitalise(converted_C, _sentence_table())
    return converted_C


def has_only_tote_letters(text: str, min_words: int = 8) -> bool:
    """So many words or more without a letter foreign to Kazakh, and with the letters ە and ى that Arabic and Persian lack.

    Uyghur has these two as well, but no ten words of it go without ئ, ې, ۈ or ۆ, and no Kurdish without ێ or ی.
    """
    letters = _LETTER.findall(text)
    foreign = sum(c not in _LETTERS and c not in _HAMZA for c in letters)
    telling = min(letters.count("ە"), letters.count("ى"))
    return len(text.split()) >= min_words and not foreign and telling >= 0.02 * len(letters)


# ------------------------------------------------------------------------------------------------------------ words


@cache
def _words() -> WordTable:
    return WordTable(_convert, "".join(_LETTERS) + _HAMZA + "ـ", signs=_SIGNS)


_SMALL, _END, _SPACE, _OPENING = 1, 2, 4, 8


@cache
def _sentence_table() -> ClassTable:
    groups = (
        ("абвгғдежзийкқлмнңоөпрстуұүфхһчшыіьэюяә", _SMALL),
        (".!?…", _END),
        (" \u00a0\t", _SPACE),
        ('«"(—–-', _OPENING),
    )
    return table_of(groups)


@kernel
def _capitalise(codes_C, table):  # type: ignore[no-untyped-def]
    """Arabic script has no capitals; a sentence gets one, in place."""
    begins = True
    ended = False
    for position in range(len(codes_C)):
        code = codes_C[position]
        bits = table[code]
        if bits & _SMALL:
            if begins:  # а to я stand 32 before their small letters, the letters of Kazakh one
                codes_C[position] = code - 32 if code < 0x450 else (code - 80 if code < 0x460 else code - 1)
            begins = ended = False
        elif code == 10:
            begins = True
        elif bits & _END:
            ended = True
        elif bits & _SPACE:
            begins = begins or ended
        elif not bits & _OPENING:
            begins = ended = False


def _convert(words: Sequence[str]) -> Converted:
    """Words of Arabic letters in Cyrillic; none is left."""
    bare = [_HAMZA[0] + word.translate(_BARE) if _has_hamza(word) else word for word in words]
    lines = _read_letters("\n".join(bare)).split("\n")
    by_letter = [any(letter in "ٵٶٷٸ" for letter in word) for word in words]
    read = [("", line.lstrip(_HAMZA)) if own else _harmonised(line) for line, own in zip(lines, by_letter, strict=True)]
    return respell_after_stems(read, soft=False), {}


def _has_hamza(word: str) -> bool:
    return _HAMZA[0] in word or _HAMZA[1] in word


_READING: tuple[tuple[str, str], ...] = (
    # тыю and сыю keep ый; elsewhere ىي is и: тиянақты, тиіс, сирек, сияқты, тиын, сиыр
    ("^([тс])ы\\*(?=$)", r"\1ый"),
    ("^ты\\*(?=ым(?![дс])|ыл|ған|са)", "тый"),
    ("^сы\\*(?=л|д|ғ|ы[млнқ]|ақы)", "сый"),
    ("[ыі]\\*", "и"),
    ("и\\*(?=[еә])", "и"),
    ("(?<=[ао])\\*е(?=в)", "е"),
    # ч as MediaWiki writes it; inside a word only listed stems have it, since -ша and -шы often follow т
    ("^тш|(?<=[ое]ви)тш", "ч"),
)
_READING_RULES = tuple((re.compile(pattern, re.MULTILINE), replacement) for pattern, replacement in _READING)


def _read_letters(lines: str) -> str:
    """Letters one by one, а о ұ ы for both of each pair; a hamza is kept where a word begins with it."""
    lines = lines.translate(_LETTER_TABLE)
    for pattern, replacement in _READING_RULES:
        lines = pattern.sub(replacement, lines)
    return tell_i_apart(lines)


@cache
def _stems() -> StemTable:
    doubled = (stem[:-1] for stem in LOANS if len(stem) > 4 and stem[-1] == stem[-2])  # процесс, процесі
    listed = (*NATIVE, *LOANS, *doubled)
    written = [(form, stem) for stem in listed for form in _written(stem)]
    read = _read_letters("\n".join(form for form, _ in written)).split("\n")
    return stem_table((form, stem) for form, (_, stem) in zip(read, written, strict=True))


_SPELLED = {ord(c): a for c, a in zip("әөүіэһ", "аоұыех", strict=True)} | {ord("ь"): None, ord("ъ"): None}
_LONG = str.maketrans({"щ": "шш", "ц": "тс", "ё": "*о", "ю": "*у", "я": "*а", "й": "*"})


def _written(stem: str) -> list[str]:
    """A Cyrillic stem as `_read_letters` finds it, in the ways of China (и is ي, ч is چ) and of MediaWiki."""
    china = stem.translate(_SPELLED).translate(_LONG)
    mediawiki = re.sub("(?<=[аәеёиоөұүэюяьъ])е", "йе", stem).translate(_SPELLED).translate(_LONG).replace("ч", "тш")
    return list(dict.fromkeys((china.replace("и", "*"), china.replace("и", "ы*"), mediawiki.replace("и", "ы*"))))


# ---------------------------------------------------------------------------------------------------------- harmony

_SURE_LETTERS = 5
_FRONT = dict(zip("аоұы", "әөүі", strict=True))
_VOWELS = "аәеёиоөуұүыіэюя"
_MEN = re.compile("(?<=[^\u0674][^\u0674])[мбп]ен(?:ен)?$")
"""A suffix that follows no harmony: жолмен."""
_SON = re.compile("(?<=...)(?:ұлы|қызы)(?:$|н|м|д)")
_LOAN = re.compile("[вфч]|^тс|тс(?=[икоу]|$)|^[бгдзклмнпрстх][бгдзклмнпрстх]|(?<=[аеиоұыу])[бгджзйклмнпрстхш]+о")
"""What no native word has: these letters, two consonants to begin with, о in a later syllable."""
_SURNAME = re.compile("[ое]в(?:а$|$|т)")


def _harmonised(line: str) -> tuple[str, str]:
    """A listed stem, or none, and the letters after it with the vowels of their harmony."""
    front = True if line[:1] in _HAMZA else None
    word = line.lstrip(_HAMZA)
    stem = find_stem(word, _stems(), _SURE_LETTERS)
    if stem is not None:
        rest = word[len(stem[0]) :]
        is_son = rest.startswith(("ұлы", "қызы"))
        return stem[1], rest if is_son else _with_vowels(
            rest, _ends_front(stem[1]), first_syllable=False, front_letters="екги"
        )
    if word == "иа" and front:
        return "", "иә"
    return "", _native(word, front) if front or not _LOAN.search(word) else _loan(word)


def _native(word: str, front: bool | None) -> str:
    tail = _MEN.search(word) or _SON.search(word)
    if tail is None:
        return _with_vowels(word, front)
    body, rest = word[: tail.start()], word[tail.start() :]
    if rest.startswith(("ұлы", "қызы")):
        return _with_vowels(body, front) + rest
    listed = body.startswith(FRONT_BEFORE_MEN) and not _TELLS_BACK.search(body)
    if not front and (listed or _ALL_Y.fullmatch(body)):
        front = True
    return _with_vowels(body, front) + rest


_TELLS_BACK = re.compile("[қғ]|а.*а|[оұ].*а")
_ALL_Y = re.compile("(?!жыл|сын|тын|шын|сыр|тыс|ын|мың|ыр)[^аоұеуқғ]*ы[^аоұеуқғ]*")
"""Of words without а, о, ұ most are of the front: бірімен, тілімен."""


def _loan(word: str) -> str:
    """а and о as they are, ы and і after the vowel before them; -ев and -ов of surnames are passed over."""
    read = list(word)
    near = False
    for index, letter in enumerate(word):
        if letter in "ұы" and near:
            read[index] = _FRONT[letter]
        elif letter in "еи" and not _SURNAME.match(word, index):
            near = True
        elif letter in "аоуқғ" and not _SURNAME.match(word, index):
            near = False
    return "".join(read)


_ENDS_FRONT = re.compile("(?:[нрлс]к|кт|ь|округ)$")
_BACK_LOANS = frozenset({"цифр"})


def _ends_front(stem: str) -> bool:
    """Whether suffixes of a stem are of the front: its last vowel says so, ь and some consonants after back vowels too
    (рөлі, банкі, факті)."""
    if stem in _BACK_LOANS:
        return False
    last = next((letter for letter in reversed(stem) if letter in _VOWELS), "а")
    return last in "әеөүіэию" or _ENDS_FRONT.search(stem) is not None or stem + "ь" in _SOFT_STEMS


_SOFT_STEMS = frozenset(stem for stem in LOANS if stem.endswith("ь"))


def _with_vowels(letters: str, front: bool | None, *, first_syllable: bool = True, front_letters: str = "екг") -> str:
    """Letters with а о ұ ы told from ә ө ү і. front: what is known before the first letter (a hamza, a stem)."""
    read = list(letters)
    near = front
    for index, letter in enumerate(letters):
        if letter in "оұыа":
            is_front = near if near is not None else _hint_to_the_right(letters, index)
            if letter == "а":
                if not first_syllable:
                    near = False
                elif is_front and _may_be_front_a(letters, index):
                    read[index] = "ә"
            elif letter == "о" and not first_syllable:
                near = False  # ө stands in a first syllable only
            elif is_front:
                read[index] = _FRONT[letter]
        if letter in front_letters:
            near = True
        elif letter in "қғ":
            near = False
        if letter in _VOWELS and not (letter in "уи" and letters[index + 1 : index + 2] in _GLIDED):
            first_syllable = False
    return "".join(read)


_GLIDED = frozenset("аоұыеуи")
"""Before these у and и make no syllable of their own: уәде, куә."""


def _hint_to_the_right(letters: str, index: int) -> bool:
    """The first letter further on that says front or back; back where there is none."""
    for letter in letters[index + 1 :]:
        if letter in "екг":
            return True
        if letter in "қғао":
            return False
    return False


def _may_be_front_a(letters: str, index: int) -> bool:
    """ә comes neither after қ and ғ nor before another ا: مالىمەت is мәлімет, but جاۋاپكەر жауапкер, كىتاپ кітап."""
    after_back = index > 0 and letters[index - 1] in "қғ"
    next_vowel = next((letter for letter in letters[index + 1 :] if letter in _VOWELS), "")
    return not after_back and next_vowel not in ("а", "о")
