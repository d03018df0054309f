"""The Markdown of an act cut into pieces: anchors, headings, quotes, rows of tables, forms, paragraphs.

    <a id="st4"></a>        Piece("anchor", "st4")
    ## 1-тарау. Шарт        Piece("heading", "1-тарау. Шарт")
    > *Ескерту. …*          Piece("quote", "Ескерту. …")
    <table>…</table>        Piece("row", "Жыл | Саны"), one for each row
    ```…```                 Piece("text", …) for each paragraph set in fixed width, Piece("form", …) for what stands in columns

Old acts have whole articles in fixed width, broken at some seventy characters, so a fence is read as text unless its lines are
laid out in columns or have blanks to be filled in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from html.parser import HTMLParser
from typing import NamedTuple


class Piece(NamedTuple):
    """A piece of an act as plain text, and what a paragraph is set in as a whole: `**`, `*`, OWN_LINE, or nothing."""

    kind: str
    text: str
    mark: str = ""


OWN_LINE = "\n"
"""The mark of a paragraph in fixed width that does not go on with the one before it, whatever it begins with."""
LABEL = re.compile(r"(\d+(?:-\d+)*[.)])\s")
ARTICLE_BEGINS = re.compile(
    r"(?:Статья|СТАТЬЯ|Глава|ГЛАВА|Раздел|РАЗДЕЛ|Параграф|ПАРАГРАФ)\s+[\dIVX]"
    r"|\d+(?:-\d+)*\s*-?\s*(?:бап|тарау|бөл[iі]м|бөл[iі]мше|БАП|ТАРАУ|БӨЛ[IІ]М)(?:[.\s]|$)|[IVX]+\s*\.?\s+\S",
)
NOTE_BEGINS = re.compile(r"(?:ЕСКЕРТУ|Ескерту|СНОСКА|Сноска)\b")
_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.S)
_BACK_LINK = re.compile(r"^↑ \[[^\]]*\]\([^)]*\)\s*$", re.M)
_ANCHOR = re.compile(r'<a (?:id|name)="([^"]+)">\s*</a>')
_HEADING = re.compile(r"#{1,6} +(.*)")
_FENCE = re.compile(r"(`{3,}|~{3,})")
_BOLD = re.compile(r"\*\*(.+?)\*\*")
_ITALIC = re.compile(r"(?<![\w*])\*(?!\s)(.+?)(?<!\s)\*(?![\w*])")
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_ESCAPE = re.compile(r"\\([\\`*_{}\[\]()#+.!|<>~-])")
_LEFT_OVER = re.compile(r"<\*>|<br\s*/?>|</?(?:sup|sub|b|i|u|p|span|div)(?:\s[^<>]*)?>|\b[A-Z]\d{6,10}_(?!\w)")
"""a mark that there is a note, a tag, and the number of another act in the register (`Z970144_`)"""
_COLUMNS = re.compile(r"\S {4,}\S|_{4,}|[│┌├└─|]")
_PARAGRAPH_ENDS = (".", ";", ":", "!", "?")
SHORT_LINE = 0.6
"""A line of fixed width that is shorter than this share of the longest one ends its paragraph."""


def plain_text(markdown: str) -> str:
    """A paragraph without the signs of Markdown, on one line.

    >>> plain_text("**1-бап.** Шарт [жазбаша](#st2)  жасалады. <*> Z970144_")
    '1-бап. Шарт жазбаша жасалады.'
    """
    text = _LINK.sub(r"\1", _LEFT_OVER.sub(" ", _ANCHOR.sub("", markdown)))
    text = _ITALIC.sub(r"\1", _BOLD.sub(r"\1", text.replace("***", "**")))
    return " ".join(_ESCAPE.sub(r"\1", text).split())


def cut(markdown: str) -> list[Piece]:
    """The pieces of one language of an act, in order."""
    return list(_pieces(_BACK_LINK.sub("", _FRONT_MATTER.sub("", markdown.replace("\r\n", "\n").lstrip("\ufeff")))))


def _pieces(text: str) -> Iterator[Piece]:
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line = lines[at].strip()
        anchor = _ANCHOR.match(line)
        if anchor is not None:
            yield Piece("anchor", anchor[1])
            lines[at] = line[anchor.end() :]
            at += not lines[at].strip()
        elif not line:
            at += 1
        elif (fence := _FENCE.match(line)) is not None:
            end = _first(lines, at + 1, partial(_begins_with, fence[1]))
            yield from fixed_width(lines[at + 1 : end])
            at = end + 1
        elif "<table" in line:
            end = _end_of_table(lines, at)
            yield from (Piece("row", row) for row in table_rows("\n".join(lines[at : end + 1])))
            at = end + 1
        elif (heading := _HEADING.match(line)) is not None:
            yield Piece("heading", plain_text(heading[1].strip(" #")))
            at += 1
        else:
            is_quote = line.startswith(">")
            end = _first(lines, at + 1, partial(_begins_anew, is_quote))
            block = " ".join(other.strip().lstrip("> ").strip() for other in lines[at:end])
            yield Piece("quote", _quoted(block)) if is_quote else Piece("text", plain_text(block), _mark(block))
            at = end


def _mark(block: str) -> str:
    """The sign a paragraph begins and ends with; a star that begins a note (`* - …`) is none."""
    if not (block.startswith("*") and block.endswith("*")):
        return ""
    return "**" if block.startswith("**") else "*"


def _quoted(block: str) -> str:
    return plain_text(" ".join(part.strip("* ") for part in block.split("* *")))


def _begins_with(mark: str, line: str) -> bool:
    return line.strip().startswith(mark)


def _begins_anew(is_quote: bool, line: str) -> bool:
    """Whether a line is no more of the paragraph (or quote) before it."""
    line = line.strip()
    if not line or line.startswith(">") != is_quote:
        return True
    return not is_quote and (_HEADING.match(line) is not None or "<table" in line or _FENCE.match(line) is not None)


def _first(lines: Sequence[str], start: int, is_end: Callable[[str], bool]) -> int:
    """The first line from `start` on that ends a block; the number of lines where none does."""
    return next((at for at in range(start, len(lines)) if is_end(lines[at])), len(lines))


def _end_of_table(lines: Sequence[str], start: int) -> int:
    depth = 0
    for at in range(start, len(lines)):
        depth += lines[at].count("<table") - lines[at].count("</table>")
        if depth <= 0 and "</table>" in lines[at]:
            return at
    return len(lines)


# ------------------------------------------------------------------------------------------------------ fixed width


def fixed_width(lines: Sequence[str]) -> Iterator[Piece]:
    """Lines of a fixed width as paragraphs; lines in columns, or with blanks, as one form a run.

    >>> lines = ["Шарт екі тарап арасында жазбаша", "түрде жасалады.", "5-бап", "Қолы ______ күні"]
    >>> [(piece.kind, piece.text) for piece in fixed_width(lines)]
    [('text', 'Шарт екі тарап арасында жазбаша түрде жасалады.'), ('text', '5-бап'), ('form', 'Қолы ______ күні')]
    """
    width = max((len(line.strip()) for line in lines), default=0)
    waiting: list[str] = []
    kind, mark = "text", ""  # the first paragraph may go on with what stands before the fence

    def flush() -> Iterator[Piece]:
        if waiting:
            yield (
                Piece(kind, plain_text(" ".join(waiting)), mark) if kind == "text" else Piece(kind, "\n".join(waiting))
            )
        waiting.clear()

    for line in lines:
        text = line.strip()
        is_form = _COLUMNS.search(text) is not None
        if is_form != (kind == "form") or not text or (not is_form and _ends_paragraph(waiting, text, width)):
            is_first = not waiting and not mark
            yield from flush()
            kind, mark = "form" if is_form else "text", "" if is_first else OWN_LINE
        if text:
            waiting.append(text)
    yield from flush()


def _ends_paragraph(lines: Sequence[str], coming: str, width: int) -> bool:
    """Whether the lines so far are a paragraph of their own before the line that comes."""
    if not lines:
        return False
    if LABEL.match(coming) or ARTICLE_BEGINS.match(coming) or NOTE_BEGINS.match(coming) or coming == "<*>":
        return True
    if len(coming) < SHORT_LINE * width and coming[0].isupper() and not coming.endswith((*_PARAGRAPH_ENDS, ",")):
        return True  # who signed
    last = lines[-1]
    return last.endswith(_PARAGRAPH_ENDS) or last == "<*>" or len(last) < SHORT_LINE * width


# ----------------------------------------------------------------------------------------------------------- tables


def table_rows(html: str) -> list[str]:
    """The rows of an HTML table as lines, their cells between bars; what is nested in a cell is its text.

    Empty cells before the first word and after the last are left out: the columns of a budget are mostly empty.

    >>> table_rows("<table><tr><td>Жыл</td><td>Саны</td></tr><tr><td></td><td>7</td></tr></table>")
    ['Жыл | Саны', '7']
    """
    parser = _TableParser()
    parser.feed(html)
    parser.close()
    return [_row(cells) for cells in parser.rows if cells]


def _row(cells: Sequence[str]) -> str:
    """The cells between bars; of several empty ones in a row one is kept."""
    kept = [cell for at, cell in enumerate(cells) if cell or (at and cells[at - 1])]
    while kept and not kept[-1]:
        kept.pop()
    return " | ".join(kept).replace("|  |", "| |")


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
