"""The part of an answer that is said: what a model thinks aloud before it names choices and numbers that it then drops."""

from __future__ import annotations

import re

_CLOSED = re.compile(r".*</(?:think|thinking|thought|reasoning)>", re.DOTALL | re.IGNORECASE)
_OPEN = re.compile(r"\s*<(?:think|thinking|thought|reasoning)>", re.IGNORECASE)


def without_thinking(answer: str) -> str:
    """What stands behind the last closed thought; nothing where a thought was opened and never ended.

    >>> without_thinking("<think>A? Жауап: A</think>Жауап: C"), without_thinking("<think>Жауап: A")
    ('Жауап: C', '')
    """
    said = _CLOSED.sub("", answer, count=1)
    return "" if _OPEN.match(said) else said
