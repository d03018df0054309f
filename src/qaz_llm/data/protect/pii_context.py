"""What stands around a number that may be of a telephone: words before and after it, numbers found before it.

байланыс телефоны: 55-01-99         a word of telephones, right before
телефонға 24 сағат: 550199          a word of telephones, near: two words between
қабылдау бөлмесі 55-01-99           a word of those who answer telephones
55-01-99 нөміріне хабарласыңыз      a word after it
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qaz_llm.data.protect.pii_words import (
    ANSWERING_STEMS,
    COUNTING_STEMS,
    NO_PHONE_STEMS,
    PHONE_STEMS,
    PHONE_WORD_AFTER,
    PHONE_WORDS,
    SHORT_WORDS,
)

WORD_CHARS = 32
"""How far before a number of a town its word of context may stand."""

NEAR_WORDS = 2
"""Words that may stand between, where the word has to be near."""

ROW_CHARS = 60
"""How far before a number of ten digits the IIN of its row may stand."""

LIST_CHARS = 28
"""How far behind a telephone number the next of the same list may begin: `тел. 70-65-90 (қабылдау), 70-65-91`."""

_WORD = re.compile(r"\w+")
_LIST = re.compile(r"[,;/ \t\u00a0]{1,3}|,? ?(?:және|мен|немесе|и|или|and|or) ")
_ASIDE = re.compile(r"[^\d\n]*")


@dataclass(frozen=True, slots=True)
class Words:
    """The words in the last characters before a number."""

    between: int | None
    """How many stand between the last word of telephones and the number; None where there is no such word, or one between
    says that the number counts something."""
    signs: str
    """What stands between the last word and the number."""
    is_short: bool
    """Whether that word is т. or ф."""
    answering: bool
    """Whether one is of those who answer telephones."""


def words_before(text: str, end: int) -> Words:
    """What is said right before a place.

    >>> words_before("байланыс телефоны: 55-01-99", 19)
    Words(between=0, signs=': ', is_short=False, answering=False)
    """
    before = before_of(text, end, WORD_CHARS).lower()
    matches = list(_WORD.finditer(before))
    words = [match.group() for match in matches]
    signs = before[matches[-1].end() :] if matches else ""
    between = next((place for place, word in enumerate(reversed(words)) if _is_of_telephones(word)), None)
    if between is not None:
        told = max(0, len(words) - between - 2)  # from the word before it on: `телефон саны`, `число телефонов`
        counts = any(word.startswith(COUNTING_STEMS) for word in words[told:])
        between = None if counts else between
    is_short = (
        words[-1:] != [] and words[-1] in SHORT_WORDS and (signs[:1] in (".", ":") or before.endswith("т/ф" + signs))
    )
    return Words(between, signs, is_short, any(word.startswith(ANSWERING_STEMS) for word in words))


def _is_of_telephones(word: str) -> bool:
    return word in PHONE_WORDS or (word.startswith(PHONE_STEMS) and not word.startswith(NO_PHONE_STEMS))


def before_of(text: str, end: int, length: int, since: int = 0) -> str:
    """So many characters before `end`, less a word cut in two: of `жасұялы` no `ұялы` stays."""
    start = max(0, since, end - length)
    while 0 < start < end and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start += 1
    return text[start:end]


@dataclass(slots=True)
class Before:
    """Words of context before the numbers of a text, and the numbers found so far, whose ends are -1 where there are none."""

    text: str
    words_count: bool = True
    """False where words say nothing, as in the name of a file."""
    phone_end: int = -1
    iin_end: int = -1

    def in_row_of_iin(self, start: int) -> bool:
        """Whether an IIN stands shortly before on the same line."""
        return 0 <= self.iin_end >= start - ROW_CHARS and "\n" not in self.text[self.iin_end : start]

    def is_spoken_of(self, start: int, *, near: bool = False) -> bool:
        """A word of telephones shortly before, with at most two words between where it has to be near; or another number."""
        if not self.words_count:
            return False
        if self.phone_end >= 0 and _LIST.fullmatch(self.text, self.phone_end, start):
            return True
        between = words_before(self.text, start).between
        return between is not None and (not near or between <= NEAR_WORDS)

    def is_hinted_at(self, start: int, end: int, *, is_date: bool) -> bool:
        """A number of the same list before; `т.`, a word of those who answer telephones; `нөміріне`, `телефоны` after it."""
        if not self.words_count:
            return False
        if 0 <= self.phone_end >= start - LIST_CHARS and _ASIDE.fullmatch(self.text, self.phone_end, start):
            return True
        words = words_before(self.text, start)
        return words.is_short or (words.answering and not is_date) or PHONE_WORD_AFTER.match(self.text, end) is not None

    def is_right_before(self, start: int, *, label: bool = False) -> bool:
        """Whether a word of telephones stands right before a number; as a `label`, with a colon or full stop."""
        if not self.words_count:
            return False
        words = words_before(self.text, start)
        if words.between != 0 or len(words.signs) > 4:
            return False
        return "." in words.signs or ":" in words.signs or (not label and words.signs.strip("№ \u00a0(") == "")
