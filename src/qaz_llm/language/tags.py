"""The tags in a text, and whether they are markup or what the text is about.

    <p>Бір <b>екі</b></p>                          markup: they stand in pairs around words
    Онда <b> тегі қаріпті қалың етеді              words of a lesson: nothing says that this is a page
    Егер x <a болса, онда b> c                     no tag: `болса,` is no attribute
    Vec<String>, List<A>, <PHONE>, <aty@post.kz>   none of them

A text is a page where a tag has attributes, has its partner, or breaks a line where one is broken. What the text says of
tags (`HTML`, `<b> тегі`, «<br>») speaks against it. Between the two nothing is removed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass


def _names(names: str) -> frozenset[str]:
    return frozenset(names.split())


BLOCKS = _names(
    "address article aside blockquote body br caption center dd details div dl dt fieldset figcaption figure"
    " footer form h1 h2 h3 h4 h5 h6 head header hr html legend li main nav ol option p pre prop section seg"
    " select summary table tbody tfoot thead title tr tu tuv ul"
)
"""Tags of web pages and translation memories that end a line where they stand."""
CELLS = _names("td th")
OBJECTS = _names("audio button canvas embed iframe img input label object picture svg textarea video")
"""Tags in whose place a page has something that is no text."""
INLINE = _names(
    "a abbr acronym b bdi bdo big cite code del em font i ins kbd mark nobr noindex noscript q s samp small"
    " span strike strong sub sup tt u var wbr o:p st1:place"
)
META = _names("base col colgroup link meta param source track path")
VOID = _names("base br col embed hr img input link meta param source track wbr")
"""Tags that have no partner."""
KNOWN = BLOCKS | CELLS | OBJECTS | INLINE | META
_INPUT = _names("code kbd pre samp tt var")
"""What pages set that is to be typed, itself and without the tags."""
_SHORT = frozenset("abipqsu")
"""Names that are also those of variables, types and points: `Vec<u>`, a<b>c."""

_VALUE = r"\"[^\"]{0,2000}\"|'[^']{0,2000}'|[^\s\"'<>=`]{1,2000}"
_TAG = re.compile(
    rf"<(?P<slash>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]{{0,9}}(?::[a-z]{{1,8}})?)"
    rf"(?P<rest>(?:\s{{1,40}}[A-Za-z_:@][\w:.-]*(?:\s{{0,9}}=\s{{0,9}}(?:{_VALUE}))?){{0,40}}|\s[^<>]{{0,600}}?)\s{{0,40}}(?P<end>/?)>",
    re.ASCII,
)
_ATTRIBUTE = re.compile(
    r"\b(?:href|src|class|style|id|colou?r|size|face|v?align|width|height|target|rel|alt|title|border|bgcolor|cell\w+"
    r"|colspan|rowspan|lang|dir|name|content|type|value|action|method|on[a-z]+|data-[\w-]+|aria-[\w-]+|xmlns\S*|xml:\w+"
    r"|item\w+|role|property|datetime|cite|start|clear)\s*=",
    re.IGNORECASE,
)
_BARE = re.compile(
    r"(?:\s+(?:nowrap|noshade|checked|disabled|selected|readonly|compact|hidden|async|defer|controls|autoplay|loop|muted"
    r"|itemscope|required|allowfullscreen|multiple))*",
    re.IGNORECASE,
)

_SPEAKS_OF_MARKUP = re.compile(
    r"(?<![\w./-])(?:[DX]?HTML|SGML|CSS|XML|SVG|JSX)\d?(?![a-z])|\b(?:гипер(?:мәтін|текст)\w*|веб-?верстк\w*|верстк\w*)",
    re.IGNORECASE,
)
_WORDS_OF_MARKUP = tuple(
    (part[0], part) for part in ("TML", "tml", "SGML", "CSS", "css", "XML", "xml", "SVG", "JSX", "ипер", "ерстк")
)
"""Parts of these words, one of which is in any text that has one of them, and their first letters, which are found at once."""
_QUOTES = r"[ \t\"»”'’)\]]{0,3}-?"
_NAME = r"тег(?:і(?!с)\w{0,7}|тер\w{0,8}|ке|те|тен|и|ам?|у|ом|ов|ами|ах|е)?\b|тэг|tags?\b|дескриптор|элемент|element|таңба|белгі(?!л)|команда|атрибут"
_NAMED_AFTER = re.compile(
    rf"{_QUOTES}(?:(?:және|мен|пен|бен|и|and|or|или|немесе|,)\s*</?\w{{1,10}}/?>{_QUOTES})*(?:{_NAME})", re.IGNORECASE
)
_WRITTEN_AFTER = re.compile(
    r"[ \t]+(?:деп[ \t]+)?(?:(?:жаз|қо[йя]|қос|қолдан|пайдалан|тер|жаб|аш|енгіз|орналастыр)(?:[аыеі]?(?:мыз|міз|ңыз|ңіз|лады|леді)|ып|іп|й|йды)"
    r"|ішін(?:де|е|ен)|арасын(?:а|да)|арқылы|көмегімен|деген)\b",
    re.IGNORECASE,
)
_WRITTEN_AFTER_PAIR = re.compile(
    r"[ \t]+(?:деп[ \t]+(?:жаз|тер|енгіз|қой)(?:[аеыі]?(?:ңыз|ңіз|ңдар|ңдер|мыз|міз|сыз|сіз)\b|у[ \t]+(?:керек|қажет))|түрінде\b)",
    re.IGNORECASE,
)
"""`<b>сөз</b> деп жазыңыз`; news go on with `деп жазады`, which says nothing of tags."""
_WRITTEN_BEFORE_PAIR = re.compile(
    r"\b(?:напишите|напишем|пишите|пишем|наберите|введите|write|type)[ \t]+$", re.IGNORECASE
)
_WRITTEN_BEFORE = re.compile(
    r"\b(?:пишем|напишем|напишите|пишут|пишется|ставим|ставят|вставляем|вставьте|вставим|используем|используют|закрываем)[ \t]+$",
    re.IGNORECASE,
)
_DOTS = re.compile(r"=\s*([\"'])(?:\.\.\.|…)\1")
_IN_CALL = re.compile(r"[a-z_]\([\"']", re.IGNORECASE | re.ASCII)
"""What is done with tags in lessons: `<form> жазып, соңында </form> жабамыз`."""
_NAMED_AFTER_PAIR = re.compile(rf"{_QUOTES}(?:тегтер|тэг|tags?\b|теги\b|тегами|тегов|тега\b)", re.IGNORECASE)
"""After words in bold, `тегі` is as often a surname, `белгісі` as often a badge."""
_TAG_BEFORE = re.compile(r"\b(?:тег|тэг|tag)\w*\s*[:–—-]?\s*[\"«“'‘(]?$", re.IGNORECASE)
_NAMED_BEFORE = re.compile(
    r"(?:тег|тэг|tags?|element|элемент|дескриптор|команда)\w*\s*[:–—-]?\s*[\"«“'‘(]?$", re.IGNORECASE
)
_WORDS_BEFORE = ("тег", "тэг", "tag", "element", "элемент", "дескриптор", "команда")
_NAME_CHARS = 60
_AND = re.compile(r"\s+(?:және|мен|пен|бен|и|and|or|или|немесе|to|до|дейін)\s+|\s*(?:…|\.\.\.)\s*")
_DEFINED = re.compile(r"[ \t]+[–—=-][ \t]")


@dataclass(frozen=True, slots=True)
class Tag:
    """`text[start:end]` is a tag by its name and form; `partner` is the number of its other half, -1 where there is none."""

    start: int
    end: int
    name: str
    closing: bool
    has_attributes: bool
    partner: int


_NAME_OF_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]{0,9}(?::[a-z]{1,8})?)")


def may_have_tags(text: str) -> bool:
    """Whether a tag of KNOWN name could begin anywhere: sooner told than which tags there are."""
    return "<" in text and any(name.lower() in KNOWN for name in _NAME_OF_TAG.findall(text))


def find_tags(text: str) -> list[Tag]:
    """What has the form of a tag of KNOWN name, in order, with partners."""
    found: list[tuple[re.Match[str], str, bool]] = []
    strange = set()
    for match in _TAG.finditer(text):
        name, rest = match["name"].lower(), match["rest"]
        if name not in KNOWN or (match["slash"] and rest.strip()):
            continue
        has_attributes = rest != "" and _ATTRIBUTE.search(rest) is not None
        if rest and not has_attributes and _BARE.fullmatch(rest) is None:
            strange.add(len(found))
        found.append((match, name, has_attributes))
    partners = _partners(found)
    if any(number not in partners for number in strange):  # `<a { $link }>` is a tag where it has its partner
        found = [tag for number, tag in enumerate(found) if number not in strange or number in partners]
        partners = _partners(found)
    return [
        Tag(match.start(), match.end(), name, match["slash"] != "", has_attributes, partners.get(number, -1))
        for number, (match, name, has_attributes) in enumerate(found)
    ]


def _partners(found: Sequence[tuple[re.Match[str], str, bool]]) -> dict[int, int]:
    """The number of the other half of each tag that has one."""
    partners: dict[int, int] = {}
    open_tags: dict[str, list[int]] = {}
    for number, (match, name, _) in enumerate(found):
        if name in VOID:
            continue
        if not match["slash"]:
            open_tags.setdefault(name, []).append(number)
        elif waiting := open_tags.get(name):
            partners[number] = waiting.pop()
            partners[partners[number]] = number
    return partners


# ---------------------------------------------------------------------------------------------------------- judging

_DOCTYPE = re.compile(r"<!doctype\b[^<>]*>\s*$", re.IGNORECASE)
_SHARED = _names(
    "address article body caption details footer form head header label legend link main nav option param section"
    " select source summary table title track"
)
"""Names that vocabularies of XML have too."""
_CLOSED = re.compile(r"</([^\W\d_][\w.]{0,30})\s*>")
_FREQUENT = 3
"""As many breaks in the midst of words are a page; a lesson names each tag."""
_ROW_CHARS = 1000


def markup_of(text: str) -> list[Tag]:
    """The tags of a text that are markup; none where the text is no page.

    >>> [tag.name for tag in markup_of("Бірінші <b>сөз</b>.<br/>Егер a <b> c")]
    ['b', 'b', 'br']
    """
    tags = find_tags(text)
    if not tags:
        return []
    mentions = {number for number in range(len(tags)) if _is_mention(text, tags, number)}
    breaks = [tag.name for tag in tags if tag.name in VOID]
    frequent = {name for name in set(breaks) if breaks.count(name) >= _FREQUENT}
    at_edges = _at_edges(text, tags)
    sure = {
        number
        for number, tag in enumerate(tags)
        if number not in mentions and (tag.name in frequent or _is_surely_markup(text, tags, number, at_edges))
    }
    if not sure:
        return []
    if speaks_of_markup(text, tags, len(mentions)) or _is_shown(text, tags) or _is_other_language(text, tags):
        return []
    return [
        tag
        for number, tag in enumerate(tags)
        if number not in mentions
        and (number in sure or not _may_be_formula(text, tag))
        and not (tag.name == "br" and _is_in_row(text, tag))
    ]


def speaks_of_markup(text: str, tags: Sequence[Tag], mentions: int = 0) -> bool:
    """Whether the words of a text are about tags, as far as they are not outnumbered by them."""
    weight = sum(2 if tag.has_attributes else 1 for tag in tags)
    said = 0
    if any(letter in text and word in text for letter, word in _WORDS_OF_MARKUP):
        ends = [0, *(tag.end for tag in tags)]
        starts = [*(tag.start for tag in tags), len(text)]
        said = sum(len(_SPEAKS_OF_MARKUP.findall(text, *span)) for span in zip(ends, starts, strict=True))
    return bool(said or mentions) and 10 * said + 3 * mentions >= weight


def _is_shown(text: str, tags: Sequence[Tag]) -> bool:
    """Whether the first tag begins a page, and words with a colon before it announce one: `мына жолдарды теріңіз:`."""
    if tags[0].name not in ("html", "head", "body"):
        return False
    before = text[max(0, tags[0].start - _NAME_CHARS) : tags[0].start]
    return _DOCTYPE.sub("", before).rstrip().endswith(":")


def _is_other_language(text: str, tags: Sequence[Tag]) -> bool:
    """Whether elements that HTML does not have stand beside names that it shares with others: `<book><title>…</title></book>`."""
    if any(tag.name not in _SHARED or tag.has_attributes for tag in tags):
        return False
    closed = {match[1] for match in _CLOSED.finditer(text)}
    return any(name.lower() not in KNOWN and f"<{name}" in text for name in closed)


def _is_mention(text: str, tags: Sequence[Tag], number: int) -> bool:
    """Whether a tag stands there as a word: named (`<b> тегі`), quoted, listed (`<b> және <i>`) or explained."""
    tag = tags[number]
    ends_pair = tag.closing and tag.partner >= 0
    named = _NAMED_AFTER_PAIR if ends_pair else _NAMED_AFTER
    holds_word = tag.partner >= 0 and not tag.closing and text[tag.end : tag.end + 1].isalpha()
    if not holds_word and named.match(text, tag.end, tag.end + _NAME_CHARS):
        return True
    named = _NAMED_BEFORE if tag.partner < 0 and not tag.has_attributes else _TAG_BEFORE
    before = "" if ends_pair else text[max(0, tag.start - _NAME_CHARS) : tag.start]
    if before and _may_name(before) and named.search(before):
        return True
    left, right = text[max(0, tag.start - 1) : tag.start], text[tag.end : tag.end + 1]
    if left and left in "\"«“‘'(" and right and right in "\"»”’'),":
        return True
    if _is_example(text, tags, number):
        return True
    if tag.partner >= 0 and _is_written_pair(text, tags, number):
        return True
    if not ends_pair and left in (" ", "\t") and _is_space(text, tag.end) and _is_written(text, tag):
        return True
    if tag.has_attributes:
        return False
    if tag.partner < 0 and not tag.closing and _DEFINED.match(text, tag.end):
        return True
    return any(_are_listed(text, tags, first) for first in (number - 1, number))


def _is_example(text: str, tags: Sequence[Tag], number: int) -> bool:
    """Whether a tag has dots for a value, or it or its partner begins a string that a function is given."""
    tag = tags[number]
    if tag.has_attributes and _DOTS.search(text, tag.start, tag.end):
        return True
    start = tags[tag.partner].start if tag.closing and tag.partner >= 0 else tag.start
    return _IN_CALL.fullmatch(text[max(0, start - 3) : start]) is not None


def _is_written(text: str, tag: Tag) -> bool:
    """Whether the words beside say that the tag is written or typed."""
    after = _WRITTEN_AFTER.match(text, tag.end, tag.end + _NAME_CHARS)
    return after is not None or bool(_WRITTEN_BEFORE.search(text[max(0, tag.start - _NAME_CHARS) : tag.start]))


def _is_written_pair(text: str, tags: Sequence[Tag], number: int) -> bool:
    """Whether the words around an element say that it is typed as it stands: `<b>сөз</b> деп жазыңыз`."""
    first, last = sorted((number, tags[number].partner))
    opening, end = tags[first], tags[last].end
    if _WRITTEN_AFTER_PAIR.match(text, end, end + _NAME_CHARS):
        return True
    before = text[max(0, opening.start - _NAME_CHARS) : opening.start]
    shows_input = opening.has_attributes or opening.name in _INPUT  # type <kbd>about:config</kbd>
    return not shows_input and _WRITTEN_BEFORE_PAIR.search(before) is not None


def _may_name(before: str) -> bool:
    """Whether any of the words of _NAMED_BEFORE is there: sooner told than by looking for them at every place."""
    lowered = before.lower()
    return any(word in lowered for word in _WORDS_BEFORE)


def _are_listed(text: str, tags: Sequence[Tag], first: int) -> bool:
    """Whether two neighbouring tags are named in one breath: `<b>, <i>`, `<p> және </p>`."""
    if first < 0 or first + 1 >= len(tags):
        return False
    one, other = tags[first], tags[first + 1]
    if one.partner == first + 1:
        return _AND.fullmatch(text, one.end, other.start) is not None
    if one.partner >= 0 or other.partner >= 0 or one.closing or one.name == other.name:
        return False
    if _AND.fullmatch(text, one.end, other.start):
        return True
    between = text[one.end : other.start]
    return between.strip() in (",", "–", "—") and not between[:1].isspace()


def _is_surely_markup(text: str, tags: Sequence[Tag], number: int, at_edges: Sequence[bool]) -> bool:
    tag, at_edge = tags[number], at_edges[number]
    if tag.has_attributes:
        return True
    before, after = text[max(0, tag.start - 1) : tag.start], text[tag.end : tag.end + 1]
    if tag.partner >= 0:
        other = tags[tag.partner]
        inner = text[tag.end : other.start] if tag.start < other.start else text[other.end : tag.start]
        first, last = (tag, other) if tag.start < other.start else (other, tag)
        apart = _is_space(text, first.start - 1) and _is_space(text, last.end)
        return at_edge or at_edges[tag.partner] or not (apart and inner != inner.strip())
    if not tag.closing and tag.name not in VOID and (tag.name in INLINE or tag.name in OBJECTS):
        return False
    if tag.name == "p" and not tag.closing:
        return at_edge or before in (".", "!", "?", "…")
    return at_edge or not (before.isspace() and (after.isspace() or after in ",.;:"))


def _at_edges(text: str, tags: Sequence[Tag]) -> list[bool]:
    """For each tag, whether only tags stand between it and the beginning or the end of its line."""
    begins = _reach_edge(text, [(tag.start, tag.end) for tag in tags], -1)
    ends = _reach_edge(text, [(tag.end, tag.start) for tag in reversed(tags)], 1)
    return [at_begin or at_end for at_begin, at_end in zip(begins, reversed(ends), strict=True)]


def _reach_edge(text: str, sides: Sequence[tuple[int, int]], step: int) -> list[bool]:
    """For each tag, whether the edge is reached from its near side, past spaces and tags, whose far sides are given too."""
    reached: list[bool] = []
    far = -1
    for near, own_far in sides:
        position = _skip(text, near, step)
        at_edge = position in (0, len(text)) or text[position - 1 if step < 0 else position] == "\n"
        reached.append(at_edge or (position == far and reached[-1]))
        far = own_far
    return reached


def _skip(text: str, position: int, step: int) -> int:
    """Past spaces, but not line feeds, to the left or right of a position."""
    if step < 0:
        while position and text[position - 1] != "\n" and text[position - 1].isspace():
            position -= 1
        return position
    while position < len(text) and text[position] != "\n" and text[position].isspace():
        position += 1
    return position


def _is_space(text: str, position: int) -> bool:
    return not 0 <= position < len(text) or text[position].isspace()


def _is_in_row(text: str, tag: Tag) -> bool:
    """Whether a tag stands in a row of a Markdown table, which has no other sign for a line break in a cell."""
    if "|" not in text[tag.end : tag.end + _ROW_CHARS].partition("\n")[0]:
        return False
    return text[max(0, tag.start - _ROW_CHARS) : tag.start].rpartition("\n")[2].lstrip()[:1] == "|"


def _may_be_formula(text: str, tag: Tag) -> bool:
    """`a<b>c`, `x <p> y`: one letter without its other half."""
    return tag.name in _SHORT and tag.partner < 0 and not tag.closing and not tag.has_attributes
