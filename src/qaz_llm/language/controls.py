"""Characters that are not seen, and what they did: stand for a sign, part two words, or hold the halves of one together.

    Алматы␖Астана          U+0096, the dash of cp1252 read as Latin-1        → Алматы–Астана
    еді␅ Сосын             U+0085 after a word and before a space            → еді… Сосын
    мұғалім␋Директор       vertical tab, form feed, file and record marks    → a line break
    бір␟екі, бір␀екі       other controls between two words                  → a space
    сөз U+00AD дер         soft hyphen, in a word and where its line ended   → сөздер
    мек¬ тептер            the same in old OCR; p → ¬q is logic and stays    → мектептер
    сөйлем.U+200BКелесі    zero-width space where no other space parts words → сөйлем. Келесі

What a character did is told by its neighbours; one that did nothing goes. Every function adds to the counts it is given.
"""

from __future__ import annotations

import re
from collections import Counter
from itertools import islice

from qaz_llm.language.likelihood import bits_of
from qaz_llm.language.repair_kernels import CONTROLS, INVISIBLES, JOINERS, SURROGATES, characters_of

_LINE_BREAK = "[ \t\u00a0]*(?:\r\n?|[\n\x0b\x85\u2028])[ \t\u00a0]*"
_CLOSING = ".,;:!?…)]»”"
_OPENING = "–—«“([„"

# ------------------------------------------------------------------------------------------------------- surrogates

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile(f"[{SURROGATES}]")


def mend_surrogates(text: str, counts: Counter[str]) -> str:
    """Halves of a character that stand side by side become it, lone ones go."""
    text, joined = _PAIR.subn(lambda match: match.group().encode("utf-16", "surrogatepass").decode("utf-16"), text)
    text, removed = _SURROGATE.subn("", text)
    counts["surrogate"] += joined + removed
    return text


# --------------------------------------------------------------------------------------------------------- controls

_CONTROLS = re.compile(f"[{CONTROLS}]+")
_ESCAPE = re.compile("\x1b\\[[0-9;?]*[ -/]*[@-~]")
"""Colours and movements of a terminal (ECMA-48, section 5.4)."""
_OVERSTRUCK = re.compile("_\x08(?=\\S)|(\\S)\x08(?=\\1)")
"""Bold and underlined letters of line printers and nroff: the letter, a step back, the letter again."""
_WESTERN = {c: bytes([ord(c)]).decode("cp1252", "replace") for c in map(chr, range(0x80, 0xA0))}
_C1 = re.compile(f"[{''.join(c for c, sign in _WESTERN.items() if sign != chr(0xFFFD))}]")
_BREAKS = frozenset("\x0b\x0c\x1c\x1d\x1e")
_WORD_TABLE = {"\x07": "\t", "\x07\x07": "\n"}
"""Word ends a cell with one mark and a row with two."""
_UTF16_FRAC = 0.3
_UTF16_RUN = re.compile("(?:[^\0]\0){4,}")
"""Text of two bytes a letter read as one has a NUL at nearly every second place, as a whole or in a part."""


def mend_controls(text: str, counts: Counter[str]) -> str:
    """C1 controls as the signs of cp1252 that they stand for, the others as the break or space that they were, or nothing.

    >>> mend_controls("Алматы\\x96Астана, бір\\x0bекі", Counter())
    'Алматы–Астана, бір\\nекі'
    """
    length = len(text)
    if "\x1b" in text:
        text = _ESCAPE.sub("", text)
    if "\x08" in text:
        text = _OVERSTRUCK.sub("", text)
    if text.count("\0") > _UTF16_FRAC * length:
        text = text.replace("\0", "")
    elif "\0" in text:
        text = _UTF16_RUN.sub(lambda run: run.group().replace("\0", ""), text)
    counts["control"] += length - len(text)
    if _C1.search(text):
        has_signs = any(c in text for c in "\x91\x92\x93\x94\x96\x97")
        text = _C1.sub(lambda match: _sign(match, counts, has_signs), text)
    text, number = _CONTROLS.subn(_break_or_space, text)
    counts["control"] += number
    return text


def _sign(match: re.Match[str], counts: Counter[str], has_signs: bool) -> str:
    """The sign of cp1252 that a control stands for; a line break for U+0085 where it ends a line; else the control."""
    control = match.group()
    sign = _WESTERN[control]
    before, after = _around(match)
    if sign == "…" and not (has_signs or _is_ellipsis(before, after)):
        counts["control"] += 1
        return "\n"
    if sign.isalpha() or sign in "€ˆ˜":
        beside = [c for c in (before, after) if c.isalpha()]
        if any(c > "\u02ff" for c in beside) and (sign.isalpha() or len(beside) == 2):
            return control
    counts["c1"] += 1
    return sign


def _around(match: re.Match[str]) -> tuple[str, str]:
    """The characters before and after, empty at the ends of the text."""
    start, end = match.span()
    return match.string[max(0, start - 1) : start], match.string[end : end + 1]


def _break_or_space(run: re.Match[str]) -> str:
    """What a run of controls that stand for no sign did."""
    before, after = _around(run)
    controls = run.group()
    if not _BREAKS.isdisjoint(controls):
        return _break(controls, before, after)
    if not _parts_words(before, after):
        return ""
    return _WORD_TABLE.get(controls, " ")


def _is_ellipsis(before: str, after: str) -> bool:
    """Whether U+0085 stands where dots do: after a word with a space, a sign or small letters behind it."""
    if not before or before in "\r\n":
        return False
    if before.isspace():
        return after.islower()
    if before in ".!?:;":
        return False
    return not after or after.isspace() or after.islower() or after in _CLOSING + '"'


def _break(controls: str, before: str, after: str) -> str:
    """A line break, unless there is one; a page that ends inside a sentence is parted by a space."""
    if before in ("", "\n", "\r") or after in ("", "\n", "\r"):
        return ""
    return " " if controls == "\x0c" and after.islower() and before not in _CLOSING else "\n"


def _parts_words(before: str, after: str) -> bool:
    begins, ends = after.isalnum() or after in _OPENING, before.isalnum() or before in _CLOSING
    return bool(before and after) and begins and ends


# ------------------------------------------------------------------------------------------------ hyphens, invisible

_LETTER = "[^\\W\\d_]"
_SOFT = "[\u00ad\x02\ufffe]+"
"""Soft hyphen, and what readers of PDF write for a hyphen at the end of a line (PDFium: U+0002, later U+FFFE)."""
_SOFT_BREAK = re.compile(f"{_SOFT}(?:(?:{_LINE_BREAK}| )(?={_LETTER}))?")
_BREAK_SOFT = re.compile(f"(?<={_LETTER}){_LINE_BREAK}{_SOFT}(?:{_LINE_BREAK})?(?={_LETTER})")
_AT_BREAKS = ("\x02", "\ufffe", *(f"\u00ad{space}" for space in " \t\u00a0\r\n\x0b\x85\u2028"), "\n\u00ad")
_NOT_SIGN = re.compile(f"¬(?<={_LETTER}{{2}}¬)(?:(?:{_LINE_BREAK}| )(?={_LETTER})|(?={_LETTER}{{2}}))")
_LOGIC = re.compile("[∧∨⇒⇔→↔∀∃⊢⊨≡⊕]")
_NEAR_CHARS = 60
_MAY_PART = "\u200b\ufeff\ufffc"
_PARTING = re.compile(f"[{_MAY_PART}]+")
_CHAIN = re.compile(f"\\b{_LETTER}+(?:[{_MAY_PART}]+{_LETTER}+)+")
_LONGEST_WORD = 24
_WORD_CHARS = 30
_LAST_WORD = re.compile(f"{_LETTER}+\\Z")
_FIRST_WORD = re.compile(f"{_LETTER}{{1,{_WORD_CHARS}}}")
_MAX_JUDGED = 50
_MIN_SAVED_BITS = 2.0
_INVISIBLE = tuple(characters_of(INVISIBLES))
_JOINED = re.compile(f"(?<=[A-Za-z\u00c0-\u052f\u1e00-\u1fff])[{JOINERS}]+(?=[A-Za-z\u00c0-\u052f\u1e00-\u1fff])")
"""Zero-width joiners in words of alphabets that have no use for them; Arabic and Indic scripts do."""


def join_hyphenated(text: str, counts: Counter[str]) -> str:
    """Words that a soft hyphen or ¬ holds together over the end of a line, in one piece; ¬ inside words goes.

    >>> join_hyphenated("мек\\u00ad\\nтептер, бол¬ ған, p → ¬q", Counter())
    'мектептер, болған, p → ¬q'
    """
    has_soft = "\u00ad" in text or "\x02" in text or "\ufffe" in text
    if has_soft and any(broken in text for broken in _AT_BREAKS):
        text = _BREAK_SOFT.sub(lambda match: _joined_behind(match, counts), text)
        text = _SOFT_BREAK.sub(lambda match: _joined(match, counts), text)
    return _NOT_SIGN.sub(lambda match: _without(match, counts), text) if "¬" in text else text


def _joined(match: re.Match[str], counts: Counter[str]) -> str:
    """Nothing for soft hyphens; the break after them stays where no second half of a word follows."""
    before, after = _around(match)
    hyphens = match.group().rstrip(" \t\u00a0\r\n\x0b\x85\u2028")
    is_break = len(hyphens) < len(match.group())
    if not is_break and "\u00ad" in hyphens:
        counts["invisible"] += len(hyphens)
        return ""
    if not before.isalpha() or not after.isalpha():
        return match.group()
    if is_break and after.isupper() and before.islower():
        return match.group()[len(hyphens) :]
    counts["hyphenation"] += 1
    return ""


def _joined_behind(match: re.Match[str], counts: Counter[str]) -> str:
    before, after = _around(match)
    if after.isupper() and before.islower():
        return "\n"
    counts["hyphenation"] += 1
    return ""


def _without(match: re.Match[str], counts: Counter[str]) -> str:
    """Nothing for ¬ between two halves of a word, which are of one alphabet and one case; in Latin letters it may be logic."""
    before, after = _around(match)
    latin = before < "\u02ff"
    if before.islower() != after.islower() or latin != (after < "\u02ff"):
        return match.group()
    near = max(0, match.start() - _NEAR_CHARS), match.end() + _NEAR_CHARS
    if latin and (before.isupper() or _LOGIC.search(match.string, *near)):
        return match.group()
    counts["hyphenation"] += 1
    return ""


def remove_invisible(text: str, counts: Counter[str]) -> str:
    """The text without characters of no width; a space for those that alone parted two words."""
    parting = 0
    if any(c in text for c in _MAY_PART):
        two_words = _are_two_words(text)
        text, parting = _PARTING.subn(lambda run: " " if _parts(run, two_words=two_words) else "", text)
    length = len(text)
    for character in _INVISIBLE:
        if character in text:
            text = text.replace(character, "")
    counts["invisible"] += parting + length - len(text)
    return text


def remove_joiners(text: str, counts: Counter[str]) -> str:
    """The text without zero-width joiners between letters of alphabets that have none."""
    length = len(text)
    text = _JOINED.sub("", text)
    counts["invisible"] += length - len(text)
    return text


def _are_two_words(text: str) -> bool:
    """Whether small letters on both sides of a text's marks read better apart: two words, not a long one that may be broken.

    The marks of a text are judged together. On random places of 3,000 pairs of words of KazQAD, half of the borders of words
    are found by one mark, and of 1,000 places inside words 4 are taken for one; by three marks in a text, none.
    """
    if any(sum(map(str.isalpha, chain[0])) > _LONGEST_WORD for chain in _CHAIN.finditer(text)):
        return True
    saved = 0.0
    for run in islice(_PARTING.finditer(text), _MAX_JUDGED):
        before, after = _around(run)
        if before.islower() and after.islower():
            one = _LAST_WORD.search(text[max(0, run.start() - _WORD_CHARS) : run.start()])
            other = _FIRST_WORD.match(text, run.end())
            if one and other:
                saved += bits_of(one[0] + other[0], " ", " ") - bits_of(f"{one[0]} {other[0]}", " ", " ")
    return saved > _MIN_SAVED_BITS


def _parts(run: re.Match[str], *, two_words: bool) -> bool:
    """Whether two words would run together: after the end of a sentence, before a capital, at an object left out."""
    before, after = _around(run)
    if not after.isalpha() or not before:
        return False
    return before in _CLOSING or (
        before.isalpha()
        and ("\ufffc" in run.group() or (before.islower() and (after.isupper() or (two_words and after.islower()))))
    )
