"""Variation selectors: those that belong to a sign, and runs of them, in which labels of machine-made text are written.

    ❤ U+FE0F, 葛 U+E0100               one selector behind a sign: the look of that sign                → stays
    U+FEFF U+FE03 U+FE02 … (1,840)     a label as C2PA 2.4, A.8 writes it: each byte is a selector      → gone, counted as `label`
    … the same without its beginning   what is left of a label that was cut or cleaned                  → gone, `label` or `invisible`
    … the same in pieces               with spaces, line ends or letters between its selectors          → gone, `label`
    а U+FE0F                           a selector behind what has no other look                         → gone, `invisible`
    U+E0069 U+E0067 …                  letters of tags outside a flag such as that of Scotland          → gone, `invisible`

No sign has two selectors (Unicode Standard, 23.4), so a run of them is never text, and only signs, ideographs and a few letters have one. A label is known by the eight selectors it begins with,
or by a run longer than any accident; to see one takes no key and no library. What a label says is read in the room `labels`.
The selectors of Mongolian (U+180B–U+180F) write no labels and are not looked at.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

SELECTORS = "\\ufe00-\\ufe0f\\U000e0100-\\U000e01ef"
TAGS = "\\U000e0000-\\U000e00ff\\U000e01f0-\\U000e0fff"
"""Letters of tags, and what beside them is never seen (Unicode Standard, 5.21)."""
MARK = "\ufeff"
"""What a label begins with, before its selectors (A.8.4.1); byte order marks are the same character."""
BYTE_OF_SELECTOR = {
    **{0xFE00 + byte: chr(byte) for byte in range(16)},
    **{0xE0100 + byte - 16: chr(byte) for byte in range(16, 256)},
}
"""The byte each selector stands for (A.8.3.1), as a character of Latin-1: what `str.translate` takes."""
SELECTOR_OF_BYTE = {ord(byte): chr(selector) for selector, byte in BYTE_OF_SELECTOR.items()}
MAGIC = "C2PATXT\0".translate(SELECTOR_OF_BYTE)
"""The first eight selectors of every label (A.8.2.2)."""
LONG_RUN = 64
"""A run of so many selectors without MAGIC is taken for a label that has lost its beginning: the shortest label has 1,800."""
DIFFERENT = 16
"""Of stray selectors that lie apart so many must be different for them to be a label: a page that has U+FE0F behind every letter has one."""
_BETWEEN = f"(?:(?!{MARK}?{MAGIC})[\\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064{MARK}])"
_RUN = re.compile(f"{MARK}?[{SELECTORS}]{{2,}}")
_PIECES = re.compile(f"(?:{MARK}{_BETWEEN}{{0,8}})?[{SELECTORS}]+(?:{_BETWEEN}+[{SELECTORS}]+)*")
_GAPS = re.compile(f"[^{SELECTORS}]+")
_ANY = re.compile(f"[{SELECTORS}]")
_PICTURE = "\ufe0e\ufe0f"
_SIGNS = frozenset("#*0123456789‼⁉ℹ〰")
"""What has a form as a picture and is no symbol by its category (emoji-variation-sequences.txt)."""
_OTHER_FORMS = re.compile(
    "[0\u2018-\u201d\u1000-\u109f\u3001\u3002\ua840-\ua87f\uaa60-\uaa7f\uff01\uff0c\uff0e\uff1a\uff1b\uff1f\U00010ac0-\U00010aff\U00013000-\U000143ff]"
)
"""Digits, quotation marks, letters of Myanmar and others with a second form (StandardizedVariants.txt)."""
_IDEOGRAPH = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_TAGS = re.compile(
    f"(\U0001f3f4[\U000e0061-\U000e007a]{{2}}[\U000e0030-\U000e0039\U000e0061-\U000e007a]{{1,3}}\U000e007f)|[{TAGS}]+"
)
"""A flag of a part of a country (UTS #51, ED-14a), which stays; any other letters of tags."""


def runs_of_selectors(text: str) -> list[tuple[int, int]]:
    """Where runs of two and more selectors start and end, with the mark before them where there is one."""
    return [match.span() for match in _RUN.finditer(text)]


def is_label(run: str) -> bool:
    """Whether a run of selectors is a label or what is left of one.

    >>> is_label(MAGIC), is_label("\\ufe0f\\ufe0f"), is_label("\\ufe01" * 100)
    (True, False, True)
    """
    return MAGIC in run or len(run) >= LONG_RUN


def belongs(selector: str, before: str) -> bool:
    """Whether a selector chooses a look of the character before it; never at the beginning of a text, where that is empty.

    >>> belongs("\\ufe0f", "❤"), belongs("\\ufe0f", "а"), belongs("\\U000e0100", "葛")
    (True, False, True)
    """
    if not before:
        return False
    if selector >= "\U000e0100":
        return bool(_IDEOGRAPH.match(before))
    if selector in _PICTURE:
        return before in _SIGNS or _is_symbol(before) or (before in "㊗㊙")
    has_form = _OTHER_FORMS.match(before) or _IDEOGRAPH.match(before) or unicodedata.category(before) == "Sm"
    return selector <= "\ufe06" and bool(has_form)


def has_label(text: str) -> bool:
    """Whether there is a label in a text, whole or not. It says nothing of the rest: most machine-made text has none."""
    if not _ANY.search(text):
        return False
    counts: Counter[str] = Counter()
    remove_labels(text, counts)
    return counts["label"] > 0


def remove_labels(text: str, counts: Counter[str]) -> str:
    """The text without labels, and without selectors that belong to no sign; a selector written twice stays once.

    Adds the number of labels to `label`, that of other selectors removed to `invisible`.
    """
    stray: list[str] = []
    text = _PIECES.sub(lambda match: _without(match, counts, stray), text)
    scattered = "".join(stray)
    if MAGIC in scattered or (len(scattered) >= LONG_RUN and len(set(scattered)) >= DIFFERENT):
        counts["label"] += 1
    else:
        counts["invisible"] += len(scattered)
    return text


def remove_tags(text: str, counts: Counter[str]) -> str:
    """The text without letters of tags, in which a sentence can be hidden, but for those of flags; adds their number to `invisible`.

    >>> remove_tags("Сәлем\\U000e0069\\U000e0067!", Counter())
    'Сәлем!'
    """

    def without(match: re.Match[str]) -> str:
        if match[1]:
            return match[1]
        counts["invisible"] += len(match[0])
        return ""

    return _TAGS.sub(without, text)


def without_labels(text: str) -> str:
    """The text without labels and without what is left of them.

    >>> without_labels("Сәлем ❤\\ufe0f\\ufeff" + MAGIC) == "Сәлем ❤\\ufe0f"
    True
    """
    return remove_labels(text, Counter())


def _without(match: re.Match[str], counts: Counter[str], stray: list[str]) -> str:
    """What stays of selectors and of the gaps between their pieces; those that are no label and belong to no sign go to `stray`."""
    run, text = match.group(), match.string
    before, after = text[max(0, match.start() - 1) : match.start()], text[match.end() : match.end() + 1]
    selectors = _GAPS.sub("", run)
    own = selectors[0] if run[0] != MARK and belongs(selectors[0], before) else ""
    if is_label(selectors):
        counts["label"] += 1
        kept = own if selectors.find(MAGIC) == 1 else ""  # of the sign before, whose label lost its mark
        return kept + _parted(run, before + kept, after)
    first = _GAPS.split(run.removeprefix(MARK), maxsplit=1)[0]
    is_one = len(set(first)) == 1 and len(first) < 4
    kept = own if is_one else ""
    stray.append(selectors[len(kept) :])
    rest = run[len(kept) :]
    if run[0] == MARK and len(first) > 1:
        counts["invisible"] += 1
        rest = rest[1:]
    return kept + _ANY.sub("", rest)


def _parted(run: str, before: str, after: str) -> str:
    """A line end or space for the gaps of a label in pieces, where without it what stands around would run together."""
    gap = "".join(_GAPS.findall(run))
    if not before.strip() or not after.strip() or not any(map(str.isspace, gap)):
        return ""
    return "\n" if "\n" in gap else " "


def _is_symbol(character: str) -> bool:
    """Whether it is a sign that may be a picture, or one of the planes of emoji that this Unicode does not know yet."""
    is_known = (
        unicodedata.category(character) in ("So", "Sm") and character not in "\ufffc\ufffd"
    )  # stand for what is lost
    return is_known or "\U0001f000" <= character <= "\U0001faff"
