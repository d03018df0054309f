"""Dumps of MediaWiki: pages in the order of the file, or those of a part of it."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from qaz_llm.data.readers.lines import buffered
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Part, Row
from qaz_llm.data.readers.wikitext import is_redirect, wikitext_to_text
from qaz_llm.data.readers.xml import MARK, well_formed
from qaz_llm.errors import DamagedFileError
from qaz_llm.io import compression_of, naming_damage

_CHUNK_BYTES = 1 << 20
_PAGE, _PAGE_END, _DUMP_END = b"<page>", b"</page>", b"</mediawiki>"


def read_wikipedia(path: Path, field: str, part: Part | None = None) -> Iterator[Row]:
    """Articles of a MediaWiki XML dump as plain text, numbered by page id: no redirects, talk pages or templates.

    A page belongs to the part in which it begins. Problems: `bad_xml`, `line_too_long` (a page over MAX_LINE_BYTES).
    Raises DamagedFileError where the dump is cut off.
    """
    for count, source in enumerate(_pages(path, part), part.first_row if part is not None else 0):
        if source is None:
            yield Row(count, {}, "line_too_long")
            continue
        markup, num_marks = well_formed(source.decode("utf-8", "replace"))
        try:
            page = ElementTree.fromstring(markup)
        except ElementTree.ParseError:
            yield Row(count, {}, "bad_xml")
            continue
        wikitext = (page.findtext("revision/text") or "").replace(MARK, " ")
        if page.findtext("ns", "0") != "0" or page.find("redirect") is not None or is_redirect(wikitext):
            continue
        page_id = page.findtext("id")
        number = int(page_id) if page_id and page_id.isdecimal() else count
        article = wikitext_to_text(wikitext)
        removed = article.removed if not num_marks else {**article.removed, "xml_character": num_marks}
        yield Row(number, {"id": page_id, "title": page.findtext("title"), field: article.text, "removed": removed})


def _pages(path: Path, part: Part | None) -> Iterator[bytes | None]:
    """The XML of each page that begins in the part; None for one that is too long to be a page."""
    text, own_bytes = b"", None
    with naming_damage(path):
        for chunk, is_own in _chunks(path, part):
            if not is_own and own_bytes is None:
                own_bytes = len(text)  # pages that begin after these are the next part's
            text += chunk
            while True:
                start = text.find(_PAGE)
                if own_bytes is not None and (
                    start >= own_bytes or (start < 0 and len(text) - own_bytes >= len(_PAGE))
                ):
                    return
                end = text.find(_PAGE_END, start)
                if start < 0 or end < 0:
                    break
                end += len(_PAGE_END)
                yield text[start:end]
                text = text[end:]
                own_bytes = max(own_bytes - end, 0) if own_bytes is not None else None
            if start >= 0 and len(text) - start > MAX_LINE_BYTES:
                yield None
                text, own_bytes = b"", 0 if own_bytes is not None else None
            elif start < 0 and own_bytes is None:
                text = text[-len(_DUMP_END) - 8 :]
    tail = text.rstrip()[-len(_DUMP_END) :]
    begins_in_tag = part is not None and part.start > 0 and len(tail) < len(_DUMP_END)
    ends_well = own_bytes is not None or tail == _DUMP_END or (begins_in_tag and _DUMP_END.endswith(tail))
    if _PAGE in text or not ends_well:
        raise DamagedFileError(f"{path}: cut off, or no MediaWiki dump: it does not end with </mediawiki>")


def _chunks(path: Path, part: Part | None) -> Iterator[tuple[bytes, bool]]:
    """Uncompressed bytes from the start of the part on, and whether they are its own."""
    if part is not None and compression_of(path) == "bz2":
        yield from _bz2_chunks(path, part)
        return
    with buffered(path) as stream:
        left_bytes = None
        if part is not None:
            stream.seek(part.start)
            left_bytes = part.end - part.start
        while chunk := stream.read(
            _CHUNK_BYTES if left_bytes is None else min(_CHUNK_BYTES, left_bytes or _CHUNK_BYTES)
        ):
            yield chunk, left_bytes != 0
            left_bytes = max(left_bytes - len(chunk), 0) if left_bytes is not None else None


def _bz2_chunks(path: Path, part: Part) -> Iterator[tuple[bytes, bool]]:
    """As `_chunks`, of a file of many bz2 streams, which a part is cut between."""
    with path.open("rb") as stream:
        stream.seek(part.start)
        stream_start, compressed = part.start, stream.read(_CHUNK_BYTES)
        while compressed:
            unpacker = bz2.BZ2Decompressor()
            while not unpacker.eof:
                if unpacker.needs_input and not compressed:
                    compressed = stream.read(_CHUNK_BYTES)
                    if not compressed:
                        raise EOFError("compressed file ended before the end of its last stream")
                yield unpacker.decompress(compressed, _CHUNK_BYTES), stream_start < part.end
                compressed = b""
            compressed = unpacker.unused_data or stream.read(_CHUNK_BYTES)
            stream_start = stream.tell() - len(compressed)
