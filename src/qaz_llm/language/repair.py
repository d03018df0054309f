"""Damage that real Kazakh web text has, undone before anything is judged.

    Ò\\u009bÐ°Ð·Ð°Ò\\u009b, Т›Р°Р·Р°Т›   UTF-8 read as Latin-1 or cp1251        → қазақ
    бiлiм (Latin i)                       a Latin look-alike in a Cyrillic word  → білім
    е + U+0306, U+200B, U+00A0 …          other forms, invisible characters      → NFC, gone, a plain space
    &quot;бет&quot;<br/>                  left-over HTML                         → "бет"

What is not repaired: Kazakh letters flattened to Russian ones (казак for қазақ) cannot be told from Russian words by
looking at them, so they are never guessed. Repair is idempotent: repair(repair(x).text).text == repair(x).text.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qaz_llm.language.alphabet import CYRILLIC_TO_LATIN, CYRILLIC_VARIANTS, LATIN_TO_CYRILLIC

MAX_ROUNDS = 6
"""Repairs that uncover each other (mojibake of mojibake) settle in two or three rounds; this is the stop."""


@dataclass(frozen=True, slots=True)
class RepairedText:
    """The text after repair, and how often each kind of repair was made.

    Kinds: `mojibake` (lines), `surrogate`, `control`, `invisible` (characters), `nfc`, `whitespace` (1 where the text
    changed), `lookalike` (words), `tag`, `entity`.
    """

    text: str
    counts: Mapping[str, int]


def repair(text: str) -> RepairedText:
    """Undo mojibake, compose letters, remove invisible characters and tags, put look-alike letters right, even out spaces.

    Code between lines of three backticks keeps its spaces and tags.
    """
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
    text = _outside_code(text, lambda part: _undo_markup(part, counts))
    text = _repair_lookalikes(text, counts)
    text = _LINE_ENDS.sub("\n", text)
    spaced = _MANY_LINES.sub("\n\n", _outside_code(text, _even_spaces)).strip()
    counts["whitespace"] += spaced != text
    return spaced


_CODE = re.compile("(^```.*?(?:^```|\\Z))", re.DOTALL | re.MULTILINE)


def _outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change what is not between two lines of three backticks, where indentation and tags have a meaning."""
    if "```" not in text:
        return change(text)
    return "".join(part if index % 2 else change(part) for index, part in enumerate(_CODE.split(text)))


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
_CYRILLIC_LETTER = re.compile(f"[{_CYRILLIC}]")
_LATIN_LETTER = re.compile(f"[{_LATIN}]")
_VARIANT = re.compile(f"[{''.join(CYRILLIC_VARIANTS)}]")
_TO_CYRILLIC = str.maketrans(dict(LATIN_TO_CYRILLIC))
_TO_LATIN = str.maketrans(dict(CYRILLIC_TO_LATIN))


def _repair_lookalikes(text: str, counts: Counter[str]) -> str:
    """Give the letters of each word one alphabet, where every letter that does not fit has a look-alike in it.

    `бiлiм` can only be Cyrillic (б, л, м have no Latin look-alike), `fооd` only Latin. `iрi` could be either and takes
    the alphabet of its line; `IТ` could too, and is left alone, as short words in capitals are names. In `iPhoneды`
    neither fits.
    """
    if _MIXED.search(text):
        text = "\n".join(_repair_line(line, counts) for line in text.split("\n"))
    text, number = _VARIANT.subn(lambda m: CYRILLIC_VARIANTS[m.group()], text)
    counts["lookalike"] += number
    return text


def _repair_line(line: str, counts: Counter[str]) -> str:
    def one_alphabet(match: re.Match[str]) -> str:
        word = match.group()
        latin = [c for c in word if c < "\u0400"]
        cyrillic = [c for c in word if c >= "\u0400"]
        may_be_cyrillic = all(c in LATIN_TO_CYRILLIC for c in latin)
        may_be_latin = all(c in CYRILLIC_TO_LATIN for c in cyrillic)
        if may_be_cyrillic and may_be_latin:
            if word.isupper() and len(word) <= 3:
                return word
            to_cyrillic = line_is_cyrillic
        elif may_be_cyrillic and len(cyrillic) >= len(latin):
            to_cyrillic = True
        elif may_be_latin and len(latin) >= len(cyrillic):
            to_cyrillic = False
        else:
            return word
        counts["lookalike"] += 1
        return word.translate(_TO_CYRILLIC if to_cyrillic else _TO_LATIN)

    line_is_cyrillic = len(_CYRILLIC_LETTER.findall(line)) >= len(_LATIN_LETTER.findall(line))
    return _MIXED.sub(one_alphabet, line)


# ----------------------------------------------------------------------------------------------------------- markup

_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{2,6}|#x[0-9a-fA-F]{2,5});")
_TAG = re.compile(
    r"</?(?:p|br|hr|div|span|a|b|i|u|em|strong|small|font|center|img|ul|ol|li|table|tbody|thead|tr|td|th|h[1-6]|seg|prop|tuv?)"
    r"(?:\s[^<>]{0,300})?/?>",
    re.IGNORECASE,
)
"""Tags of web pages and translation memories by name; `Vec<String>` and `<PHONE>` are none of them."""


def _undo_markup(text: str, counts: Counter[str]) -> str:
    if "<" in text:
        text, number = _TAG.subn(" ", text)
        counts["tag"] += number
    if "&" in text:
        text, number = _ENTITY.subn(lambda match: html.unescape(match.group()), text)
        counts["entity"] += number
    return text


# ------------------------------------------------------------------------------------------------------ white space

_LINE_ENDS = re.compile("\r\n?|[\x85\u2028\u2029]")
_SPACES = re.compile("[^\\S\n]+")
_SPACE_AT_LINE_END = re.compile("(?m)^ | $")
_MANY_LINES = re.compile("\n{3,}")


def _even_spaces(text: str) -> str:
    return _SPACE_AT_LINE_END.sub("", _SPACES.sub(" ", text))


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
