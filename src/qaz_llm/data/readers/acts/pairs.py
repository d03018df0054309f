"""The points of an act in two languages, side by side.

Both languages of an act have the same anchors, headings and numbers, so nothing is guessed from the words:

    segment    from one anchor or heading to the next        kk st4 ↔ ru st4
    group      a numbered point with what follows it         1. ↔ 1.    1) ↔ 1)
    piece      the point, then its paragraphs, in order      only where both have as many

What has no counterpart is counted and left out. Whether the two texts are translations of each other (length, numbers,
language) is checked where pairs become dialogues.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qaz_llm.data.readers.acts.markdown import Block, Kind


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


def align(one: Sequence[Block], other: Sequence[Block]) -> Aligned:
    """The blocks of two languages in pairs.

    >>> kk = [Block(Kind.TEXT, "1. Бірінші.", "1.", "p1"), Block(Kind.TEXT, "2. Екінші.", "2.", "p2")]
    >>> ru = [Block(Kind.TEXT, "2. Второй.", "2.", "p2"), Block(Kind.TEXT, "3. Третий.", "3.", "p3")]
    >>> align(kk, ru)
    Aligned(pairs=(Pair(place='p2/2.', one='2. Екінші.', other='2. Второй.'),), unpaired=2)
    """
    groups_one, groups_other = _groups(one), _groups(other)
    pairs: list[Pair] = []
    for place, texts in groups_one.items():
        counterpart = groups_other.get(place)
        if counterpart is not None and len(counterpart) == len(texts):
            pairs += (Pair(place, text, twin) for text, twin in zip(texts, counterpart, strict=True))
    rows = sum(block.kind is Kind.ROW for block in (*one, *other))
    return Aligned(tuple(pairs), len(one) + len(other) - rows - 2 * len(pairs))


def _groups(blocks: Sequence[Block]) -> dict[str, list[str]]:
    """The texts of each place in order. A place that comes twice in a language cannot be told apart and is left out."""
    groups: dict[str, list[str]] = {}
    ambiguous: set[str] = set()
    for place, is_first, text in _placed(blocks):
        if is_first and place in groups:
            ambiguous.add(place)
        groups.setdefault(place, []).append(text)
    return {place: texts for place, texts in groups.items() if place not in ambiguous}


def _placed(blocks: Sequence[Block]) -> Iterator[tuple[str, bool, str]]:
    """(place, whether a new group begins with it, text) of each block that is no row of a table."""
    segment, point, subpoint = "", "", ""
    headings: Counter[str] = Counter()
    for block in blocks:
        if block.kind is Kind.ROW:
            continue
        is_new = False
        if block.anchor:
            segment, point, subpoint, is_new = block.anchor, "", "", True
        elif block.kind is Kind.HEADING:
            anchored = segment.partition("#")[0]
            headings[anchored] += 1
            segment, point, subpoint, is_new = f"{anchored}#{headings[anchored]}", "", "", True
        if block.label.endswith("."):
            point, subpoint, is_new = block.label, "", True
        elif block.label:
            subpoint, is_new = block.label, True
        yield "/".join(part for part in (segment, point, subpoint) if part), is_new, block.text
