"""Held-out text that a person names: read before a model is loaded, and refused where it is no text to be scored.

A row that cannot be scored is left out and said: one that cannot be read, has no `text`, holds control characters as no text has
them, or is longer than MOST_TEXT_BYTES. Where there are more such rows than texts, the file is something else, and is refused.

    bin.txt      rows 1, 2, 3 … of bytes that are no UTF-8        refused
    held.jsonl   64 texts, row 9 without `text`                   the 64, and a warning of row 9
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qaz_llm.errors import InputError
from qaz_llm.progress import get_logger
from qaz_llm.rows.config import MixEntry
from qaz_llm.rows.sources import ReadText, read_text_rows, recognised_encoding, training_files

MOST_TEXT_BYTES = 1 << 20
"""A text of more UTF-8 bytes is a file without line ends; scoring 64 of that size would take hours."""
MOST_BAD_ROWS = 64
"""So many rows that cannot be scored, before there are more texts than those, are enough to refuse a file."""
EXPECTED = "expected: a .txt file with a sentence or document on each line, or .jsonl or .parquet with a field 'text'"

_IN_WORDS = {
    "bad_encoding": "bytes that are no UTF-8",
    "bad_json": "no JSON object, and only .txt and .text are read line by line",
}
"""What the readers' reasons mean here."""

_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
"""Control characters but tab and the ends of lines and pages."""

_logger = get_logger("heldout")


def read_heldout(path: str, *, most: int, said_as: str) -> list[str]:
    """The first `most` texts of a file, or of the files of a folder.

    Args:
        said_as: what names the file in messages, as `heldout.kk`.

    Raises:
        InputError: nothing lies there, it holds no text, or more rows that cannot be scored than texts.
    """
    texts: list[str] = []
    bad: list[str] = []
    for read in _rows(path, said_as):
        problem = _IN_WORDS.get(read.found, read.found) or read.reason or _problem_of(read.text)
        if problem is None:
            texts.append(read.text)
        elif read.reason != "empty_text":
            bad.append(f"{read.where}: {problem}")
        if len(texts) == most or len(bad) >= MOST_BAD_ROWS + len(texts):
            break
    if not texts and not bad:
        raise InputError(f"{said_as}: {path} holds no text, it is empty or has blank lines alone", hint=EXPECTED)
    if len(bad) > len(texts):
        raise InputError(
            f"{said_as}: {path} is no text to be scored: {len(bad):,} of its first {len(bad) + len(texts):,} rows are none; {bad[0]}",
            hint=EXPECTED,
        )
    if bad:
        _logger.warning("%s: %d rows of %s are left out, the first is %s", said_as, len(bad), path, bad[0])
    return texts


def _rows(path: str, said_as: str) -> Iterator[ReadText]:
    entry = MixEntry(name="heldout", path=path)
    try:
        files = training_files(entry, chat=False)
    except InputError as error:
        raise InputError(f"{said_as}: {error.message}", hint=EXPECTED) from error
    for file in files:
        if (encoding := recognised_encoding(entry, file, chat=False)) is not None:
            _logger.warning("%s: %s is read as %s, by what its bytes look like", said_as, file, encoding)
        yield from read_text_rows(entry, file)


def _problem_of(text: str) -> str | None:
    """Why a text that could be read is none to be scored."""
    size_bytes = len(text.encode("utf-8", "surrogatepass"))
    if size_bytes > MOST_TEXT_BYTES:
        return f"a text of {size_bytes:,} bytes, at most {MOST_TEXT_BYTES:,} were expected"
    if found := _CONTROL.search(text):
        return f"the control character U+{ord(found.group()):04X}, which text does not hold"
    return None
