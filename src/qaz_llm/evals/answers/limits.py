"""How long an answer may be: in bytes, so that no tokenizer makes room for more words than another, and equally long in each language.

A number of bytes is one of English text. Cyrillic letters have two bytes each, and the same sentence has as many letters in the three languages
(FLORES-200 devtest, mean of 1,012 sentences: kk 133.8, ru 140.4, en 130.4 letters; 247, 257, 131 bytes), so answers in Kazakh and Russian have twice the bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

BYTES_PER_LETTER: Mapping[str, int] = {"kk": 2, "ru": 2, "en": 1}


def bytes_in(language: str, english_bytes: int) -> int:
    """The bytes that say as much in a language as so many do in English.

    >>> bytes_in("kk", 100), bytes_in("en", 100)
    (200, 100)
    """
    return english_bytes * BYTES_PER_LETTER.get(language, 2)


def cut_to_bytes(text: str, max_bytes: int) -> str:
    """The longest beginning of a text that has no more bytes; no letter is cut in two.

    >>> cut_to_bytes("Обь", 5)
    'Об'
    """
    return text.encode()[:max_bytes].decode(errors="ignore")


def finish(text: str, stop: tuple[str, ...], max_bytes: int, *, has_ended: bool) -> tuple[str, bool]:
    """What counts of a text as the answer, and whether the limit ended it: cut before the first stop string, then to length.

    >>> finish(" Обь\\nСұрақ: Ең ұзын", ("\\n",), 100, has_ended=False)
    ('Обь', False)
    >>> finish("Обь Обь Обь", ("\\n",), 9, has_ended=True)
    ('Обь О', True)
    """
    text = text.lstrip()
    ends = [position for s in stop if (position := text.find(s)) >= 0]
    answer = text[: min(ends, default=len(text))].strip()
    is_long = len(answer.encode()) > max_bytes
    return (cut_to_bytes(answer, max_bytes), True) if is_long else (answer, not (ends or has_ended))
