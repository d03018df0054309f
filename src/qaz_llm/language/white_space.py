"""White space that is layout, told from white space that is dirt.

    "бір   екі \\n\\n\\n\\nүш"                    → "бір екі\\n\\nүш"
    "- А\\n  - Б\\n- В"                          a nested list stays
    "Қала      Саны\\nАлматы    2 000 000"      columns stay, and so do tabs between cells
    "Түн тынық,\\n    Ай жарық."                verse with steps stays
    "    Абзац.\\n    Абзац."                    indentation of paragraphs goes

Code has been put aside before (`code_parts`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise
from operator import or_

from qaz_llm.language.code_parts import is_block_of_code

_RARE_LINE_END = re.compile("[\u2028\u2029]")
_ODD_SPACE = re.compile("[^\\S \n\t]")
_MANY_LINES = re.compile("\n\n\n+")
_BLANK_LINES_BEFORE = re.compile("\\A(?:[ \t]*\n)+")


def one_line_end(text: str, *, has_rare: bool) -> str:
    """Line feeds in place of all other line ends; U+2028 and U+2029 are rare ones."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _RARE_LINE_END.sub("\n", text) if has_rare else text


def keep_layout(text: str, *, has_rare: bool) -> str:
    """All spaces plain but tabs; nothing at line ends but Markdown's break of two spaces; no blank lines around the text."""
    text = _plain_spaces(text, has_rare=has_rare)
    lines = text.split("\n")
    lines = [_without_trailing(line, after) for line, after in zip(lines, (*lines[1:], ""), strict=True)]
    return _BLANK_LINES_BEFORE.sub("", "\n".join(lines)).rstrip()


def _without_trailing(line: str, after: str) -> str:
    bare = line.rstrip(" \t")
    return f"{bare}  " if bare and after.strip() and line.endswith("  ") else bare


def even_white_space(text: str, *, has_rare: bool) -> str:
    """One plain space between words, none at line ends, one blank line at most, and indentation, tabs and runs of spaces
    only where they are layout."""
    text = _plain_spaces(text, has_rare=has_rare)
    if _may_have_layout(text):
        lines = [line.rstrip(" \t") for line in text.split("\n")]
        indented, tabular = _lines_with_layout(lines), _table_lines(lines, text)
        text = "\n".join(
            _even_line(line, keep_indent=number in indented, keep_runs=number in tabular)
            for number, line in enumerate(lines)
        )
    else:
        text = _one_space(text).replace(" \n", "\n").strip(" ")
    if "\n\n\n" in text:
        text = _MANY_LINES.sub("\n\n", text)
    return text.strip("\n")


def _plain_spaces(text: str, *, has_rare: bool) -> str:
    return _ODD_SPACE.sub(" ", text) if has_rare else text.replace("\u00a0", " ")


def _may_have_layout(text: str) -> bool:
    """Whether any line is set in or has what the rows of a table have."""
    if "\n" not in text:
        return text.count("\t") > 1
    return (
        "\n " in text
        or "\t" in text
        or "   " in text
        or text[:1] == " "
        or ("  " in text and ("|" in text or "│" in text or "║" in text))
    )


def _even_line(line: str, *, keep_indent: bool, keep_runs: bool) -> str:
    body = line.lstrip(" \t")
    indent = line[: len(line) - len(body)] if keep_indent or keep_runs else ""
    return indent + (body if keep_runs else _one_space(body))


def _one_space(text: str) -> str:
    text = text.replace("\t", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text


# ------------------------------------------------------------------------------------------------------ indentation

_ITEM = re.compile(r"(?P<marker>[-*+•◦▪‣·]|\d{1,3}[.)]|[^\W\d_]\)|[a-zа-я]\.)(?P<gap>[ \t]+)\S")
"""An item of a list: a bullet, a number or a letter, and a space."""
MAX_SHORT_CHARS = 60
"""Lines of verse, outlines and settings are no longer; wrapped prose fills wider lines."""
MIN_STEP_COLUMNS, MAX_STEP_COLUMNS = 2, 8
_GOES_ON = ",:;-–—([{"
_ENDS_PARAGRAPH = re.compile(r"[.!?…:;»”\")\]]$")
_BEGINS_PARAGRAPH = re.compile(r"[^\Wa-zа-яёәғқңөұүһі_]|[–—«“\"-]")


def _lines_with_layout(lines: Sequence[str]) -> set[int]:
    """The numbers of the lines whose indentation says something: nested lists, verse in steps, outlines."""
    if not any(line[:1] in (" ", "\t") for line in lines):
        return set()
    kept = set(_nested_items(lines))
    for first, last in _blocks(lines):
        if last > first and _is_stepped(lines[first : last + 1]):
            kept.update(range(first, last + 1))
    return kept


def _columns(line: str) -> int:
    if line[:1] not in (" ", "\t"):
        return 0
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip(" "))


def _blocks(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """First and last lines of what stands between blank lines and blocks of code."""
    first = None
    for number, line in enumerate((*lines, "")):
        is_text = line != "" and not is_block_of_code(line)
        if is_text and first is None:
            first = number
        elif not is_text and first is not None:
            yield first, number - 1
            first = None


def _nested_items(lines: Sequence[str]) -> Iterator[int]:
    """Lines of lists whose items stand at different depths, and lines that go on under the text of an item."""
    group: list[int] = []
    paragraphs: list[int] = []
    depths: list[int] = []
    text_columns: set[int] = set()
    before = ""
    for number, line in enumerate((*lines, "·")):
        item = _ITEM.match(line, len(line) - len(line.lstrip(" \t")))
        if item:
            columns = _columns(line)
            depths.append(columns)
            text_columns.add(columns + len(item["marker"]) + min(len(item["gap"]), 4))
            group += *paragraphs, number
            paragraphs = []
        elif line and group and not is_block_of_code(line):
            if _columns(line) not in text_columns:
                if _are_nested(depths, goes_on=len(group) > len(depths)):
                    yield from group
                group, paragraphs, depths, text_columns = [], [], [], set()
            elif paragraphs or not before or (len(group) == len(depths) and _begins_paragraph(line, before)):
                paragraphs.append(number)  # the list may have ended
            else:
                group.append(number)
        before = line


def _begins_paragraph(line: str, before: str) -> bool:
    """Whether a line that is set in could be the first of a paragraph, by the line before it."""
    return not before or bool(_ENDS_PARAGRAPH.search(before) and _BEGINS_PARAGRAPH.match(line.lstrip()))


def _are_nested(depths: Sequence[int], *, goes_on: bool) -> bool:
    """Whether items stand as Markdown sets them in, from the outermost on by two to four columns, or go on below."""
    levels = sorted(set(depths))
    steps = {deeper - level for level, deeper in pairwise(levels)}
    return depths[0] == levels[0] and (bool(steps) or goes_on) and all(2 <= step <= 4 for step in steps)


def _is_stepped(block: Sequence[str]) -> bool:
    """Whether short lines of a block stand at depths that follow a rule, and not as paragraphs begin."""
    columns = [_columns(line) for line in block]
    depths = sorted(set(columns))
    if len(depths) < 2 or max(len(line.strip()) for line in block) > MAX_SHORT_CHARS:
        return False
    if _is_staircase(columns):
        return True
    steps = {deeper - depth for depth, deeper in pairwise(depths)}
    if len(steps) > 1 or not MIN_STEP_COLUMNS <= min(steps) <= MAX_STEP_COLUMNS:
        return False
    if len(block) == 2:
        return columns[0] < columns[1] and block[0][-1] in _GOES_ON
    return not _are_paragraphs(block, columns)


def _is_staircase(columns: Sequence[int]) -> bool:
    """Verse in the manner of Mayakovsky: each line begins further right than the one before, three at least."""
    return any(a < b < c for a, b, c in zip(columns, columns[1:], columns[2:], strict=False))


def _are_paragraphs(block: Sequence[str], columns: Sequence[int]) -> bool:
    """Whether the lines that are set in are those that paragraphs begin with."""
    outer = min(columns)
    for number, line in enumerate(block):
        if columns[number] == outer or number == 0:
            continue
        if not _begins_paragraph(line, block[number - 1]):
            return False
    return True


# ------------------------------------------------------------------------------------------------------------ tables

_GAP = re.compile(r"(?<![ .!?…:])  +(?=\S)|(?<=[.!?…:])   +(?=\S)")
"""A run of spaces between two columns; two spaces after the end of a sentence are a habit of typists."""
_TAB = re.compile(r"(?<=\S)[ \t]*\t[ \t]*(?=\S)")
_NUMBERED = re.compile(r"[ \t]*(?:[-–—•*+▪●◦·]|\(?\w{1,4}[.)]|(?:\d+\.)+\d*)[ \t]*\t")
MAX_GAPS = 12
MIN_WIDE_GAP = 4


def _table_lines(lines: Sequence[str], text: str) -> set[int]:
    """The numbers of the lines that are rows of a table: of tabs, of columns of spaces, of `|`."""
    kinds = []
    if "\t" in text:
        kinds += [_tab_rows, _column_rows]
    elif "   " in text:
        kinds.append(_column_rows)
    if "|" in text or "│" in text or "║" in text:
        kinds.append(_bar_rows)
    if not kinds:
        return set()
    kept: set[int] = set()
    for first, last in _blocks(lines):
        block = lines[first : last + 1]
        for kind in kinds:
            kept.update(first + number for number in kind(block))
    return kept


def _tab_rows(block: Sequence[str]) -> Iterator[int]:
    """Neighbouring lines with tabs inside, and lines with two; a tab after the number of an item is none."""
    tabs = [0 if "\t" not in line else len(_TAB.findall(line)) for line in block]
    tabs = [
        number - 1 if number == 1 and _NUMBERED.match(line) else number
        for number, line in zip(tabs, block, strict=True)
    ]
    for number, own in enumerate(tabs):
        beside = max(tabs[max(0, number - 1) : number] + tabs[number + 1 : number + 2], default=0)
        if own >= 2 or (own and beside):
            yield number


def _column_rows(block: Sequence[str]) -> Iterator[int]:
    """Neighbouring lines whose cells begin or end in the same columns: three lines, or two with two gaps."""
    if not any("    " in line.lstrip() or "\t" in line for line in block):
        return
    rows = [_cells(line) if "  " in line or "\t" in line else [] for line in block]
    first = 0
    while first < len(block):
        last = first + _count_aligned(rows, first) - 1
        if last - first >= (1 if len(rows[first]) > 1 else 2) and _have_wide_gaps(rows[first : last + 1]):
            yield from range(first, last + 1)
        first = last + 1


@dataclass(frozen=True, slots=True)
class _Cell:
    """A cell after the first of its line: the columns where it begins and ends, and the spaces before it."""

    begin: int
    end: int
    gap: int


def _cells(line: str) -> list[_Cell]:
    line = line.expandtabs(4)
    body = len(line) - len(line.lstrip(" "))
    item = _ITEM.match(line, body)
    gaps = [match.span() for match in _GAP.finditer(line, item.end() if item else body)]
    if len(gaps) > MAX_GAPS:
        return []
    ends = (*(start for start, _ in gaps[1:]), len(line))
    return [_Cell(stop, end, stop - start) for (start, stop), end in zip(gaps, ends, strict=False)]


def _count_aligned(rows: Sequence[Sequence[_Cell]], first: int) -> int:
    """How many rows from `first` on have as many cells, each column of which begins, or ends, at one place."""
    own = rows[first]
    begin, end = [True] * len(own), [True] * len(own)
    count = 1
    for row in islice(rows, first + 1, None) if own else ():
        if len(row) != len(own):
            break
        begin = [is_one and cell.begin == mine.begin for is_one, cell, mine in zip(begin, row, own, strict=True)]
        end = [is_one and cell.end == mine.end for is_one, cell, mine in zip(end, row, own, strict=True)]
        if not all(map(or_, begin, end)):
            break
        count += 1
    return count


def _have_wide_gaps(rows: Sequence[Sequence[_Cell]]) -> bool:
    """Whether each column of cells has a gap that no line of justified prose has."""
    return all(max(cell.gap for cell in column) >= MIN_WIDE_GAP for column in zip(*rows, strict=True))


_BORDER = re.compile(r"[ \t]*[+|├└┌╔╚╠][-=+:|─┬┼┴┐┤┘═╦╬╩╗╣╝]{3,}")
_BARS = re.compile("[|│║]")


def _bar_rows(block: Sequence[str]) -> Iterator[int]:
    """Lines with `|` beside lines with as many, or beside a border such as `+----+-----+`."""
    bars = [len(_BARS.findall(line)) for line in block]
    if not any(bars):
        return
    borders = [_BORDER.fullmatch(line) is not None for line in block]
    for number, own in enumerate(bars):
        beside = (*range(max(0, number - 1), number), *range(number + 1, min(number + 2, len(block))))
        if own and any(bars[other] == own or borders[other] for other in beside):
            yield number
