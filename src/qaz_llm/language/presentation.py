"""Letters drawn as a PDF draws them, brought back to the letters they are.

    ﻕﺍﺯﺍﻕﺱﺕﺍﻥ       one shape for each place in a word (U+FB50–FDFF, U+FE70–FEFC)      قازاقستان
    نﺎﺘﺳﻗﺍﺯﺎﻗ        the same in the order of the page, left to right                     turned round
    قــازاق          drawn out to fill a line (U+0640)                                    قازاق
    ﬁnance, oﬃce     two letters in one type (U+FB00–FB06)                                finance, office

The shapes are NFKC's compatibility forms of these blocks alone (Unicode 17, chapter 9.2); full-width letters, superscripts
and fractions mean something and stay. Which shape stands where tells the order: in a word read rightly a shape that joins
to the next letter (initial, medial) is followed by one that joins to the letter before (medial, final).
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import cache

_SHAPES = "\ufb50-\ufbb1\ufbd3-\ufd3d\ufd50-\ufdf9\ufe70-\ufefc"
_LATIN_TYPES = "\ufb00-\ufb06"
_TATWEEL = "\u0640"
COMPATIBILITY_FORMS = _SHAPES + _LATIN_TYPES + _TATWEEL
"""What `base_letters` may change, as ranges of a regular expression's class. The sign of blessing ﷺ and its like stay."""

_FORM = re.compile(f"[{_SHAPES}{_LATIN_TYPES}]")
_ARABIC = "\u0621-\u063f\u0641-\u064a\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f"
_DRAWN_OUT = re.compile(f"(?<=[{_ARABIC}]){_TATWEEL}+(?=[{_ARABIC}])")
_LEFT_TO_RIGHT = re.compile(
    r"[^\W_\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+(?:[.,:/@_-]+[^\W_\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]+)*"
)
_MIRRORED = str.maketrans("()[]{}<>«»‹›", ")(][}{><»«›‹")
_MIN_JOINS = 3
_JOINED = {("initial", "medial"), ("initial", "final"), ("medial", "final")}


def base_letters(text: str) -> tuple[str, int]:
    """The text with these forms as plain letters in reading order, and how many forms there were.

    >>> base_letters("ﻗﺎﺯﺍﻕ ﬁlm")
    ('قازاق film', 6)
    """
    lines = [_in_reading_order(line) if _FORM.search(line) else line for line in text.split("\n")]
    text, shapes = _FORM.subn(lambda match: _base(match.group()), "\n".join(lines))
    text, drawn_out = _DRAWN_OUT.subn("", text)
    return text, shapes + drawn_out


@cache
def _base(form: str) -> str:
    """A mark that stands alone is decomposed with a space or a tatweel under it, which it does not need in a word."""
    base = unicodedata.normalize("NFKC", form)
    return base[1:] if form < "\ufe80" and form >= "\ufe70" and len(base) > 1 else base


@cache
def _place(character: str) -> str:
    """initial, medial, final or isolated; empty for what is no shape."""
    mapped = unicodedata.decomposition(character)
    return mapped[1 : mapped.index(">")] if mapped.startswith("<") and _FORM.match(character) else ""


def _in_reading_order(line: str) -> str:
    """The line turned round if its shapes join from right to left; numbers and words of other scripts keep their order."""
    joined = turned = 0
    for left, right in itertools.pairwise(line):
        places = _place(left), _place(right)
        joined += places in _JOINED
        turned += places[::-1] in _JOINED
    if turned < _MIN_JOINS or joined * 4 > turned:
        return line
    whole = _LEFT_TO_RIGHT.sub(lambda match: match.group()[::-1], line)
    return whole[::-1].translate(_MIRRORED)
