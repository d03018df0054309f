"""FineWeb-2's quality rules in the order datatrove asks them, one document at a time. Suffixes are those of scan.py, and
_S stop words.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from qaz_llm.data.hash_tables import table_size
from qaz_llm.data.quality.fineweb2.repetition import (
    duplicate_lines,
    duplicate_runs,
    find_suspects,
    number_runs,
    number_words,
)
from qaz_llm.data.quality.fineweb2.scan import (
    LINE_END,
    NEWLINE,
    SPACE,
    TERMINAL,
    find_lines,
    is_blank,
    same,
    scan_words,
)
from qaz_llm.language.buffer import Codes, Positions
from qaz_llm.language.kernels import kernel

REASONS = (
    None,
    "empty",
    "dup_line_frac",
    "top_2_gram",
    "top_3_gram",
    "top_4_gram",
    "duplicated_5_n_grams",
    "duplicated_6_n_grams",
    "duplicated_7_n_grams",
    "duplicated_8_n_grams",
    "duplicated_9_n_grams",
    "duplicated_10_n_grams",
    "line_punct_ratio",
    "char_dup_ratio",
    "list_ratio",
    "gopher_short_doc",
    "gopher_long_doc",
    "gopher_below_avg_threshold",
    "gopher_above_avg_threshold",
    "gopher_too_many_hashes",
    "gopher_too_many_ellipsis",
    "gopher_too_many_bullets",
    "gopher_too_many_end_ellipsis",
    "gopher_below_alpha_threshold",
    "gopher_enough_stop_words",
)
"""datatrove's names of its rules in the order they are asked; kernels answer with the place in this list."""

_KEPT = 0
_EMPTY = REASONS.index("empty")
_DUP_LINE = REASONS.index("dup_line_frac")
_TOP_2 = REASONS.index("top_2_gram")
_TOP_3 = REASONS.index("top_3_gram")
_TOP_4 = REASONS.index("top_4_gram")
_DUP_5 = REASONS.index("duplicated_5_n_grams")
_LINE_PUNCT = REASONS.index("line_punct_ratio")
_CHAR_DUP = REASONS.index("char_dup_ratio")
_LIST = REASONS.index("list_ratio")
_SHORT = REASONS.index("gopher_short_doc")
_LONG = REASONS.index("gopher_long_doc")
_BELOW_AVG = REASONS.index("gopher_below_avg_threshold")
_ABOVE_AVG = REASONS.index("gopher_above_avg_threshold")
_HASHES = REASONS.index("gopher_too_many_hashes")
_ELLIPSIS = REASONS.index("gopher_too_many_ellipsis")
_BULLETS = REASONS.index("gopher_too_many_bullets")
_END_ELLIPSIS = REASONS.index("gopher_too_many_end_ellipsis")
_ALPHA = REASONS.index("gopher_below_alpha_threshold")
_STOP_WORDS = REASONS.index("gopher_enough_stop_words")

_FEWEST_WORDS, _MOST_WORDS, _SYMBOL_RATIO, _BULLET_RATIO, _ELLIPSIS_RATIO = 50, 100_000, 0.1, 0.9, 0.3
"""datatrove's GopherQualityFilter, which FineWeb-2 leaves as they are."""
_CHAR_DUPLICATES_RATIO = 0.1
_FEWEST_STOP_WORDS = 2

_HYPHEN, _BULLET, _DOT, _HASH, _DOTS = ord("-"), ord("•"), ord("."), ord("#"), ord("…")


class Limits(NamedTuple):
    """What a language's file sets, and its stop words as code points."""

    dup_line_frac: float
    top_n_grams: tuple[float, float, float]
    """Of 2, 3 and 4 words."""
    dup_n_grams: tuple[float, float, float, float, float, float]
    """Of 5 to 10 words."""
    line_punct_thr: float
    new_line_ratio: float
    min_avg_word_length: float
    max_avg_word_length: float
    max_non_alpha_words_ratio: float
    stop_codes_C: Codes
    stop_starts_S: Positions


@kernel
def judge_documents(codes_C, starts_D, chosen, classes, limits, scratch, multiplier, inverse):  # type: ignore[no-untyped-def]
    """The places in REASONS of the verdicts on the chosen documents of a batch."""
    verdicts = np.empty(len(chosen), np.int8)
    for place in range(len(chosen)):
        doc = chosen[place]
        text_C = codes_C[starts_D[doc] : starts_D[doc + 1]]
        verdicts[place] = _judge(text_C, classes, limits, scratch, multiplier, inverse)
    return verdicts


@kernel
def _judge(text_C, classes, limits, scratch, multiplier, inverse):  # type: ignore[no-untyped-def]
    if len(text_C) == 0:
        return _EMPTY
    num_lines = find_lines(text_C, scratch)
    repeated_lines, repeated_codes = duplicate_lines(text_C, num_lines, classes, scratch, multiplier)
    edges = np.int64(text_C[0] == NEWLINE) + np.int64(text_C[-1] == NEWLINE)
    # `re.split("\n+")` has an empty piece before a first and after a last line end; two of them are duplicates
    if (repeated_lines + (edges == 2)) / (num_lines + edges) > limits.dup_line_frac:
        return _DUP_LINE
    counts = scan_words(text_C, classes, scratch, multiplier, inverse)
    reason = _repetition(len(text_C), counts.words, limits, scratch)
    if reason == _KEPT:
        reason = _line_shape(text_C, num_lines, repeated_codes, counts.words, classes, limits, scratch)
    if reason == _KEPT:
        reason = _gopher_quality(text_C, counts, classes, limits)
    if reason == _KEPT and _stop_words(counts.words, limits, scratch, multiplier) < _FEWEST_STOP_WORDS:
        reason = _STOP_WORDS
    return reason


@kernel
def _repetition(num_codes, num_words, limits, scratch):  # type: ignore[no-untyped-def]
    s = scratch
    mask = table_size(num_words) - 1
    number_words(num_words, mask, s)
    top = number_runs(2, num_words, s.words_W, s.word_counts_W, s.runs_W, s.run_counts_W, mask, s)
    if top / num_codes > limits.top_n_grams[0]:
        return _TOP_2
    top = number_runs(3, num_words, s.runs_W, s.run_counts_W, s.longer_runs_W, s.longer_run_counts_W, mask, s)
    if top / num_codes > limits.top_n_grams[1]:
        return _TOP_3
    top = number_runs(4, num_words, s.longer_runs_W, s.longer_run_counts_W, s.runs_W, s.run_counts_W, mask, s)
    if top / num_codes > limits.top_n_grams[2]:
        return _TOP_4
    num_suspects = find_suspects(num_words, mask, s)
    for place in range(6):
        if duplicate_runs(5 + place, num_words, num_suspects, mask, s) / num_codes > limits.dup_n_grams[place]:
            return _DUP_5 + place
    return _KEPT


@kernel
def _line_shape(text_C, num_lines, repeated_codes, num_words, classes, limits, scratch):  # type: ignore[no-untyped-def]
    """FineWeb's own rules."""
    starts_L, ends_L = scratch.line_starts_L, scratch.line_ends_L
    filled = terminated = 0
    for line in range(num_lines):
        last = classes[text_C[ends_L[line] - 1]]
        if last & TERMINAL:
            filled += 1
            terminated += 1
        elif not last & SPACE or not is_blank(text_C, starts_L[line], ends_L[line], classes):
            filled += 1
    if filled == 0:
        return _EMPTY
    if terminated / filled < limits.line_punct_thr:
        return _LINE_PUNCT
    num_newlines = 0
    for code in text_C:
        num_newlines += code == NEWLINE
    if repeated_codes / (len(text_C) - num_newlines) > _CHAR_DUPLICATES_RATIO:
        return _CHAR_DUP
    return _LIST if num_newlines / num_words > limits.new_line_ratio else _KEPT


@kernel
def _gopher_quality(text_C, counts, classes, limits):  # type: ignore[no-untyped-def]
    if counts.plain_words < _FEWEST_WORDS:
        return _SHORT
    if counts.plain_words > _MOST_WORDS:
        return _LONG
    mean_letters = counts.plain_letters / counts.plain_words
    if mean_letters < limits.min_avg_word_length:
        return _BELOW_AVG
    if mean_letters > limits.max_avg_word_length:
        return _ABOVE_AVG
    num_hashes, num_ellipses = _count_symbols(text_C)
    if num_hashes / counts.words > _SYMBOL_RATIO:
        return _HASHES
    if num_ellipses / counts.words > _SYMBOL_RATIO:
        return _ELLIPSIS
    num_lines, bullets, ellipses = _count_line_marks(text_C, classes)
    if bullets / num_lines > _BULLET_RATIO:
        return _BULLETS
    if ellipses / num_lines > _ELLIPSIS_RATIO:
        return _END_ELLIPSIS
    return _ALPHA if counts.words_with_alpha / counts.words < limits.max_non_alpha_words_ratio else _KEPT


@kernel
def _count_symbols(text_C):  # type: ignore[no-untyped-def]
    """Hash signs, and ellipses of either kind; three dots are taken from left to right, as `str.count` does."""
    hashes = ellipses = dots = 0
    for code in text_C:
        if code == _DOT:
            dots += 1
            if dots == 3:
                ellipses += 1
                dots = 0
            continue
        dots = 0
        hashes += code == _HASH
        ellipses += code == _DOTS
    return hashes, ellipses


@kernel
def _count_line_marks(text_C, classes):  # type: ignore[no-untyped-def]
    """Lines as `str.splitlines` has them; those that begin with a bullet or hyphen, those that end in an ellipsis."""
    lines = bullets = ellipses = start = 0
    while start < len(text_C):
        end = start
        while end < len(text_C) and not classes[text_C[end]] & LINE_END:
            end += 1
        lines += 1
        first, last = start, end
        while first < end and classes[text_C[first]] & SPACE:
            first += 1
        while last > first and classes[text_C[last - 1]] & SPACE:
            last -= 1
        if first < last:
            bullets += text_C[first] == _BULLET or text_C[first] == _HYPHEN
            dots = last - first >= 3 and text_C[last - 1] == _DOT
            dots = dots and text_C[last - 2] == _DOT and text_C[last - 3] == _DOT
            ellipses += dots or text_C[last - 1] == _DOTS
        start = end + 1
        if start < len(text_C) and text_C[start - 1] == 13 and text_C[start] == NEWLINE:
            start += 1
    return lines, bullets, ellipses


@kernel
def _stop_words(num_words, limits, scratch, multiplier):  # type: ignore[no-untyped-def]
    """How many different stop words the document has, up to the number asked for."""
    codes_C, starts_S = limits.stop_codes_C, limits.stop_starts_S
    num_stops = len(starts_S) - 1
    keys_S = np.empty(num_stops, np.uint64)
    for stop in range(num_stops):
        key = np.uint64(0)
        power = np.uint64(1)
        for position in range(starts_S[stop], starts_S[stop + 1]):
            key += np.uint64(codes_C[position]) * power
            power *= multiplier
        keys_S[stop] = key
    found = 0
    for word in range(num_words):
        if scratch.words_W[word] != word:
            continue
        start = scratch.offsets_W[word]
        length = scratch.offsets_W[word + 1] - start
        key = (scratch.sums_C[start + length] - scratch.sums_C[start]) * scratch.inverses_W[word]
        for stop in range(num_stops):
            as_long = keys_S[stop] == key and starts_S[stop + 1] - starts_S[stop] == length
            found += as_long and same(codes_C, starts_S[stop], scratch.letters_C, start, length)
        if found >= _FEWEST_STOP_WORDS:
            break
    return found
