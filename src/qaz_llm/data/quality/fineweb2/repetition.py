"""What comes twice in a document: words, runs of words, lines. Names and suffixes are those of scan.py."""

from __future__ import annotations

import numpy as np

from qaz_llm.data.hash_tables import find_or_add, first_slot, table_size
from qaz_llm.data.quality.fineweb2.scan import is_blank, same
from qaz_llm.language.kernels import kernel

_WINDOW = 16
"""Letters. Shorter, and more words are suspect; longer, and more runs of five words are shorter than it."""


@kernel
def number_words(num_words, mask, scratch):  # type: ignore[no-untyped-def]
    """Gives each word the place where it came first, and counts."""
    words_W, counts_W = scratch.words_W, scratch.word_counts_W
    counts_W[:num_words] = 0
    for word in range(num_words):
        found = _find_or_add_run(word, 1, mask, scratch)
        first = word if found < 0 else found
        words_W[word] = first
        counts_W[first] += 1
    scratch.base[0] += num_words


@kernel
def number_runs(n, num_words, shorter_W, shorter_counts_W, runs_W, counts_W, mask, scratch):  # type: ignore[no-untyped-def]
    """Gives each run of n words the place where it came first; returns the characters of the commonest, joined by spaces,
    times its number.

    A run is told by the places of its first n - 1 words and of its last word, exactly. Where either of these came once only,
    so did the run, and nothing is looked up. Of equally common runs the first counts, as in `Counter.most_common`.
    """
    num_runs = num_words - n + 1
    if num_runs < 1:
        return 0
    words_W, word_counts_W = scratch.words_W, scratch.word_counts_W
    base = scratch.base[0]
    counts_W[:num_runs] = 0
    for run in range(num_runs):
        left = shorter_W[run]
        right = words_W[run + n - 1]
        first = run
        if shorter_counts_W[left] > 1 and word_counts_W[right] > 1:
            key = (np.uint64(left) << np.uint64(32)) | np.uint64(right)
            found = find_or_add(scratch.keys_T, scratch.marks_T, mask, base, key, run)
            if found >= 0:
                first = found
        runs_W[run] = first
        counts_W[first] += 1
    scratch.base[0] = base + num_runs
    top = 0
    for run in range(1, num_runs):
        if counts_W[run] > counts_W[top]:
            top = run
    return (scratch.offsets_W[top + n] - scratch.offsets_W[top] + n - 1) * counts_W[top]


@kernel
def find_suspects(num_words, mask, scratch):  # type: ignore[no-untyped-def]
    """Lists the words at which a run of five or more words may begin that comes twice; returns their number.

    Runs with the same letters have the same first letters. So a word is suspect where the _WINDOW letters from it on come
    after another word too, or where five words are fewer letters than that. In prose these are few, and only they have to
    be looked at for each length of run.
    """
    offsets_W, suspects_W, seen_W = scratch.offsets_W, scratch.suspects_W, scratch.runs_W
    keys_T, marks_T, base = scratch.keys_T, scratch.marks_T, scratch.base[0]
    last = num_words - 4
    for word in range(last):
        start = offsets_W[word]
        seen_W[word] = offsets_W[word + 5] - start < _WINDOW
        if not seen_W[word]:
            key = (scratch.sums_C[start + _WINDOW] - scratch.sums_C[start]) * scratch.inverses_W[word]
            earlier = find_or_add(keys_T, marks_T, mask, base, key, word)
            if earlier >= 0:
                seen_W[word] = seen_W[earlier] = True
    scratch.base[0] = base + num_words
    suspects = 0
    for word in range(last):
        if seen_W[word]:
            suspects_W[suspects] = word
            suspects += 1
    return suspects


@kernel
def duplicate_runs(n, num_words, num_suspects, mask, scratch):  # type: ignore[no-untyped-def]
    """Letters in runs of n words that came before, each counted once. Runs are the same where their letters are, however
    they fall into words: datatrove joins them without spaces.
    """
    offsets_W = scratch.offsets_W
    repeated = free = 0
    for place in range(num_suspects):
        run = scratch.suspects_W[place]
        if run + n > num_words:
            break
        if run >= free and _find_or_add_run(run, n, mask, scratch) >= 0:
            repeated += offsets_W[run + n] - offsets_W[run]
            free = run + n
    scratch.base[0] += num_words
    return repeated


@kernel
def _find_or_add_run(run, n, mask, scratch):  # type: ignore[no-untyped-def]
    """Where n words with the letters of those from `run` on came first, or -1 where they are new."""
    offsets_W, letters_C = scratch.offsets_W, scratch.letters_C
    keys_T, marks_T, base = scratch.keys_T, scratch.marks_T, scratch.base[0]
    start = offsets_W[run]
    length = offsets_W[run + n] - start
    key = (scratch.sums_C[start + length] - scratch.sums_C[start]) * scratch.inverses_W[run]
    slot = first_slot(key, mask)
    while marks_T[slot] >= base:
        if keys_T[slot] == key:
            earlier = marks_T[slot] - base
            if offsets_W[earlier + n] - offsets_W[earlier] == length and same(
                letters_C, offsets_W[earlier], letters_C, start, length
            ):
                return earlier
        slot = (slot + 1) & mask
    keys_T[slot] = key
    marks_T[slot] = base + run
    return np.int64(-1)


@kernel
def duplicate_lines(text_C, num_lines, classes, scratch, multiplier):  # type: ignore[no-untyped-def]
    """How many lines came before in the document, and the characters of those of them that are not blank."""
    starts_L, ends_L, keys_T, marks_T = scratch.line_starts_L, scratch.line_ends_L, scratch.keys_T, scratch.marks_T
    base = scratch.base[0]
    mask = table_size(num_lines) - 1
    duplicates = codes = 0
    for line in range(num_lines if num_lines > 1 else 0):
        start = starts_L[line]
        length = ends_L[line] - start
        key = np.uint64(0)
        for position in range(start, start + length):
            key = key * multiplier + np.uint64(text_C[position])
        slot = first_slot(key, mask)
        while marks_T[slot] >= base:
            other = marks_T[slot] - base
            as_long = keys_T[slot] == key and ends_L[other] - starts_L[other] == length
            if as_long and same(text_C, starts_L[other], text_C, start, length):
                duplicates += 1
                codes += 0 if is_blank(text_C, start, start + length, classes) else length
                break
            slot = (slot + 1) & mask
        else:
            keys_T[slot] = key
            marks_T[slot] = base + line
    scratch.base[0] = base + num_lines
    return duplicates, codes
