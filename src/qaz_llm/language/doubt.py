"""The language of a piece that letters and words leave in doubt: pycld2, then a second detector, both checked by the letters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qaz_llm.language.detectors import UNDETERMINED, Detector, detect_cld2, detect_langid
from qaz_llm.language.identify_kernels import Kind
from qaz_llm.language.verdicts import is_like_karakalpak
from qaz_llm.records import LANGUAGES

OTHER = "other"
KARAKALPAK = "kaa"
FIRST_CODES = (*LANGUAGES, UNDETERMINED)
"""The codes that have the first numbers."""

SURE_LETTERS = 40
"""In a piece of so many letters pycld2 is believed when it names a language that is not kk, ru or en."""

SECOND_LETTERS = 30
SECOND_RUSSIAN_LETTERS = 15
"""In a shorter piece the second detector is not believed alone; it knows Russian sooner."""

MANY_WORDS = 8
"""In so many words of Russian there is a small word, or an ending, that is known."""

MAX_DETECTOR_CHARS = 2000
"""A detector reads so much of a piece and no more; longer pieces are lists and tables."""

_SLAVIC = frozenset({"ru", "be", "bg", "mk", "sr", "uk"})


class Jury:
    """Asks the detectors of one batch; numbers the languages they name and counts the questions."""

    def __init__(self, model: Detector | None) -> None:
        self.model = model
        self.numbers = {code: number for number, code in enumerate(FIRST_CODES)}
        self.asked = {"pycld2": 0, "second": 0}

    def ask(self, text: str, counts_K: Sequence[int], *, first_only: bool) -> int:
        """The number of the language of a doubtful piece; with `first_only` what pycld2 cannot tell stays untold."""
        code = self._decide(text[:MAX_DETECTOR_CHARS].lower(), counts_K, first_only)  # detectors are weak on capitals
        if code == "kk" and is_like_karakalpak(np.asarray(counts_K)):
            code = KARAKALPAK
        return self.numbers.setdefault(code, len(self.numbers))

    def _decide(self, lowered: str, counts_K: Sequence[int], first_only: bool) -> str:
        self.asked["pycld2"] += 1
        first = detect_cld2(lowered)
        if counts_K[Kind.FORBIDDEN]:
            return first if first not in {"kk", UNDETERMINED, *LANGUAGES} else OTHER
        kazakh_letters = _kazakh_letters(counts_K) > 0
        if first == "kk" and kazakh_letters:
            return first
        if first in _SLAVIC and counts_K[Kind.SIGN] and _in_russian_letters(counts_K):
            first = "ru"
        if first == "ru" and counts_K[Kind.WORDS] >= MANY_WORDS and not _russian_words(counts_K):
            first = UNDETERMINED  # pycld2 takes small languages of Siberia and the Caucasus for Russian
        if first == "en" or (first == "ru" and not kazakh_letters):
            return first
        by_words = _by_words(counts_K)
        if first == UNDETERMINED and by_words != UNDETERMINED:
            return by_words
        elsewhere = first not in {"kk", "ru", UNDETERMINED}
        if elsewhere and by_words == UNDETERMINED and counts_K[Kind.LETTERS] >= SURE_LETTERS:
            return first
        if first_only:
            return UNDETERMINED
        self.asked["second"] += 1
        second = (self.model or detect_langid)(lowered)
        return _second_opinion(first, second, by_words, counts_K)


def _second_opinion(first: str, second: str, by_words: str, counts_K: Sequence[int]) -> str:
    """The language where two detectors were asked."""
    long_enough = counts_K[Kind.LETTERS] >= SECOND_LETTERS
    kazakh_letters = _kazakh_letters(counts_K) > 0
    if second in _SLAVIC and _in_russian_letters(counts_K):
        telling = counts_K[Kind.RU_TELLING] + counts_K[Kind.RU_ENDINGS] > 0 and second not in {"bg", "mk"}
        if counts_K[Kind.SIGN] or telling or (second == "ru" and counts_K[Kind.LETTERS] >= SECOND_RUSSIAN_LETTERS):
            return "ru"
    unheard = {
        "kk": counts_K[Kind.KK_WORDS] + counts_K[Kind.I] + counts_K[Kind.U] < 2,
        "ru": not _in_russian_letters(counts_K),
        "en": 5 * counts_K[Kind.EN_WORDS] < counts_K[Kind.WORDS],
    }
    if second != first and unheard.get(second, False):
        second = UNDETERMINED  # the nearest big language that a detector knows, for a small one that it does not
    if by_words != UNDETERMINED and by_words in {first, second}:
        return by_words
    if second == first or (first != UNDETERMINED and not kazakh_letters):
        return first
    return second if long_enough else UNDETERMINED


def _in_russian_letters(counts_K: Sequence[int]) -> bool:
    """No letters but those of Russian, more than half, and of Latin names."""
    letters, russian = counts_K[Kind.LETTERS], counts_K[Kind.RUSSIAN]
    return bool(2 * russian > letters and russian + counts_K[Kind.LATIN] == letters)


def _russian_words(counts_K: Sequence[int]) -> bool:
    return bool(counts_K[Kind.RU_WORDS] + counts_K[Kind.RU_ENDINGS])


def _kazakh_letters(counts_K: Sequence[int]) -> int:
    return sum(counts_K[kind] for kind in (Kind.U, Kind.I, Kind.Q, Kind.FRONT, Kind.GH, Kind.NG))


def _by_words(counts_K: Sequence[int]) -> str:
    """The language of twice as many small words as the others have together, two at least."""
    found = dict(
        zip(LANGUAGES, (counts_K[Kind.KK_WORDS], counts_K[Kind.RU_WORDS], counts_K[Kind.EN_WORDS]), strict=True)
    )
    best = max(found, key=lambda code: found[code])
    if found[best] < 2 or found[best] <= 2 * (sum(found.values()) - found[best]):
        return UNDETERMINED
    if best == "ru" and not counts_K[Kind.SIGN] + counts_K[Kind.RU_TELLING] + counts_K[Kind.RU_ENDINGS]:
        return UNDETERMINED  # Bulgarian, Macedonian and Serbian have most small words of Russian
    return best
