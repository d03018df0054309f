"""Rows of a finished build found by id, by address or by a piece of text: documents and conversations, kept and dropped.

Shards are read from front to back; a line is only parsed where it can be what is looked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from qaz_llm.data.clean import SAMPLE_CHARS
from qaz_llm.errors import InputError
from qaz_llm.io import dump_row, parse_row, read_lines

SHARDS: Mapping[tuple[str, bool], str] = {
    ("document", True): "documents",
    ("document", False): "dropped",
    ("conversation", True): "conversations",
    ("conversation", False): "dropped_conversations",
}
"""What lies in which shards: kind, and whether it is kept."""

ONLY_BEGINNINGS = (
    f"of what is dropped a build keeps only the first {SAMPLE_CHARS} characters, so no text is found further on"
)
MOST_IDS = 20_000
"""So many ids are looked through for one that was meant."""

SHOWN_IDS = 5
AROUND_CHARS = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A row and where it lies."""

    kind: str
    kept: bool
    file: str
    number: int
    """From 1."""
    row: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The whole text of what is kept, the beginning of what is dropped."""
        if "messages" in self.row:
            return "\n".join(f"{message['role']}: {message['content']}" for message in self.row["messages"])
        return str(self.row.get("text") or "")


def rows_of(
    folder: Path, *, kinds: tuple[str, ...] = ("document", "conversation"), kept: bool | None = None, part: bytes = b""
) -> Iterator[Found]:
    """The rows of a build whose line holds `part`, what is kept first."""
    for (kind, is_kept), prefix in sorted(SHARDS.items(), key=lambda pair: not pair[0][1]):
        if kind not in kinds or kept not in (None, is_kept):
            continue
        for path in sorted(folder.glob(f"{prefix}-*.jsonl.zst")):
            for number, line in enumerate(read_lines(path), 1):
                if part in line:
                    yield Found(kind, is_kept, path.name, number, parse_row(line))


def find_id(folder: Path, text: str) -> list[Found]:
    """What has this id; else what has it as the last part of the id, or as the document that was split, or within it.

    Raises InputError where there is none, with ids that may have been meant, or several, with their names.
    """
    found = [row for row in rows_of(folder, part=_as_json(text)) if text in str(row.row["id"])]
    classes: tuple[Callable[[str], bool], ...] = (
        lambda id_: id_ == text,
        lambda id_: id_.endswith(f"/{text}"),
        lambda id_: id_.partition("#")[0] in (text, f"{id_.partition('/')[0]}/{text}"),
        lambda _: True,
    )
    for fits in classes:
        best = [row for row in found if fits(str(row.row["id"]))]
        ids = list(dict.fromkeys(str(row.row["id"]) for row in best))
        is_split = fits is classes[2]
        if best and (len(ids) == 1 or is_split):
            return best
        if best:
            raise InputError(
                f"{folder}: {len(ids):,} ids have {text!r} in them",
                hint=f"name one of them whole: {', '.join(ids[:SHOWN_IDS])}{' …' if len(ids) > SHOWN_IDS else ''}",
            )
    raise InputError(f"{folder}: nothing has the id {text!r}", hint=_meant(folder, text))


def _meant(folder: Path, text: str) -> str:
    ids: dict[str, None] = {}
    for row in rows_of(folder):
        ids[str(row.row["id"])] = None
        if len(ids) >= MOST_IDS:
            break
    tails = {id_.partition("/")[2]: id_ for id_ in ids}
    close = [*get_close_matches(text, ids, n=3), *(tails[tail] for tail in get_close_matches(text, tails, n=3))]
    if close:
        return f"did you mean {', '.join(list(dict.fromkeys(close))[:3])}?"
    return f"ids look like {next(iter(ids), 'nothing, the build is empty')}; --find looks for a piece of text"


def find_url(folder: Path, text: str) -> list[Found]:
    """What came from this address, whatever its scheme, `www.` and last slash. Raises InputError where there is none."""
    wanted = _bare_url(text)
    rows = rows_of(folder, kinds=("document",), part=_as_json(wanted))
    found = [row for row in rows if _bare_url(str(row.row.get("url", ""))) == wanted]
    if found:
        return found
    part = [
        str(row.row["url"]) for row in rows_of(folder, part=_as_json(wanted)) if wanted in str(row.row.get("url", ""))
    ]
    hint = f"addresses that have it in them: {', '.join(list(dict.fromkeys(part))[:SHOWN_IDS])}" if part else (
        "addresses are known of sources with a url_field; --find looks for a piece of text"
    )  # fmt: skip
    raise InputError(f"{folder}: nothing came from {text}", hint=hint)


def _bare_url(url: str) -> str:
    return re.sub(r"^(https?://)?(www\.)?", "", url.strip(), flags=re.IGNORECASE).rstrip("/")


def find_text(folder: Path, text: str, *, kept: bool | None = None) -> Iterator[Found]:
    """What holds this piece of text, whatever the case and the white space."""
    if not text.strip():
        raise InputError("--find: no text was given", hint='for instance --find "Абай Құнанбайұлы"')
    pattern = _pattern(text)
    return (row for row in rows_of(folder, kept=kept) if pattern.search(row.text))


def around(text: str, piece: str) -> str:
    """The piece where it stands first in the text, with AROUND_CHARS of it on both sides, on one line."""
    match = _pattern(piece).search(text)
    start, end = match.span() if match is not None else (0, 0)
    before, after = max(start - AROUND_CHARS, 0), end + AROUND_CHARS
    shown = " ".join(text[before:after].split())
    return f"{'… ' if before else ''}{shown}{' …' if after < len(text) else ''}"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, text.split())), re.IGNORECASE)


def copies_of(folder: Path, id_: str, kind: str) -> Iterator[Found]:
    """What was dropped as a copy of a document or conversation."""
    part = b'"of":' + dump_row({"of": id_})[len(b'{"of":') : -len(b"}\n")]
    return rows_of(folder, kinds=(kind,), kept=False, part=part)


def _as_json(text: str) -> bytes:
    """The text as it stands inside a line of JSON."""
    return dump_row({"": text})[len(b'{"":"') : -len(b'"}\n')]
