"""FineWeb-2's quality rules in the order datatrove asks them, one document at a time. Suffixes are those of scan.py, and
_S stop words.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    char_duplicates_ratio: float
    min_doc_words: float
    max_doc_words: float
    max_hash_ratio: float
    max_ellipsis_ratio: float
    max_bullet_lines_ratio: float
    max_ellipsis_lines_ratio: float
    min_stop_words: float
    stop_codes_C: Codes
    stop_starts_S: Positions


LIMIT_OF: Mapping[str, tuple[str, int | None, bool]] = {
    "dup_line_frac": ("dup_line_frac", None, False),
    **{f"top_{n}_gram": ("top_n_grams", n - 2, False) for n in (2, 3, 4)},
    **{f"duplicated_{n}_n_grams": ("dup_n_grams", n - 5, False) for n in range(5, 11)},
    "line_punct_ratio": ("line_punct_thr", None, True),
    "char_dup_ratio": ("char_duplicates_ratio", None, False),
    "list_ratio": ("new_line_ratio", None, False),
    "gopher_short_doc": ("min_doc_words", None, True),
    "gopher_long_doc": ("max_doc_words", None, False),
    "gopher_below_avg_threshold": ("min_avg_word_length", None, True),
    "gopher_above_avg_threshold": ("max_avg_word_length", None, False),
    "gopher_too_many_hashes": ("max_hash_ratio", None, False),
    "gopher_too_many_ellipsis": ("max_ellipsis_ratio", None, False),
    "gopher_too_many_bullets": ("max_bullet_lines_ratio", None, False),
    "gopher_too_many_end_ellipsis": ("max_ellipsis_lines_ratio", None, False),
    "gopher_below_alpha_threshold": ("max_non_alpha_words_ratio", None, True),
    "gopher_enough_stop_words": ("min_stop_words", None, True),
}
"""The limit that each rule asks: a field of Limits, the place in it, and whether it is the least allowed. `empty` has none."""


@kernel
def judge_documents(codes_C, starts_D, chosen, classes, limits, scratch, multiplier, inverse):  # type: ignore[no-untyped-def]
    """The places in REASONS of the verdicts on the chosen documents of a batch, and what the rule that ended each measured."""
    verdicts = np.empty(len(chosen), np.int8)
    values = np.empty(len(chosen), np.float64)
    for place in range(len(chosen)):
        doc = chosen[place]
        text_C = codes_C[starts_D[doc] : starts_D[doc + 1]]
        verdicts[place], values[place] = _judge(text_C, classes, limits, scratch, multiplier, inverse)
    return verdicts, values


@kernel
def _judge(text_C, classes, limits, scratch, multiplier, inverse):  # type: ignore[no-untyped-def]
    if len(text_C) == 0:
        return _EMPTY, 0.0
    num_lines = find_lines(text_C, scratch)
    repeated_lines, repeated_codes = duplicate_lines(text_C, num_lines, classes, scratch, multiplier)
    edges = np.int64(text_C[0] == NEWLINE) + np.int64(text_C[-1] == NEWLINE)
    # `re.split("\n+")` has an empty piece before a first and after a last line end; two of them are duplicates
    value = (repeated_lines + (edges == 2)) / (num_lines + edges)
    if value > limits.dup_line_frac:
        return _DUP_LINE, value
    counts = scan_words(text_C, classes, scratch, multiplier, inverse)
    reason, value = _repetition(len(text_C), counts.words, limits, scratch)
    if reason == _KEPT:
        reason, value = _line_shape(text_C, num_lines, repeated_codes, counts.words, classes, limits, scratch)
    if reason == _KEPT:
        reason, value = _gopher_quality(text_C, counts, classes, limits)
    if reason == _KEPT:
        found = float(_stop_words(counts.words, limits, scratch, multiplier))
        if found < limits.min_stop_words:
            reason, value = _STOP_WORDS, found
    return reason, value


@kernel
def _repetition(num_codes, num_words, limits, scratch):  # type: ignore[no-untyped-def]
    s = scratch
    mask = table_size(num_words) - 1
    number_words(num_words, mask, s)
    value = number_runs(2, num_words, s.words_W, s.word_counts_W, s.runs_W, s.run_counts_W, mask, s) / num_codes
    if value > limits.top_n_grams[0]:
        return _TOP_2, value
    top = number_runs(3, num_words, s.runs_W, s.run_counts_W, s.longer_runs_W, s.longer_run_counts_W, mask, s)
    value = top / num_codes
    if value > limits.top_n_grams[1]:
        return _TOP_3, value
    top = number_runs(4, num_words, s.longer_runs_W, s.longer_run_counts_W, s.runs_W, s.run_counts_W, mask, s)
    value = top / num_codes
    if value > limits.top_n_grams[2]:
        return _TOP_4, value
    num_suspects = find_suspects(num_words, mask, s)
    for place in range(6):
        value = duplicate_runs(5 + place, num_words, num_suspects, mask, s) / num_codes
        if value > limits.dup_n_grams[place]:
            return _DUP_5 + place, value
    return _KEPT, 0.0


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
        return _EMPTY, 0.0
    value = terminated / filled
    if value < limits.line_punct_thr:
        return _LINE_PUNCT, value
    num_newlines = 0
    for code in text_C:
        num_newlines += code == NEWLINE
    value = repeated_codes / (len(text_C) - num_newlines)
    if value > limits.char_duplicates_ratio:
        return _CHAR_DUP, value
    value = num_newlines / num_words
    return (_LIST, value) if value > limits.new_line_ratio else (_KEPT, 0.0)


@kernel
def _gopher_quality(text_C, counts, classes, limits):  # type: ignore[no-untyped-def]
    plain_words = float(counts.plain_words)
    if plain_words < limits.min_doc_words:
        return _SHORT, plain_words
    if plain_words > limits.max_doc_words:
        return _LONG, plain_words
    mean_letters = counts.plain_letters / max(plain_words, 1.0)
    if mean_letters < limits.min_avg_word_length:
        return _BELOW_AVG, mean_letters
    if mean_letters > limits.max_avg_word_length:
        return _ABOVE_AVG, mean_letters
    num_hashes, num_ellipses = _count_symbols(text_C)
    if num_hashes / counts.words > limits.max_hash_ratio:
        return _HASHES, num_hashes / counts.words
    if num_ellipses / counts.words > limits.max_ellipsis_ratio:
        return _ELLIPSIS, num_ellipses / counts.words
    num_lines, bullets, ellipses = _count_line_marks(text_C, classes)
    if bullets / num_lines > limits.max_bullet_lines_ratio:
        return _BULLETS, bullets / num_lines
    if ellipses / num_lines > limits.max_ellipsis_lines_ratio:
        return _END_ELLIPSIS, ellipses / num_lines
    value = counts.words_with_alpha / counts.words
    return (_ALPHA, value) if value < limits.max_non_alpha_words_ratio else (_KEPT, 0.0)


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
        if found >= limits.min_stop_words:
            break
    return found
