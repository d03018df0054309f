"""Wikitext before it is parsed: without comments, quotation marks of bold and italic type and what is never closed, and with
what is shown as it is written put aside.
"""

from __future__ import annotations

import html
import re

NAMESPACES = "file|image|category|файл|сурет|санат|изображение|категория|нысан|kategorie|datei|cурет"
"""Of pages whose links are no text; a link to `media` shows its own."""

_LITERAL = re.compile(
    r"<!--.*?-->|<nowiki>(.*?)</nowiki>|<pre(?:\s[^<>]*)?>(.*?)</pre>|<syntaxhighlight.*?</syntaxhighlight>",
    re.S | re.I,
)
"""What is no wikitext: comments, and what is shown as it is written."""
_PLACE = re.compile("\ue000([0-9]+)\ue001")
_UNCLOSED = re.compile(rf"<!--|\[\[\s*(?:{NAMESPACES})\s*:", re.I)
_BRACKETS = re.compile(r"\[\[|\]\]")
_PARAGRAPH_END = re.compile(r"\n\s*\n")
_QUOTES = re.compile("'{2,}")


def without_literals(wikitext: str) -> tuple[str, list[str]]:
    """The wikitext without comments, and with a place for each text that is shown as it is written; these texts."""
    literals: list[str] = []

    def put_aside(match: re.Match[str]) -> str:
        shown = match[1] if match[1] is not None else match[2]
        if shown is None:
            return "" if match.group().startswith("<!--") else match.group()
        literals.append(html.unescape(shown))
        return f"\ue000{len(literals) - 1}\ue001"

    return _LITERAL.sub(put_aside, wikitext.replace("\ue000", "").replace("\ue001", "")), literals


def without_unclosed(wikitext: str) -> str:
    """A comment or picture that is never closed ends with its paragraph."""
    if "<!--" not in wikitext and wikitext.count("[[") <= wikitext.count("]]"):
        return wikitext
    kept, done = [], 0
    for match in _UNCLOSED.finditer(wikitext):
        if match.start() >= done and not _is_closed(wikitext, match.start()):
            end = _PARAGRAPH_END.search(wikitext, match.end())
            kept.append(wikitext[done : match.start()])
            done = end.start() if end is not None else len(wikitext)
    return "".join((*kept, wikitext[done:]))


def _is_closed(wikitext: str, start: int) -> bool:
    depth = 0
    for bracket in _BRACKETS.finditer(wikitext, start):
        depth += 1 if bracket.group() == "[[" else -1
        if depth <= 0:
            break
    return depth == 0 and wikitext.startswith("[[", start)


def without_quotes(line: str) -> str:
    """A line without the marks of bold and italic type, which end with their line.

    Where both are left open, one of the bold ones is an apostrophe and an italic one (Parser::doQuotes of MediaWiki):
    `l'''amour''` is l'amour.
    """
    if "''" not in line:
        return line
    runs = list(_QUOTES.finditer(line))
    lengths = [len(run.group()) for run in runs]
    bold, italic = sum(length > 2 for length in lengths), sum(length == 2 or length > 4 for length in lengths)
    apostrophe = next((run.start() for run in runs if len(run.group()) == 3), -1) if bold % 2 and italic % 2 else -1

    def shown(match: re.Match[str]) -> str:
        length = len(match.group())
        return "'" if length == 4 or match.start() == apostrophe else "'" * max(0, length - 5)

    return _QUOTES.sub(shown, line)


def with_literals(text: str, literals: list[str]) -> str:
    """The text with what `without_literals` put aside.

    >>> with_literals(*without_literals("Белгісі <nowiki>[[</nowiki><!-- ескерту -->."))
    'Белгісі [[.'
    """
    return _PLACE.sub(lambda match: literals[int(match[1])], text)
