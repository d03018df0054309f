"""Long texts in pieces, cut where a reader would pause."""

from __future__ import annotations

import re

from qaz_llm.language.segment import sentences, words


def split_text(text: str, *, max_words: int) -> list[str]:
    """Pieces of at most `max_words` words, cut at paragraph ends where possible, else at sentence ends, else at words.

    >>> split_text("Бір екі. Үш төрт.\\n\\nБес алты.", max_words=3)
    ['Бір екі.', 'Үш төрт.', 'Бес алты.']
    """
    pieces: list[str] = []
    current: list[str] = []
    size = 0
    for paragraph in (part.strip() for part in text.split("\n") if part.strip()):
        for unit in _units(paragraph, max_words):
            length = len(words(unit))
            if current and size + length > max_words:
                pieces.append("\n".join(current))
                current, size = [], 0
            current.append(unit)
            size += length
    if current:
        pieces.append("\n".join(current))
    return pieces


def split_before(text: str, opening: str, *, max_words: int | None = None) -> list[str]:
    """Pieces that begin with a line that `opening` matches; what stands before the first such line is a piece, too. None is ever cut.

    Args:
        opening: a regular expression, matched at the beginning of a line.
        max_words: join pieces that follow each other up to so many words; one that is longer stays whole.

    >>> split_before("ЗАҢ\\n1-бап. Ұғымдар\\nБірінші.\\n2-бап. Мақсат\\nЕкінші.", r"\\d+-бап")
    ['ЗАҢ', '1-бап. Ұғымдар\\nБірінші.', '2-бап. Мақсат\\nЕкінші.']
    """
    begins = re.compile(opening)
    pieces: list[list[str]] = [[]]
    for line in text.split("\n"):
        if begins.match(line.lstrip()) and any(map(str.strip, pieces[-1])):
            pieces.append([])
        pieces[-1].append(line)
    whole = [piece for piece in ("\n".join(lines).strip() for lines in pieces) if piece]
    if max_words is None:
        return whole
    joined: list[str] = []
    size = 0
    for piece in whole:
        length = len(words(piece))
        if joined and size + length <= max_words:
            joined[-1] += f"\n{piece}"
            size += length
        else:
            joined.append(piece)
            size = length
    return joined


def _units(paragraph: str, max_words: int) -> list[str]:
    """The paragraph, or where it is too long its sentences joined up to the limit, or words where one is too long."""
    if len(words(paragraph)) <= max_words:
        return [paragraph]
    units: list[str] = []
    current = ""
    for sentence in sentences(paragraph):
        if len(words(sentence)) > max_words:
            tokens = sentence.split()
            pieces = [" ".join(tokens[i : i + max_words]) for i in range(0, len(tokens), max_words)]
        else:
            pieces = [sentence]
        for piece in pieces:
            longer = f"{current} {piece}" if current else piece
            if current and len(words(longer)) > max_words:
                units.append(current)
                current = piece
            else:
                current = longer
    return [*units, current] if current else units
