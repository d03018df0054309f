"""Words in a Latin alphabet of Kazakh brought to Cyrillic. The alphabets: `latin_alphabets.py`; what is lost: docs/scripts.md.

text → what is no word kept (`untouched.py`) → words, each converted once:
       left as they are (numerals, foreign letters, abbreviations, names) | a listed stem + the rest by rule
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache, partial

import numpy as np

from qaz_llm.language.buffer import Codes, encode_texts
from qaz_llm.language.latin_alphabets import LATIN_ALPHABETS, LatinAlphabet, alphabet_named, one_apostrophe
from qaz_llm.language.loans import ABBREVIATIONS, FOREIGN_WORDS, LOANS
from qaz_llm.language.spelling import respell_after_stems
from qaz_llm.language.stems import StemTable, find_stem, spellings, stem_table
from qaz_llm.language.untouched import ENGLISH, SHOUTED, UNIT, Span, apart, find_english, find_untouched, look_for_signs
from qaz_llm.language.word_table import NOTHING_LEFT, Converted, WordTable, decode

__all__ = ["LATIN_ALPHABETS", "LATIN_WORD", "LatinAlphabet", "convert_latin", "latin_to_cyrillic", "sample_in_cyrillic"]

_LETTERS = "".join(
    [string.ascii_letters, "ʺʹьЬ\ua790\ua791\u0307", *map(chr, range(0xC0, 0x2B0))]
)  # ь is a vowel of Yañalif, often typed as the Cyrillic letter
_APOSTROPHES = "'’ʼ"
LATIN_WORD = re.compile(f"[{_LETTERS}][{_LETTERS}{_APOSTROPHES}]*")
"""A run of letters that one of the alphabets could have."""

_NUMERAL = re.compile("(?=..)M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_NUMERAL_OF_CYRILLIC = re.compile("(?!HIV$)H*(?:IH|IV|V?I{0,3})(?<!^I)(?<!^V)(?<!^H)")
"""XIX typed with the Cyrillic letter Х and then written in Latin letters: HIH."""
_FOREIGN = "ee|oo[kdtg]|th[ei]|ght"
"""Spellings of English that no word of Kazakh has in any of these alphabets."""
_TITLE = re.compile('[«“"]([A-Za-z]+(?:[ ’\'&.-]{1,3}[A-Za-z]+)+)[»”"]')
_CAPITALS_IN_WORD = re.compile("[a-zäéöüı]['’]?[A-Z]")  # YouTube, MySQL
_SMALL = "a-zà-öø-ÿāğışūə"
_SHOUTED = re.compile(f"^([^{_SMALL}\\n]*[A-ZÀ-ÖØ-ÞĀĞŞŪƏ]{{3}}[^{_SMALL}\\n]*[ \u00a0-][^{_SMALL}\\n]*)$", re.MULTILINE)
"""A line in capitals of two words or more: a headline, whose words are no abbreviations."""


def latin_to_cyrillic(text: str, alphabet: LatinAlphabet) -> str:
    """Each word of the alphabet's letters in Cyrillic; what is no word, and words with other letters, are left as they are.

    >>> latin_to_cyrillic("XX ğasyrda Windows jäne egov.kz, AQŞ", alphabet_named("latin-2021"))
    'XX ғасырда Windows және egov.kz, АҚШ'
    """
    return convert_latin(text, alphabet)[0]


def convert_latin(text: str, alphabet: LatinAlphabet, codes_C: Codes | None = None) -> tuple[str, Counter[str]]:
    """The text in Cyrillic, and how much of it was left as it is, by kind: `numeral`, `address`, `letters` … codes_C: its
    code points, where they are at hand."""
    reader = _reader_of(alphabet.name)
    if codes_C is None:
        codes_C = encode_texts([text]).codes_C
    signs = look_for_signs(codes_C)
    if not signs & SHOUTED:
        return reader.convert(text, codes_C, signs)
    left: Counter[str] = Counter()
    pieces = []
    for number, piece in enumerate(_SHOUTED.split(text)):
        codes_C = encode_texts([piece]).codes_C
        if number % 2:
            shouted_C, kinds = reader.shouted.convert(codes_C)
            converted = decode(shouted_C)
        else:
            converted, kinds = reader.convert(piece, codes_C, look_for_signs(codes_C))
        pieces.append(converted)
        left.update(kinds)
    return "".join(pieces), left


def sample_in_cyrillic(codes_C: Codes, alphabet: LatinAlphabet) -> tuple[Codes, dict[str, int]]:
    """A sample word by word: what a text would read like in this alphabet, and how many words were left, by kind."""
    return _reader_of(alphabet.name).words.convert(codes_C)


_QUANTITY = re.compile(
    "([0-9][ \u00a0]?)([A-Za-zéµ]{1,4}(?:[23²³]|\\b)(?:[/·∙*][A-Za-zé]{1,4}(?:[23²³]|\\b))*)(?!['’ʼ]|[\\w.=]\\w)"
)
"""A number and the unit behind it: 5 kg, 10 m/s2."""
_UNIT_NAME = re.compile("[A-Za-zéµ]+")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_UNITS = _listed(
    "м км см мм дм мкм нм л мл г кг мг т с мин сағ Дж кДж МДж кВт МВт ГВт Вт Гц кГц МГц ГГц Н кН Па кПа МПа Ф мкФ Тл мТл К "
    "А мА В кВ МВ эВ МэВ Ом кОм Кл мкКл моль кмоль лм лк га млн млрд трлн"
)


@cache
def _reader_of(alphabet_name: str) -> _Reader:
    return _Reader(alphabet_named(alphabet_name))


@lru_cache(maxsize=1 << 14)
def _unit_in_cyrillic(written: str, alphabet_name: str) -> str:
    return _reader_of(alphabet_name).unit(written)


@dataclass(frozen=True)
class _Reader:
    """An alphabet with what is worked out of its table once."""

    alphabet: LatinAlphabet

    @cached_property
    def words(self) -> WordTable:
        return WordTable(partial(self._convert, shouted=False), _LETTERS, _APOSTROPHES)

    @cached_property
    def shouted(self) -> WordTable:
        """Words of headlines in capitals: none is an abbreviation unless it is listed."""
        return WordTable(partial(self._convert, shouted=True), _LETTERS, _APOSTROPHES)

    def convert(self, text: str, codes_C: Codes, signs: int) -> tuple[str, Counter[str]]:
        """A text without lines in capitals. signs: what `look_for_signs` found in it."""
        if signs & UNIT:
            with_units = self.read_units(text)
            if with_units != text:
                text, codes_C = with_units, encode_texts([with_units]).codes_C
        spans = find_untouched(text, signs)
        if not self.alphabet.apostrophes and ("«" in text or "“" in text or '"' in text):
            spans = apart([*spans, *self._foreign_titles(text)])
        if signs & ENGLISH:
            spans = apart([*spans, *find_english(text)])
        places = np.array([(span.start, span.end) for span in spans], np.int64) if spans else NOTHING_LEFT
        converted_C, left = self.words.convert(codes_C, places)
        counts = Counter(left)
        for span in spans:
            counts[span.kind] += 1
        return decode(converted_C), counts

    @cached_property
    def _digraphs(self) -> re.Pattern[str] | None:
        pieces = sorted((letter for letter in self.alphabet.letters if len(letter) > 1), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, pieces))) if pieces else None

    @cached_property
    def _singles(self) -> Mapping[int, str]:
        return {ord(letter): cyrillic for letter, cyrillic in self.alphabet.letters.items() if len(letter) == 1}

    @cached_property
    def _foreign(self) -> re.Pattern[str]:
        """Spellings of English; where y is ы, no vowel follows it at the beginning (York)."""
        return re.compile(_FOREIGN + ("|^y[aeiou]" if self.alphabet.letters["y"] == "ы" else ""))

    @cached_property
    def _single_letters(self) -> frozenset[str]:
        return frozenset(letter for letter in self.alphabet.letters if len(letter) == 1)

    @cached_property
    def _word(self) -> re.Pattern[str]:
        """Words that have the letters of this alphabet only."""
        pieces = sorted(map(re.escape, self.alphabet.letters), key=len, reverse=True)
        return re.compile(f"(?:{'|'.join(pieces)})+")

    @cached_property
    def _stems(self) -> StemTable:
        alphabet = self.alphabet
        if alphabet.has_signs:
            return {}
        spell = partial(
            spellings,
            merged=alphabet.merges_i,
            exact=alphabet.exact,
            first_i=alphabet.capitals["I"] == "i",
            v_as_u=alphabet.letters["v"] == "у",
            jotted="я" not in alphabet.letters.values() and not alphabet.merges_i,
        )
        return stem_table((written, stem) for stem in LOANS for written in spell(stem))

    @cached_property
    def _units(self) -> Mapping[str, str]:
        """Units of measure as `_abbreviations` has abbreviations; the first of those that differ in capitals alone."""
        forms: dict[str, str] = {}
        for name in _UNITS:
            for form in spellings(name.lower(), merged=self.alphabet.merges_i):
                forms.setdefault(form, name)
        return forms

    def _foreign_titles(self, text: str) -> Iterator[Span]:
        """Quoted words of a–z, one of which is not of this alphabet: «The New York Times»."""
        for match in _TITLE.finditer(text):
            words = LATIN_WORD.findall(match[1])
            if len(words) > 1 and any(self._stays(word, self.alphabet.lower(word), True) for word in words):
                yield Span(*match.span(1), "name")

    def read_units(self, text: str) -> str:
        """The units behind numbers in Cyrillic: 5 kg is 5 кг, 2 kJ is 2 кДж."""
        return _QUANTITY.sub(self._unit, text)

    def _unit(self, match: re.Match[str]) -> str:
        return match[1] + _unit_in_cyrillic(match[2], self.alphabet.name)

    def unit(self, written: str) -> str:
        """A unit, or several of them, in Cyrillic; as it is where one of them is none."""
        names = [self._unit_named(name) for name in _UNIT_NAME.findall(written)]
        if None in names:
            return written
        found = iter(names)
        return _UNIT_NAME.sub(lambda _: str(next(found)), written)

    def _unit_named(self, written: str) -> str | None:
        """J is Дж, but 1991 j. is a year: one letter has to be written as the unit is."""
        unit = self._units.get(self._letters(self.alphabet.lower(written)))
        return unit if unit and (len(written) > 1 or written.isupper() == unit[0].isupper()) else None

    @cached_property
    def _abbreviations(self) -> Mapping[str, str]:
        """As this alphabet writes them, by their letters in Cyrillic, и and й under `*`."""
        forms: dict[str, str] = {}
        for name in ABBREVIATIONS:
            for form in spellings(name.lower(), merged=self.alphabet.merges_i):
                forms.setdefault(form, name)
        return forms

    def _convert(self, words: Sequence[str], *, shouted: bool) -> Converted:
        """Many words: first those that stay are told apart, then one pass of each rule over the rest."""
        left: dict[str, str] = {}
        converted: dict[str, str] = {}
        to_read: list[tuple[str, str, str]] = []  # as written, in small letters, the quotation marks behind it
        for written in words:
            word, tail = self._without_quotes(written)
            small = word if word.islower() else self.alphabet.lower(word)
            if small is not word and (listed := self._abbreviation(word, small)):
                converted[written] = listed + tail
            elif (kind := self._stays(word, small, shouted)) is not None:
                left[written] = kind
            else:
                if "I" in word and self.alphabet.capitals["I"] == "ı":
                    small = self._with_loan(word, small)
                to_read.append((written, small, tail))
        cyrillic = self._read([small for _, small, _ in to_read])
        for (written, _, tail), small in zip(to_read, cyrillic, strict=True):
            converted[written] = _cased(small, written) + tail
        return [converted.get(word, word) for word in words], left

    def _without_quotes(self, written: str) -> tuple[str, str]:
        """A word as the table spells it, and the quotation marks that stand behind it."""
        if written.isalpha() and "i\u0307" not in written and "ʼ" not in written:
            return written, ""
        word = one_apostrophe(written)
        bare = word.rstrip("'")
        if self.alphabet.apostrophes and self._word.fullmatch(self.alphabet.lower(word)):
            bare = word
        return bare, written[len(written) - (len(word) - len(bare)) :] if len(bare) < len(word) else ""

    def _abbreviation(self, word: str, small: str) -> str | None:
        """The Cyrillic form of a listed abbreviation: of AQŞ, and of QazŪU."""
        if len(word) < 2 or sum(map(str.isupper, word)) < 2:
            return None
        return self._abbreviations.get(self._letters(small))

    def _with_loan(self, word: str, small: str) -> str:
        """A word with the capital I, which stands for İ too in most texts: i in a listed stem (Italia, RESPUBLIKA), else ı."""
        if find_stem(self._letters(small), self._stems):
            return small
        dotted = word.replace("I", "i").lower()
        stem = find_stem(self._letters(dotted), self._stems)
        if stem is None or len(self._letters(dotted)) != len(dotted):
            return small
        length = len(stem[0])
        return dotted[:length] + small[length:]

    def _stays(self, word: str, small: str, shouted: bool) -> str | None:
        """Why a word is left as it is; None where it is a word of Kazakh."""
        if small is not word and len(word) > 1 and word.isupper():
            if _NUMERAL.fullmatch(word):
                return "numeral"
            if _NUMERAL_OF_CYRILLIC.fullmatch(word):
                return None
            if not shouted and word.isascii() and "Q" not in word and "'" not in word:
                return "abbreviation"
        if not self._single_letters.issuperset(small) and not self._word.fullmatch(small):
            return "name" if word[0].isupper() and word.isascii() else "letters"
        if word.isascii() and "'" not in small:
            if small in FOREIGN_WORDS:
                return "name"
            if "q" in small:
                return None
            if self._foreign.search(small):
                return "name"
            if small is not word and _CAPITALS_IN_WORD.search(word):
                return "name"
        return None

    def _letters(self, small: str) -> str:
        """Letters replaced one by one; the lines of a text of many words too."""
        if self._digraphs:
            small = self._digraphs.sub(lambda match: self.alphabet.letters[match.group()], small)
        return small.translate(self._singles)

    def _read(self, words: Sequence[str]) -> list[str]:
        lines = self._letters("\n".join(words)).split("\n") if words else []
        stems = [find_stem(line, self._stems) for line in lines]
        read = [
            (stem[1], line[len(stem[0]) :]) if stem else ("", line) for line, stem in zip(lines, stems, strict=True)
        ]
        if self.alphabet.exact:
            return [stem + rest for stem, rest in read]
        return respell_after_stems(read)


def _cased(small: str, written: str) -> str:
    """The word in capitals where it was written so."""
    if written[0].isupper():
        return small.upper() if len(written) > 1 and written.isupper() else small[0].upper() + small[1:]
    return small
