"""What a line of a page is by itself, and whether it goes, judged with its neighbours.

What can only be furniture goes wherever it stands. A menu, or a word that is a button here and a heading there, goes where a
chain of such lines joins it to the beginning or the end of the text or to furniture that is certain, and stays where the line
of content next to it has the same shape: then it is a row of a table, a list, a glossary.

    Бөлісу                              certain                   goes
    Фото: А. Б.                         may be, beside it         goes
    Ол кітап оқыды.                     content
    Арғын → Қуандық → Алтай             no entries of a menu      stays
    Кіру                                may be, amid content      stays
    Екінші тарау басталды.              content
"""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import takewhile

from qaz_llm.data.quality.furniture import MENU_ENTRIES, PHRASES, Phrase, speaks_of_sign
from qaz_llm.language.segment import sentences, words

MAX_LINE_WORDS = 40
"""A longer line is prose, even where it speaks of cookies."""

MAX_LINE_CHARS = 400
MIN_MENU_ENTRIES = 3
MAX_ENTRY_WORDS = 4
MAX_HEADING_WORDS = 14
MIN_TOPIC_WORDS = 6

_DECORATION = " \t•·–—-*►▶→»›>|#✓✔☰…"
"""What stands in front of a line's first word in lists and menus."""

_SENTENCE_ENDS = (".", "!", "?", "…")
_PROSE_ENDS = (".", "!", "?", ",", ";", "…")
_KEY_VALUE = re.compile(r"\s*[^:.!?]{1,40}:\s*\S")

_SEPARATORS = re.compile(r"\s[•·»›→/|]\s|\||\s{2,}|\t")


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
        if found and not _goes_on_as_prose(line, phrases):
            return AT_AN_EDGE
    return AT_AN_EDGE if _is_menu(line) else NONE


def _goes_on_as_prose(line: str, phrases: Sequence[Phrase]) -> bool:
    """Whether a whole sentence without any phrase of furniture follows in the line: `Тел.: 70-65-90. Мектеп жаңа оқу жылын …`"""
    return any(
        sentence.rstrip().endswith(_SENTENCE_ENDS)
        and sum(word.isalpha() and len(word) > 1 for word in words(sentence)) >= MIN_TOPIC_WORDS
        and not any(phrase.found_in(sentence.lower()) for phrase in phrases)
        for sentence in sentences(line)[1:]
    )


def _is_menu(line: str) -> bool:
    """Short entries between separators, half of which, and two at least, are those of the menus of sites. A genealogy, a
    declension and the head of a table are built alike and have other entries."""
    entries = [entry.strip() for entry in _SEPARATORS.split(line) if entry.strip()]
    known = sum(entry.lower().lstrip(_DECORATION) in MENU_ENTRIES for entry in entries)
    return len(entries) >= MIN_MENU_ENTRIES and known >= max(2, len(entries) / 2)


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
    title = words(line.lower())
    if not 0 < len(title) <= 2 or title[0] not in below.lower():
        return False
    text = words(below.lower())
    return text != [] and text[0].startswith(title[0])


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
        return all(sign in others[0] for sign in separators) and separators == _separators(others[0])
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
