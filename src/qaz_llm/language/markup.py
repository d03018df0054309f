"""What is left of web pages in a text: tags, comments, scripts and entities, taken out as a browser would show them.

    қаз<b>ақ</b> тілі<br/>Абай       →  қазақ тілі / Абай, in two lines
    <td>Қала</td><td>Саны</td>       →  Қала ⇥ Саны
    <pre>a  &lt; b</pre>             →  code between fences, its signs as they were
    &amp;amp;quot;бет&quot;          →  "бет"
    &lt;p&gt; тегін ашып             →  <p> тегін ашып, and that stays

`tags` says which tags are markup. Entities never become tags that are then taken out: where they would, those that make the
tags stay as they are written.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence
from html.entities import html5
from itertools import pairwise

from qaz_llm.language.tags import BLOCKS, CELLS, OBJECTS, Tag, find_tags, markup_of, may_have_tags, speaks_of_markup

_HIDDEN = re.compile("<(?:[!?]|/[sS])")
"""What begins a comment or a declaration, or ends a script or style."""
_OTHER_ROOT = r"\s*<(?!(?:html|head|body|div|p|tmx)\b)[^\W\d_]"
"""The first element of a file that is no page: one with `<?xml …?>` is shown whole."""
_DROPPED = re.compile(
    r"<!--.{0,20000}?-->|<!doctype\b[^<>]{0,300}>|<\?xml:namespace\b[^<>]{0,300}>"
    rf"|<\?xml\b[^<>]{{0,300}}\?>(?!{_OTHER_ROOT})"
    r"|<(?P<name>script|style)\b(?:\s[^<>]{0,600})?>.{0,50000}?</(?P=name)\s*>(?!\s{0,3}[\"»”]?\s{0,3}(?:деген|деп)\b)",
    re.IGNORECASE | re.DOTALL,
)
_CODE = re.compile(
    r"<pre\b[^<>]{0,300}>\s*?\n?(?:<code\b(?P<class>[^<>]{0,300})>)?(?P<block>.{0,50000}?)(?:</code>\s*)?</pre>"
    r"|<code>(?P<inline>[^<>`\n]{1,300})</code>",
    re.IGNORECASE | re.DOTALL,
)
_LANGUAGE = re.compile(r"(?:language|lang|brush)[-:]\s*(\w+)")
_ANY_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,300}>")
_RAISED = {
    "sup": str.maketrans("0123456789+-−=()ni", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁼⁽⁾ⁿⁱ"),
    "sub": str.maketrans("0123456789+-−=()", "₀₁₂₃₄₅₆₇₈₉₊₋₋₌₍₎"),
}
"""Raised and lowered figures as characters of their own: 10<sup>6</sup> is not 106."""

# What an answer of a dialogue may have around its paragraphs.
_PROSE_TAGS = frozenset(("p", "br", "b", "i", "em", "strong", "u", "a", "ul", "ol", "li", "span", "font"))
_STRUCTURE = frozenset(("p", "br", "li"))
_WORDS_PER_TAG = 4


def may_have_markup(text: str) -> bool:
    """Whether `remove_markup` or `decode_entities` could change a text, or one that is the same but for code put aside."""
    return may_have_tags(text) or _may_have_hidden(text) or ("&" in text and _ENTITY.search(text) is not None)


def remove_markup(text: str, counts: Counter[str], *, keep_layout: bool = False) -> str:
    """The text without tags, comments, scripts and styles, where it is a page (`tags.markup_of`).

    With `keep_layout`, as for answers of dialogues, only where they stand around paragraphs of prose: there, a text with
    tags is more often one that shows them.
    """
    if "<" not in text:
        return text
    if not keep_layout:
        text = _remove_hidden(text, counts)
    tags = markup_of(text)
    if not tags or (keep_layout and not _is_prose(text, tags)):
        return text
    shown, number = _CODE.subn(_as_markdown, text)
    if number:
        counts["tag"] += number
        return shown
    counts["tag"] += len(tags)
    return _render(text, tags)


def _remove_hidden(text: str, counts: Counter[str]) -> str:
    if not _may_have_hidden(text):
        return text
    shown = _DROPPED.sub("", text)
    if shown == text or speaks_of_markup(shown, find_tags(shown)):
        return text
    text, number = _DROPPED.subn("\n", text)
    counts["hidden_markup"] += number
    return text


def _may_have_hidden(text: str) -> bool:
    return _HIDDEN.search(text) is not None


def _is_prose(text: str, tags: Sequence[Tag]) -> bool:
    names = {tag.name for tag in tags}
    words = len(_ANY_TAG.sub(" ", text).split())
    return names <= _PROSE_TAGS and not names.isdisjoint(_STRUCTURE) and words >= _WORDS_PER_TAG * len(tags)


def _as_markdown(match: re.Match[str]) -> str:
    """Code of a page between fences or backticks."""
    if match["inline"] is not None:
        return f"`{html.unescape(match['inline'])}`"
    code = html.unescape(_ANY_TAG.sub("", match["block"].replace("<br>", "\n"))).strip("\n")
    language = _LANGUAGE.search(match["class"] or "")
    fence = "```"
    while fence in code:
        fence += "`"
    return f"\n{fence}{language[1] if language else ''}\n{code}\n{fence}\n"


# -------------------------------------------------------------------------------------------------------- rendering


def _render(text: str, tags: Sequence[Tag]) -> str:
    pieces: list[str] = []
    done = number = 0
    raised = ""
    while number < len(tags):
        run = [tags[number]]
        while number + len(run) < len(tags) and not text[run[-1].end : tags[number + len(run)].start].strip():
            run.append(tags[number + len(run)])
        start, end = run[0].start, run[-1].end
        names = {tag.name for tag in run}
        if not names.isdisjoint(BLOCKS):
            while start > done and text[start - 1].isspace():
                start -= 1
            while end < len(text) and text[end].isspace():
                end += 1
        pieces.append(_lifted(text[done:start], raised))
        pieces.append(_between(text[start:end], run, names))
        raised = run[-1].name if run[-1].name in _RAISED and not run[-1].closing else ""
        done = end
        number += len(run)
    return "".join((*pieces, text[done:]))


def _lifted(text: str, name: str) -> str:
    """The text in raised or lowered characters where there are such; `2^kn` where there are none for a power."""
    if not name:
        return text
    lifted = text.translate(_RAISED[name])
    if all(a != b for a, b in zip(text, lifted, strict=True)):
        return lifted
    return f"^{text}" if name == "sup" and _POWER.fullmatch(text) else text


_POWER = re.compile("[−+-]?[0-9]*[a-z]|[−+-]?[0-9]+[.,/][0-9]+|[a-z][+−-][0-9a-z]")


def _between(written: str, run: Sequence[Tag], names: set[str]) -> str:
    """What a browser shows where neighbouring tags stand: a line break, a cell's border, a space, the spaces between."""
    spaces = written
    if not names.isdisjoint(BLOCKS):
        spaces = _ANY_TAG.sub("", written)
        is_blank = spaces.count("\n") > 1 or sum(tag.name == "br" for tag in run) > 1
        return "\n\n" if is_blank else "\n"
    if not names.isdisjoint(CELLS):
        return "\t"
    spaces = "".join(written[a.end - run[0].start : b.start - run[0].start] for a, b in pairwise(run))
    if not names.isdisjoint(OBJECTS) or [tag.name for tag in run].count("a") > 1:
        return spaces or " "
    return spaces


# --------------------------------------------------------------------------------------------------------- entities

_ENTITY = re.compile(r"&(?:amp;)*((?:[a-zA-Z]{2,8}\d{0,2}|#\d{2,7}|#[xX][0-9a-fA-F]{2,6});)")
_ANGLES = frozenset("<>")


def decode_entities(text: str, counts: Counter[str]) -> str:
    """The characters that entities stand for, however often these were escaped; those of code names (`&foo;`) stay.

    Where a text speaks of markup, an entity that stands alone (`&nbsp; – үзілмейтін бос орын`) is a word and stays.
    """
    if "&" not in text:
        return text
    if "lt;su" in text or "lt;br" in text:
        text = _show_escaped(text, counts)
    matches = list(_ENTITY.finditer(text))
    if not matches:
        return text
    is_lesson = any(map(_stands_alone, matches)) and speaks_of_markup(text, [])
    meant = [match.group() if _is_word(match, is_lesson) else _unescape(match) for match in matches]
    decoded = _replaced(text, matches, meant)
    if "<" in decoded and _are_taken_out(decoded):
        meant = [match.group() if new in _ANGLES else new for match, new in zip(matches, meant, strict=True)]
        decoded = _replaced(text, matches, meant)
        if _are_taken_out(decoded):
            return text
    counts["entity"] += sum(match.group() != new for match, new in zip(matches, meant, strict=True))
    return decoded


_LT, _GT = "&(?:amp;)*lt;", "&(?:amp;)*gt;"
_ESCAPED_RAISED = re.compile(rf"{_LT}(su[pb]){_GT}([0-9+−=()ni-]{{1,5}}){_LT}/\1{_GT}")
_ESCAPED_BREAK = re.compile(
    rf"(?<!\s){_LT}br ?/?{_GT}|{_LT}br ?/?{_GT}(?!\s)|(?<![ \t])[ \t]*{_LT}br ?/?{_GT}[ \t]*$", re.MULTILINE
)
_MIN_BREAKS = 3


def _show_escaped(text: str, counts: Counter[str]) -> str:
    """Raised figures (км&lt;sup&gt;2), and line breaks where they are at least three and touch the words, as in verse of
    wikis. Of all escaped tags these alone are sure not to be words, and nothing is lost with them."""
    if speaks_of_markup(text, []):
        return text
    text, raised = _ESCAPED_RAISED.subn(lambda match: _lifted(match[2], match[1]), text)
    counts["tag"] += 2 * raised
    if text.count("lt;br") < _MIN_BREAKS or len(_ESCAPED_BREAK.findall(text)) < _MIN_BREAKS:
        return text
    broken, breaks = _ESCAPED_BREAK.subn(_line_break, text)
    if _are_taken_out(broken):  # a loose `<p>` would come to the edge of a line, and pass for a page's
        return text
    counts["tag"] += breaks
    return broken


def _line_break(match: re.Match[str]) -> str:
    """A line feed, unless there is one beside."""
    start, end = match.span()
    return (
        ""
        if "\n" in (match.string[start - 1 : start] or "\n", match.string[end : end + 1].strip(" \t") or "\n")
        else "\n"
    )


def _are_taken_out(text: str) -> bool:
    return remove_markup(text, Counter()) != text


def _replaced(text: str, matches: Sequence[re.Match[str]], meant: Sequence[str]) -> str:
    pieces: list[str] = []
    done = 0
    for match, new in zip(matches, meant, strict=True):
        pieces += text[done : match.start()], new
        done = match.end()
    return "".join((*pieces, text[done:]))


_SIGN = r"(?:(?:таңба|белгі)(?!л)|мнемоник|символ(?!и)|сущност|амперсанд|entit|ampersand)"
_SAID_OF = re.compile(rf"[\"»”]?\s*(?:{_SIGN}|деп\b)|\s*[–—]")
_NAMED = {
    **dict.fromkeys(("lt;", "gt;", "amp;"), re.compile(rf"[\"»”]?\s*(?:{_SIGN}|деп\b)")),
    **dict.fromkeys(("nbsp;", "shy;", "ensp;", "emsp;", "thinsp;", "zwj;", "zwnj;"), re.compile(rf"[\"»”]?\s*{_SIGN}")),
}
"""What follows the entities that lessons name, and those that leave nothing to see, where they are spoken of."""


_QUOTED = frozenset(('""', "''", "«»", "“”", "``"))


def _is_word(match: re.Match[str], is_lesson: bool) -> bool:
    """Whether an entity is spoken of: alone in a text about markup, named (`&lt; таңбасы`), or all that is quoted (`"&lt;"`)."""
    start, end = match.span()
    quotes = match.string[max(0, start - 1) : start] + match.string[end : end + 1]
    if quotes in _QUOTED:
        return True
    named = _NAMED.get(match[1])
    return (is_lesson or bool(named and named.match(match.string, end))) and _stands_alone(match)


def _stands_alone(match: re.Match[str]) -> bool:
    """Whether an entity may be a word of its text; `HTML &amp; CSS` is none unless it is spoken of."""
    if match[1] == "amp;" and not _SAID_OF.match(match.string, match.end()):
        return False
    start, end = match.span()
    before, after = match.string[max(0, start - 1) : start], match.string[end : end + 1]
    return (not before or before.isspace() or before in "\"«“'(") and (
        not after or after.isspace() or after in "\"»”'),.;:"
    )


def _unescape(match: re.Match[str]) -> str:
    """The character of an entity: `&amp;amp;quot;` is a quotation mark."""
    name = match[1]
    if not name.startswith("#"):
        return html5.get(name, f"&{name}")
    code = int(name[2:-1], 16) if name[1] in "xX" else int(name[1:-1])
    return chr(code) if 0xD800 <= code < 0xE000 else html.unescape(f"&{name}")
