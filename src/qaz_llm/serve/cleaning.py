"""What an engine says, made a text that can be labelled: nothing that a model writes is to switch its label off.

    variation selectors           a label of somebody else's, or a part of one; one of a sign stays → gone, `label` or `invisible`
    13 and more marks on a sign   no script has so many, and C2PA signs no text with more than 30  → the first 12 stay, `mark`
    half a character              a lone surrogate, which JSON can hold and UTF-8 cannot           → U+FFFD, `half_character`

A text may come in pieces: what may be the beginning of such a run waits for the next one, so that pieces give what the whole text gives.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache

from qaz_llm.language.selectors import MARK, SELECTORS, belongs, is_label

MAX_MARKS = 12
"""Of at most two code points each when they are decomposed: with those of the sign itself fewer than the 30 of UAX 15."""
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_HALF = re.compile("[\ud800-\udfff]")
_MAYBE_MARKS = re.compile(f"(?:[^\\w\\x00-\\x7f]|[\uff9e\uff9f]){{{MAX_MARKS + 1},}}")
"""Holds all marks; they are looked at one by one, for they are no class of `re`. The two half-wide ones count as letters there."""
_SELECTOR = re.compile(f"[{SELECTORS}]")
_RUN = re.compile(f"{MARK}?[{SELECTORS}]+")
MOST_REPEATED = 3
"""A selector of a sign that is written so often stays once; more are a run."""


class Cleaner:
    """One text of an answer, in pieces; what is taken out is added to `counts`."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._held: list[str] = []
        self._before = ""
        """The letter before what waits: whether a selector belongs to it may be asked of the next piece."""

    def feed(self, piece: str) -> str:
        """What can be sent now."""
        end = len(piece)
        while end and _is_open(piece[end - 1]):
            end -= 1
        if not end:
            self._held.append(piece)
            return ""
        text, self._held = "".join((*self._held, piece[:end])), [piece[end:]]
        before, self._before = self._before, text[-1:]
        return cleaned(text, self._counts, before)

    def flush(self) -> str:
        """What waited, at the end of the text."""
        text, self._held = "".join(self._held), []
        return cleaned(text, self._counts, self._before)


def cleaned(text: str, counts: Counter[str], before: str = "") -> str:
    """A text, which the letter `before` precedes, without what cannot be labelled; adds what was taken out to `counts`.

    >>> cleaned("Сәлем\\ufe01\\ufe02, \\ud83d!", counts := Counter()), counts
    ('Сәлем, \ufffd!', Counter({'invisible': 2, 'half_character': 1}))
    """
    if text.isascii():
        return text
    if _HALF.search(text):
        text = _PAIR.sub(lambda pair: pair.group().encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
        text, halves = _HALF.subn("\ufffd", text)
        if halves:
            counts["half_character"] += halves
    text = _RUN.sub(lambda run: _of_its_sign(run, before, counts), text)
    return _MAYBE_MARKS.sub(lambda run: _with_fewer_marks(run.group(), counts), text)


def _of_its_sign(run: re.Match[str], before: str, counts: Counter[str]) -> str:
    """What stays of a run of selectors: the one that belongs to the sign before it, or nothing. Unlike repair's rule this one needs no
    more of the text than that sign, so that it is the same for pieces."""
    start, selectors = run.start(), run.group()
    sign = run.string[start - 1] if start else before
    is_one = len(set(selectors)) == 1 and len(selectors) <= MOST_REPEATED
    kept = selectors[0] if is_one and belongs(selectors[0], sign) else ""
    if is_label(selectors):
        counts["label"] += 1
    elif len(selectors) > len(kept):
        counts["invisible"] += len(selectors) - len(kept)
    return kept


def _with_fewer_marks(run: str, counts: Counter[str]) -> str:
    kept, marks = [], 0
    for letter in run:
        marks = marks + 1 if _is_mark(letter) else 0
        if marks > MAX_MARKS:
            counts["mark"] += 1
        else:
            kept.append(letter)
    return "".join(kept)


def _is_open(letter: str) -> bool:
    """Whether what comes next may change what is done with this."""
    if letter.isascii():
        return False
    return letter == MARK or "\ud800" <= letter <= "\udbff" or _SELECTOR.match(letter) is not None or _is_mark(letter)


@lru_cache(1 << 12)
def _is_mark(letter: str) -> bool:
    """Whether a letter is decomposed into something that stands on the sign before."""
    return unicodedata.combining(unicodedata.normalize("NFKD", letter)[0]) != 0
