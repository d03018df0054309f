"""Cyrillic Kazakh written in other scripts, by tables typed here from the published rules: an oracle for the way back.

Decrees and drafts: docs/scripts.md. MediaWiki: the rules of its Kazakh converter as they stand in its documentation and source:
in Latin е after a vowel or a sign is ye, ё ю я are yo yu ya; in Arabic letters и is ىي, ц تس, ч تش, and a word with ә ө ү і and
none of е э г ғ к қ begins with a hamza. China: и and й are both ي, ч is چ, һ is ھ; the rest alike.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from importlib import resources

_COMMON = "а=a б=b в=v г=g д=d е=e ж=j з=z к=k қ=q л=l м=m н=n о=o п=p р=r с=s т=t ф=f э=e ц=s ъ= ь= х=h һ=h "
_UMLAUTS = "ә=ä ө=ö ү=ü ғ=ğ ш=ş щ=şş ч=ç "
TABLES = {
    "latin-2021": _COMMON + _UMLAUTS + "ң=ñ ы=y і=ı и=i й=i у=u ұ=ū я=ia ю=iu ё=io",
    "latin-2019": _COMMON + _UMLAUTS + "ң=ñ ы=y і=i и=ı й=ı у=w ұ=u я=ıa ю=ıw ё=ıo",
    "latin-2018": _COMMON + "ц=ts ә=á ғ=ǵ ң=ń ө=ó ү=ú у=ý ұ=u ш=sh ч=ch щ=shsh ы=y и=ı й=ı і=i я=ıa ю=ıý ё=ıo",
    "latin-2017": _COMMON + "ә=a' ғ=g' ң=n' ө=o' ү=u' у=y' ұ=u ш=s' ч=c' щ=s's' ы=y и=i' й=i' і=i я=i'a ю=i'y' ё=i'o",
    "latin-wikipedia": _COMMON + _UMLAUTS + "ң=ñ щ=şç у=w ұ=u ы=ı і=i и=ï й=ý х=x ц=c э=é я=ya ю=yu ё=yo ъ=ʺ ь=ʹ",
    "latin-kazinform": _COMMON + _UMLAUTS + "ң=ñ щ=şş у=w ұ=u ы=ı і=i и=ï й=y х=x ц=c э=é я=ya ю=yw ё=yo ъ= ь=",
    "latin-common": _COMMON + "ә=ə ө=ö ү=ü ғ=ğ ш=ş щ=şş ч=ç ң=ñ у=u ұ=ū ы=ı і=i и=ïy й=y х=x ц=c я=ya ю=yu ё=yo",
    "latin-yanalif": _COMMON + "б=ʙ ә=ə ғ=ƣ ң=ꞑ ө=ɵ ү=y ұ=u у=v ш=c щ=cc ч=c ж=ç ы=ь і=i й=j и=ij я=ja ю=jv ё=jo",
}
_DOTTED = ("latin-2021", "latin-2019", "latin-wikipedia", "latin-kazinform", "latin-common")
_CAPITALS = {"ı": "I", "i": "İ"}
_SMALL_CAPITALS = {"ʙ": "B"}
_E_AFTER_VOWEL = re.compile("(?i)(?<=[аәеёиоөұүэюяъь])е")


def write_latin(text: str, name: str) -> str:
    """Each letter by the table of an alphabet."""
    table = dict(pair.split("=") for pair in TABLES[name].split())
    if name == "latin-wikipedia":
        text = _E_AFTER_VOWEL.sub(lambda match: "Yе" if match.group().isupper() else "yе", text)
    pieces = []
    for letter in text:
        latin = table.get(letter.lower(), letter)
        if letter.lower() in table and letter != letter.lower():
            first = (
                _CAPITALS[latin[:1]]
                if name in _DOTTED and latin[:1] in _CAPITALS
                else _SMALL_CAPITALS.get(latin[:1], latin[:1].upper())
            )
            latin = first + latin[1:]
        pieces.append(latin)
    return "".join(pieces)


_TOTE_PAIRS = (
    "а=ا ә=ا б=ب в=ۆ г=گ ғ=ع д=د е=ە ё=يو ж=ج з=ز и=ىي й=ي к=ك қ=ق л=ل м=م н=ن ң=ڭ о=و ө=و п=پ р=ر с=س т=ت у=ۋ ұ=ۇ ү=ۇ ф=ف "
    "х=ح һ=ح ц=تس ч=تش ш=ش щ=شش ъ= ы=ى і=ى ь= э=ە ю=يۋ я=يا"
)
_TOTE = dict(pair.split("=") for pair in _TOTE_PAIRS.split())
_CHINA = {**_TOTE, "и": "ي", "ч": "چ", "һ": "ھ"}
_SIGNS = str.maketrans(",;?%", "،؛؟٪")
_CYRILLIC_WORD = re.compile("[а-яёәғқңөұүһі]+")


def write_tote(text: str, style: str = "mediawiki") -> str:
    """In Arabic letters, as MediaWiki or (style `china`) newspapers of China write them."""
    text = text.lower()
    if style == "mediawiki":
        text = _E_AFTER_VOWEL.sub("йе", text)
    return _CYRILLIC_WORD.sub(lambda match: _tote_word(match.group(), style), text).translate(_SIGNS)


def _tote_word(word: str, style: str) -> str:
    table = _TOTE if style == "mediawiki" else _CHINA
    hamza = "ٴ" if re.search("[әөүі]", word) and not re.search("[еэгғкқ]", word) else ""
    return hamza + "".join(table[letter] for letter in word)


def embedded_kazakh() -> list[str]:
    """The Kazakh documents that come with the package."""
    folder = resources.files("qaz_llm") / "embedded"
    texts = []
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if not (path.name.startswith("documents_kk") and path.name.endswith(".jsonl")):
            continue
        rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        texts += [f"{row['title']}\n{row['text']}" for row in rows]
    return texts


def share_of_words(right: Sequence[str], found: Sequence[str]) -> float:
    """Share of the Cyrillic words of texts that came out as they should, capitals aside. A text with another number of
    words on both sides, by letters of two scripts in one word, is passed over."""
    same = total = 0
    for one, other in zip(right, found, strict=True):
        ours, theirs = _CYRILLIC_WORD.findall(one.lower()), _CYRILLIC_WORD.findall(other.lower())
        if len(ours) == len(theirs):
            same += sum(map(str.__eq__, ours, theirs))
            total += len(ours)
    return same / total
