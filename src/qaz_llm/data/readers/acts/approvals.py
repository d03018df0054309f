"""Blocks of approval, of annexes and of agreement: who approved what, and to what a text is an annex.

> *Министрдің 2015 жылғы 5 қаңтардағы бұйрығымен бекітілген*
КЕЛІСІЛДІ  Қаржы министрі  ______ А. Б. Аты-жөні
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from qaz_llm.data.readers.acts.pieces import LABEL, Piece
from qaz_llm.data.readers.acts.signatures import INITIALS, MAX_LINE, SENTENCE_END, run_at_end

BLANK = re.compile(r"_{4,}")
_AGREED = re.compile(r"[\"«“]?\s*(?:согласован[оаы]?|келісілді|келісілген|бекітемін|утверждаю)\b", re.I)
_APPROVAL = re.compile(
    r"қосымша|бекіт[iі]л|бекітемін|нысан|келіс[iі]л|тіркелді|приложени|утвержд|согласован|форма\b|зарегистрирован|образец"
    r"|(?:шешім|қаулы|бұйры|жарлы|заң)\S*\s*$|^(?:к|от)\s",
    re.I,
)
_NUMBERED = re.compile(r"№|\bN\s?\d|\b(?:19|20)\d\d\b")
_PLAIN_APPROVAL = re.compile(r"қосымша\W*$|бекіт[iі]лген\W*$|^приложени|^утвержден", re.I)


def without_agreements(pieces: Sequence[Piece], removed: Counter[str]) -> list[Piece]:
    """Without plain blocks of agreement: `КЕЛІСІЛДІ`, an office, a name, up to the next heading, anchor or point."""
    kept: list[Piece] = []
    inside = 0
    for piece in pieces:
        plain = piece.text if piece.kind == "text" else ""
        if plain and len(plain) < 200 and _AGREED.match(plain):
            inside = 5
        elif inside and (piece.kind != "text" or LABEL.match(plain) or len(plain) > MAX_LINE):
            inside = 0
        if inside:
            inside -= 1
            removed["act_approval"] += 1
        else:
            kept.append(piece)
    return kept


def without_approvals(pieces: Sequence[Piece], removed: Counter[str]) -> list[Piece]:
    """Without blocks of approval and of annexes; what else is quoted (units, terms, who carries out) is text, `quoted`."""
    kept: list[Piece] = []
    for at, piece in enumerate(pieces):
        if piece.kind == "heading":
            lines = _lines_of_approval(kept)
            removed.update({"act_approval": 1} if lines else {})
            del kept[len(kept) - lines :]
        if piece.kind != "quote":
            kept.append(piece)
        elif _is_approval(piece.text, pieces[at + 1 : at + 2]):
            removed["act_approval"] += 1
            kept.append(Piece("end_of_part", ""))
        else:
            kept.append(Piece("quoted", piece.text))
    return kept


def _is_approval(text: str, following: Sequence[Piece]) -> bool:
    if len(text) <= 4 * MAX_LINE and (_APPROVAL.search(text) or (INITIALS.search(text) and BLANK.search(text))):
        return True
    before_heading = bool(following) and following[0].kind in ("heading", "quote")
    return before_heading and _NUMBERED.search(text) is not None


def _lines_of_approval(kept: Sequence[Piece]) -> int:
    """How many plain lines at the end are an approval that nobody quoted; 0 where they are none."""
    count = run_at_end(kept, _is_open_line, 8)
    text = " ".join(piece.text for piece in kept[len(kept) - count :])
    return count if count > 1 and len(text) < 4 * MAX_LINE and _PLAIN_APPROVAL.search(text) else 0


def _is_open_line(piece: Piece) -> bool:
    """Whether it is a short line, neither bold nor a point, that ends no sentence."""
    is_line = piece.kind == "text" and not piece.mark.startswith("*") and len(piece.text) <= MAX_LINE
    return is_line and not LABEL.match(piece.text) and not piece.text.endswith(SENTENCE_END)
