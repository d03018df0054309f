"""Long texts in pieces, cut where a reader would pause."""

from __future__ import annotations

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
