"""What letters and words say of a piece's language: surely or likely Kazakh, Russian or English, or nothing.

The rules were chosen on real sentences of Kazakh, Russian, English and their neighbours; docs/results/language_id.md has how
often they are right. Suffixes as in identify_kernels.py.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from qaz_llm.language.identify_kernels import MIN_LETTERS, Kind
from qaz_llm.language.kernels import kernel

MIN_DETECTOR_LETTERS = 6
"""With fewer no detector is asked."""


class Verdict(IntEnum):
    """What letters and words say of a piece."""

    SURE_KK = 0
    SURE_RU = 1
    SURE_EN = 2
    LIKELY_KK = 3
    """Kazakh beside pieces that surely are; alone a detector has to agree. So with the next two."""
    LIKELY_RU = 4
    LIKELY_EN = 5
    DOUBTFUL = 6
    UNTOLD = 7
    """Too short, or too little of a text whose language is plain, to ask a detector."""


def judge_pieces(counts_PK: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """The `Verdict` on each piece."""
    verdicts_P: npt.NDArray[np.uint8] = _judge(counts_PK)
    return verdicts_P


@kernel
def _judge(counts_PK):  # type: ignore[no-untyped-def]
    verdicts_P = np.empty(len(counts_PK), np.uint8)
    for piece in range(len(counts_PK)):
        verdicts_P[piece] = _verdict(counts_PK[piece])
    return verdicts_P


@kernel
def _verdict(counts_K):  # type: ignore[no-untyped-def]
    letters = counts_K[Kind.LETTERS]
    undecided = Verdict.UNTOLD if letters < MIN_DETECTOR_LETTERS else Verdict.DOUBTFUL
    if counts_K[Kind.FORBIDDEN]:
        return undecided
    if kazakh_letters(counts_K):
        kazakh = _kazakh_verdict(counts_K)
        return undecided if kazakh == Verdict.UNTOLD else kazakh
    if letters < MIN_LETTERS:
        return undecided
    russian = counts_K[Kind.RUSSIAN]
    if 2 * russian > letters and russian + counts_K[Kind.LATIN] == letters:
        if russian == letters and _is_russian(counts_K):
            return Verdict.SURE_RU
        signs = counts_K[Kind.SIGN] + counts_K[Kind.RU_WORDS] + counts_K[Kind.RU_ENDINGS]
        return Verdict.LIKELY_RU if signs and not counts_K[Kind.KK_WORDS] else undecided
    if counts_K[Kind.LATIN] == letters and counts_K[Kind.EN_WORDS]:
        share = 4 * counts_K[Kind.EN_WORDS] >= counts_K[Kind.WORDS] >= 4
        return Verdict.SURE_EN if share and counts_K[Kind.EN_TELLING] else Verdict.LIKELY_EN
    return undecided


@kernel
def _kazakh_verdict(counts_K):  # type: ignore[no-untyped-def]
    """The verdict on a piece with a letter of Kazakh and none that it forbids; UNTOLD for no verdict."""
    with_i = counts_K[Kind.I]
    front = counts_K[Kind.Q] + counts_K[Kind.FRONT]
    back = counts_K[Kind.GH] + counts_K[Kind.NG]
    own = counts_K[Kind.U] + front + counts_K[Kind.GH]
    few = 10 * kazakh_letters(counts_K) < counts_K[Kind.LETTERS]  # of a Kazakh text a quarter
    if few and own and counts_K[Kind.RU_WORDS] >= 2 and _is_russian(counts_K):
        return Verdict.SURE_RU  # Kazakh names in it
    if counts_K[Kind.U] or (with_i and (front or (back and counts_K[Kind.KK_WORDS]))):
        return Verdict.SURE_KK
    if counts_K[Kind.LETTERS] >= MIN_LETTERS and (own or (with_i and back)) and not is_like_karakalpak(counts_K):
        return Verdict.LIKELY_KK
    return Verdict.UNTOLD


@kernel
def kazakh_letters(counts_K):  # type: ignore[no-untyped-def]
    """How many letters Kazakh has and Russian has not."""
    own = counts_K[Kind.U] + counts_K[Kind.I] + counts_K[Kind.Q] + counts_K[Kind.GH]
    return own + counts_K[Kind.FRONT] + counts_K[Kind.NG]


@kernel
def _is_russian(counts_K):  # type: ignore[no-untyped-def]
    its_own = counts_K[Kind.RU_TELLING] + counts_K[Kind.RU_ENDINGS]
    words = counts_K[Kind.RU_WORDS] + counts_K[Kind.RU_ENDINGS]
    if 6 * words < counts_K[Kind.WORDS] or words <= 2 * counts_K[Kind.KK_WORDS]:
        return False
    return its_own >= 2 or (counts_K[Kind.SIGN] > 0 and (its_own >= 1 or words >= 3))


@kernel
def is_like_karakalpak(counts_K):  # type: ignore[no-untyped-def]
    """Whether і and ұ are absent (under 1 letter in 200; in Kazakh 1 in 17) and words and endings have и in their place."""
    absent = 200 * (counts_K[Kind.U] + counts_K[Kind.I]) < counts_K[Kind.LETTERS]
    return absent and counts_K[Kind.KAA_TELLING] > 0
