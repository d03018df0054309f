"""The lines and paragraphs of texts by which repeated ones are known: menus, notices, calls to subscribe.

A block is a line of at least `min_words` words, or a paragraph (the lines between blank ones) of at least so many words that
has a shorter line too; a paragraph of long lines only needs no hash of its own, since its lines have theirs.

    Басты бет          ┐
    Жаңалықтар мұрағаты├ one block of 5 words, none of its lines being long enough
    Байланыс           ┘
                         (blank)
    Бұл мақаланы достарыңызбен бөлісіңіз         a block by itself

Suffixes: _C codes of the batch, _W its words, _L its lines, _B blocks, _D documents (arrays of starts have one more).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qaz_llm.data.duplicates.minhash import run_hash
from qaz_llm.language.buffer import SPACE, Hashes, Positions, ScannedTexts, character_classes
from qaz_llm.language.kernels import kernel


@dataclass(frozen=True, slots=True)
class Blocks:
    """Blocks in order, a paragraph before its lines; block b is the lines `first_B[b]` to `last_B[b]` of the batch.

    Equal hashes are equal words: case, punctuation and layout do not tell blocks apart.
    """

    hashes_B: Hashes
    first_B: Positions
    last_B: Positions
    starts_D: Positions


def find_blocks(scanned: ScannedTexts, *, min_words: int) -> Blocks:
    """The blocks of every text."""
    return Blocks(
        *_find_blocks(
            scanned.batch.codes_C,
            character_classes(),
            scanned.words.starts_W,
            scanned.words.hashes_W,
            scanned.words.doc_starts_D,
            scanned.lines.starts_L,
            scanned.lines.ends_L,
            scanned.lines.doc_starts_D,
            min_words,
        )
    )


def blank_lines(scanned: ScannedTexts) -> list[bool]:
    """Whether each line of the batch holds nothing but space."""
    lines = scanned.lines
    blank: list[bool] = _blank_lines(
        scanned.batch.codes_C, character_classes(), lines.starts_L, lines.ends_L, 0, len(lines.starts_L)
    ).tolist()
    return blank


@kernel
def _blank_lines(codes_C, classes, starts_L, ends_L, first, last):  # type: ignore[no-untyped-def]
    blank = np.empty(last - first, np.bool_)
    for line in range(first, last):
        position = starts_L[line]
        while position < ends_L[line] and classes[codes_C[position]] & SPACE:
            position += 1
        blank[line - first] = position == ends_L[line]
    return blank


@kernel
def _find_blocks(codes_C, classes, starts_W, hashes_W, word_starts_D, starts_L, ends_L, line_starts_D, min_words):  # type: ignore[no-untyped-def]
    num_docs = len(line_starts_D) - 1
    num_lines = len(starts_L)
    blank_L = _blank_lines(codes_C, classes, starts_L, ends_L, 0, num_lines)
    words_L = _first_words(starts_W, word_starts_D, starts_L, line_starts_D)
    hashes_B = np.empty(2 * num_lines, np.uint64)
    first_B = np.empty(2 * num_lines, np.int64)
    last_B = np.empty(2 * num_lines, np.int64)
    starts_D = np.zeros(num_docs + 1, np.int64)
    count = 0
    for doc in range(num_docs):
        line = line_starts_D[doc]
        while line < line_starts_D[doc + 1]:
            if blank_L[line]:
                line += 1
                continue
            end = line
            has_short = False
            while end < line_starts_D[doc + 1] and not blank_L[end]:
                has_short |= 0 < words_L[end + 1] - words_L[end] < min_words
                end += 1
            num_words = words_L[end] - words_L[line]
            if has_short and end > line + 1 and num_words >= min_words:
                hashes_B[count] = run_hash(hashes_W, words_L[line], num_words)
                first_B[count] = line
                last_B[count] = end - 1
                count += 1
            for inner in range(line, end):
                num_words = words_L[inner + 1] - words_L[inner]
                if num_words >= min_words:
                    hashes_B[count] = run_hash(hashes_W, words_L[inner], num_words)
                    first_B[count] = inner
                    last_B[count] = inner
                    count += 1
            line = end
        starts_D[doc + 1] = count
    return hashes_B[:count], first_B[:count], last_B[:count], starts_D


@kernel
def _first_words(starts_W, word_starts_D, starts_L, line_starts_D):  # type: ignore[no-untyped-def]
    """The first word at or after the start of each line, and the number of all words."""
    words_L = np.empty(len(starts_L) + 1, np.int64)
    word = 0
    for line in range(len(starts_L)):
        while word < len(starts_W) and starts_W[word] < starts_L[line]:
            word += 1
        words_L[line] = word
    words_L[len(starts_L)] = len(starts_W)
    return words_L
