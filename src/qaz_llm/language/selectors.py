"""Variation selectors: those that belong to a sign, and runs of them, in which labels of machine-made text are written.

    ❤ U+FE0F, 葛 U+E0100               one selector behind a sign: the look of that sign                → stays
    U+FEFF U+FE03 U+FE02 … (1,840)     a label as C2PA 2.4, A.8 writes it: each byte is a selector      → gone, counted as `label`
    … the same without its beginning   what is left of a label that was cut or cleaned                  → gone, `label` or `invisible`

No sign has two selectors (Unicode Standard, 23.4), so a run of them is never text. A label is known by the eight selectors it begins with,
or by a run longer than any accident; to see one takes no key and no library. What a label says is read in the room `labels`.
The selectors of Mongolian (U+180B–U+180F) write no labels and are not looked at.
"""

from __future__ import annotations

import re
from collections import Counter

SELECTORS = "\\ufe00-\\ufe0f\\U000e0100-\\U000e01ef"
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
_RUN = re.compile(f"{MARK}?[{SELECTORS}]{{2,}}")


def runs_of_selectors(text: str) -> list[tuple[int, int]]:
    """Where runs of two and more selectors start and end, with the mark before them where there is one."""
    return [match.span() for match in _RUN.finditer(text)]


def is_label(run: str) -> bool:
    """Whether a run of selectors is a label or what is left of one.

    >>> is_label(MAGIC), is_label("\\ufe0f\\ufe0f"), is_label("\\ufe01" * 100)
    (True, False, True)
    """
    return MAGIC in run or len(run) >= LONG_RUN


def has_label(text: str) -> bool:
    """Whether there is a label in a text, whole or not. It says nothing of the rest: most machine-made text has none."""
    return any(is_label(text[start:end]) for start, end in runs_of_selectors(text))


def remove_labels(text: str, counts: Counter[str]) -> str:
    """The text without runs of selectors; a selector written twice stays once.

    Adds the number of labels to `label`, that of other selectors removed to `invisible`.
    """
    return _RUN.sub(lambda match: _without(match.group(), counts), text)


def without_labels(text: str) -> str:
    """The text without labels and without what is left of them.

    >>> without_labels("Сәлем ❤\\ufe0f\\ufeff" + MAGIC) == "Сәлем ❤\\ufe0f"
    True
    """
    return remove_labels(text, Counter())


def _without(run: str, counts: Counter[str]) -> str:
    selectors = run.removeprefix(MARK)
    own = (
        selectors[0] if selectors is run and selectors.find(MAGIC) == 1 else ""
    )  # of the sign before, whose label lost its mark
    if is_label(run):
        counts["label"] += 1
        return own
    if len(set(selectors)) == 1 and selectors is run and len(run) < 4:
        counts["invisible"] += len(run) - 1
        return selectors[0]
    counts["invisible"] += len(run)
    return ""
