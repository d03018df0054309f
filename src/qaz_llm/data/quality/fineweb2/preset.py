"""FineWeb-2's quality filters for Kazakh and Russian, with datatrove's verdicts and reasons.

The rules, their order and what is switched off are those of the pipeline that made FineWeb-2
(https://github.com/huggingface/fineweb-2/blob/d0defb24f193/fineweb-2-pipeline.py, step 5): GopherRepetitionFilter with
`dup_para_frac`, `dup_para_char_frac` and `dup_line_char_frac` off; FineWebQualityFilter with `short_line_thr` off and
`char_duplicates_ratio=0.1`; GopherQualityFilter with `min_stop_words=2`; the rest as datatrove 0.10.1 has it. Thresholds
and stop words are those of configs/kaz_Cyrl.yml and configs/rus_Cyrl.yml of the same commit (Apache-2.0); the language
score that these files also set belongs to language identification and is not asked here.

One thing is different by choice: words are `\\w+|[^\\w\\s]`. datatrove takes Kazakh words from Stanza, which has to download
a model first.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.quality.fineweb2 import rules, scan
from qaz_llm.data.quality.rules import DIGITS, KEEP, Measured
from qaz_llm.language.buffer import LETTER, ClassTable, TextBatch, character_classes, encode_texts
from qaz_llm.language.buffer import SPACE as IS_SPACE
from qaz_llm.language.buffer import WORD as IS_ALNUM
from qaz_llm.records import Verdict


@dataclass(frozen=True, slots=True)
class FineWeb2Thresholds:
    """The values of one language's file, under the names that the file has. Shares are of 0–1."""

    dup_line_frac: float
    top_n_grams: tuple[float, float, float]
    """Of 2, 3 and 4 words."""
    dup_n_grams: tuple[float, float, float, float, float, float]
    """Of 5, 6, 7, 8, 9 and 10 words."""
    line_punct_thr: float
    new_line_ratio: float
    min_avg_word_length: float
    max_avg_word_length: float
    max_non_alpha_words_ratio: float
    """The least share of words with a letter, whatever the name says."""
    stopwords: tuple[str, ...]


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


THRESHOLDS: Mapping[str, FineWeb2Thresholds] = {
    "kk": FineWeb2Thresholds(
        dup_line_frac=0.304,
        top_n_grams=(0.172, 0.147, 0.127),
        dup_n_grams=(0.159, 0.148, 0.136, 0.126, 0.115, 0.104),
        line_punct_thr=0.176,
        new_line_ratio=0.186,
        min_avg_word_length=3,
        max_avg_word_length=12,
        max_non_alpha_words_ratio=0.694,
        stopwords=_words(
            "және су бойынша мен жылы коды өзен орналасқан мәліметтер жер бұл саны тұрғындарының адамды оның болып алып "
            "мемлекеттік құрайды жаңа ол гз бар жатқан"
        ),
    ),
    "ru": FineWeb2Thresholds(
        dup_line_frac=0.322,
        top_n_grams=(0.184, 0.164, 0.146),
        dup_n_grams=(0.168, 0.156, 0.145, 0.133, 0.121, 0.109),
        line_punct_thr=0.231,
        new_line_ratio=0.139,
        min_avg_word_length=3,
        max_avg_word_length=11,
        max_non_alpha_words_ratio=0.713,
        stopwords=_words("в и на с года по году из был к не от что за для его как а он также до после"),
    ),
}


GOPHER = {
    "char_duplicates_ratio": 0.1,
    "min_doc_words": 50.0,
    "max_doc_words": 100_000.0,
    "max_hash_ratio": 0.1,
    "max_ellipsis_ratio": 0.1,
    "max_bullet_lines_ratio": 0.9,
    "max_ellipsis_lines_ratio": 0.3,
    "min_stop_words": 2.0,
}
"""The limits of datatrove's GopherQualityFilter that FineWeb-2 leaves as they are, and those its pipeline sets for all."""


def judge_texts(texts: Sequence[str], thresholds: FineWeb2Thresholds) -> list[str | None]:
    """The reason why each text is dropped, as datatrove names it, or None where it is kept."""
    batch = encode_texts(texts)
    return [verdict.reason for verdict in judge_batch(batch, np.arange(len(batch), dtype=np.int64), thresholds)]


def judge_batch(
    batch: TextBatch,
    chosen: np.ndarray[tuple[int], np.dtype[np.int64]],
    thresholds: FineWeb2Thresholds,
    multiplier: np.uint64 = scan.MULTIPLIER,
) -> list[Verdict]:
    """The verdicts on the chosen texts of a batch. `multiplier` is the base of the hash; no verdict depends on it."""
    limits = _limits(thresholds)
    reasons, values = _judge(batch, chosen, limits, multiplier)
    verdicts = [KEEP] * len(reasons)
    for place in np.flatnonzero(reasons).tolist():
        reason = rules.REASONS[reasons[place]]
        verdicts[place] = _dropped(str(reason), float(values[place]), limits)
    return verdicts


def _judge(
    batch: TextBatch,
    chosen: np.ndarray[tuple[int], np.dtype[np.int64]],
    limits: rules.Limits,
    multiplier: np.uint64 = scan.MULTIPLIER,
) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float64]]:
    if not len(chosen):
        return np.zeros(0, np.int8), np.zeros(0, np.float64)
    scratch = scan.make_scratch(int(np.diff(batch.starts_D)[chosen].max()))
    reasons, values = rules.judge_documents(
        batch.codes_C, batch.starts_D, chosen, _classes(), limits, scratch, multiplier, scan.inverse_of(multiplier)
    )
    return reasons, values


def _dropped(reason: str, value: float, limits: rules.Limits) -> Verdict:
    if reason not in rules.LIMIT_OF:
        return Verdict(keep=False, reason=reason)
    return Verdict(False, reason, round(value, DIGITS), _limit(limits, reason))


def _limit(limits: rules.Limits, reason: str) -> float:
    field, place, _ = rules.LIMIT_OF[reason]
    values = getattr(limits, field)
    return float(values if place is None else values[place])


def measure_text(text: str, thresholds: FineWeb2Thresholds) -> list[Measured]:
    """What every rule says of one text. Each is asked alone, with a limit that nothing keeps to."""
    batch = encode_texts([text])
    first, limits = np.zeros(1, np.int64), _limits(thresholds)
    if rules.REASONS[_judge(batch, first, limits)[0][0]] == "empty":
        return [Measured("empty", 0.0, 0.0, is_least=False, asked=True, keep=False)]
    found = []
    for reason, (_, _, is_least) in rules.LIMIT_OF.items():
        value = float(_judge(batch, first, _broken_by_all(limits, reason))[1][0])
        limit = _limit(limits, reason)
        keep = value >= limit if is_least else value <= limit
        found.append(Measured(reason, round(value, DIGITS), limit, is_least, asked=True, keep=keep))
    return found


def _broken_by_all(limits: rules.Limits, reason: str) -> rules.Limits:
    """Limits that no text breaks, but for the one of `reason`, which every text does."""
    wide: dict[str, Any] = {}
    for name, (field, place, is_least) in rules.LIMIT_OF.items():
        bound = math.inf if is_least == (name == reason) else -math.inf
        if place is None:
            wide[field] = bound
        else:
            row = list(wide.get(field, getattr(limits, field)))
            row[place] = bound
            wide[field] = tuple(row)
    return limits._replace(**wide)


@cache
def _limits(thresholds: FineWeb2Thresholds) -> rules.Limits:
    stops = encode_texts(thresholds.stopwords)
    return rules.Limits(
        dup_line_frac=thresholds.dup_line_frac,
        top_n_grams=thresholds.top_n_grams,
        dup_n_grams=thresholds.dup_n_grams,
        line_punct_thr=thresholds.line_punct_thr,
        new_line_ratio=thresholds.new_line_ratio,
        min_avg_word_length=float(thresholds.min_avg_word_length),
        max_avg_word_length=float(thresholds.max_avg_word_length),
        max_non_alpha_words_ratio=thresholds.max_non_alpha_words_ratio,
        stop_codes_C=stops.codes_C,
        stop_starts_S=stops.starts_D,
        **GOPHER,
    )


# Inclusive ranges of code points, two numbers each.
_PUNCTUATION = (
    "0000-0008 000B-001F 0021-002F 003A-0040 005B-0060 007B-009F 00AB 00B4 00BB 2013-2014 2019 201C-201E 2026 2236 2501 "
    "25BA 3001-3002 3008-300D 3010-3011 FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E"
)
"""datatrove's PUNCTUATION; a word of these and of sentence ends alone counts as a symbol."""
_TERMINAL = (
    "0021 002E 003F 0589 061D-061F 06D4 0700-0702 07F9 0837 0839 083D-083E 0964-0965 104A-104B 1362 1367-1368 166E "
    "1735-1736 17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F "
    "203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 AA5D-AA5F "
    "AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 110BE-110C1 "
    "11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 115C9-115D7 "
    "11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 16A6E-16A6F 16AF5 "
    "16B37-16B38 16B44 16E98 1BC9F 1DA88"
)
"""datatrove's TERMINAL_PUNCTUATION: what Unicode calls sentence terminals, `…` and `:` not among them."""
_LINE_ENDS = "000A-000D 001C-001E 0085 2028-2029"
"""Where `str.splitlines` cuts."""


@cache
def _classes() -> ClassTable:
    """The bits of scan.py for every code point."""
    table = character_classes()
    alnum = (table & IS_ALNUM) != 0
    classes = np.where(alnum, scan.WORD, 0).astype(np.uint16)
    classes[ord("_")] |= scan.WORD
    classes[(table & IS_SPACE) != 0] |= scan.SPACE
    classes[(table & LETTER) != 0] |= scan.ALPHA
    for ranges, bit in (
        (_PUNCTUATION, scan.PUNCTUATION),
        (_TERMINAL, scan.PUNCTUATION | scan.TERMINAL),
        (_LINE_ENDS, scan.LINE_END),
    ):
        for piece in ranges.split():
            first, _, last = piece.partition("-")
            classes[int(first, 16) : int(last or first, 16) + 1] |= bit
    classes.flags.writeable = False
    return classes
