"""The passes of quality_facts.py over the code points, lines and words of a batch of texts.

A word is that of `segment.WORD`: runs of letters and digits tied by hyphens or apostrophes. Words are compared by 64-bit
hashes of their lower-case letters. Two different ones of a document's n agree with probability n² / 2^65, which is
3 in 10^10 for a book of 100,000 words; and a false match adds one word to a share, not a verdict.

Suffixes: _C code points of the batch, _L its lines, _R the runs of letters that buffer.py calls words, _D its documents
(arrays of starts have one more), _N the words of the document at hand, _S function words, _T slots of a hash table.
"""

from __future__ import annotations

import numpy as np

from qaz_llm.data.hash_tables import find, find_or_add, table_size
from qaz_llm.language.buffer import DIGIT, SPACE, WORD
from qaz_llm.language.kernels import inlined, kernel

# Bits of the table of marks that quality_facts.py makes.
SYMBOL = 1
SENTENCE_END = 2
CLOSING = 4
"""What may stand between a sentence's end and the space after it."""
OPENING = 8
"""What a sentence may begin with: capitals, digits, quotes, dashes."""
LINE_FINAL = 16
"""The last character of a line that is a sentence or part of one."""
BULLET = 32
CLAUSE_END = 64
"""The semicolon, which in laws and lists does the work of a full stop."""

TOP_RUN = 3
DUPLICATE_RUN = 5
_SHORT_LINE_WORDS = 3
_PRIME = np.uint64(0x9E3779B97F4A7C15)


@kernel
def character_facts(codes_C, starts_D, classes, marks):  # type: ignore[no-untyped-def]
    num_docs = len(starts_D) - 1
    facts = np.zeros((8, num_docs), np.int64)
    for doc in range(num_docs):
        digits = symbols = replacements = pieces = lettered = sentences = ends = begun = 0
        ended = 0  # the mark a sentence ended with, while nothing but quotes and white space has come since
        in_piece = has_letter = after_space = False
        position, end = starts_D[doc], starts_D[doc + 1]
        while position < end:
            code = codes_C[position]
            kind = classes[code]
            position += 1
            if kind & WORD:
                if ended:
                    if after_space and ended == SENTENCE_END:
                        ends += 1
                        begun += (marks[code] & OPENING) != 0
                    ended = 0
                pieces += not in_piece
                in_piece = True
                all_digits = kind
                digits += (kind & DIGIT) != 0
                while position < end and classes[codes_C[position]] & WORD:
                    kind = classes[codes_C[position]]
                    all_digits &= kind
                    digits += (kind & DIGIT) != 0
                    position += 1
                if not has_letter and not all_digits & DIGIT:
                    lettered += 1
                    has_letter = True
            elif kind & SPACE:
                in_piece = has_letter = False
                sentences += ended != 0 and not after_space
                after_space = True
                ended = 0 if code == 10 else ended
            else:
                mark = marks[code]
                pieces += not in_piece
                in_piece = True
                symbols += mark & SYMBOL
                replacements += code == 0xFFFD
                if mark & (SENTENCE_END | CLAUSE_END):
                    ended = mark & (SENTENCE_END | CLAUSE_END)
                    after_space = False
                elif ended and (after_space or not mark & CLOSING):
                    if after_space and ended == SENTENCE_END:
                        ends += 1
                        begun += (mark & OPENING) != 0
                    ended = 0
        sentences += ended != 0 and not after_space
        facts[:, doc] = (digits, symbols, replacements, pieces, lettered, sentences, ends, begun)
    return facts


@kernel
def line_facts(codes_C, classes, marks, starts_L, ends_L, lines_D, starts_R, joined_R, runs_D, table):  # type: ignore[no-untyped-def]
    num_docs = len(lines_D) - 1
    facts = np.zeros((6, num_docs), np.int64)
    base = 1
    for doc in range(num_docs):
        num_lines = lines_D[doc + 1] - lines_D[doc]
        mask = table_size(num_lines) - 1
        run, last_run = runs_D[doc], runs_D[doc + 1]
        filled = ellipses = bullets = short = open_ended = repeated = 0
        for line in range(lines_D[doc], lines_D[doc + 1]):
            start, end = starts_L[line], ends_L[line]
            words = 0
            while run < last_run and starts_R[run] < end:
                words += not joined_R[run]
                run += 1
            first, last = start, end
            while first < last and classes[codes_C[first]] & SPACE:
                first += 1
            while last > first and classes[codes_C[last - 1]] & SPACE:
                last -= 1
            if first == last:
                continue
            filled += 1
            final = codes_C[last - 1]
            ellipses += final == 0x2026 or (final == 46 and _ends_in_dots(codes_C, first, last))
            bullets += (marks[codes_C[first]] & BULLET) != 0 and not marks[final] & SENTENCE_END
            if not marks[final] & LINE_FINAL:
                short += words <= _SHORT_LINE_WORDS
                open_ended += words > _SHORT_LINE_WORDS
            if num_lines > 1 and find_or_add(*table, mask, base, _hash(codes_C, start, end), 0) >= 0:
                repeated += end - start
        base += 1
        facts[:, doc] = (filled, ellipses, bullets, short, open_ended, repeated)
    return facts


@kernel
def _ends_in_dots(codes_C, first, last):  # type: ignore[no-untyped-def]
    return last - first >= 3 and codes_C[last - 2] == 46 and codes_C[last - 3] == 46


@kernel
def _hash(codes_C, start, end):  # type: ignore[no-untyped-def]
    value = np.uint64(end - start)
    for position in range(start, end):
        value = (value ^ np.uint64(codes_C[position])) * _PRIME
        value ^= value >> np.uint64(32)
    return value


@kernel
def word_facts(codes_C, starts_R, ends_R, hashes_R, joined_R, runs_D, bits_D, function_words, bits_S, table):  # type: ignore[no-untyped-def]
    num_docs = len(runs_D) - 1
    facts = np.zeros((5, num_docs), np.int64)
    room = 1
    for doc in range(num_docs):
        room = max(room, runs_D[doc + 1] - runs_D[doc])
    keys_N = np.empty(room, np.uint64)
    letters_N = np.empty(room + 1, np.int64)
    counts_N = np.empty(room, np.int32)
    suspect_N = np.empty(room, np.bool_)
    base = 1
    for doc in range(num_docs):
        num_words = function = 0
        letters_N[0] = 0
        for run in range(runs_D[doc], runs_D[doc + 1]):
            length = ends_R[run] - starts_R[run]
            if joined_R[run]:
                joiner = np.uint64(codes_C[starts_R[run] - 1])
                keys_N[num_words - 1] = (keys_N[num_words - 1] * _PRIME + joiner) * _PRIME + hashes_R[run]
                letters_N[num_words] += length + 1
                continue
            keys_N[num_words] = hashes_R[run]
            letters_N[num_words + 1] = letters_N[num_words] + length
            num_words += 1
            if run + 1 == runs_D[doc + 1] or not joined_R[run + 1]:
                place = find(*function_words, len(function_words[0]) - 1, 1, hashes_R[run])
                function += place >= 0 and (bits_S[place] & bits_D[doc]) != 0
        mask = table_size(num_words) - 1
        top = _top_run(TOP_RUN, num_words, keys_N, letters_N, counts_N, suspect_N, table, mask, base)
        base += num_words
        repeated = _repeated_runs(DUPLICATE_RUN, num_words, keys_N, letters_N, suspect_N, table, mask, base)
        base += num_words
        facts[:, doc] = (num_words, letters_N[num_words], function, top, repeated)
    return facts


@inlined
def _run_key(keys_N, start, n):  # type: ignore[no-untyped-def]
    key = keys_N[start]
    for step in range(1, n):
        key = key * _PRIME + keys_N[start + step]
    return key


@kernel
def _top_run(n, num_words, keys_N, letters_N, counts_N, suspect_N, table, mask, base):  # type: ignore[no-untyped-def]
    """Letters of the commonest run of n words times its number, 0 below three; marks the words at which runs that come
    twice begin.
    """
    most = 0
    for run in range(num_words - n + 1):
        counts_N[run] = 1
        first = find_or_add(*table, mask, base, _run_key(keys_N, run, n), run)
        suspect_N[run] = first >= 0
        if first >= 0:
            suspect_N[first] = True
            counts_N[first] += 1
            most = max(most, counts_N[first])
    if most < 3:
        return 0
    longest = 0
    for run in range(num_words - n + 1):
        if counts_N[run] == most:
            longest = max(longest, letters_N[run + n] - letters_N[run])
    return most * longest


@kernel
def _repeated_runs(n, num_words, keys_N, letters_N, suspect_N, table, mask, base):  # type: ignore[no-untyped-def]
    """Letters in runs of n words that came before. Longer runs come twice only where their first words do, so only those
    that are suspect are looked up.
    """
    repeated = run = 0
    while run + n <= num_words:
        if suspect_N[run] and find_or_add(*table, mask, base, _run_key(keys_N, run, n), run) >= 0:
            repeated += letters_N[run + n] - letters_N[run]
            run += n
        else:
            run += 1
    return repeated
