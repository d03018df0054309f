"""The points of an act in two languages, side by side.

Both languages of an act have the same anchors, headings and numbers, so nothing is guessed from the words:

    segment    from one article, chapter or heading to the next   kk st4 ↔ ru st4
    group      a numbered point with what follows it              1. ↔ 1.    1) ↔ 1)
    piece      the point, then its paragraphs, in order           only where both have as many

An article without an anchor in one language is known by its number; the anchor of a point (`p3`) says no more than its number
and is in one language alone at times, so the number counts. Headings without anchors are counted, and where the languages have
not as many of them below the same anchor, what stands below any but the first is left out. What has no counterpart is counted.
Whether the two texts are translations of each other (length, numbers, language) is checked where pairs become dialogues.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from qaz_llm.data.readers.acts.markdown import Block, Kind
from qaz_llm.data.readers.acts.pieces import ARTICLE_BEGINS, LABEL

_TITLE = "title"
_POINT_ANCHOR = re.compile(r"(?:an\d+_)?p(\d+(?:-\d+)*)$")
"""`p3`, and `an0_p3` in an annex"""
_ARTICLE_NUMBER = re.compile(
    r"(?:Статья\s+(\d+(?:-\d+)*)(?:\.|$|\s+[А-ЯЁ])|(\d+(?:-\d+)*)\s?-\s?бап(?:\.|$|\s+[А-ЯЁӘҒҚҢӨҰҮҺІ]))"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that stand at one place, which `place` names: `st4/1./2)`."""

    place: str
    one: str
    other: str


@dataclass(frozen=True, slots=True)
class Aligned:
    """The pairs of an act, and how many blocks of either language have no counterpart."""

    pairs: tuple[Pair, ...]
    unpaired: int


@dataclass(frozen=True, slots=True)
class _Places:
    """The texts of each place of one language, and how many headings without an anchor stand below each anchor."""

    groups: Mapping[str, list[str]]
    headings: Mapping[str, int]


def align(one: Sequence[Block], other: Sequence[Block]) -> Aligned:
    """The blocks of two languages in pairs.

    >>> kk = [Block(Kind.TEXT, "1. Бірінші.", "1.", "p1"), Block(Kind.TEXT, "2. Екінші.", "2.", "p2")]
    >>> ru = [Block(Kind.TEXT, "2. Второй.", "2."), Block(Kind.TEXT, "3. Третий.", "3.", "p3")]
    >>> align(kk, ru)
    Aligned(pairs=(Pair(place='2.', one='2. Екінші.', other='2. Второй.'),), unpaired=2)
    """
    places, others = _places(one), _places(other)
    pairs: list[Pair] = []
    paired = 0
    for place, texts in places.groups.items():
        counterpart = others.groups.get(place)
        if counterpart is None or len(counterpart) != len(texts) or not _is_certain(place, places, others):
            continue
        if place.endswith(_TITLE):
            texts, counterpart = _whole_titles(texts), _whole_titles(counterpart)
        if len(counterpart) == len(texts):
            pairs += (Pair(place, text, twin) for text, twin in zip(texts, counterpart, strict=True))
            paired += len(places.groups[place]) + len(others.groups[place])
    rows = sum(block.kind is Kind.ROW for block in (*one, *other))
    return Aligned(tuple(pairs), len(one) + len(other) - rows - paired)


def _whole_titles(texts: Sequence[str]) -> list[str]:
    """Titles of one place: a title on several lines is one, because its words stand in another order in the other language.

    >>> _whole_titles(["РЕЕСТР", "должностей музея", "Глава 1. Общие положения"])
    ['РЕЕСТР должностей музея', 'Глава 1. Общие положения']
    """
    titles: list[str] = []
    for text in texts:
        if titles and not (ARTICLE_BEGINS.match(text) or LABEL.match(text)):
            titles[-1] += f" {text}"
        else:
            titles.append(text)
    return titles


def _is_certain(place: str, places: _Places, others: _Places) -> bool:
    """Whether a place is the same in both languages: named by an anchor or a number, or below as many headings in both."""
    anchor = _anchor_of(place)
    return not _is_below_counted_heading(place) or places.headings.get(anchor) == others.headings.get(anchor)


def _anchor_of(place: str) -> str:
    return place.partition("#")[0]


def _is_below_counted_heading(place: str) -> bool:
    """Whether a place is known only by how many headings stand before it: any but the title of an act."""
    number = place.partition("#")[2].partition("/")[0]
    return number not in ("", "1") or (number == "1" and _anchor_of(place) != "")


def _places(blocks: Sequence[Block]) -> _Places:
    """The texts of each place in order. A place that comes twice in a language cannot be told apart and is left out; where a
    number is given twice in a row (1, 2, 2, 3) those after it name other points than in the other language, and are left out
    too. Numbers that begin anew at 1, as in an annex, say nothing of those after them."""
    groups: dict[str, list[str]] = {}
    ambiguous: set[str] = set()
    misnumbered: set[str] = set()
    headings: Counter[str] = Counter()
    for place, is_first, text in _placed(blocks, headings):
        parent, _, label = place.rpartition("/")
        if is_first and place in groups:
            ambiguous.add(place)
            if _is_number(label) and label.rstrip(".)") != "1":
                misnumbered.add(parent)
        if _is_misnumbered(place, misnumbered):
            ambiguous.add(place)
        groups.setdefault(place, []).append(text)
    return _Places({place: texts for place, texts in groups.items() if place not in ambiguous}, headings)


def _is_misnumbered(place: str, misnumbered: Set[str]) -> bool:
    """Whether a place, or one that it stands in (`st4/1./2)` in `st4/1.`), is a number below one whose numbers are wrong."""
    while place:
        parent, _, label = place.rpartition("/")
        if parent in misnumbered and _is_number(label):
            return True
        place = parent
    return False


def _is_number(label: str) -> bool:
    return label.rstrip(".)").isdigit()


def _placed(blocks: Sequence[Block], headings: Counter[str]) -> Iterator[tuple[str, bool, str]]:
    """(place, whether a new group begins with it, text) of each block that is no row of a table."""
    segment, point, subpoint = "", "", ""
    was_heading = was_title = False
    for block in blocks:
        if block.kind is Kind.ROW:
            was_heading = was_title = False
            continue
        is_heading, is_new = block.kind is Kind.HEADING, False
        anchor = _anchor(block)
        if anchor:
            segment, point, subpoint, is_new = anchor, "", "", True
        elif is_heading and not was_heading:
            headings[_anchor_of(segment)] += 1
            segment, point, subpoint, is_new = f"{_anchor_of(segment)}#{headings[_anchor_of(segment)]}", "", "", True
        if block.label.endswith("."):
            point, subpoint, is_new = block.label, "", True
        elif block.label:
            subpoint, is_new = block.label, True
        elif was_title and not is_heading and not anchor:
            is_new = True
        is_title = is_heading or (bool(anchor) and not block.label)
        parts = (segment, _TITLE) if is_title else (segment, point, subpoint)
        was_heading, was_title = is_heading, is_title
        yield "/".join(part for part in parts if part), is_new, block.text


def _anchor(block: Block) -> str:
    """What names the article that begins with a block: its anchor, else its number; empty for the anchor of a point."""
    found = _POINT_ANCHOR.match(block.anchor)
    if found is not None and block.label == f"{found[1]}.":
        return ""
    if block.anchor:
        return block.anchor
    number = _ARTICLE_NUMBER.match(block.text)
    return "" if number is None else f"st{number[1] or number[2]}"
