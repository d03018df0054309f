"""What stands in an act and is no text of it: notes on amendments, approvals, signatures, contents, points that are no more, forms.

    > *Ескерту. 4-бап жаңа редакцияда …*    act_note
    > *Бұйрықпен бекітілген*                act_approval; also as plain lines before a heading, and blocks of agreement
    **Министр** **А. Б. Аты-жөні**          act_signature; in bold, in italics, as plain lines or rows of a table at the end of a part
    1-бап. …  2-бап. …  3-бап. …            act_contents; many titles of articles in a row without a text
    1. Алып тасталды – ҚР …                 act_excluded
    Қолы: ____________                      act_form

Each function takes pieces, gives those that stay, and counts what it leaves out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from qaz_llm.data.readers.acts.approvals import BLANK, without_agreements, without_approvals
from qaz_llm.data.readers.acts.pieces import NOTE_BEGINS, Piece
from qaz_llm.data.readers.acts.signatures import ARTICLE, MAX_LINE, SENTENCE_END, without_signatures

MIN_CONTENTS = 10
"""So many titles in a row are contents,"""
MIN_CONTENTS_AT_HEAD = 3
"""and so many before the title of an act."""

_WORD = re.compile(r"[^\W_]")
_NOTE = re.compile(r"(?:ескерту|ескертпе|сноска|примечани|рқао|ескертулер|қараңыз|см\.)", re.I)
_SPELLING_NOTE = re.compile(r"авторлық орфография|авторская орфография", re.I)
_PORTAL_NOTE = re.compile(r"(?:рқао\S*\s+ескерт|примечание\s+рцпи)", re.I)
_AMENDING = re.compile(r"заң|закон|қаулы|постановлен|шешім|решени|бұйры|приказ|жарлы|указ|№|\bN\s?\d", re.I)
_REST_OF_NOTE = re.compile(r"[а-яёәғқңөұүһіi]|\d{2,4}\.\d\d|№|N\s?\d|(?:Заң|Жарлық|Жарлығ|Қаулы|Шешім|Бұйры)\w*мен\b")
REPEALED = re.compile(r"күші\s+жойыл|утратил[аои]?\s+силу|прекратил[аои]?\s+действие|қолданысы\s+тоқтат", re.I)
_EXCLUDED = re.compile(
    r"(?:\d+(?:-\d+)*[.)]\s*|статья\s+\d+(?:-\d+)*\.?\s*)?\(?(?:\d+(?:-\d+)*-?\s?(?:бап|тармақ|тармақша)\.?\s+)?"
    r"(?:алып тасталды|алынып тасталды|исключ[её]н[аоы]?|күш[iі] жойылды|утратил[аои]? силу)\b(?!\s+(?:из|по)\b)"
    r".{0,160}?(?:№|\bN\s?\d|\d\d\.\d\d\.\d{4}|\d{4}\.\d\d\.\d\d|\d{4}\s*(?:жыл|год))",
    re.I,
)
"""a point that says no more than by which act, of a number or a date, it was taken out"""


def text_of_act(pieces: Sequence[Piece], removed: Counter[str]) -> tuple[list[Piece], bool]:
    """The pieces that are text of an act, and whether a note at its head says that it is repealed."""
    kept = without_contents(pieces, removed)
    kept, is_repealed = without_notes(kept, removed)
    for leave_out in (without_agreements, without_approvals, without_signatures, without_the_rest):
        kept = leave_out(kept, removed)
    return kept, is_repealed


# --------------------------------------------------------------------------------------------------- contents, notes


def without_contents(pieces: Sequence[Piece], removed: Counter[str]) -> list[Piece]:
    """Without titles in a row that no anchor and no text parts: the list of contents of a code."""
    kept: list[Piece] = []
    run: list[Piece] = []
    for piece in (*pieces, Piece("end", "")):
        if piece.kind == "text" and _may_be_title(piece.text):
            run.append(piece)
            continue
        articles = sum(ARTICLE.match(title.text) is not None for title in run)
        most_are = articles >= 0.6 * len(run)
        if most_are and len(run) >= (MIN_CONTENTS if kept or piece.kind != "heading" else MIN_CONTENTS_AT_HEAD):
            removed["act_contents"] += len(run)
        else:
            kept += run
        run = []
        kept.append(piece)
    return kept[:-1]


def _may_be_title(text: str) -> bool:
    return len(text) < 250 and (not text.endswith(SENTENCE_END) or _EXCLUDED.match(text) is not None)


def without_notes(pieces: Sequence[Piece], removed: Counter[str]) -> tuple[list[Piece], bool]:
    """Without notes on amendments and on spelling, quoted or plain, and the lines that end a note cut short."""
    kept: list[Piece] = []
    is_repealed = False
    open_note = 0
    for piece in pieces:
        plain = piece.text
        if _is_note(piece.kind, plain):
            has_text = any(other.kind == "text" for other in kept)
            is_repealed |= not has_text and REPEALED.search(plain) is not None
            open_note = 0 if plain.endswith(".") and not _PORTAL_NOTE.match(plain) else 3
        elif piece.kind == "text" and open_note and _REST_OF_NOTE.match(plain) and len(plain) < MAX_LINE:
            open_note = 0 if _AMENDING.search(plain) and plain.endswith(".") else open_note - 1
        else:
            open_note = 0
            kept.append(piece)
            continue
        removed["act_note"] += 1
    return kept, is_repealed


def _is_note(kind: str, plain: str) -> bool:
    if kind == "quote":
        return _NOTE.match(plain) is not None or _SPELLING_NOTE.search(plain) is not None
    if kind != "text" or len(plain) > 1_000:
        return False
    if _PORTAL_NOTE.match(plain) or (_SPELLING_NOTE.search(plain) and len(plain) < MAX_LINE):
        return True
    return NOTE_BEGINS.match(plain) is not None and _AMENDING.search(plain) is not None


# --------------------------------------------------------------------------------------------------------- the rest


def without_the_rest(pieces: Sequence[Piece], removed: Counter[str]) -> list[Piece]:
    """Without points that are no more, forms, rows without words and lines of dashes."""
    kept: list[Piece] = []
    for piece in pieces:
        reason = _reason(piece)
        if reason is None:
            kept.append(piece)
            continue
        removed[reason] += 1
        if piece.kind != "row":
            while kept and kept[-1].kind == "anchor":
                kept.pop()  # it named what is left out, not what comes next
    return kept


def _reason(piece: Piece) -> str | None:
    if piece.kind == "form":
        return "act_form"
    if piece.kind == "row":
        return None if _says_something(piece.text) else "act_empty_row"
    if piece.kind == "anchor":
        return None
    plain = piece.text
    if _EXCLUDED.match(plain) and len(plain) < 400:
        return "act_excluded"
    if piece.kind == "text" and BLANK.search(plain) and len(BLANK.sub("", plain)) < 200:
        return "act_form"
    return "act_form" if plain and not _WORD.search(plain) else None


def _says_something(row: str) -> bool:
    """Whether a row of a table has words, and not only the numbers of its columns."""
    cells = [cell.strip(" .)") for cell in row.split("|")]
    return any(cell and not cell.isdecimal() and not set(cell) <= set("_-–— .") for cell in cells)
