"""The Latin alphabets of Kazakh, and words in them brought to Cyrillic. The tables side by side: docs/scripts.md.

latin-2021        Būl kıtap öte qyzyq, jäne     January 2021, the current draft; 31 letters
latin-2019        Bul kitap öte qyzyq, jäne     draft of November 2019
latin-2018        Bul kitap óte qyzyq, jáne     decree No. 637 of 19 February 2018 (acutes, sh, ch)
latin-2017        Bul kitap o'te qyzyq, ja'ne   decree No. 569 of 26 October 2017 (apostrophes)
latin-wikipedia   Bul kitap öte qızıq, jäne     the Latin Kazakh of Wikipedia and MediaWiki, near that of KazInform
latin-yanalif     Bul kitap ɵte qьzьq, çəne     1929–40
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import repeat

from qaz_llm.language.spelling import respell


@dataclass(frozen=True)
class LatinAlphabet:
    """A Latin alphabet of Kazakh: letters and digraphs to Cyrillic. `*` stands for the letter that is both и and й, `^`
    for its capital."""

    name: str
    letters: Mapping[str, str]
    own: str
    """Letters beyond a to z that Kazakh words in this alphabet have at every turn."""
    apostrophes: bool = False
    proof: str = ""
    """Letters that no other language has together."""

    def proves(self, text: str) -> bool:
        """Whether the letters of a text alone say that it is in this alphabet."""
        return bool(self.proof) and all(letter in text for letter in self.proof)

    def is_used_in(self, words: Sequence[str]) -> bool:
        """Whether the letters of this alphabet are in one word of eight: in Kazakh they are in most, in English and in
        chat transliteration in none."""
        return 8 * sum(map(bool, map(self._own_letter.search, words))) >= len(words)

    def lacking_frac(self, words: Sequence[str]) -> float:
        """Share of the words (lower case) with letters that this alphabet lacks, as 2019 lacks ū and 2021 w."""
        return sum(not self._characters.issuperset(word) for word in words) / max(len(words), 1)

    @cached_property
    def _characters(self) -> frozenset[str]:
        return frozenset("".join(self.letters) + "'")

    @cached_property
    def _own_letter(self) -> re.Pattern[str]:
        return re.compile(f"[{self.own}]")

    @cached_property
    def word(self) -> re.Pattern[str]:
        """Words that have the letters of this alphabet only."""
        pieces = sorted(map(re.escape, self.letters), key=len, reverse=True)
        return re.compile(f"(?:{'|'.join(pieces)})+")

    @cached_property
    def digraphs(self) -> re.Pattern[str] | None:
        pieces = sorted((re.escape(letter) for letter in self.letters if len(letter) > 1), key=len, reverse=True)
        return re.compile("|".join(pieces)) if pieces else None

    @cached_property
    def singles(self) -> Mapping[int, str]:
        return {ord(letter): cyrillic for letter, cyrillic in self.letters.items() if len(letter) == 1}

    @cached_property
    def spellings(self) -> Mapping[str, list[str]]:
        """How each Cyrillic letter is written in lower case, и and й under the letter that stands for both."""
        found: dict[str, list[str]] = {}
        for latin, cyrillic in self.letters.items():
            if latin == latin.lower() and cyrillic == cyrillic.lower():
                for letter in "ий" if cyrillic == "*" else cyrillic if len(cyrillic) == 1 else "":
                    found.setdefault(letter, []).append(latin)
        return found


_SHARED = dict(zip("abdefgjklmnopqrstvzABDEFGJKLMNOPQRSTVZ", "абдефгжклмнопқрствзАБДЕФГЖКЛМНОПҚРСТВЗ", strict=True))


def _alphabet(
    name: str, pairs: str, exact: Mapping[str, str], *, own: str, apostrophes: bool = False, proof: str = ""
) -> LatinAlphabet:
    return LatinAlphabet(name, {**_SHARED, **_cased(pairs), **exact}, own, apostrophes, proof)


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
        "ä=ә ç=ч ğ=ғ ñ=ң ŋ=ң ö=ө ş=ш ü=ү ū=ұ u=у y=ы h=х",
        {"ı": "і", "I": "І", "i": "*", "İ": "^"},
        proof="ūğıq",
        own="äğñŋöşüūı",
    ),
    _alphabet(
        "latin-wikipedia",
        "ä=ә ç=ч ğ=ғ ñ=ң ö=ө ş=ш ü=ү u=ұ w=у x=х h=һ ï=и ý=й y=й c=ц é=э",
        {"ı": "ы", "I": "Ы", "i": "і", "İ": "І", "ʺ": "ъ", "ʹ": "ь", "şç": "щ"},
        proof="ïğıwq",
        own="äğñöşüıïý",
    ),
    _alphabet(
        "latin-2018",
        "á=ә ǵ=ғ ń=ң ó=ө ú=ү ý=у u=ұ y=ы h=х sh=ш ch=ч ı=*",
        {"i": "і", "I": "І", "İ": "І"},
        proof="ýńq",
        own="áǵńóúýı",
    ),
    _alphabet(
        "latin-2019",
        "ä=ә ç=ч ğ=ғ ŋ=ң ñ=ң ö=ө ş=ш ü=ү u=ұ w=у y=ы h=х",
        {"ı": "*", "I": "^", "i": "і", "İ": "І"},
        own="äğŋñöşüı",
    ),
    _alphabet(
        "latin-2017",
        "a'=ә g'=ғ i'=* n'=ң o'=ө u'=ү s'=ш c'=ч y'=у u=ұ y=ы h=х",
        {"i": "і", "I": "І"},
        apostrophes=True,
        own="'",
    ),
    _alphabet(
        "latin-yanalif",
        "ʙ=б c=ш ç=ж ƶ=ж ə=ә ƣ=ғ ꞑ=ң ŋ=ң ņ=ң ɵ=ө u=ұ v=у w=у y=ү j=й ь=ы h=х x=х ş=ш ij=и uv=у yv=у uw=у yw=у",
        {"i": "і", "I": "І", "B": "Б", "Ə": "Ә", "Ь": "Ы"},
        own="ʙəƣꞑŋņɵьƶç",
    ),
)

_LETTERS = "A-Za-zʺʹьЬ\u00c0-\u02af\ua790\ua791\u0307"
LATIN_WORD = re.compile(f"([{_LETTERS}][{_LETTERS}'’ʼ]*)")
"""A run of letters that one of the alphabets could have; ь is a vowel of Yañalif, often typed as the Cyrillic letter."""


def latin_to_cyrillic(text: str, alphabet: LatinAlphabet) -> str:
    """Each word of the alphabet's letters in Cyrillic; words with other letters (names, code) are left as they are."""
    pieces = LATIN_WORD.split(text)
    pieces[1::2] = map(_convert_word, pieces[1::2], repeat(alphabet.name))
    return "".join(pieces)


def one_apostrophe(text: str) -> str:
    """The text as the tables spell it: one kind of apostrophe, i with a separate dot as i."""
    return text.replace("’", "'").replace("ʼ", "'").replace("i\u0307", "i")


@lru_cache(maxsize=1 << 17)
def _convert_word(written: str, alphabet_name: str) -> str:
    alphabet = _BY_NAME[alphabet_name]
    word = written if written.isascii() else one_apostrophe(written)
    if not alphabet.apostrophes or not alphabet.word.fullmatch(word):
        word = word.rstrip("'")  # a quotation mark
    if not alphabet.word.fullmatch(word):
        return written
    tail = written[len(word) :] if written[-1] in "'’ʼ" else ""
    if alphabet.digraphs:
        word = alphabet.digraphs.sub(lambda match: alphabet.letters[match.group()], word)
    return respell(word.translate(alphabet.singles)) + tail


_BY_NAME = {alphabet.name: alphabet for alphabet in LATIN_ALPHABETS}
