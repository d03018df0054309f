"""Rows out of files of every format, one at a time, with what is wrong with a row said instead of hidden.

A reader yields `Row`s. A row that cannot be read has a `problem` (`bad_json`, `bad_encoding`) and no fields, so that it
is counted as dropped and the rest of the file is still read. A damaged archive ends the reading: DamagedFileError.
"""

from __future__ import annotations

import csv
import io
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal
from xml.etree import ElementTree

from qaz_llm.data.config import SourceConfig
from qaz_llm.errors import DamagedFileError, InputError
from qaz_llm.io import file_format, naming_damage, open_bytes, read_parquet

MAX_LINE_BYTES = 64 << 20
"""A longer line is not a document but a file without line ends; it is dropped as `line_too_long` unread."""

FORMAT_BY_SUFFIX: Mapping[str, str] = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "jsonl",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".txt": "text",
    ".text": "text",
    ".tmx": "tmx",
    ".xml": "wikipedia",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a source: its number in the file (from 0), and its fields or the problem it has."""

    number: int
    fields: Mapping[str, Any]
    problem: str | None = None


def format_of(path: Path, source: SourceConfig) -> str:
    """The format of a file: what the config says, or what its suffix says. Raises InputError where neither does."""
    if source.format != "auto":
        return source.format
    suffix = file_format(path)
    if suffix not in FORMAT_BY_SUFFIX:
        raise InputError(
            f"{path}: the format of {suffix or 'a file without suffix'} is not known",
            hint=f"say it in the source: format: one of {', '.join(sorted(set(FORMAT_BY_SUFFIX.values())))}",
        )
    return FORMAT_BY_SUFFIX[suffix]


def read_rows_of(path: Path, source: SourceConfig) -> Iterator[Row]:
    """The rows of one file in its format."""
    match format_of(path, source):
        case "jsonl":
            return _read_jsonl(path)
        case "parquet":
            return _numbered(read_parquet(path))
        case "csv":
            return _read_table(path, ",")
        case "tsv":
            return _read_table(path, "\t")
        case "text":
            return _read_text(path, source.text_field)
        case "tmx":
            return _numbered(_read_tmx(path))
        case "wikipedia":
            return _numbered(_read_wikipedia(path, source.text_field))
        case other:
            raise InputError(f"{path}: a file cannot have the format {other!r}")


def _numbered(rows: Iterator[dict[str, Any]]) -> Iterator[Row]:
    for number, fields in enumerate(rows):
        yield Row(number, fields)


# ------------------------------------------------------------------------------------------------------------ lines


def _lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """Numbered lines as bytes; None for a line over MAX_LINE_BYTES. Raises DamagedFileError on a damaged archive."""
    with _buffered(path) as stream, naming_damage(path):
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            too_long = len(line) > MAX_LINE_BYTES
            while too_long and not line.endswith(b"\n") and line:
                line = stream.readline(1 << 20)
            yield number, None if too_long else line
            number += 1


def _read_jsonl(path: Path) -> Iterator[Row]:
    for number, line in _lines(path):
        if line is None:
            yield Row(number, {}, "line_too_long")
            continue
        if not line.strip():
            continue
        try:
            fields = json.loads(line.removeprefix(b"\xef\xbb\xbf"))
        except UnicodeDecodeError:
            yield Row(number, {}, "bad_encoding")
        except (ValueError, RecursionError):
            yield Row(number, {}, "bad_json")
        else:
            yield Row(number, fields) if isinstance(fields, dict) else Row(number, {}, "bad_json")


def _read_text(path: Path, field: str) -> Iterator[Row]:
    """One row per line that is not blank."""
    for number, line in _lines(path):
        if line is None:
            yield Row(number, {}, "line_too_long")
            continue
        if not line.strip():
            continue
        try:
            yield Row(number, {field: line.decode("utf-8-sig" if number == 0 else "utf-8").rstrip("\r\n")})
        except UnicodeDecodeError:
            yield Row(number, {}, "bad_encoding")


def _read_table(path: Path, delimiter: str) -> Iterator[Row]:
    """Rows of a CSV or TSV file under its header. Bytes that are no UTF-8 become U+FFFD, which the filters see."""
    csv.field_size_limit(MAX_LINE_BYTES)
    text = io.TextIOWrapper(_buffered(path), encoding="utf-8-sig", errors="replace", newline="")
    with text as stream, naming_damage(path):
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE
        try:
            for number, fields in enumerate(csv.DictReader(stream, delimiter=delimiter, quoting=quoting)):
                yield Row(number, {key: value for key, value in fields.items() if key is not None})
        except csv.Error as error:
            hint = "check the file's quotes and its delimiter, or name its format"
            raise DamagedFileError(f"{path}: not a readable table ({error})", hint=hint) from error


def _buffered(path: Path) -> IO[bytes]:
    return io.BufferedReader(open_bytes(path), 1 << 20)  # type: ignore[type-var]


# -------------------------------------------------------------------------------------------------------------- XML

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def _elements(path: Path, tag: str) -> Iterator[ElementTree.Element]:
    """Elements of one tag, freed after use. The parser itself (expat 2.4.1 and later) refuses runaway entities."""
    with _buffered(path) as stream, naming_damage(path):
        try:
            parents: list[ElementTree.Element] = []
            for event, element in ElementTree.iterparse(stream, events=("start", "end")):
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if _local(element.tag) == tag:
                    yield element
                    element.clear()
                    if parents:
                        parents[-1].remove(element)
        except ElementTree.ParseError as error:
            raise DamagedFileError(f"{path}: not well-formed XML ({error})", hint="fetch the file again") from error


def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _read_tmx(path: Path) -> Iterator[dict[str, Any]]:
    """One row per translation unit, fields by language code (`kk`, `ru`, `en`; regions are cut off)."""
    for unit in _elements(path, "tu"):
        row: dict[str, Any] = {}
        for variant in unit:
            if _local(variant.tag) != "tuv":
                continue
            language = (variant.get(_XML_LANG) or variant.get("lang") or "").lower()
            segment = next((child for child in variant if _local(child.tag) == "seg"), None)
            if language and segment is not None:
                row[re.split("[-_]", language)[0]] = "".join(segment.itertext())
        yield row


def _read_wikipedia(path: Path, field: str) -> Iterator[dict[str, Any]]:
    """Articles of a MediaWiki XML dump as plain text: no redirects, talk pages or templates."""
    for page in _elements(path, "page"):
        values = {_local(child.tag): child for child in page.iter()}
        if (values["ns"].text if "ns" in values else "0") != "0" or "redirect" in values:
            continue
        wikitext = values["text"].text if "text" in values else None
        title = values["title"].text if "title" in values else ""
        page_id = next((child.text for child in page if _local(child.tag) == "id"), None)
        yield {"id": page_id, "title": title, field: wikitext_to_text(wikitext or "")}


_WIKI_LINK_PREFIX = re.compile(
    r"\[\[(?:File|Image|Category|Файл|Сурет|Санат|Категория|Изображение):[^\[\]]*(?:\[\[[^\]]*\]\][^\[\]]*)*\]\]", re.I
)
_WIKI_TABLE = re.compile(r"\{\|.*?\n\|\}", re.S)


def wikitext_to_text(wikitext: str) -> str:
    """The readable part of wikitext: templates, tables, pictures, categories and references gone, links as text."""
    import mwparserfromhell

    wikitext = _WIKI_TABLE.sub("", _WIKI_LINK_PREFIX.sub("", wikitext))
    code = mwparserfromhell.parse(wikitext)
    for tag in code.filter_tags(matches=lambda node: str(node.tag).lower() in {"ref", "table", "gallery", "math"}):
        try:
            code.remove(tag)
        except ValueError:  # it lay in one that is gone already
            pass
    text = str(code.strip_code(normalize=True, collapse=True))
    return re.sub(r"\n{3,}", "\n\n", text).strip()


# -------------------------------------------------------------------------------------------------------------- hub


def read_hub(source: SourceConfig, local: Path | None, *, shard: int, num_shards: int) -> Iterator[Row]:
    """Rows of a Hugging Face data set: streamed by name, or from a folder that `save_to_disk` wrote.

    Raises InputError where there is no such data set, or it cannot be reached.
    """
    import datasets

    try:
        if local is not None and local.is_dir():
            loaded = datasets.load_from_disk(str(local))
            rows = loaded[source.hub_split] if isinstance(loaded, datasets.DatasetDict) else loaded
        else:
            rows = datasets.load_dataset(source.path, source.hub_subset, split=source.hub_split, streaming=True)
    except Exception as error:  # datasets raises some twenty kinds here, all of which mean: not to be had
        raise InputError(
            f"source {source.name}: the data set {source.path!r} cannot be read ({type(error).__name__}: {error})",
            hint="check path, hub_subset and hub_split; offline, name a folder that save_to_disk wrote",
        ) from error
    for number, fields in enumerate(rows):
        if number % num_shards == shard:
            yield Row(number, {sys.intern(key): value for key, value in fields.items()})
