"""One language of an act as blocks of plain text.

    <a id="st4"></a>                        the anchor of the next block, the same in both languages
    ### 4-бап. Шарттар                      Block(HEADING, "4-бап. Шарттар", anchor="st4")
    1. Шарт жазбаша жасалады.               Block(TEXT, "1. Шарт жазбаша жасалады.", label="1.")
       1) тараптар;                         Block(TEXT, "1) тараптар;", label="1)")
    <table>…</table>                        Block(ROW, "Жыл | Саны"), one for each row that says something

pieces.py cuts the Markdown, furniture.py says what is no text of the act. Nothing is removed without being counted, by kind.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from qaz_llm.data.readers.acts.furniture import text_of_act
from qaz_llm.data.readers.acts.pieces import LABEL, OWN_LINE, cut


class Kind(Enum):
    """What a block of an act is."""

    HEADING = "heading"
    TEXT = "text"
    ROW = "row"
    """a row of a table"""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an act: its text on one line, the number it begins with (`2-1.`, `3)`), the anchor that stands before it."""

    kind: Kind
    text: str
    label: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class ActText:
    """One language of an act, and how many pieces of each kind were left out: `act_note`, `act_approval`, `act_signature`,
    `act_contents`, `act_excluded`, `act_form` (blanks to be filled in, what stands in columns, lines of dashes), `act_empty_row`."""

    blocks: tuple[Block, ...]
    removed: Mapping[str, int]
    is_repealed: bool = False


_KINDS: Mapping[str, Kind] = {"heading": Kind.HEADING, "text": Kind.TEXT, "quoted": Kind.TEXT, "row": Kind.ROW}
_LETTERED = re.compile(r"[а-яёәғқңөұүһі]{1,2}[).\/]\s")


def parse_act(markdown: str) -> ActText:
    """The blocks of one language of an act, in order, and what was left out of them."""
    removed: Counter[str] = Counter()
    pieces, is_repealed = text_of_act(cut(markdown), removed)
    blocks: list[Block] = []
    anchor = ""
    for kind, text, mark in pieces:
        if kind == "anchor":
            anchor = text
            continue
        if not text:
            continue
        if kind == "text" and mark != OWN_LINE and not anchor and blocks and _goes_on(blocks[-1], text):
            blocks[-1] = replace(blocks[-1], text=_joined(blocks[-1].text, text))
            continue
        found = LABEL.match(text) if kind == "text" else None
        blocks.append(Block(_KINDS[kind], text, found[1] if found is not None else "", anchor))
        anchor = ""
    return ActText(tuple(blocks), dict(removed), is_repealed)


def _goes_on(block: Block, text: str) -> bool:
    """Whether a paragraph is the rest of the block before it, broken where a line of an old text ended.

    `… халықаралық азаматтық` + `авиация ұйымы …`: no sign ends the first, the second begins with a small letter and is no point.
    """
    if block.kind is Kind.ROW or LABEL.match(text) or _LETTERED.match(text):
        return False
    ends_open = block.text[-1].isalnum() or block.text[-1] in "-)"
    both_capitals = block.kind is Kind.TEXT and not block.label and block.text.isupper() and text.isupper()
    return ends_open and (text[0].islower() or both_capitals)


def _joined(first: str, rest: str) -> str:
    is_hyphenated = first.endswith("-") and first[-2:-1].isalpha()
    return first + rest if is_hyphenated else f"{first} {rest}"
