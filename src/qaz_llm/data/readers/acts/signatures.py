"""Who signed an act: offices and names below it or below an annex.

**Министр**                     bold or italic lines
**А. Б. Аты-жөні**
Қазақстан Республикасының       plain lines below a whole sentence
Президенті
<table>…</table>                a table of an office and nothing else
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

from qaz_llm.data.readers.acts.pieces import LABEL, Piece

MAX_LINE = 150
"""No signature, and no line of an approval, is longer."""
SENTENCE_END = (".", ";", ":", "!", "?", ",")
ARTICLE = re.compile(
    r"(?:статья|глава|раздел|параграф|пункт|приложение)\s+[\dIVXА-Я]"
    r"|\d+(?:-\d+)*\s*[-.]?\s*(?:бап|тарау|бөл[iі]м|параграф|тармақ)",
    re.I,
)
_OFFICE = re.compile(
    r"\b(?:президент|премьер-министр|министр|төраға|председател|әкім|аким|хатшы|секретар|басшы|руководител|бастығы|начальник"
    r"|директор|басқарушы|управляющ|меңгеруш|заведующ|прокурор|судья|оқығандар|читал)",
    re.I,
)
_CAPITAL = "А-ЯЁӘҒҚҢӨҰҮҺІ"
_LETTERS = "А-ЯЁӘҒҚҢӨҰҮҺІа-яёәғқңөұүһіi"
INITIALS = re.compile(
    rf"\b[{_CAPITAL}]\s?\.\s?(?:[{_CAPITAL}]\s?\.\s?)?[{_CAPITAL}][{_LETTERS}]+|[{_CAPITAL}][{_LETTERS}]+\s+[{_CAPITAL}]\."
)
_MAX_PLAIN_LINES = 5
_MAX_SIGNED_ROWS = 6


def without_signatures(pieces: Sequence[Piece], removed: Counter[str]) -> list[Piece]:
    """Without offices and names below an act or an annex: before a heading, a block of approval, or the end."""
    kept: list[Piece] = []
    for piece in (*pieces, Piece("end_of_part", "")):
        if piece.kind in ("heading", "end_of_part"):
            forms = run_at_end(kept, lambda other: other.kind == "form", 3)
            below = kept[len(kept) - forms :]
            del kept[len(kept) - forms :]
            lines = _signed_rows(kept) or _signed_lines(kept)
            removed.update({"act_signature": lines} if lines else {})
            del kept[len(kept) - lines :]
            kept += below
        if piece.kind != "end_of_part":
            kept.append(piece)
    return kept


def _signed_lines(kept: Sequence[Piece]) -> int:
    """How many lines at the end are signatures: bold or italic ones, else plain ones below a whole sentence or a form."""
    marked = run_at_end(kept, _is_marked, 40)
    if any(_is_signed(piece.text) for piece in kept[len(kept) - marked :]):
        return marked
    plain = run_at_end(kept, _is_plain_line, _MAX_PLAIN_LINES)
    if plain == len(kept) or not any(_is_signed(piece.text) for piece in kept[len(kept) - plain :]):
        return 0
    above = kept[-1 - plain]
    is_below_text = above.kind == "form" or (above.kind == "text" and above.text.endswith((".", "»", '"')))
    return plain if is_below_text else 0


def _is_marked(piece: Piece) -> bool:
    """A short line all in bold or italics that is no article and no sentence."""
    if piece.kind != "text" or not piece.mark.startswith("*") or len(piece.text) > MAX_LINE:
        return False
    is_point = LABEL.match(piece.text) is not None and piece.mark == "*"
    if is_point or ARTICLE.match(piece.text) or piece.text.startswith(("*", "(", "-")):
        return False
    return not piece.text.endswith(SENTENCE_END) or INITIALS.search(piece.text) is not None


def _is_plain_line(piece: Piece) -> bool:
    if piece.kind != "text" or len(piece.text) > 80 or LABEL.match(piece.text):
        return False
    is_open = not piece.text.endswith((".", ";", "?", "!", ","))  # `Оқығандар:` is one
    return is_open or INITIALS.search(piece.text) is not None


def _is_signed(text: str) -> bool:
    return _OFFICE.search(text) is not None or INITIALS.search(text) is not None


def _signed_rows(kept: Sequence[Piece]) -> int:
    """How many rows at the end are a table of who signed: a few rows of an office or name, no numbers."""
    count = run_at_end(kept, lambda piece: piece.kind == "row", _MAX_SIGNED_ROWS)
    text = " ".join(piece.text for piece in kept[len(kept) - count :])
    is_short = len(text) <= 2 * MAX_LINE and not any(sign.isdecimal() for sign in text)
    return count if count and is_short and text.count("|") <= count and _is_signed(text) else 0


def run_at_end(pieces: Sequence[Piece], belongs: Callable[[Piece], bool], most: int) -> int:
    """How many pieces at the end belong together; 0 where there are more than `most`."""
    count = 0
    while count < len(pieces) and belongs(pieces[-1 - count]):
        count += 1
    return count if count <= most else 0
