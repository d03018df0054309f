"""Damage that real Kazakh web text has, undone before anything is judged.

    Ò\\u009bÐ°Ð·Ð°Ò\\u009b, Т›Р°Р·Р°Т›   UTF-8 read as Latin-1 or cp1251        → қазақ
    бiлiм (Latin i)                       a Latin look-alike in a Cyrillic word  → білім
    е + U+0306, U+200B, U+00A0 …          other forms, invisible characters      → NFC, gone, a plain space

What is not repaired: Kazakh letters flattened to Russian ones (казак for қазақ) cannot be told from Russian words by
looking at them, so they are never guessed. Repair is idempotent: repair(repair(x).text).text == repair(x).text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from qaz_llm.language.alphabet import CYRILLIC_TO_LATIN, CYRILLIC_VARIANTS, LATIN_TO_CYRILLIC

MAX_ROUNDS = 6
"""Repairs that uncover each other (mojibake of mojibake) settle in two or three rounds; this is the stop."""


@dataclass(frozen=True, slots=True)
class RepairedText:
    """The text after repair, and how often each kind of repair was made.

    Kinds: `mojibake` (lines), `surrogate`, `control`, `invisible` (characters), `nfc`, `whitespace` (1 where the text
    changed), `lookalike` (words).
    """

    text: str
    counts: Mapping[str, int]


def repair(text: str) -> RepairedText:
    """Undo mojibake, compose letters, remove invisible characters, put look-alike letters right, even out white space."""
    counts: Counter[str] = Counter()
    for _ in range(MAX_ROUNDS):
        repaired = _repair_once(text, counts)
        if repaired == text:
            break
        text = repaired
    return RepairedText(text, {kind: number for kind, number in sorted(counts.items()) if number})


def _repair_once(text: str, counts: Counter[str]) -> str:
    text = _undo_mojibake(text, counts)
    for kind, pattern in _REMOVED:
        text, number = pattern.subn("", text)
        counts[kind] += number
    if not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
        counts["nfc"] += 1
    text = _repair_lookalikes(text, counts)
    spaced = _even_whitespace(text)
    counts["whitespace"] += spaced != text
    return spaced


# --------------------------------------------------------------------------------------------------------- mojibake

_SUSPECT = re.compile(
    "Р[°±µ¶·№»ЅѕїјєґІ]|С[‚„…†‡€‰‹ЃѓЉЊЌЋЏЂ]|[ÐÑÒÓ][\u0080-\u00bf–—‘’‚“”„†‡•…‰‹›€™ŒœŠšŽžŸƒˆ˜]|Ã[\u0080-\u00bf]|â€"
)
"""Pairs that UTF-8 read as cp1251, Latin-1 or cp1252 is full of and that no real text has three of in a line."""


def _undo_mojibake(text: str, counts: Counter[str]) -> str:
    if not _SUSPECT.search(text):  # ftfy reads 1.8 MB/s, this test some hundred
        return text
    lines = text.split("\n")
    for index, line in enumerate(lines):
        if len(_SUSPECT.findall(line)) >= min(3, max(1, len(line) // 8)):
            fixed = _decode_again(line)
            counts["mojibake"] += fixed != line
            lines[index] = fixed
    return "\n".join(lines)


def _decode_again(line: str) -> str:
    """The line as it was before somebody read its UTF-8 bytes in another encoding; unchanged where none fits."""
    import ftfy.bad_codecs

    ftfy.bad_codecs.ok()
    for encoding in ("sloppy-windows-1251", "latin-1", "sloppy-windows-1252"):
        try:
            return line.encode(encoding).decode("utf-8")
        except UnicodeError:
            continue
    return str(ftfy.fix_encoding(line))


# ------------------------------------------------------------------------------------------------------- characters

_REMOVED = (
    ("surrogate", re.compile("[\ud800-\udfff]")),
    ("control", re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f]")),
    ("invisible", re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")),
    ("invisible", re.compile("(?<=[^\\W\\d_])[\u200c\u200d](?=[^\\W\\d_])")),  # joiners stay in emoji
)

_CYRILLIC = "\u0400-\u052f"
_LATIN = "A-Za-zƏəƟɵ"
_MIXED = re.compile(f"(?:[{_CYRILLIC}]+[{_LATIN}]|[{_LATIN}]+[{_CYRILLIC}])[{_CYRILLIC}{_LATIN}]*")
_VARIANT = re.compile(f"[{''.join(CYRILLIC_VARIANTS)}]")
_TO_CYRILLIC = str.maketrans(dict(LATIN_TO_CYRILLIC))
_TO_LATIN = str.maketrans(dict(CYRILLIC_TO_LATIN))


def _repair_lookalikes(text: str, counts: Counter[str]) -> str:
    """Give the letters of a word one alphabet, that of most of them, where every stray letter has a look-alike in it.

    Word by word: `бiлiм` has 3 Cyrillic letters and 2 Latin ones that look like і; `iPhoneды` keeps its Latin part,
    because n has no look-alike; `IТ`, one and one, could be either and is left alone.
    """

    def one_alphabet(match: re.Match[str]) -> str:
        word = match.group()
        latin = [c for c in word if c < "\u0400"]
        cyrillic = [c for c in word if c >= "\u0400"]
        all_cyrillic = all(c in LATIN_TO_CYRILLIC for c in latin)
        all_latin = all(c in CYRILLIC_TO_LATIN for c in cyrillic)
        if all_cyrillic and (len(cyrillic) > len(latin) or (len(cyrillic) == len(latin) and not all_latin)):
            counts["lookalike"] += 1
            return word.translate(_TO_CYRILLIC)
        if all_latin and (len(latin) > len(cyrillic) or (len(cyrillic) == len(latin) and not all_cyrillic)):
            counts["lookalike"] += 1
            return word.translate(_TO_LATIN)
        return word

    text = _MIXED.sub(one_alphabet, text)
    text, number = _VARIANT.subn(lambda m: CYRILLIC_VARIANTS[m.group()], text)
    counts["lookalike"] += number
    return text


# ------------------------------------------------------------------------------------------------------ white space

_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_SPACES = re.compile("[^\\S\n]+")
_SPACE_AT_LINE_END = re.compile("(?m)^ | $")
_MANY_LINES = re.compile("\n{3,}")


def _even_whitespace(text: str) -> str:
    text = _LINE_ENDS.sub("\n", text)
    text = _SPACES.sub(" ", text)
    text = _SPACE_AT_LINE_END.sub("", text)
    return _MANY_LINES.sub("\n\n", text).strip()


_BEFORE_CLOSING = re.compile(r" +(?=[,.!?;:…»”)\]%])(?!\.{2})")
_AFTER_OPENING = re.compile(r"(?<=[«“(\[]) +")
_AFTER_APOSTROPHE = re.compile(r"(?<=[A-Za-z]) (?=(?:'s|'ll|'re|'ve|'d|'m|n't)\b)")


def detokenise(text: str) -> str:
    """Undo the spaces that word-tokenised corpora put around punctuation.

    >>> detokenise("« Қара сөздерінің » аудиодискісін тыңдауға болады .")
    '«Қара сөздерінің» аудиодискісін тыңдауға болады.'
    """
    text = _BEFORE_CLOSING.sub("", text)
    return _AFTER_APOSTROPHE.sub("", _AFTER_OPENING.sub("", text))
