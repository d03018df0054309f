"""Lines that belong to the web page and not to its text: menus, cookie notices, calls to subscribe, copyright lines.

A line is judged with its neighbours. What can only be furniture goes wherever it stands. A menu, or a word that is a button
here and a heading there, goes where a chain of such lines joins it to the beginning or the end of the text or to furniture that
is certain, and stays where the line of content next to it has the same shape: then it is a row of a table, a list, a glossary.

    Бөлісу                              certain                   goes
    Фото: А. Б.                         may be, beside it         goes
    Ол кітап оқыды.                     content
    Арғын → Қуандық → Алтай             no entries of a menu      stays
    Кіру                                may be, amid content      stays
    Екінші тарау басталды.              content

Few lines of prose can be one. A kernel over the words and characters of a batch marks those that can: at most
MAX_LINE_WORDS words and one that gives a phrase away, or two separators of a menu, or a ©. Only these are read
in Python.

Suffixes: _C code points of the batch, _W its words, _L its lines, _D its documents, _T the words that give a phrase away.
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import takewhile

import numpy as np
import numpy.typing as npt

from qaz_llm.data.quality.furniture import MENU_ENTRIES, PHRASES, SHORT_WORD, Phrase, speaks_of_sign
from qaz_llm.language.buffer import (
    DIGIT,
    SPACE,
    ClassTable,
    Codes,
    Hashes,
    Positions,
    ScannedTexts,
    character_classes,
    encode_texts,
    lower_table,
    scan_texts,
    table_of,
)
from qaz_llm.language.kernels import inlined, kernel
from qaz_llm.language.segment import words

MAX_LINE_WORDS = 40
"""A longer line is prose, even where it speaks of cookies."""

MAX_LINE_CHARS = 400
MIN_MENU_ENTRIES = 3
MAX_ENTRY_WORDS = 4
MAX_HEADING_WORDS = 14
MIN_TOPIC_WORDS = 6

_DECORATION = " \t•·–—-*►▶→»›>|#✓✔☰…"
"""What stands in front of a line's first word in lists and menus."""

_PROSE_ENDS = (".", "!", "?", ",", ";", "…")
_KEY_VALUE = re.compile(r"\s*[^:.!?]{1,40}:\s*\S")

_SEPARATORS = re.compile(r"\s[•·»›→/|]\s|\||\s{2,}|\t")


@dataclass(frozen=True, slots=True)
class Stripped:
    """A text without its boilerplate lines, how many there were, and their share of the words."""

    text: str
    lines: int
    words_frac: float


NONE, AT_AN_EDGE, CERTAIN = 0, 1, 2
"""What a line is by itself: content, furniture if its place says so, furniture."""


def is_boilerplate(line: str) -> bool:
    """Whether a line can be page furniture: a phrase of the kind, or a menu. Whether it is, its neighbours say.

    >>> is_boilerplate("Басты бет | Жаңалықтар | Байланыс"), is_boilerplate("Басты бетте қызық мақала шықты.")
    (True, False)
    """
    return kind_of_line(line) != NONE


def kind_of_line(line: str, phrases: Sequence[Phrase] = PHRASES) -> int:
    """NONE, AT_AN_EDGE or CERTAIN."""
    line = line.strip()
    if not line or len(line) > MAX_LINE_CHARS:
        return NONE
    lowered = line.lower().lstrip(_DECORATION)
    if len(words(line)) <= MAX_LINE_WORDS:
        found = [phrase for phrase in phrases if phrase.found_in(lowered)]
        if (lowered.startswith("©") and not speaks_of_sign(lowered)) or any(not phrase.edge for phrase in found):
            return CERTAIN
        if found:
            return AT_AN_EDGE
    return AT_AN_EDGE if _is_menu(line) else NONE


@lru_cache(maxsize=1 << 14)  # the furniture of a site stands on all its pages
def _kind_by_signs(line: str, signs: int) -> int:
    """`kind_of_line`, looking only for the phrases that the kernel saw signs of."""
    return kind_of_line(line, _phrases_of(signs))


def _is_menu(line: str) -> bool:
    """Short entries between separators, half of which, and two at least, are those of the menus of sites. A genealogy, a
    declension and the head of a table are built alike and have other entries."""
    entries = [entry.strip() for entry in _SEPARATORS.split(line) if entry.strip()]
    known = sum(entry.lower().lstrip(_DECORATION) in MENU_ENTRIES for entry in entries)
    return len(entries) >= MIN_MENU_ENTRIES and known >= max(2, len(entries) / 2)


def strip_boilerplate(text: str) -> Stripped:
    """Take the boilerplate lines out of a text."""
    return strip_boilerplates(scan_texts([text]))[0]


def strip_boilerplates(scanned: ScannedTexts) -> list[Stripped]:
    """Take the boilerplate lines out of each text."""
    lines, found = scanned.lines, scanned.words
    counts_L, signs_L = _look_at_lines(
        scanned.batch.codes_C,
        lines.starts_L,
        lines.ends_L,
        found.starts_W,
        found.ends_W,
        found.joined_W,
        _marks(),
        lower_table(),
        *_triggers(),
    )
    stripped = [Stripped(text, 0, 0.0) for text in scanned.texts]
    candidates = np.flatnonzero(signs_L)
    docs = np.searchsorted(lines.doc_starts_D, candidates, side="right") - 1
    found_in: dict[int, dict[int, int]] = {}
    rows = zip(
        docs.tolist(),
        candidates.tolist(),
        signs_L[candidates].tolist(),
        (lines.starts_L[candidates] - scanned.batch.starts_D[docs]).tolist(),
        (lines.ends_L[candidates] - scanned.batch.starts_D[docs]).tolist(),
        strict=True,
    )
    for doc, line, signs, start, end in rows:
        kind = _kind_by_signs(scanned.texts[doc][start:end], signs)
        if kind != NONE:
            found_in.setdefault(doc, {})[line] = kind
    for doc, kinds in found_in.items():
        first, last = lines.doc_starts_D[doc : doc + 2].tolist()
        text = scanned.texts[doc]
        gone = lines_to_drop(text.split("\n"), {line - first: kind for line, kind in kinds.items()})
        if gone:
            stripped[doc] = _strip(text, gone, counts_L[first:last])
    return stripped


def lines_to_drop(lines: Sequence[str], kinds: Mapping[int, int]) -> list[int]:
    """The numbers of the lines that go, given what the lines are by themselves (`kinds`, without those that are NONE).

    >>> lines_to_drop(["Тақырып", "Кіру", "Мәтін басталды.", "Кіру", "Ол аяқталды.", "Кіру", "Бөлісу"], {1: 1, 3: 1, 5: 1, 6: 2})
    [1, 5, 6]
    """
    filled = [number for number, line in enumerate(lines) if line.strip()]
    certain = {
        number
        for number in filled
        if kinds.get(number, NONE) == CERTAIN and not _is_topic(number, filled, kinds, lines)
    }
    has_heading = bool(filled) and kinds.get(filled[0], NONE) == NONE and _is_heading(lines[filled[0]])
    chains = [filled[1:] if has_heading else filled, filled[::-1]]
    for place, number in enumerate(filled):
        if number in certain:
            chains += [filled[place + 1 :], filled[:place][::-1]]
    joined = {number for chain in chains for number in takewhile(lambda at: kinds.get(at, NONE) != NONE, chain)}
    furniture = certain | joined
    content = [number for number in filled if number not in furniture]
    if (
        joined & set(filled[:1])
        and content
        and content[0] == filled[1]
        and _is_title(lines[filled[0]], lines[content[0]])
    ):
        joined.discard(filled[0])
    return sorted(certain | {number for number in joined if not _has_likeness(number, content, lines)})


def _is_topic(number: int, filled: Sequence[int], kinds: Mapping[int, int], lines: Sequence[str]) -> bool:
    """Whether a sentence is one of a text about the matter, as on cookies in a lesson: content stands on both sides of it, and
    two lines of content or more have the word that gives it away."""
    if not lines[number].rstrip().endswith(".") or len(words(lines[number])) < MIN_TOPIC_WORDS:
        return False
    content = [other for other in filled if kinds.get(other, NONE) == NONE]
    if not content or not content[0] < number < content[-1]:
        return False
    lowered = lines[number].lower().lstrip(_DECORATION)
    given_away = [phrase.word for phrase in PHRASES if not phrase.edge and phrase.found_in(lowered)]
    return any(sum(word.search(lines[other].lower()) is not None for other in content) > 1 for word in given_away)


def _is_title(line: str, below: str) -> bool:
    """Whether a line of one or two words is the title of a text: its first word begins the text, in whatever case."""
    title, text = words(line.lower()), words(below.lower())
    return 0 < len(title) <= 2 and text[:1] != [] and text[0].startswith(title[0])


def _is_heading(line: str) -> bool:
    """A title above the furniture: a short line that does not end like a sentence."""
    return not line.rstrip().endswith(_PROSE_ENDS) and len(words(line)) <= MAX_HEADING_WORDS


def _has_likeness(number: int, content: Sequence[int], lines: Sequence[str]) -> bool:
    """Whether the nearest lines of content above or below have the shape of this one: rows of the same table or list."""
    place = bisect(content, number)
    around = (content[place : place + 2], content[max(0, place - 2) : place][::-1])
    return any(nearest and _is_like(lines[number], [lines[other] for other in nearest]) for nearest in around)


def _is_like(line: str, others: Sequence[str]) -> bool:
    """The same separators, `key: value` like the first of the others, or one to three words as two of them."""
    separators, is_key_value = _shape(line)
    if len(separators) >= MIN_MENU_ENTRIES - 1:
        return separators == _separators(others[0])
    if is_key_value:
        return _KEY_VALUE.match(others[0]) is not None
    return len(others) == 2 and all(_is_entry(one) for one in (*others, line))  # prose, the most, is told first


@lru_cache(maxsize=1 << 12)  # furniture, which stands on many pages
def _shape(line: str) -> tuple[list[str], bool]:
    return _separators(line), _KEY_VALUE.match(line) is not None


def _separators(line: str) -> list[str]:
    return [match.group().strip() for match in _SEPARATORS.finditer(line.strip())]


def _is_entry(line: str) -> bool:
    return not line.rstrip().endswith(_PROSE_ENDS) and len(words(line)) < MAX_ENTRY_WORDS


def _strip(text: str, gone: Sequence[int], counts_L: Positions) -> Stripped:
    """Take out the lines numbered in `gone`; `counts_L` are the words of every line."""
    without = set(gone)
    remaining = "\n".join(line for number, line in enumerate(text.split("\n")) if number not in without).strip()
    total = int(counts_L.sum())
    return Stripped(remaining, len(gone), int(counts_L[list(gone)].sum()) / total if total else 0.0)


# ----------------------------------------------------------------------------------------------------------- kernel

_BETWEEN_SPACES = 1 << 8
_BAR = 1 << 9
_SIGN = 1 << 10
_MARKED = SPACE | _BETWEEN_SPACES | _BAR | _SIGN
_TAB = 9

_PHRASE_BITS = 62
"""Phrase p sets bit p % 62 of a line's signs; phrases that share a bit are tried together."""
_LOOKS_LIKE_MENU = np.uint64(1 << _PHRASE_BITS)

_KEY_LETTERS = SHORT_WORD + 1
"""Words are told apart by so many first letters, twelve bits each; the rest of a trigger is compared letter by letter."""


@cache
def _marks() -> ClassTable:
    table = table_of((("•·»›→/", _BETWEEN_SPACES), ("|", _BAR), ("©", _SIGN)))
    table = table | (character_classes() & np.uint16(SPACE | DIGIT))
    table.flags.writeable = False
    return table


@cache
def _phrases_of(signs: int) -> tuple[Phrase, ...]:
    """The phrases that a line with these signs can hold."""
    return tuple(phrase for number, phrase in enumerate(PHRASES) if signs >> (number % _PHRASE_BITS) & 1)


@cache
def _triggers() -> tuple[Hashes, Codes, Positions, Hashes, Hashes, npt.NDArray[np.bool_]]:
    """The words of the phrases: keys (sorted), letters and their starts, signs of the phrases they are of where the word
    begins the line and where it does not; and a bit table over the keys."""
    listed = sorted({(_key(word), word) for phrase in PHRASES for word in phrase.words})
    batch = encode_texts([word for _, word in listed])
    opening = [sum({_sign(n) for n, phrase in enumerate(PHRASES) if word in phrase.words}) for _, word in listed]
    inside = [
        sum({_sign(n) for n, phrase in enumerate(PHRASES) if word in phrase.words and not phrase.first})
        for _, word in listed
    ]
    keys_T = np.array([key for key, _ in listed], dtype=np.uint64)
    seen = np.zeros(1 << 12, np.bool_)
    seen[(keys_T * _SPREAD) >> np.uint64(52)] = True
    return keys_T, batch.codes_C, batch.starts_D, np.array(opening, np.uint64), np.array(inside, np.uint64), seen


def _sign(number: int) -> int:
    return 1 << (number % _PHRASE_BITS)


_SPREAD = np.uint64(0x9E3779B97F4A7C15)


def _key(word: str) -> int:
    return sum(min(ord(letter), 0xFFF) << (12 * place) for place, letter in enumerate(word[:_KEY_LETTERS]))


@kernel
def _look_at_lines(  # type: ignore[no-untyped-def]
    codes_C,
    starts_L,
    ends_L,
    starts_W,
    ends_W,
    joined_W,
    marks,
    lower,
    keys_T,
    letters,
    letters_T,
    opening_T,
    inside_T,
    seen,
):
    """Words of each line, hyphenated ones as one, and the signs of what it may be."""
    num_lines = len(starts_L)
    counts_L = np.zeros(num_lines, np.int64)
    signs_L = np.zeros(num_lines, np.uint64)
    word = 0
    for line in range(num_lines):
        begin = word
        while word < len(starts_W) and starts_W[word] < ends_L[line]:
            counts_L[line] += not joined_W[word]
            word += 1
        start = starts_L[line]
        end = ends_L[line]
        while start < end and marks[codes_C[start]] & SPACE:
            start += 1
        while end > start and marks[codes_C[end - 1]] & SPACE:
            end -= 1
        if start == end or end - start > MAX_LINE_CHARS:
            continue
        if _has_separators(codes_C, start, end, marks, lower):
            signs_L[line] |= _LOOKS_LIKE_MENU
        if counts_L[line] <= MAX_LINE_WORDS:
            for at in range(begin, word):
                signs = opening_T if at == begin else inside_T
                signs_L[line] |= _signs_of(
                    codes_C, starts_W[at], ends_W[at], signs, lower, keys_T, letters, letters_T, seen
                )
    return counts_L, signs_L


@inlined
def _has_separators(codes_C, start, end, marks, lower):  # type: ignore[no-untyped-def]
    """Two separators of a menu at least, or a sign of copyright."""
    separators = 0
    for at in range(start, end):
        code = codes_C[at]
        mark = marks[code] & _MARKED
        if mark & _SIGN:
            return True
        if mark & _BAR:
            separators += 1
        elif at > start and marks[codes_C[at - 1]] & SPACE:
            if mark & _BETWEEN_SPACES:
                separators += at + 1 < end and (marks[codes_C[at + 1]] & SPACE) != 0
            elif (at - 2 >= start and marks[codes_C[at - 2]] & SPACE) or codes_C[at - 1] == _TAB:
                separators += mark == 0 and (lower[code] != code or (marks[code] & DIGIT) != 0)
        if separators >= 2:
            return True
    return False


@kernel
def _signs_of(codes_C, start, end, signs_T, lower, keys_T, letters, letters_T, seen):  # type: ignore[no-untyped-def]
    """The signs of the phrases that hold the word at start … end, or a beginning of it."""
    key = np.uint64(0)
    for place in range(min(_KEY_LETTERS, end - start)):
        key |= np.uint64(min(lower[codes_C[start + place]], np.uint32(0xFFF))) << np.uint64(12 * place)
    signs = np.uint64(0)
    if not seen[(key * _SPREAD) >> np.uint64(52)]:
        return signs
    at = np.searchsorted(keys_T, key)
    while at < len(keys_T) and keys_T[at] == key:
        length = letters_T[at + 1] - letters_T[at]
        same = end - start >= length
        for place in range(length if same else 0):
            same &= lower[codes_C[start + place]] == letters[letters_T[at] + place]
        if same:
            signs |= signs_T[at]
        at += 1
    return signs
