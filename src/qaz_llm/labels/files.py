"""Text files to be labelled and verified, whatever Unicode encoding they are in."""

from __future__ import annotations

import codecs
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.data.readers.encodings import SAMPLE_BYTES, canonical_name, form_of_bytes
from qaz_llm.errors import InputError
from qaz_llm.io import check_output_file, write_text
from qaz_llm.labels.making import Labeller
from qaz_llm.labels.names import quoted
from qaz_llm.language.selectors import MAGIC, MARK

MAX_BYTES = 64 << 20
STANDARD_INPUT = Path("-")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_WIDE = ("utf-16", "utf-32")
_USUAL = re.compile(r"[\t\n\r -~\u00a0-\u052f\u0600-\u06ff\u1e00-\u206f\u20a0-\u20bf\u2100-\u2bff]")
"""Letters, digits and signs of Latin, Greek, Cyrillic and Arabic text."""
_HTML_FILES = (".html", ".htm", ".xhtml", ".xht", ".shtml")
_PAGE = re.compile(
    r"(?:\s|\ufeff|<\?xml[^>]{0,200}\?>|<!--(?:(?!-->).){0,2000}-->)*<(?:!doctype\s+html|html|head|body)[\s>]",
    re.IGNORECASE | re.DOTALL,
)
"""A page of HTML, by how it begins, whatever its file is called."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file without its byte order mark, and the encoding it was in."""

    text: str
    encoding: str
    looks_like: str | None = None
    """The encoding that its bytes look more like, where another was named."""


def read_text_file(path: Path, encoding: str | None = None) -> TextFile:
    """The text of `path`, or of standard input for `-`: by its byte order mark, else UTF-8.

    Raises InputError where there is no such file, where it is too long, and where it is no text in that encoding.
    """
    data = _bytes_of(path)
    if len(data) > MAX_BYTES:
        raise InputError(
            f"{path}: more than {MAX_BYTES >> 20} MiB", hint="split the text; a label holds for one answer"
        )
    name = encoding or next((name for mark, name in (*_MARKS, *_MARKS_16) if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(name)
    except LookupError as error:
        raise InputError(f"{name!r} is no encoding of text", hint="for instance utf-8, utf-16, cp1251") from error
    except UnicodeError as error:
        raise InputError(f"{path}: not {name} ({error})", hint=_hint(data, name)) from error
    if "\0" in text:
        raise InputError(f"{path}: has NUL bytes, so it is no text in {name}", hint=_hint(data, name))
    doubt = _doubt_of(path, data, text, name) if encoding is not None else None
    is_label = text.startswith(MARK + MAGIC)  # of a file that begins with a label the mark is the label's
    return TextFile(text if is_label else text.removeprefix(MARK), name, doubt)


def _hint(data: bytes, tried: str) -> str:
    looks = _looks_like(data)
    if looks is None or looks == canonical_name(tried):
        return "its bytes do not tell its encoding; name it, for instance --encoding cp1251, or save it as UTF-8"
    return f"its bytes look like {looks}: --encoding {looks}; look at the text before you trust that"


def _looks_like(data: bytes) -> str | None:
    """The encoding that the bytes look like; None where nothing tells, or where what they look like cannot be read to the end."""
    name = form_of_bytes(data[:SAMPLE_BYTES]).encoding
    try:
        data.decode(name)
    except UnicodeError:
        return None
    return name


def _doubt_of(path: Path, data: bytes, text: str, named: str) -> str | None:
    """The encoding that a file looks like where another was named. Raises InputError where that one cannot be meant: other letters would
    be signed than are in the file.

    Bytes beyond ASCII that are UTF-8 are nothing else. Anything read as UTF-16 gives some text, mostly of ideographs.
    """
    looks, name = _looks_like(data), canonical_name(named)
    if looks is None or looks == name or (data.isascii() and not name.startswith(_WIDE)):
        return None
    is_wide = name.startswith(_WIDE) and len(_USUAL.findall(text)) < len(text) / 2
    is_utf8 = looks == "utf-8" and not data.isascii() and not name.startswith(_WIDE)
    if is_wide or is_utf8:
        begins = quoted(text[:20])
        raise InputError(
            f"{path}: is not {named}: read so it begins {begins}, and its bytes are those of {looks}",
            hint="leave --encoding out" if looks == "utf-8" else f"--encoding {looks}",
        )
    return None if name.startswith(looks) or looks.startswith(name) else looks


def read_unlabelled(path: Path, out: Path, encoding: str | None = None) -> TextFile:
    """The text of a file that is to be labelled to `out`.

    Raises InputError as `read_text_file`, where the text is empty or a page of HTML, and where `out` is there already or cannot be
    written.
    """
    check_output_file(out, replaces=False)
    read = read_text_file(path, encoding)
    if path.suffix.lower() in _HTML_FILES or _PAGE.match(read.text):
        raise InputError(
            f"{path}: a page of HTML, which carries its labels in another way (C2PA 2.4, A.7)",
            hint="label the text, not the page",
        )
    if not read.text.strip():
        raise InputError(f"{path}: empty, there is nothing to label")
    return read


def label_file(read: TextFile, out: Path, labeller: Labeller) -> dict[str, object]:
    """Write a text with a label behind it, in UTF-8, to `out`; returns what was done.

    Raises InputError where the text has a label or cannot carry one.
    """
    labelled = labeller.label(read.text)
    write_text(out, labelled)
    body = labelled[: labelled.rindex(MARK)]
    return {
        "out": str(out),
        "chars": len(body),
        "label_bytes": len(labelled[len(body) :].encode()),
        "read_as": read.encoding,
        "looks_like": read.looks_like,
        "composed": body != read.text,
    }


def _bytes_of(path: Path) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if path.is_dir():
        raise InputError(f"{path}: a folder", hint="name a text file in it")
    if not path.exists():
        raise InputError(f"{path}: there is no such file", hint="name a text file, or - for standard input")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
