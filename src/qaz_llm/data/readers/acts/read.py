"""Acts as rows: documents of whole articles, or pairs of points.

A row of documents has `id`, `text`, `language`, `url`, `title`, `act`, `date`, `repealed`, and `removed`, the counts of what was
left out; a row of pairs has `id`, `kk`, `ru`, `url`, `act`, `date`, `repealed`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from qaz_llm.data.readers.acts.find import LANGUAGES, Act
from qaz_llm.data.readers.acts.furniture import REPEALED
from qaz_llm.data.readers.acts.markdown import ActText, Block, Kind, parse_act
from qaz_llm.data.readers.acts.pairs import align
from qaz_llm.data.readers.rows import MAX_LINE_BYTES, Row

MAX_DOCUMENT_CHARS = 20_000
"""A longer act becomes several documents, cut between articles; a longer article stays whole."""

_POINT_ANCHOR = re.compile(r"(?:an\d+_)?p\d")
_ANCHORS = re.compile(r'<a (?:id|name)="([^"]+)">')
_LINK_TO_PART = r"\[[^\]\n]*\]\((?:\./)?(?:kaz|rus)/[^)\n]+\)"
_PART_LINK = re.compile(rf"^\s*(?:[-*]|\d+\.)?\s*{_LINK_TO_PART}\s*$", re.M)
_PART_TABLE = re.compile(
    rf"(?:^#{{2,6}} [^\n]*\n(?:(?![#<|])[^\n]*\n){{0,10}})?(?:^\|[^\n]*\n\|[-:| ]+\|\n)(?:^\|\s*{_LINK_TO_PART}[^\n]*(?:\n|\Z))+",
    re.M,
)
"""the list of the parts at the end of a file that is cut, with its heading and what it says in Russian in either language"""


def read_documents(acts: Sequence[Act], first_row: int = 0) -> Iterator[Row]:
    """The texts of some acts. Problems: `bad_encoding`, `line_too_long` (a text over MAX_LINE_BYTES), `missing_text`."""
    number = first_row
    for act in acts:
        for language in LANGUAGES:
            source = read_text(act.folder, language)
            if source is None:
                continue
            if isinstance(source, Row):
                yield source._replace(number=number)
                number += 1
                continue
            parsed = parse_act(source)
            for part, text in enumerate(_documents(parsed.blocks)):
                fields = {**_facts(act, language, parsed), "id": f"{act.code}-{language}-{part}", "text": text}
                fields |= {
                    "language": language,
                    "title": act.title(language),
                    "removed": parsed.removed if part == 0 else {},
                }
                yield Row(number, fields)
                number += 1


def read_pairs(acts: Sequence[Act], first_row: int = 0) -> Iterator[Row]:
    """The points of some acts that stand in both languages. Problems as above, and `no_counterpart`: an act in one language, and
    each paragraph of an act in two that has no certain counterpart."""
    number = first_row
    for act in acts:
        sources = {language: read_text(act.folder, language) for language in LANGUAGES}
        bad = next((source for source in sources.values() if isinstance(source, Row)), None)
        if bad is not None or None in sources.values():
            yield Row(number, {"id": act.code}, bad.problem if bad is not None else "no_counterpart")
            number += 1
            continue
        texts = {language: parse_act(str(source)) for language, source in sources.items()}
        aligned = align(texts["kk"].blocks, texts["ru"].blocks)
        facts = _facts(act, "kk", texts["kk"])
        for index, pair in enumerate(aligned.pairs):
            yield Row(number, {**facts, "id": f"{act.code}/{pair.place}/{index}", "kk": pair.one, "ru": pair.other})
            number += 1
        for index in range(aligned.unpaired):
            yield Row(number, {"id": f"{act.code}/unpaired/{index}"}, "no_counterpart")
            number += 1


def _facts(act: Act, language: str, parsed: ActText) -> dict[str, Any]:
    repealed = parsed.is_repealed or REPEALED.search(str(act.meta.get("requisite", ""))) is not None
    return {"url": act.url(language), "act": act.code, "date": act.version, "repealed": repealed}


def read_text(folder: Path, language: str) -> str | Row | None:
    """The Markdown of one language with its parts; None where there is none, a row with a problem where it cannot be read.

    The file of a large act is its table of contents, with the text in parts, or it is whole and the parts are copies: a part
    is added where it has an anchor that the file has not, or, without anchors, text that is not in it.
    """
    path = folder / f"{LANGUAGES[language]}.md"
    if not path.is_file():
        return None
    main = _read(path)
    if isinstance(main, Row):
        return main
    whole = [_PART_TABLE.sub("", _PART_LINK.sub("", main))]
    for part in _parts(folder / LANGUAGES[language], main):
        source = _read(part)
        if isinstance(source, Row):
            return source
        if not _is_copy(source, main):
            whole.append(source)
    return "\n\n".join(text if index == 0 else _body(text) for index, text in enumerate(whole))


def _parts(folder: Path, main: str) -> list[Path]:
    """The parts of an act: in the order in which its file names them, then by name."""
    if not folder.is_dir():
        return []
    found = sorted(folder.glob("*.md"))
    places = {path: main.find(f"{folder.name}/{path.name}") for path in found}
    return sorted(found, key=lambda path: (places[path] < 0, places[path], path.name))


def _is_copy(part: str, main: str) -> bool:
    anchors = set(_ANCHORS.findall(part))
    if anchors:
        return anchors <= set(_ANCHORS.findall(main))
    lines = [line for line in _body(part).split("\n") if len(line) > 40]
    return bool(lines) and all(line in main for line in lines[:5])


def _body(part: str) -> str:
    return re.sub(r"\A---\n.*?\n---\n", "", part, flags=re.S)


def _read(path: Path) -> str | Row:
    if path.stat().st_size > MAX_LINE_BYTES:
        return Row(0, {}, "line_too_long")
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return Row(0, {}, "bad_encoding")


def _documents(blocks: Sequence[Block]) -> Iterator[str]:
    """The blocks as texts of at most MAX_DOCUMENT_CHARS, cut where an article or chapter begins."""
    waiting: list[str] = []
    size = 0
    for article in _articles(blocks):
        if waiting and size + len(article) > MAX_DOCUMENT_CHARS:
            yield "\n\n".join(waiting)
            waiting, size = [], 0
        waiting.append(article)
        size += len(article) + 2
    if waiting:
        yield "\n\n".join(waiting)


def _articles(blocks: Sequence[Block]) -> Iterator[str]:
    """The lines of each article; a heading opens one, headings in a row belong together."""
    lines: list[str] = []
    has_text = False
    for block in blocks:
        opens = block.kind is Kind.HEADING or bool(block.anchor and not _POINT_ANCHOR.match(block.anchor))
        if opens and has_text:
            yield "\n".join(lines)
            lines, has_text = [], False
        lines.append(block.text)
        has_text |= block.kind is not Kind.HEADING
    if lines:
        yield "\n".join(lines)
