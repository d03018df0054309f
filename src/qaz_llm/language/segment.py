"""Words and sentences, cut the same way wherever the project counts, compares or judges text."""

from __future__ import annotations

import re

WORD = re.compile(r"[^\W_]+(?:[-'’ʼ][^\W_]+)*")
"""A run of letters and digits; hyphens and apostrophes inside a word belong to it."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])[\"»”')\]]*\s+(?=[\"«“'(\[—–-]*\s*[A-ZА-ЯЁӘҒҚҢӨҰҮҺІ\d])|\n+")


def words(text: str) -> list[str]:
    """The words of a text in order, as written.

    >>> words("Қазақ тілі – 2024-жылдың тілі!")
    ['Қазақ', 'тілі', '2024-жылдың', 'тілі']
    """
    return WORD.findall(text)


def match_words(text: str) -> list[str]:
    """Words for comparing texts: lower case, hyphens split, punctuation gone, so that layout does not tell texts apart."""
    return _MATCH_WORD.findall(text.lower())


_MATCH_WORD = re.compile(r"[^\W_]+")


def sentences(text: str) -> list[str]:
    """Sentences by punctuation and line ends. Abbreviations (т.б., г.) may cut one sentence in two; for judging
    language or splitting long texts that does no harm.

    >>> sentences("Күн шықты. Қар ериді!\\nКөктем")
    ['Күн шықты.', 'Қар ериді!', 'Көктем']
    """
    return [piece for piece in (part.strip() for part in _SENTENCE_END.split(text)) if piece]
