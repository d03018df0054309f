"""XML as it comes: characters that no XML may have, bare ampersands, entities of HTML. Put right before a parser sees it.

A parser ends at the first of these, and with it everything that follows in the file. Here each is replaced by MARK, and the
reader counts and removes the marks where it has the text they stand in.
"""

from __future__ import annotations

import re
from html.entities import html5

MARK = "\ue0ff"
"""Of the private use area: in no text that is meant to be read."""

_OF_XML = frozenset({"amp", "lt", "gt", "quot", "apos"})
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_REFERENCE = re.compile(r"&(?:#(\d+)|#[xX]([0-9a-fA-F]+)|([A-Za-z][A-Za-z0-9]*));|&|<(?![A-Za-z_/!?])")


_PAIR = re.compile(r"&#(?:[xX](d[89ab][0-9a-f]{2})|(5[56]\d{3}));&#(?:[xX](d[c-f][0-9a-f]{2})|(5[67]\d{3}));", re.I)
"""A character beyond U+FFFF as the two halves of UTF-16, which no XML allows and Java programs write."""


def _of_pair(match: re.Match[str]) -> str:
    high = int(match[1], 16) if match[1] else int(match[2])
    low = int(match[3], 16) if match[3] else int(match[4])
    if not (0xD800 <= high < 0xDC00 <= low < 0xE000):
        return match.group()
    return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))


def well_formed(text: str) -> tuple[str, int]:
    """The text with MARK where a character is that XML 1.0 (section 2.2) forbids, and how many.

    Ampersands and less-than signs that begin nothing are escaped, entities of HTML become their characters.

    >>> well_formed("<a>Қ&#x1F;ар &nbsp; &amp; AT&T, 2 < 3</a>")
    ('<a>Қ\\ue0ffар \\xa0 &amp; AT&amp;T, 2 &lt; 3</a>', 1)
    """
    text, marks = _ILLEGAL.subn(MARK, _PAIR.sub(_of_pair, text))
    marked = 0

    def reference(match: re.Match[str]) -> str:
        nonlocal marked
        decimal, hexadecimal, name = match.groups()
        if name is not None:
            if name in _OF_XML:
                return match.group()
            known = html5.get(f"{name};")
            return f"&amp;{name};" if known is None or known in "<&" else known
        if decimal is None and hexadecimal is None:
            return "&lt;" if match.group() == "<" else "&amp;"
        code = int(decimal) if decimal is not None else int(hexadecimal, 16)
        if _is_legal(code):
            return match.group()
        marked += 1
        return MARK

    text = _REFERENCE.sub(reference, text)
    return text, marks + marked


def _is_legal(code: int) -> bool:
    return code in (9, 10, 13) or 0x20 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or 0x10000 <= code <= 0x10FFFF
