"""Pieces of texts (sentences, short ones joined) and what letters and words say of each one's language.

    pieces = measure_pieces(scan_texts(["Күн шықты. Ауыл тұрғындары көпір салды."]))      one piece: the first sentence is short
    pieces.counts_PK[0, [Kind.LETTERS, Kind.U, Kind.I, Kind.WORDS]]                       33, 1, 1, 6

One pass cuts, one counts; verdicts.py says what language the counts tell.

Suffixes: _C code points of the batch, _W its words, _P pieces, _D documents, _K kinds of count (`Kind`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cache

import numpy as np
import numpy.typing as npt

from qaz_llm.language import telling
from qaz_llm.language.alphabet import FORBIDDEN_LETTERS, FUNCTION_WORDS
from qaz_llm.language.buffer import DIGIT as IS_DIGIT
from qaz_llm.language.buffer import LETTER as IS_LETTER
from qaz_llm.language.buffer import SPACE as IS_SPACE
from qaz_llm.language.buffer import Positions, ScannedTexts, character_classes, hash_words, lower_table
from qaz_llm.language.kernels import inlined, kernel

MIN_LETTERS = 12
"""Sentences with fewer letters (`1999 ж.`, `Иә.`) are joined to what follows, and at the end to what came before."""

MIN_CODES = 24
"""A piece is at least so many characters long, for the same reason."""


class Kind(IntEnum):
    """What is counted of a piece: letters of a kind, or words of a kind (from `WORDS` on).

    The numbers are compiled into the kernels here and in verdicts.py, and numba's cache goes by the date of one file: who
    changes them saves verdicts.py too.
    """

    LETTERS = 0
    U = 1
    """ұ, of Kazakh alone"""
    I = 2  # noqa: E741
    """і, which Karakalpak, Kyrgyz, Tatar and Russian do not have"""
    Q = 3
    """қ"""
    FRONT = 4
    """ә ө ү һ; like қ no other language has them beside і"""
    GH = 5
    """ғ, which Khakas has too beside і"""
    NG = 6
    """ң, likewise"""
    FORBIDDEN = 7
    RUSSIAN = 8
    """the 33 of Russian"""
    SIGN = 9
    """ы э ё, which Bulgarian, Serbian, Macedonian and Ukrainian do not have"""
    LATIN = 10
    """a–z"""
    WORDS = 11
    KK_WORDS = 12
    RU_WORDS = 13
    EN_WORDS = 14
    RU_TELLING = 15
    """words of Russian alone"""
    RU_ENDINGS = 16
    """other words that end as only Russian ones do"""
    EN_TELLING = 17
    KAA_TELLING = 18
    """words and endings of Karakalpak, which Kazakh spells otherwise"""


@dataclass(frozen=True, slots=True)
class Pieces:
    """The pieces of a batch in order, which together are the whole text; those of document d as in `Words`."""

    starts_P: Positions
    ends_P: Positions
    doc_starts_P: Positions
    counts_PK: npt.NDArray[np.int32]


def measure_pieces(scanned: ScannedTexts) -> Pieces:
    """Cut every text into pieces and count what tells its language."""
    codes_C, words = scanned.batch.codes_C, scanned.words
    starts_P, ends_P, doc_starts_P = _cut(codes_C, scanned.batch.starts_D, _signs())
    counts_PK = _count(
        codes_C, starts_P, ends_P, _letters(), words.starts_W, words.ends_W, words.hashes_W, *_word_tables()
    )
    return Pieces(starts_P, ends_P, doc_starts_P, counts_PK)


# ----------------------------------------------------------------------------------------------------------- tables

_LETTER, _SPACE, _STOP, _NEWLINE, _CLOSER, _OPENER, _STARTER, _RUSSIAN, _LATIN = (1 << bit for bit in range(9))
_SIGN, _U, _I, _Q, _FRONT, _GH, _NG, _FORBIDDEN = (1 << bit for bit in range(9, 17))
_BIT_OF = {
    Kind.LETTERS: _LETTER, Kind.U: _U, Kind.I: _I, Kind.Q: _Q, Kind.FRONT: _FRONT, Kind.GH: _GH, Kind.NG: _NG,
    Kind.FORBIDDEN: _FORBIDDEN, Kind.RUSSIAN: _RUSSIAN, Kind.SIGN: _SIGN, Kind.LATIN: _LATIN,
}  # fmt: skip

_RUSSIAN_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщъыьэюя"
_LATIN_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_STARTERS = f"{_LATIN_LETTERS}{_RUSSIAN_LETTERS}әғқңөұүһі".upper()

_KK_WORD, _RU_WORD, _EN_WORD, _RU_TELLING, _EN_TELLING, _KAA_TELLING, _SHARED = (1 << bit for bit in range(7))
_RU_ENDING, _KAA_ENDING = 1, 2
_NUM_KINDS = len(Kind)
_LETTER_KINDS = len(_BIT_OF)
_BITS_PER_SUM, _KINDS_PER_SUM = 10, 6
_MOST_IN_SUM = (1 << _BITS_PER_SUM) - 1
_SLOT_BITS = 11
_A = ord("а")
_POINT = ord(".")


@cache
def _signs() -> npt.NDArray[np.uint32]:
    """The bits above for every code point; a letter's are those of its lower case."""
    classes = character_classes()
    signs = np.zeros(len(classes), dtype=np.uint32)
    for bit, known in ((_LETTER, IS_LETTER), (_SPACE, IS_SPACE), (_STARTER, IS_DIGIT)):
        signs[(classes & known) != 0] |= bit
    for letters, bit in (
        (_RUSSIAN_LETTERS, _RUSSIAN),
        (_LATIN_LETTERS, _LATIN),
        ("ыэё", _SIGN),
        ("ұ", _U),
        ("і", _I),
        ("қ", _Q),
        ("әөүһ", _FRONT),
        ("ғ", _GH),
        ("ң", _NG),
        (FORBIDDEN_LETTERS, _FORBIDDEN),
    ):
        for letter in letters + letters.upper():
            signs[ord(letter)] |= bit
    for characters, bit in (
        (".!?…", _STOP),
        ("\n", _NEWLINE),
        ("\"»”')]", _CLOSER),
        ("\"«“'([—–-", _OPENER),
        (_STARTERS, _STARTER),
    ):
        for character in characters:
            signs[ord(character)] |= bit
    signs.flags.writeable = False
    return signs


@cache
def _letters() -> npt.NDArray[np.uint64]:
    """For every code point a 1 in the place of each kind of letter it is, shape [code points, 2]: kinds 0 to 5 in the first
    number, from the lowest ten bits on, the others in the second."""
    signs = _signs()
    letters = np.zeros((len(signs), 2), dtype=np.uint64)
    known = np.flatnonzero(signs)
    for kind, bit in _BIT_OF.items():
        place, shift = divmod(kind, _KINDS_PER_SUM)
        letters[known, place] |= ((signs[known] & bit) != 0).astype(np.uint64) << np.uint64(_BITS_PER_SUM * shift)
    letters.flags.writeable = False
    return letters


@cache
def _word_tables() -> tuple[
    npt.NDArray[np.uint64], npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint32]
]:
    """An open-addressing table of telling words by hash, their bits, the bits of endings by three letters, lower case."""
    keys = np.zeros(1 << _SLOT_BITS, dtype=np.uint64)
    bits = np.zeros(1 << _SLOT_BITS, dtype=np.uint8)
    for words, bit in (
        (FUNCTION_WORDS["kk"], _KK_WORD),
        (FUNCTION_WORDS["ru"], _RU_WORD),
        (FUNCTION_WORDS["en"], _EN_WORD),
        (telling.RUSSIAN_WORDS, _RU_WORD | _RU_TELLING),
        (telling.ENGLISH_WORDS, _EN_WORD | _EN_TELLING),
        (telling.KARAKALPAK_WORDS, _KAA_TELLING),
        (telling.SHARED_SLAVIC_WORDS, _SHARED),
    ):
        for key in hash_words(sorted(words)):
            slot = int(key) >> (64 - _SLOT_BITS)
            while keys[slot] not in (0, key):
                slot = (slot + 1) % len(keys)
            keys[slot] = key
            bits[slot] |= bit
    endings = np.zeros(1 << 15, dtype=np.uint8)
    for known, bit in ((telling.RUSSIAN_ENDINGS, _RU_ENDING), (telling.KARAKALPAK_ENDINGS, _KAA_ENDING)):
        for ending in known:
            first, second, third = (ord(letter) - _A for letter in ending)
            endings[first << 10 | second << 5 | third] |= bit
    return keys, bits, endings, lower_table()


# ---------------------------------------------------------------------------------------------------------- kernels


@kernel
def _cut(codes_C, starts_D, signs):  # type: ignore[no-untyped-def]
    """Cut at ends of sentences (as `segment.sentences` does) that leave a piece long enough."""
    num_docs = len(starts_D) - 1
    most = len(codes_C) // MIN_CODES + num_docs + 1
    starts_P = np.empty(most, np.int64)
    ends_P = np.empty(most, np.int64)
    doc_starts_P = np.empty(num_docs + 1, np.int64)
    count = 0
    for doc in range(num_docs):
        doc_starts_P[doc] = count
        start = position = starts_D[doc]
        end = starts_D[doc + 1]
        letters = 0
        while position < end:
            bits = signs[codes_C[position]]
            letters += bits & _LETTER
            position += 1
            if not bits & (_STOP | _NEWLINE):
                continue
            following = _next_sentence(codes_C, position, end, signs, (bits & _NEWLINE) != 0)
            if following < 0:
                continue
            position = following
            if letters >= MIN_LETTERS and position - start >= MIN_CODES:
                starts_P[count] = start
                ends_P[count] = start = position
                count += 1
                letters = 0
        if start < end:
            if letters < MIN_LETTERS and count > doc_starts_P[doc]:
                ends_P[count - 1] = end
            else:
                starts_P[count] = start
                ends_P[count] = end
                count += 1
    doc_starts_P[num_docs] = count
    return starts_P[:count], ends_P[:count], doc_starts_P


@kernel
def _next_sentence(codes_C, position, end, signs, after_newline):  # type: ignore[no-untyped-def]
    """Where the next sentence starts after a stop or line end just before `position`; −1 if none does."""
    if after_newline:
        while position < end and signs[codes_C[position]] & _NEWLINE:
            position += 1
        return position
    while position < end and signs[codes_C[position]] & _CLOSER:
        position += 1
    if position == end or not signs[codes_C[position]] & _SPACE:
        return -1
    while position < end and signs[codes_C[position]] & _SPACE:
        position += 1
    start = position
    while position < end and signs[codes_C[position]] & _OPENER:
        position += 1
    while position < end and signs[codes_C[position]] & _SPACE:
        position += 1
    return start if position < end and signs[codes_C[position]] & _STARTER else -1


@kernel
def _count(codes_C, starts_P, ends_P, letters, starts_W, ends_W, hashes_W, keys, word_bits, endings, lower):  # type: ignore[no-untyped-def]
    counts_PK = np.zeros((len(starts_P), _NUM_KINDS), np.int32)
    word = 0
    for piece in range(len(starts_P)):
        counts_K = counts_PK[piece]
        _count_letters(codes_C[starts_P[piece] : ends_P[piece]], letters, counts_K)
        while word < len(starts_W) and starts_W[word] < ends_P[piece]:
            bits = _bits_of(hashes_W[word], keys, word_bits)
            if ends_W[word] - starts_W[word] == 1 and ends_W[word] < ends_P[piece] and codes_C[ends_W[word]] == _POINT:
                bits = 0  # an initial: `С. Сейфуллин`
            if bits:
                counts_K[Kind.KK_WORDS] += (bits & _KK_WORD) != 0
                counts_K[Kind.RU_WORDS] += (bits & _RU_WORD) != 0
                counts_K[Kind.EN_WORDS] += (bits & _EN_WORD) != 0
                counts_K[Kind.RU_TELLING] += (bits & _RU_TELLING) != 0
                counts_K[Kind.EN_TELLING] += (bits & _EN_TELLING) != 0
                counts_K[Kind.KAA_TELLING] += (bits & _KAA_TELLING) != 0
            elif ends_W[word] - starts_W[word] >= 4:
                _count_ending(codes_C, ends_W[word], endings, lower, counts_K)
            counts_K[Kind.WORDS] += 1
            word += 1
    return counts_PK


@kernel
def _count_letters(codes_C, letters, counts_K):  # type: ignore[no-untyped-def]
    """Two sums hold all counts, ten bits each, so that a letter costs two additions whatever it is; see `_letters`."""
    for start in range(0, len(codes_C), _MOST_IN_SUM):
        low = high = np.uint64(0)
        for code in codes_C[start : start + _MOST_IN_SUM]:
            low += letters[code, 0]
            high += letters[code, 1]
        for kind in range(_LETTER_KINDS):
            packed = low if kind < _KINDS_PER_SUM else high
            counts_K[kind] += (packed >> np.uint64(_BITS_PER_SUM * (kind % _KINDS_PER_SUM))) & np.uint64(_MOST_IN_SUM)


@inlined
def _bits_of(key, keys, word_bits):  # type: ignore[no-untyped-def]
    slot = np.int64(key >> np.uint64(64 - _SLOT_BITS))
    while keys[slot] != key and keys[slot] != 0:
        slot = (slot + 1) & (len(keys) - 1)
    return word_bits[slot]  # of a free slot 0


@inlined
def _count_ending(codes_C, end, endings, lower, counts_K):  # type: ignore[no-untyped-def]
    first = np.int64(lower[codes_C[end - 3]]) - _A
    second = np.int64(lower[codes_C[end - 2]]) - _A
    third = np.int64(lower[codes_C[end - 1]]) - _A
    if 0 <= third < 32 and 0 <= second < 32 and 0 <= first < 32:
        bits = endings[first << 10 | second << 5 | third]
        counts_K[Kind.RU_ENDINGS] += bits & _RU_ENDING
        counts_K[Kind.KAA_TELLING] += (bits & _KAA_ENDING) != 0
    elif third == 0x4A3 - _A and second == 0x438 - _A:  # -иң: what Kazakh writes -ің
        counts_K[Kind.KAA_TELLING] += 1
