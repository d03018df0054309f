"""What the quality rules ask of texts: counts per document, from three passes over characters, lines and words.

    facts = measure(scan_texts(["Қар ериді. Су ағады."]), languages=["kk"])
    facts.words_D 4    facts.word_letters_D 15    facts.sentences_D 2    facts.digits_D 0

Suffixes: _D documents of the batch, _S function words, _T slots of a hash table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import numpy.typing as npt

from qaz_llm.data.hash_tables import make_set, make_table
from qaz_llm.data.quality import kernels as kernels
from qaz_llm.language.alphabet import FUNCTION_WORDS
from qaz_llm.language.buffer import ClassTable, Hashes, Positions, ScannedTexts, character_classes, hash_words, table_of

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Facts:
    """Counts per document. `letters` are the characters of words, `characters` all there are."""

    characters_D: Counts
    digits_D: Counts
    symbols_D: Counts
    replacements_D: Counts
    """U+FFFD."""
    pieces_D: Counts
    """What white space separates; the next are those of them with a letter."""
    lettered_pieces_D: Counts
    sentences_D: Counts
    """Words that end in . ! ? … or ; with quotes and brackets after them or not."""
    sentence_ends_D: Counts
    """Sentence ends, ; aside, with more in the line; the next are those followed by what a sentence may begin with."""
    sentence_starts_D: Counts
    lines_D: Counts
    """Lines that are not blank, as are all those of the next five."""
    ellipsis_lines_D: Counts
    bullet_lines_D: Counts
    """Lines that begin with a bullet and do not end a sentence."""
    short_lines_D: Counts
    """At most three words and no end of a sentence."""
    open_lines_D: Counts
    """More than three words and no end of a sentence or part of one: verse, headlines, items of a list."""
    repeated_line_characters_D: Counts
    """Characters in lines that came before in the document."""
    words_D: Counts
    word_letters_D: Counts
    function_words_D: Counts
    top_run_letters_D: Counts
    """Letters of the commonest three words in a row, times their number, where that is three or more."""
    repeated_run_letters_D: Counts
    """Letters in runs of five words that came before, each run counted once."""


def measure(scanned: ScannedTexts, languages: Sequence[str]) -> Facts:
    """The facts of each text, its function words being those of its language (`kk`, `ru`, `en`; none for others)."""
    return _measure(scanned, tuple(languages))


@lru_cache(maxsize=1)  # the rules and the score of a batch ask for the same
def _measure(scanned: ScannedTexts, languages: tuple[str, ...]) -> Facts:
    batch, words, lines = scanned.batch, scanned.words, scanned.lines
    classes, marks = character_classes(), _mark_table()
    bits_D = np.array([_LANGUAGE_BITS.get(language, 0) for language in languages], dtype=np.int64)
    keys_T, places_T, bits_S = _function_words()
    most_lines = int(np.diff(lines.doc_starts_D).max(initial=0))
    most_words = int(np.diff(words.doc_starts_D).max(initial=0))
    return Facts(
        np.diff(batch.starts_D),
        *kernels.character_facts(batch.codes_C, batch.starts_D, classes, marks),
        *kernels.line_facts(
            batch.codes_C,
            classes,
            marks,
            lines.starts_L,
            lines.ends_L,
            lines.doc_starts_D,
            words.starts_W,
            words.joined_W,
            words.doc_starts_D,
            make_table(most_lines),
        ),
        *kernels.word_facts(
            batch.codes_C,
            words.starts_W,
            words.ends_W,
            words.hashes_W,
            words.joined_W,
            words.doc_starts_D,
            bits_D,
            (keys_T, places_T),
            bits_S,
            make_table(most_words),
        ),
    )


_LANGUAGE_BITS: Mapping[str, int] = {language: 1 << place for place, language in enumerate(FUNCTION_WORDS)}


@cache
def _function_words() -> tuple[Hashes, Positions, Counts]:
    """A set of all languages' function words, and for each of them the bits of the languages it belongs to."""
    listed = sorted(set().union(*FUNCTION_WORDS.values()))
    bits = [sum(_LANGUAGE_BITS[code] for code, known in FUNCTION_WORDS.items() if word in known) for word in listed]
    keys_T, places_T = make_set(hash_words(listed))
    return keys_T, places_T, np.array(bits, dtype=np.int64)


@cache
def _mark_table() -> ClassTable:
    closing = "\"»”’')]"
    capitals = "".join(map(chr, (code for code in range(0x250) if chr(code).isupper())))
    capitals += "".join(map(chr, (code for code in range(0x400, 0x530) if chr(code).isupper())))
    box_drawing = "".join(map(chr, range(0x2500, 0x2600)))
    return table_of(
        (
            ("#{}<>|\\^~_=*@" + box_drawing, kernels.SYMBOL),
            (".!?…", kernels.SENTENCE_END),
            (";", kernels.CLAUSE_END),
            (closing, kernels.CLOSING),
            (capitals + "0123456789\"«“‘'([–—-•*", kernels.OPENING),
            ('.!?…:;»”"),', kernels.LINE_FINAL),
            ("•*·●▪►", kernels.BULLET),  # no dashes: they begin the lines of a dialogue
        )
    )
