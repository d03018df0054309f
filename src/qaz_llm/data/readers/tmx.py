"""Translation memories (TMX 1.4b, https://www.gala-global.org/tmx-14b): units read one by one, so that a broken one costs itself alone.

    <seg>Нәтиже<ph x="1">&lt;fn id="12"/&gt;</ph> осы кестеде <hi>көрсетілген</hi>.</seg>     Нәтиже осы кестеде көрсетілген.

Between the tags of bpt, ept, it, ph and ut stands code of the program that the text comes from: it is left out, and a space put
in its place where it broke a line. `hi` marks text and stays. `sub`, a text within the code (a footnote, the text of an image), is no part of the
sentence and is counted as left out.
"""

from __future__ import annotations

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from qaz_llm.data.readers.lines import buffered
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Row
from qaz_llm.data.readers.xml import MARK, well_formed
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import naming_damage

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_CHUNK_BYTES = 1 << 20
_HEAD_CHARS = 1 << 16
_UNIT = re.compile(r"<(?:[\w.-]+:)?tu(?=[\s>/])(?:[^>]*/>|.*?</(?:[\w.-]+:)?tu\s*>)", re.S)
_UNIT_START = re.compile(r"<(?:[\w.-]+:)?tu(?=[\s>/])")
_ROOT = re.compile(r"<(?:[\w.-]+:)?tmx\b")
_ROOT_END = re.compile(r"</(?:[\w.-]+:)?tmx\b")
_ENCODING = re.compile(rb"""\A\s*<\?xml[^>]*?encoding\s*=\s*["']([\w.:-]+)["']""")
_NAMESPACES = re.compile(r"""xmlns(?::\w+)?\s*=\s*(?:"[^"]*"|'[^']*')""")
_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
_BREAKS = re.compile(r"<\s*/?\s*(?:br|p|div|li|tr)\b|\\(?:line|par|tab|page)\b|[\n\t]", re.I)
_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


def read_tmx(path: Path) -> Iterator[Row]:
    """One row per translation unit, fields by language code (`kk`, `ru`, `en`; regions are cut off), and `removed`, what
    was left out or replaced, where anything was.

    Problems: `bad_xml`, `line_too_long` (a unit over MAX_LINE_BYTES). Raises DamagedFileError where the file is cut off or no
    TMX.
    """
    namespaces = ""
    for number, source in enumerate(_units(path)):
        if isinstance(source, _Head):
            namespaces = source.namespaces
            continue
        number -= 1
        if source is None:
            yield Row(number, {}, "line_too_long")
            continue
        markup, marks = well_formed(source)
        try:
            unit = ElementTree.fromstring(f"<tmx {namespaces}>{markup}</tmx>")[0]
        except (ElementTree.ParseError, IndexError):
            yield Row(number, {}, "bad_xml")
            continue
        yield Row(number, _fields(unit, Counter({"xml_character": marks} if marks else {})))


def _fields(unit: ElementTree.Element, removed: Counter[str]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for variant in unit:
        if _local(variant.tag) != "tuv":
            continue
        language = (variant.get(_XML_LANG) or variant.get("lang") or "").lower()
        segment = next((child for child in variant if _local(child.tag) == "seg"), None)
        if language and segment is not None:
            text = "".join(_text(segment, removed)).replace(MARK, " ")
            fields.setdefault(re.split("[-_]", language)[0], re.sub(" {2,}", " ", text))
    if removed:
        fields["removed"] = dict(removed)
    return fields


def _text(element: ElementTree.Element, removed: Counter[str]) -> Iterator[str]:
    """The text of a segment without the codes in it."""
    yield element.text or ""
    for child in element:
        if _local(child.tag) in _CODES:
            removed["tmx_code"] += 1
            removed["tmx_sub"] += sum(_local(inner.tag) == "sub" for inner in child.iter())
            if _BREAKS.search("".join(child.itertext())):
                yield " "
        elif _local(child.tag) == "sub":
            removed["tmx_sub"] += 1
        else:
            yield from _text(child, removed)
        yield child.tail or ""
    if not removed["tmx_sub"]:
        del removed["tmx_sub"]


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


# ------------------------------------------------------------------------------------------------------------ units


class _Head:
    """What stands before the first unit: the name spaces its prefixes may be of."""

    def __init__(self, text: str, path: Path) -> None:
        root = _ROOT.search(text)
        if root is None:
            raise DamagedFileError(f"{path}: no TMX: there is no <tmx> in it", hint="check the format of the source")
        self.namespaces = " ".join(dict.fromkeys(_NAMESPACES.findall(text[root.start() :])))


def _units(path: Path) -> Iterator[_Head | str | None]:
    """The head of the file, then the markup of each unit; None for one that is too long to be one."""
    text, has_head = "", False
    with naming_damage(path):
        for chunk in _decoded(path):
            text += chunk
            start = _UNIT_START.search(text)
            if not has_head:
                if start is None and len(text) < _HEAD_CHARS and chunk:
                    continue
                yield _Head(text[: start.start()] if start is not None else text, path)
                has_head = True
            end = 0
            for match in _UNIT.finditer(text):
                yield match.group()
                end = match.end()
            text = text[end:]
            if len(text) > MAX_LINE_BYTES:
                yield None
                text = ""
            elif _UNIT_START.search(text) is None:
                text = text[-64:]
    if _ROOT_END.search(text) is None:
        raise DamagedFileError(f"{path}: cut off: it does not end with </tmx>", hint="fetch the file again")


def _decoded(path: Path) -> Iterator[str]:
    """The text of the file by its byte order mark or the encoding it names; at its end an empty piece."""
    with buffered(path) as stream:
        head = stream.peek(256)[:256]
        named = _ENCODING.match(head)
        encoding = next((name for bom, name in _BOMS if head.startswith(bom)), named[1].decode() if named else "utf-8")
        try:
            decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
        except LookupError as error:
            raise DamagedFileError(
                f"{path}: names the unknown encoding {encoding!r}", hint="convert it to UTF-8"
            ) from error
        while chunk := stream.read(_CHUNK_BYTES):
            yield decoder.decode(chunk)
        yield decoder.decode(b"", final=True)
