"""The parts of a text that are code, taken out while the words around them are repaired.

    hidden = hide_code("Оны `a  <b>` деп жаз.")      hidden.prose    "Оны ▯▯ деп жаз."
    hidden.show(hidden.prose.upper())                "ОНЫ `a  <b>` ДЕП ЖАЗ."

Code is: what stands between fences of three or more backticks or tildes, in lists and quotations too (CommonMark 0.31,
section 4.5, but an indented fence may stand anywhere); what stands between backticks in a line; lines that follow one
another and read like a program; lines of signs and Latin letters set in by four columns or more.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice

_MARKS = "".join(map(chr, range(0xFDD0, 0xFDF0)))
"""Noncharacters, which no text should have (Unicode Standard, section 23.7): one of them stands before each number."""
_FIRST_NUMBER = 0xF0000
_MAX_PIECES = 0x20000
"""Private characters of the planes 15 and 16, each the number of a piece."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class HiddenCode:
    """A text with two characters in place of each piece of code, and the pieces."""

    prose: str
    pieces: tuple[str, ...]
    mark: str

    def show(self, prose: str) -> str:
        """`prose` with the pieces in their places again; a piece whose place is gone is gone."""
        if not self.pieces:
            return prose
        place = re.compile(f"{self.mark}([{chr(_FIRST_NUMBER)}-{chr(_FIRST_NUMBER + _MAX_PIECES - 1)}])")
        return place.sub(lambda match: self.pieces[ord(match[1]) - _FIRST_NUMBER], prose)


def is_block_of_code(line: str) -> bool:
    """Whether a line of prose is nothing but the place of a piece."""
    return len(line) == 2 and ord(line[1]) >= _FIRST_NUMBER


def hide_code(text: str) -> HiddenCode:
    """The text with its code put aside; the same text where there is none."""
    spans = code_spans(text)[:_MAX_PIECES]
    if not spans:
        return HiddenCode(text, (), "")
    mark = next(c for c in chain(_MARKS, map(chr, count(0xE000))) if c not in text)
    prose: list[str] = []
    done = 0
    for number, (start, end) in enumerate(spans):
        prose += text[done:start], mark, chr(_FIRST_NUMBER + number)
        done = end
    return HiddenCode("".join((*prose, text[done:])), tuple(text[start:end] for start, end in spans), mark)


def code_spans(text: str) -> list[Span]:
    """Where code starts and ends, in order; a block has its first line's indentation and not its last line end."""
    has_lines = "\n" in text
    has_ticks = "`" in text
    has_fences = has_lines and ((has_ticks and "```" in text) or ("~" in text and "~~~" in text))
    has_programs = has_lines and _may_have_programs(text)
    if not has_fences and not has_programs and not has_ticks:
        return []
    if not has_fences and not has_programs:
        return _inline_spans(text, 0, len(text))
    ends = [*(match.start() for match in _LINE_END.finditer(text)), len(text)]
    lines = _Lines(text, list(zip((0, *(end + 1 for end in ends)), ends, strict=False)))
    spans: list[Span] = []
    for block in _blocks(lines, has_fences, has_programs):
        start, end = lines.spans[block.first][0], lines.spans[block.last][1]
        if block.is_code:
            spans.append((start, end))
        elif has_ticks:
            spans += _inline_spans(text, start, end)
    return spans


def _inline_spans(text: str, start: int, end: int) -> list[Span]:
    spans: list[Span] = []
    position = text.find("`", start, end)
    while position >= 0:
        match = _INLINE.match(text, position, end)
        if match and not _is_quotation(match.group()):
            spans.append(match.span())
        position = text.find("`", match.end() if match else position + 1, end)
    return spans


@dataclass(frozen=True, slots=True)
class _Lines:
    text: str
    spans: list[Span]

    def __getitem__(self, number: int) -> str:
        start, end = self.spans[number]
        return self.text[start:end]

    def __len__(self) -> int:
        return len(self.spans)


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines `first` to `last`, all code or all prose."""

    first: int
    last: int
    is_code: bool


def _blocks(lines: _Lines, has_fences: bool, has_programs: bool) -> Iterator[_Block]:
    number = 0
    prose_from = 0
    closings = _closing_fences(lines) if has_fences else []
    while number < len(lines):
        last = _end_of_fence(lines, number, closings) if has_fences else None
        if last is None and has_programs:
            last = _end_of_program(lines, number)
        if last is None:
            number += 1
            continue
        if prose_from < number:
            yield _Block(prose_from, number - 1, is_code=False)
        yield _Block(number, last, is_code=True)
        prose_from = number = last + 1
    if prose_from < len(lines):
        yield _Block(prose_from, len(lines) - 1, is_code=False)


# ----------------------------------------------------------------------------------------------------------- fences

_LINE_END = re.compile("\n")
_INLINE = re.compile(r"(?<![`\w\\])(`+)(?!`)[^\n]{0,1000}?[^\n`]\1(?!`)")
"""As many backticks at the end as at the beginning; one inside a word is an apostrophe (O`zbek)."""
_QUOTED_WORDS = re.compile(r"`[^\W\d_a-z][^<>{}=()\[\]\\;|$]*`")
"""Words of Cyrillic letters between backticks that stand for quotation marks."""
_QUOTED_FROM_WORDS = 4
_TEX_QUOTES = re.compile(r"``[^`]*?[^\s`=(,:'&;](?:''|&#39;&#39;|&apos;&apos;)")
_FENCE = re.compile(r"[ \t]*(?:>[ \t]?|(?:[-*+]|\d{1,9}[.)])[ \t]+)*(?P<fence>`{3,}(?=[^`]*$)|~{3,})(?P<info>.*)")
_CLOSING = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*")
_TILDES = 4
"""A longer row of tildes is an ornament unless it names a language."""


def _is_quotation(piece: str) -> bool:
    """Whether backticks stand for quotation marks: ``Челси'' … ``, as TeX writes them, or `words of prose`."""
    if _TEX_QUOTES.match(piece):
        return True
    if piece.isascii() or not _QUOTED_WORDS.fullmatch(piece):
        return False
    return len(piece.split()) >= _QUOTED_FROM_WORDS and "  " not in piece


def _closing_fences(lines: _Lines) -> list[tuple[int, str]]:
    """The lines that are nothing but a fence, and their backticks or tildes."""
    closings = ((number, _CLOSING.fullmatch(lines[number])) for number in range(len(lines)))
    return [(number, closing[1]) for number, closing in closings if closing]


def _end_of_fence(lines: _Lines, number: int, closings: Sequence[tuple[int, str]]) -> int | None:
    """The line that closes the fence that this line opens: the last line where one of backticks stays open."""
    line = lines[number]
    opening = _FENCE.fullmatch(line) if "```" in line or "~~~" in line else None
    if opening is None:
        return None
    fence = opening["fence"]
    is_tilde = fence[0] == "~"
    if is_tilde and len(fence) > _TILDES and not opening["info"].strip():
        return None
    for last, closing in islice(closings, bisect_right(closings, (number, chr(0x10FFFF))), None):
        if closing.startswith(fence):
            return last
    return None if is_tilde else max((n for n in range(number, len(lines)) if lines[n].strip()), default=number)


# --------------------------------------------------------------------------------------------------------- programs

MAX_LINE_CHARS = 300
_STATEMENT = (
    r"(?:def|class)\s+\w+\s*[(:].*"
    r"|[A-Za-z_$][\w.$]*(?:\[[^\]\n]*\])*(?:\s*:\s*\w+)?\s*(?:[-+*/|&^%]|\*\*|//|<<|>>|:)?=(?![=>])\s*\S.*"
    r"|(?:(?:const|let|var|public|private|static|final|int|float|double|char|bool|string|auto|unsigned)\s+)+\w+.*[=({;].*"
    r"|[A-Za-z_$][\w.$]*\([^\n]*\)\s*[;:{]?"
    r"|[A-Za-z_$}@][^\n]*[=({\[][^\n]*;"
    r"|[A-Za-z_$}@][^\n]*\)?\s*\{"
    r"|\#include\s*[<\"].*|\$\s+[a-z][\w-]*(?:\s.*)?|>>>\s.*"
    r"|(?:SELECT|INSERT INTO|UPDATE|CREATE TABLE|DELETE FROM)\s[^\n]*"
)
"""A line that is a statement of a program, and hardly anything else."""
_BESIDE = (
    r"(?:if|elif|for|while|with|try|except|else|finally|switch|case|do)\b[^\n]*[:{]"
    r"|(?:return|import|from|yield|raise|throw|pass|break|continue|end|fi|done|package|using|use)\b[\x20-\x7e]*[^.!?\s]"
    r"|(?:return|break|continue|throw)\b[^\n]*;"
    r"|[{}()\[\]]+[;,]?|\}\s*(?:else|catch|finally)\b.*|(?:\#|//|/\*|\*/?|--)\s?.*"
    r"|(?:FROM|WHERE|ORDER BY|GROUP BY|VALUES|SET|JOIN|LIMIT)\s[^\n]*"
)
"""A line that may be one beside such lines."""
_PROGRAM = re.compile(
    rf"\n[ \t]*(?=[A-Za-z_$}}@#>][^\n]{{0,{MAX_LINE_CHARS}}}(?:\n|\Z))(?:{_STATEMENT})[ \t]*(?=\n|\Z)"
)
_RULE = re.compile(r"\n[A-Za-z.$%_][\w.$()/% -]{0,200}:(?!=)[\x20-\x7e]{0,300}\n\t[\t ]*[\x21-\x7e]", re.ASCII)
_RULE_LINE = re.compile(r"\t|\s*$|#|[A-Za-z.$%_][\w.$()/% -]*[:?+]?[:=]", re.ASCII)
"""A rule of a Makefile and its first command; a line that may follow."""
_HUNK = re.compile(r"@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@")
_HUNK_LINE = re.compile(r"[-+ \\]|@@ |diff |index |$")
"""The head of a piece of a unified diff; a line that may follow."""
_LATIN_LINE = re.compile(r"\n(?:[ \t]*[A-Za-z_$}@#>]| {4}|\t)")
_PROGRAM_SIGNS = (
    "=",
    "{",
    ")\n",
    ");",
    "):",
    "class ",
    "SELECT ",
    "INSERT ",
    "UPDATE ",
    "CREATE ",
    "DELETE ",
    ">>> ",
    "$ ",
    "#include",
)
"""One of these is in any text that has two statements."""
_STATEMENT_LINE = re.compile(rf"[ \t]*(?:{_STATEMENT})[ \t]*")
_PROGRAM_LINE = re.compile(rf"[ \t]*(?:{_STATEMENT}|{_BESIDE})[ \t]*")
_SET_IN_LINE = r"(?: {4}| {0,3}\t)[ \t]*[\x21-\x7e][\x20-\x7e\t]*"
_SET_IN = re.compile(rf"\n{_SET_IN_LINE}(?=\n|\Z)")
_IS_SET_IN = re.compile(_SET_IN_LINE)
_SIGNS = re.compile(
    r"[=<>{}\[\]$|\\]|\w_\w|^\s+(?:\$|>>>)\s|(?<!\w)--?[a-z]|\w\(\w*\)"
    r"|^\s*(?:apt|brew|cargo|cd|conda|curl|docker|git|go|ls|make|mkdir|node|npm|pip3?|python3?|sudo|wget|yarn)\s"
)
_SENTENCE = re.compile(r"[A-Za-z]+ [a-z]+ [a-z]+.*[.!?,:]\s*$")


def _may_have_programs(text: str) -> bool:
    """Whether any line is one of a program. Expressions that begin with a line feed are looked for fast."""
    if not text[:1].isascii() and not _LATIN_LINE.search(text):
        return False
    if (any(sign in text for sign in _PROGRAM_SIGNS) or text.endswith(")")) and _PROGRAM.search(f"\n{text}"):
        return True
    if ("\n\t" in text and _RULE.search(f"\n{text}")) or "\n@@ -" in text:
        return True
    return ("\n    " in text or "\t" in text or text[:1] == " ") and _SET_IN.search(f"\n{text}") is not None


def _end_of_program(lines: _Lines, number: int) -> int | None:
    """The last of the lines from here on that read like a program: two at least, one of them a plain statement."""
    if _is_set_in(lines, number):
        return _end_of_set_in(lines, number)
    line = lines[number]
    if line.startswith("@@ -") and _HUNK.match(line):
        return _end_of_run(lines, number, _HUNK_LINE)
    if number + 1 < len(lines) and lines[number + 1][:1] == "\t" and _RULE.match(f"\n{line}\n{lines[number + 1]}"):
        return _end_of_run(lines, number, _RULE_LINE)
    if not _is_program(line) or (line.lstrip()[:1] in "*-#/" and not _STATEMENT_LINE.fullmatch(line)):
        return None
    first_indent = _indent(line)
    last, programs, statements = number, 0, 0
    for index in range(number, len(lines)):
        line = lines[index]
        if not line.strip():
            continue
        if _is_program(line):
            last = index
            programs += 1
            statements += _STATEMENT_LINE.fullmatch(line) is not None
        elif _indent(line) > first_indent and index == last + 1:
            last = index
        else:
            break
    return last if programs >= 2 and statements else None


def _is_program(line: str) -> bool:
    return (
        len(line) <= MAX_LINE_CHARS and line.lstrip(" \t")[:1].isascii() and _PROGRAM_LINE.fullmatch(line) is not None
    )


def _is_set_in(lines: _Lines, number: int) -> bool:
    """Whether an indented block of code begins: after a blank line, signs and Latin letters, no sentence."""
    if number and lines[number - 1].strip():
        return False
    line = lines[number]
    return _IS_SET_IN.fullmatch(line) is not None and bool(_SIGNS.search(line)) and not _SENTENCE.search(line)


def _end_of_set_in(lines: _Lines, number: int) -> int:
    last = number
    while last + 1 < len(lines) and lines[last + 1].strip() and _indent(lines[last + 1]) >= 4:
        last += 1
    return last


def _end_of_run(lines: _Lines, number: int, of_kind: re.Pattern[str]) -> int:
    last = number
    for index in range(number + 1, len(lines)):
        if not of_kind.match(lines[index]):
            break
        if lines[index].strip():
            last = index
    return last


def _indent(line: str) -> int:
    """Columns before the first character; a tab goes to the next multiple of four."""
    expanded = line.expandtabs(4)
    return len(expanded) - len(expanded.lstrip(" "))
