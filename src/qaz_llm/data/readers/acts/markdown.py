"""One language of an act: Markdown with anchors, quoted notes and HTML tables, as blocks of plain text.

    <a id="st4"></a>                        the anchor of the next block, the same in both languages
    ### 4-бап. Шарттар                      Block(HEADING, "4-бап. Шарттар", anchor="st4")
    1. Шарт жазбаша жасалады.               Block(TEXT, "1. Шарт жазбаша жасалады.", label="1.")
       1) тараптар;                         Block(TEXT, "1) тараптар;", label="1)")
    <table>…</table>                        Block(ROW, "Жыл | Саны"), one for each row that says something
    > *Ескерту. 4-бап жаңа редакцияда …*    removed: a note on how the act was amended
    > *Бұйрықпен бекітілген*                removed: the block of an approval or an annex
    **А. Б. Аты-жөні**                      removed: a signature
    1. Алып тасталды – ҚР …                 removed: a point that is no more

Nothing is removed without being counted, by kind, in `ActText.removed`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from html.parser import HTMLParser

MAX_SIGNATURE_CHARS = 150


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
    `act_excluded`, `act_form` (blanks to be filled in), `act_empty_row`."""

    blocks: tuple[Block, ...]
    removed: Mapping[str, int]
    is_repealed: bool = False


_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
_BACK_LINK = re.compile(r"^↑ \[[^\]]*\]\([^)]*\)\s*$", re.M)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)">\s*</a>')
_HEADING = re.compile(r"#{1,6} +(.*)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_LABEL = re.compile(r"(?:\*{1,3})?(\d+(?:-\d+)*[.)])\s")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_ITALIC = re.compile(r"(?<![\w*])\*(?!\s)(.+?)(?<!\s)\*(?![\w*])")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_LEFT_OVER = re.compile(r"<\*>|<br\s*/?>|</?(?:sup|sub|b|i|u|p|span|div)(?:\s[^<>]*)?>")
_BLANK = re.compile(r"_{4,}")
_ARTICLE = re.compile(
    r"(?:статья|глава|раздел|параграф|пункт|приложение)\s+[\dIVXА-Я]|\d+(?:-\d+)?\s*[-.]?\s*(?:бап|тарау|бөлім|параграф|тармақ)",
    re.I,
)
_NOTE = re.compile(r"(?:ескерту|ескертпе|сноска|примечани|рқао|ескертулер|қараңыз|см\.)", re.I)
_REPEALED = re.compile(r"күші\s+жойыл|утратил[аои]?\s+силу|прекратил[аои]?\s+действие|қолданысы\s+тоқтат", re.I)
_EXCLUDED = re.compile(
    r"(?:\d+(?:-\d+)*[.)]\s*)?(?:алып тасталды|алынып тасталды|исключ[её]н[аоы]?|күші жойылды|утратил[аои]? силу)\b"
    r".{0,60}(?:№|закон|приказ|решени|постановлени|указ|бұйр|қаулы|шешім|жарлы|заң)",
    re.I,
)
_AGREED = re.compile(r"[\"«“]?\s*(?:согласован[оаы]?|келісілді|келісілген|бекітемін|утверждаю)\b", re.I)
_SENTENCE_END = (".", ";", ":", "!", "?", ",")
_INITIALS = re.compile(
    r"\b[А-ЯЁӘҒҚҢӨҰҮҺІ]\s?\.\s?(?:[А-ЯЁӘҒҚҢӨҰҮҺІ]\s?\.\s?)?[А-ЯЁӘҒҚҢӨҰҮҺІ][а-яёәғқңөұүһіi]+|[А-ЯЁӘҒҚҢӨҰҮҺІ][а-яёәғқңөұүһіi]+\s+[А-ЯЁӘҒҚҢӨҰҮҺІ]\."
)


def parse_act(markdown: str) -> ActText:
    """The blocks of one language of an act, in order, and what was left out of them."""
    text = _BACK_LINK.sub("", _FRONT_MATTER.sub("", markdown.replace("\r\n", "\n").lstrip("\ufeff")))
    removed: Counter[str] = Counter()
    blocks: list[Block] = []
    anchor, is_repealed = "", False
    pieces = _without_agreements(list(_pieces(text)), removed)
    for number, (kind, piece) in enumerate(pieces):
        if kind == "anchor":
            anchor = piece
            continue
        if kind == "quote":
            reason = "act_note" if _NOTE.match(piece) else "act_approval"
            is_repealed |= reason == "act_note" and not blocks_of_text(blocks) and _REPEALED.search(piece) is not None
            removed[reason] += 1
            continue
        if kind == "form":
            removed["act_form"] += 1
            continue
        if kind == "row" and not _says_something(piece):
            removed["act_empty_row"] += 1
            continue
        reason_out = _reason_to_leave_out(piece, pieces, number) if kind == "text" else None
        if reason_out is not None:
            removed[reason_out] += 1
            continue
        plain = plain_text(piece)
        if plain:
            found = _LABEL.match(plain)
            blocks.append(Block(Kind(kind), plain, found[1] if found and kind == "text" else "", anchor))
            anchor = ""
    return ActText(tuple(blocks), dict(removed), is_repealed)


def blocks_of_text(blocks: Sequence[Block]) -> list[Block]:
    """Those that are neither headings nor rows of tables."""
    return [block for block in blocks if block.kind is Kind.TEXT]


def plain_text(markdown: str) -> str:
    """A paragraph without the signs of Markdown, on one line.

    >>> plain_text("**1-бап.** Шарт [жазбаша](#st2)  жасалады. <*>")
    '1-бап. Шарт жазбаша жасалады.'
    """
    text = _LINK.sub(r"\1", _LEFT_OVER.sub(" ", _ANCHOR.sub("", markdown)))
    text = _ITALIC.sub(r"\1", _BOLD.sub(r"\1", text.replace("***", "**")))
    return " ".join(_ESCAPE.sub(r"\1", text).split())


def _reason_to_leave_out(piece: str, pieces: Sequence[tuple[str, str]], number: int) -> str | None:
    plain = plain_text(piece)
    if _EXCLUDED.match(plain) and len(plain) < 400:
        return "act_excluded"
    if _BLANK.search(plain) and len(_BLANK.sub("", plain)) < 200:
        return "act_form"
    if _is_signature(piece) and _ends_a_part(pieces, number):
        return "act_signature"
    return None


def _is_signature(piece: str) -> bool:
    """A short line all in bold that is no article and no sentence: an office, or a name with initials."""
    line = piece.strip()
    if not (line.startswith("**") and line.endswith("**") and len(line) <= MAX_SIGNATURE_CHARS):
        return False
    plain = plain_text(line)
    return not _ARTICLE.match(plain) and (not plain.endswith(_SENTENCE_END) or _INITIALS.search(plain) is not None)


def _ends_a_part(pieces: Sequence[tuple[str, str]], number: int) -> bool:
    """Whether nothing but more signatures, blanks and quoted blocks follows up to the end or the next heading."""
    for kind, piece in pieces[number + 1 :]:
        if kind in ("heading", "quote"):
            return True
        if kind == "text" and not _is_signature(piece) and not _BLANK.search(piece):
            return False
        if kind == "row":
            return False
    return True


def _without_agreements(pieces: list[tuple[str, str]], removed: Counter[str]) -> list[tuple[str, str]]:
    """The pieces without blocks of agreement: `КЕЛІСІЛДІ`, an office, a name, up to the next heading, anchor or point."""
    kept: list[tuple[str, str]] = []
    inside = 0
    for kind, piece in pieces:
        plain = plain_text(piece) if kind == "text" else ""
        if kind == "text" and len(plain) < 200 and _AGREED.match(plain):
            inside = 5
        elif inside and (kind != "text" or _LABEL.match(plain) or len(plain) > MAX_SIGNATURE_CHARS):
            inside = 0
        if inside:
            inside -= 1
            removed["act_approval"] += 1
        else:
            kept.append((kind, piece))
    return kept


def _says_something(row: str) -> bool:
    """Whether a row of a table has words, and not only the numbers of its columns."""
    cells = [cell.strip(" .)") for cell in row.split("|")]
    return any(cell and not cell.isdecimal() and not set(cell) <= set("_-–— .") for cell in cells)


# ----------------------------------------------------------------------------------------------------------- blocks


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """(kind, text) of anchors, headings, quotes, tables' rows, forms and paragraphs, in order."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        anchor = _ANCHOR.match(line)
        if anchor is not None:
            yield "anchor", anchor[1]
            lines[at] = line[anchor.end() :]
            at += not lines[at].strip()
        elif not line:
            at += 1
        elif (fence := _FENCE.match(line)) is not None:
            end = _first(lines, at + 1, lambda other, mark=fence[1]: other.strip().startswith(mark))
            yield "form", "\n".join(lines[at + 1 : end])
            at = end + 1
        elif "<table" in line:
            end = _first(lines, at, lambda other: "</table>" in other, nested="<table")
            yield from (("row", row) for row in table_rows("\n".join(lines[at : end + 1])))
            at = end + 1
        elif (heading := _HEADING.match(line)) is not None:
            yield "heading", heading[1].strip(" #")
            at += 1
        else:
            is_quote = line.startswith(">")
            end = _first(lines, at + 1, lambda other, quote=is_quote: _begins_anew(other.strip(), quote))
            block = " ".join(other.strip().lstrip("> ").strip() for other in lines[at:end])
            if is_quote:
                yield "quote", plain_text(" ".join(part.strip("* ") for part in block.split("* *")))
            else:
                yield "text", block
            at = end


def _begins_anew(line: str, is_quote: bool) -> bool:
    """Whether a line is no more of the paragraph (or quote) before it."""
    if not line or line.startswith(">") != is_quote:
        return True
    return not is_quote and (_HEADING.match(line) is not None or "<table" in line or _FENCE.match(line) is not None)


def _first(lines: Sequence[str], start: int, is_end, nested: str | None = None) -> int:  # type: ignore[no-untyped-def]
    """The first line from `start` on that ends a block; the number of lines where none does."""
    depth = 0
    for at in range(start, len(lines)):
        if nested is not None:
            depth += lines[at].count(nested) - lines[at].count("</table>")
            if depth <= 0 and is_end(lines[at]):
                return at
        elif is_end(lines[at]):
            return at
    return len(lines)


def table_rows(html: str) -> list[str]:
    """The rows of an HTML table as lines, their cells between bars; what is nested in a cell is its text.

    >>> table_rows("<table><tr><td>Жыл</td><td>Саны</td></tr><tr><td>2001</td><td>7</td></tr></table>")
    ['Жыл | Саны', '2001 | 7']
    """
    parser = _TableParser()
    parser.feed(html)
    parser.close()
    return [" | ".join(row).strip() for row in parser.rows if row]


class _TableParser(HTMLParser):
    """Collects the cells of the outer table."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.rows: list[list[str]] = []
        self._cell: list[str] | None = None
        self._depth = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self._depth += 1
        elif tag == "tr" and self._depth <= 1:
            self._end_cell()
            self.rows.append([])
        elif tag in ("td", "th") and self._depth <= 1:
            self._end_cell()
            self._cell = []
        elif self._cell is not None:
            self._cell.append(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self._depth -= 1
        if tag in ("td", "th", "tr", "table") and self._depth <= 1:
            self._end_cell()

    def handle_data(self, data: str) -> None:
        if self._cell is not None:
            self._cell.append(data)

    def close(self) -> None:
        super().close()
        self._end_cell()

    def _end_cell(self) -> None:
        if self._cell is not None:
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append(" ".join(plain_text("".join(self._cell)).replace("|", "/").split()))
            self._cell = None
