"""Which language a text is in, sentence by sentence: Kazakh, Russian, English, or something else.

Kazakh's neighbours (Kyrgyz, Tatar, Bashkir, Uzbek, Karakalpak, Mongolian …) share its letters and fool every detector on
short text, so letters and small words are looked at first (identify_kernels.py, verdicts.py):

1. A letter of FORBIDDEN_LETTERS: a neighbour's, whatever a detector says.
2. ұ, or і beside қ ә ө ү һ: Kazakh, nine sentences of ten and no sentence of ky tt ru mn uk be.
3. Words and endings that Russian, or English, shares with no neighbour: that language.
4. Other Kazakh letters: Kazakh where the document surely is; alone, where a detector agrees.
5. The rest (doubt.py): pycld2, then where it is unsure or at odds with the letters py3langid, or a fastText model that is given.

Languages outside kk, ru, en come back by their ISO 639-1 code in `detail` (three letters where there is no such code),
and together as `other`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from qaz_llm.language.buffer import ScannedTexts, scan_texts
from qaz_llm.language.detectors import UNDETERMINED as UNDETERMINED
from qaz_llm.language.detectors import Detector
from qaz_llm.language.doubt import FIRST_CODES, KARAKALPAK, SURE_LETTERS, Jury
from qaz_llm.language.doubt import OTHER as OTHER
from qaz_llm.language.identify_kernels import Kind, Pieces, measure_pieces
from qaz_llm.language.verdicts import Verdict, judge_pieces
from qaz_llm.records import LANGUAGES

FLAT_KAZAKH = "kk-flat"

_KAZAKH = FIRST_CODES.index("kk")
_UNDETERMINED = FIRST_CODES.index(UNDETERMINED)

FLAT_MIN_LETTERS = 100
MIN_KAZAKH_LETTER_FRAC = 0.01
"""At least this share of a Kazakh text of 100 letters or more is і, ұ, қ or ғ (of 697 encyclopaedia passages all but
two have over 0.03). What a detector calls Kazakh without them is flattened to Russian letters, or a neighbour's."""

CLEAR_FRAC = 0.75
"""A document's language is clear where so much of it is told by letters and words."""


@dataclass(frozen=True, slots=True)
class LanguageShares:
    """How much of a text, by letters of its sentences, is in which language.

    `kk`, `ru`, `en` and `other` add up to 1 where anything could be told, else all are 0 and `main` is `und`.
    `main` is kk, ru, en, or the ISO code of another language; `detail` holds every language found, by code.
    """

    kk: float
    ru: float
    en: float
    other: float
    main: str
    detail: Mapping[str, float]

    def share(self, language: str) -> float:
        """The share of one language code."""
        return self.detail.get(language, 0.0)


@dataclass(frozen=True, slots=True)
class LabelledPieces:
    """The pieces of a batch and the language of each: piece p is in `codes[languages_P[p]]`."""

    pieces: Pieces
    languages_P: npt.NDArray[np.int64]
    codes: Sequence[str]
    asked: Mapping[str, int]
    """How many pieces each detector was asked of."""


def identify(text: str, model: Detector | None = None) -> LanguageShares:
    """The language shares of a (repaired) text."""
    return identify_texts(scan_texts([text]), model)[0]


def identify_texts(scanned: ScannedTexts, model: Detector | None = None) -> list[LanguageShares]:
    """The language shares of every text of a batch.

    `model` (detectors.py) is asked in the place of py3langid.
    """
    labelled = label_pieces(scanned, model)
    letters_DL = _letters_by_language(labelled)
    counts_DK = _sums(labelled.pieces.counts_PK, labelled.pieces.doc_starts_P)
    shares = [_NOTHING] * len(scanned)
    letters_DL[:, _UNDETERMINED] = 0
    flat_D, karakalpak_D = _not_kazakh_after_all(counts_DK, letters_DL[:, _KAZAKH])
    single_D = ((letters_DL > 0).sum(axis=1) == 1) & ~flat_D & ~karakalpak_D
    mains_D = letters_DL.argmax(axis=1)
    for doc in np.flatnonzero(letters_DL.any(axis=1)).tolist():
        if single_D[doc]:
            shares[doc] = _only(labelled.codes[mains_D[doc]])
            continue
        row = zip(labelled.codes, letters_DL[doc].tolist(), strict=True)
        letters = {code: number for code, number in row if number}
        if flat_D[doc] or karakalpak_D[doc]:
            truly = FLAT_KAZAKH if flat_D[doc] else KARAKALPAK
            letters[truly] = letters.get(truly, 0) + letters.pop("kk")
        shares[doc] = _shares_of(letters)
    return shares


def label_pieces(scanned: ScannedTexts, model: Detector | None = None) -> LabelledPieces:
    """The pieces of every text of a batch, each with its language."""
    pieces = measure_pieces(scanned)
    verdicts_P = judge_pieces(pieces.counts_PK)
    docs_P = np.repeat(np.arange(len(scanned)), np.diff(pieces.doc_starts_P))
    clear_D = _settle_by_document(verdicts_P, pieces.counts_PK, docs_P, len(scanned))
    languages_P = _LANGUAGE_OF_VERDICT[verdicts_P]
    jury = Jury(model)
    for piece in np.flatnonzero(verdicts_P == Verdict.DOUBTFUL).tolist():
        doc = docs_P[piece]
        offset = scanned.batch.starts_D[doc]
        text = scanned.texts[doc][pieces.starts_P[piece] - offset : pieces.ends_P[piece] - offset]
        languages_P[piece] = jury.ask(text, pieces.counts_PK[piece].tolist(), first_only=bool(clear_D[doc]))
    return LabelledPieces(pieces, languages_P, tuple(jury.numbers), jury.asked)


_LANGUAGE_OF_VERDICT = np.full(len(Verdict), _UNDETERMINED, dtype=np.int64)
for _verdict, _code in ((Verdict.SURE_KK, "kk"), (Verdict.SURE_RU, "ru"), (Verdict.SURE_EN, "en")):
    _LANGUAGE_OF_VERDICT[_verdict] = FIRST_CODES.index(_code)


def _settle_by_document(
    verdicts_P: npt.NDArray[np.uint8], counts_PK: npt.NDArray[np.int32], docs_P: npt.NDArray[np.int64], num_docs: int
) -> npt.NDArray[np.bool_]:
    """Let the sure pieces of a document speak for its others; whether each document's language is clear then.

    A piece that is likely in a language is in it where more of the document surely is, and more than is in the languages
    it could be taken for. Of a clear document short doubtful pieces stay untold. Changes `verdicts_P`.
    """

    def letters_where(chosen_P: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
        return np.bincount(docs_P, weights=letters_P * chosen_P, minlength=num_docs).astype(np.float64)

    letters_P = counts_PK[:, Kind.LETTERS]
    against_D = letters_where(counts_PK[:, Kind.FORBIDDEN] > 0)
    for sure, likely in _SURE_AND_LIKELY:
        likely_P = verdicts_P == likely
        sure_D = letters_where(verdicts_P == sure)
        agreed_D = (sure_D > against_D) & (sure_D >= letters_where(likely_P))
        verdicts_P[likely_P] = np.where(agreed_D[docs_P[likely_P]], sure, Verdict.DOUBTFUL)
        against_D = against_D + sure_D
    told_D = letters_where(verdicts_P <= Verdict.SURE_EN)
    clear_D: npt.NDArray[np.bool_] = told_D >= CLEAR_FRAC * np.maximum(letters_where(letters_P > 0), 1)
    verdicts_P[(verdicts_P == Verdict.DOUBTFUL) & clear_D[docs_P] & (letters_P < SURE_LETTERS)] = Verdict.UNTOLD
    return clear_D


_SURE_AND_LIKELY = (
    (Verdict.SURE_KK, Verdict.LIKELY_KK),
    (Verdict.SURE_RU, Verdict.LIKELY_RU),
    (Verdict.SURE_EN, Verdict.LIKELY_EN),
)


def _letters_by_language(labelled: LabelledPieces) -> npt.NDArray[np.int64]:
    """Letters of each document in each language, in the order of `labelled.codes`."""
    doc_starts_P = labelled.pieces.doc_starts_P
    num_docs, num_codes = len(doc_starts_P) - 1, len(labelled.codes)
    cells_P = np.repeat(np.arange(num_docs) * num_codes, np.diff(doc_starts_P)) + labelled.languages_P
    letters = np.bincount(cells_P, weights=labelled.pieces.counts_PK[:, Kind.LETTERS], minlength=num_docs * num_codes)
    return letters.astype(np.int64).reshape(num_docs, num_codes)


def _sums(counts_PK: npt.NDArray[np.int32], doc_starts_P: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Counts of whole documents; a document without pieces has zeros."""
    running_PK = np.zeros((len(counts_PK) + 1, counts_PK.shape[1]), dtype=np.int64)
    np.cumsum(counts_PK, axis=0, out=running_PK[1:])
    sums_DK: npt.NDArray[np.int64] = np.diff(running_PK[doc_starts_P], axis=0)
    return sums_DK


def _not_kazakh_after_all(
    counts_DK: npt.NDArray[np.int64], kazakh_D: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Of which long texts what was called Kazakh has too little of і, ұ, қ and ғ, so that it is flattened to Russian
    letters; and of which others it lacks і and ұ and spells as Karakalpak does."""
    long_D = (kazakh_D > 0) & (counts_DK[:, Kind.LETTERS] >= FLAT_MIN_LETTERS)
    own_D = counts_DK[:, Kind.U] + counts_DK[:, Kind.I]
    telling_D = own_D + counts_DK[:, Kind.Q] + counts_DK[:, Kind.GH]
    flat_D = long_D & (telling_D < MIN_KAZAKH_LETTER_FRAC * kazakh_D)
    karakalpak_D = long_D & ~flat_D & (200 * own_D < kazakh_D) & (counts_DK[:, Kind.KAA_TELLING] > 0)
    return flat_D, karakalpak_D


def _shares_of(letters: Mapping[str, int]) -> LanguageShares:
    if not letters:
        return _NOTHING
    total = sum(letters.values())
    detail = {code: number / total for code, number in sorted(letters.items(), key=lambda pair: (-pair[1], pair[0]))}
    kept = {code: detail.get(code, 0.0) for code in LANGUAGES}
    return LanguageShares(**kept, other=max(0.0, 1.0 - sum(kept.values())), main=next(iter(detail)), detail=detail)


_NOTHING = LanguageShares(0.0, 0.0, 0.0, 0.0, UNDETERMINED, {})


@lru_cache(maxsize=64)
def _only(code: str) -> LanguageShares:
    return _shares_of({code: 1})
