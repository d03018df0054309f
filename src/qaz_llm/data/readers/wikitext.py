"""Wikitext as plain text: what a reader of the article sees of its prose.

Gone are tables (nested ones too), pictures, categories, references, formulas, code, templates, magic words (`__NOTOC__`) and
headings with nothing below them. Links are their text; of the variants of MediaWiki's language converter
(`-{kk-cyrl:Қостанай; kk-latn:Qostanay}-`) the Cyrillic one stays. How much of what is gone is counted.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from qaz_llm.data.readers.wikitext_source import (
    NAMESPACES,
    with_literals,
    without_literals,
    without_quotes,
    without_unclosed,
)

_TAGS_WITH_CONTENT = frozenset(
    [
        "ref",
        "table",
        "gallery",
        "math",
        "chem",
        "ce",
        "timeline",
        "syntaxhighlight",
        "source",
        "score",
        "graph",
        "mapframe",
        "maplink",
        "imagemap",
        "inputbox",
        "templatestyles",
        "categorytree",
        "hiero",
        "references",
        "indicator",
        "section",
        "noinclude",
        "includeonly",
        "templatedata",
        "style",
        "script",
    ]
)
_KIND_OF_TAG: Mapping[str, str] = {
    "ref": "wiki_reference",
    "references": "wiki_reference",
    "table": "wiki_table",
    "gallery": "wiki_picture",
    "math": "wiki_formula",
    "chem": "wiki_formula",
    "ce": "wiki_formula",
    "syntaxhighlight": "wiki_code",
    "source": "wiki_code",
}
_TEXT_TEMPLATES: Mapping[str, tuple[int, ...]] = {
    "lang": (2,),
    "nobr": (1,),
    "nowrap": (1,),
    "s": (1,),
    "num": (1,),
    "formatnum": (1,),
    "abbr": (1,),
    "аббр": (1,),
    "comment": (1,),
    "iw": (2, 1),
    "нп": (2, 1),
    "нп5": (2, 1),
    "small": (1,),
    "big": (1,),
    "u": (1,),
    "lang-kk": (1,),
    "lang-ru": (1,),
    "lang-en": (1,),
}
"""Templates that only dress the text they are given, and in which place that stands (the first that is filled)."""

_MEASURES = frozenset({"convert", "cvt", "түрлендіру"})
"""`{{convert|3|km}}` is 3 km."""

_VARIANTS = ("kk-cyrl", "kk-kz", "kk", "sr-ec", "sr-cyrl", "uz-cyrl", "tg-cyrl")
_CONVERTED = re.compile(r"-\{((?:(?!-\{|\}-).)*)\}-", re.S)
_RULE = re.compile(r"^\s*([a-z]{2,3}(?:-[a-z]+)?)\s*:(.*)$", re.S)
_FLAGS = re.compile(
    r"^\s*([A-Z-](?:\s*;\s*[A-Z-])*|[a-z]{2,3}(?:-[a-z]+)?(?:\s*;\s*[a-z]{2,3}(?:-[a-z]+)?)*)\s*\|", re.S
)
_TABLE_EDGE = re.compile(r"^[ \t:]*(\{\||\|\})", re.M)
_MAGIC_WORD = re.compile(r"__[A-ZА-ЯЁӘҒҚҢӨҰҮҺІ]+(?:_[A-ZА-ЯЁӘҒҚҢӨҰҮҺІ]+)*__")
_BREAK = re.compile(r"<br\s*/?>|</?poem[^>]*>", re.I)
_LEFT_OVER = re.compile(
    r"^(?:\{\||\|-|\|\}|\|\+).*$|</?(?:ref|gallery|nowiki|noinclude|small|big|center|div|span)\b[^<>]*>|\[\[|\]\]|\{\{|\}\}",
    re.M | re.I,
)
_RAISED = re.compile(r"<su([pb])>\s*([0-9+−-]{1,6})\s*</su[pb]>", re.I)
_SUPERSCRIPT = str.maketrans("0123456789+-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻")
_SUBSCRIPT = str.maketrans("0123456789+-−", "₀₁₂₃₄₅₆₇₈₉₊₋₋")
"""10<sup>6</sup> is no 106."""
_REDIRECT = re.compile(r"\s*#(?:redirect|перенаправление|айдау|redirection)\s*:?\s*\[\[", re.I)
_INTERWIKI = re.compile(r"^(?:[a-z]{2,3}|simple|zh-[a-z-]+|be-x-old|be-tarask):\S", re.I)


@dataclass(frozen=True, slots=True)
class Article:
    """The text of a page, and how many pieces of each kind were left out: `wiki_table`, `wiki_template`, `wiki_picture`,
    `wiki_reference`, `wiki_formula`, `wiki_code`, `wiki_category`, `wiki_magic_word`, `wiki_empty_heading`, `wiki_other`."""

    text: str
    removed: Mapping[str, int]


def is_redirect(wikitext: str) -> bool:
    """Whether a page only sends on to another."""
    return _REDIRECT.match(wikitext) is not None


def wikitext_to_text(wikitext: str) -> Article:
    """The readable part of wikitext.

    >>> wikitext_to_text("__NOTOC__'''Көл''' -{kk-cyrl:Қостанайда; kk-latn:Qostanayda}- [[Жер|жерде]].").text
    'Көл Қостанайда жерде.'
    """
    import mwparserfromhell

    removed: Counter[str] = Counter()
    source, literals = without_literals(wikitext)
    source = "\n".join(map(without_quotes, without_unclosed(source).split("\n")))
    source = _BREAK.sub("\n", _without_tables(_one_variant(source), removed))
    source = _RAISED.sub(lambda match: match[2].translate(_SUPERSCRIPT if match[1] == "p" else _SUBSCRIPT), source)
    source, magic = _MAGIC_WORD.subn("", source)
    removed["wiki_magic_word"] += magic
    code = mwparserfromhell.parse(source)
    _remove_tags(code, removed)
    _remove_links(code, removed)
    _fill_templates(code, removed)
    lines = _without_empty_headings(code, removed)
    text = re.sub(r"\n{3,}", "\n\n", _LEFT_OVER.sub("", "\n".join(lines)))
    text = with_literals(text, literals)
    text = "\n".join(line.strip() for line in text.split("\n")).strip()
    return Article(re.sub(r"\n{3,}", "\n\n", text), {kind: count for kind, count in sorted(removed.items()) if count})


# ------------------------------------------------------------------------------------------------------- converter


def _one_variant(wikitext: str) -> str:
    """`-{…}-` as the Cyrillic variant, from the inside outwards."""
    if "-{" not in wikitext:
        return wikitext
    for _ in range(8):  # converters within converters
        wikitext, count = _CONVERTED.subn(lambda match: _chosen(match[1]), wikitext)
        if not count:
            break
    return wikitext


def _chosen(content: str) -> str:
    """What is shown of one converter: `A|kk-cyrl:X;kk-latn:Y` is X, `H|…` and `-|…` nothing, `R|…` and bare text themselves."""
    flags = _FLAGS.match(content)
    if flags is not None:
        content = content[flags.end() :]
        named = {flag.strip() for flag in flags[1].split(";")}
        if named & {"H", "T", "-"}:
            return ""
        if "R" in named or named & set(_VARIANTS):
            return content
    rules = [rule for part in content.split(";") if (rule := _RULE.match(part)) is not None]
    if not rules or len(rules) < sum(bool(part.strip()) for part in content.split(";")):
        return content
    shown = {rule[1]: rule[2].strip() for rule in rules}
    return next((shown[variant] for variant in _VARIANTS if variant in shown), next(iter(shown.values())))


# ---------------------------------------------------------------------------------------------------------- removal


def _without_tables(wikitext: str, removed: Counter[str]) -> str:
    """The text outside of `{| … |}`, however deep they are nested; one that is never closed ends with its paragraph."""
    if "{|" not in wikitext:
        return wikitext
    kept: list[str] = []
    depth = done = 0
    for edge in _TABLE_EDGE.finditer(wikitext):
        if edge[1] == "{|":
            if depth == 0:
                kept.append(wikitext[done : edge.start()])
                done = edge.start()
                removed["wiki_table"] += 1
            depth += 1
        elif depth:
            depth -= 1
            if depth == 0:
                done = edge.end()
    if depth:
        end = re.compile(r"\n\s*\n(?![|!{ \t:])").search(wikitext, done)
        done = end.start() if end is not None else len(wikitext)
    return "".join((*kept, wikitext[done:]))


def _remove_tags(code: Any, removed: Counter[str]) -> None:
    for tag in code.filter_tags(matches=lambda node: str(node.tag).lower().strip() in _TAGS_WITH_CONTENT):
        if _remove(code, tag):
            removed[_KIND_OF_TAG.get(str(tag.tag).lower().strip(), "wiki_other")] += 1


def _remove_links(code: Any, removed: Counter[str]) -> None:
    """Pictures and categories, with all that stands in their captions, and links to the same page in other languages."""
    is_page = re.compile(rf"\s*(?:{NAMESPACES})\s*:", re.I)
    for link in code.filter_wikilinks():
        title = str(link.title).strip()
        if is_page.match(title):
            kind = "wiki_category" if re.match(r"(?:category|санат|категория)", title, re.I) else "wiki_picture"
            removed[kind] += _remove(code, link)
        elif link.text is None and _INTERWIKI.match(title):
            _remove(code, link)
        elif link.text is None and title.startswith(":"):
            link.title = title[1:]


def _fill_templates(code: Any, removed: Counter[str]) -> None:
    """Templates that dress a text become it; the others are counted, and go with the markup."""
    for template in code.filter_templates(recursive=False):
        name = str(template.name).strip().lower()
        places = _TEXT_TEMPLATES.get(name, (1,) if name.startswith("lang-") else ())
        values = (str(template.get(place).value).strip() for place in places if template.has(place))
        value = next((value for value in values if value), "")
        if name in _MEASURES and template.has(1) and template.has(2):
            value = f"{str(template.get(1).value).strip()} {str(template.get(2).value).strip()}"
        if value:
            code.replace(template, value)
        else:
            removed["wiki_template"] += 1


def _remove(code: Any, node: Any) -> bool:
    try:
        code.remove(node)
    except ValueError:  # it lay in one that is gone already
        return False
    return True


def _without_empty_headings(code: Any, removed: Counter[str]) -> Iterator[str]:
    """The lines of the article; a heading is given only when a text comes below it, before one of its own level."""
    waiting: list[tuple[int, str]] = []
    for section in code.get_sections(flat=True, include_lead=True):
        headings = section.filter_headings()
        if headings:
            level = headings[0].level
            removed["wiki_empty_heading"] += sum(other >= level for other, _ in waiting)
            waiting = [pair for pair in waiting if pair[0] < level]
            waiting.append((level, str(headings[0].title.strip_code(normalize=True, collapse=True)).strip()))
            section.remove(headings[0])
        text = str(section.strip_code(normalize=True, collapse=True)).strip()
        if text:
            yield from (title for _, title in waiting)
            waiting = []
            yield f"{text}\n"
    removed["wiki_empty_heading"] += len(waiting)
