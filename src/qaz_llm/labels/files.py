"""Text files to be labelled and verified, whatever Unicode encoding they are in."""

from __future__ import annotations

import codecs
import sys
from dataclasses import dataclass
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.io import write_text
from qaz_llm.labels.making import Labeller
from qaz_llm.language.selectors import MAGIC, MARK

MAX_BYTES = 64 << 20
STANDARD_INPUT = Path("-")
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"))
_MARKS_16 = ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_OTHER_CARRIERS = {".html": "A.7", ".htm": "A.7", ".xhtml": "A.7"}


@dataclass(frozen=True, slots=True)
class TextFile:
    """The text of a file without its byte order mark, and the encoding it was in."""

    text: str
    encoding: str


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
        raise InputError(f"{path}: not {name} ({error})", hint="name its encoding: --encoding utf-16") from error
    if "\0" in text:
        raise InputError(
            f"{path}: has NUL bytes, so it is no text in {name}", hint="for UTF-16 without a mark: --encoding utf-16-le"
        )
    is_label = text.startswith(MARK + MAGIC)  # of a file that begins with a label the mark is the label's
    return TextFile(text if is_label else text.removeprefix(MARK), name)


def label_file(path: Path, out: Path, labeller: Labeller, *, encoding: str | None = None) -> dict[str, object]:
    """Write the text of `path` with a label behind it, in UTF-8, to `out`; returns what was done.

    Raises InputError where the text is empty, has a label or cannot carry one, and where `out` is there already.
    """
    annex = _OTHER_CARRIERS.get(path.suffix.lower())
    if annex is not None:
        raise InputError(
            f"{path}: HTML carries its labels in another way (C2PA 2.4, {annex})", hint="label the text, not the page"
        )
    if out.exists():
        raise InputError(f"{out}: is there already, and is not written over", hint="name another: --out FILE")
    read = read_text_file(path, encoding)
    if not read.text.strip():
        raise InputError(f"{path}: empty, there is nothing to label")
    labelled = labeller.label(read.text)
    write_text(out, labelled)
    body = labelled[: labelled.rindex(MARK)]
    return {
        "out": str(out),
        "chars": len(body),
        "label_bytes": len(labelled[len(body) :].encode()),
        "read_as": read.encoding,
        "composed": body != read.text,
    }


def _bytes_of(path: Path) -> bytes:
    if path == STANDARD_INPUT:
        return sys.stdin.buffer.read(MAX_BYTES + 1)
    if not path.is_file():
        raise InputError(f"{path}: there is no such file", hint="name a text file, or - for standard input")
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)
