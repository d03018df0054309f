"""The forms in which a labelled text may lie in a file: escaped for JSON or HTML, with other line ends, not composed.

A label holds for the text as its reader sees it. Each form here is undone as a whole, step by step, so that what is left of it is
plain text with its labels; `forms_of` gives the different texts that come out, the plain one first.

    plain          Сәлем!⟨label⟩
    escapes        "content": "Сәлем!\\ufeff\\ufe03\\udb40\\udd23…"     JSON, JSON lines, logs, source code
    html           Сәлем!&#65279;&#65027;…, &lt;b&gt;
    line ends      \\r\\n where \\n was
    marker         a label that lost the U+FEFF before it
    nfc            letters and their marks apart
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from qaz_llm.language.selectors import MAGIC, MARK

_ESCAPE = re.compile(r'\\(?:u([0-9a-fA-F]{4})(?:\\u([dD][c-fC-F][0-9a-fA-F]{2}))?|U([0-9a-fA-F]{8})|([nrtbf"\\/\']))')
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}
_UNMARKED = re.compile(f"(?<!{MARK})(?={MAGIC})")


@dataclass(frozen=True, slots=True)
class Form:
    """A text, and the names of what was undone to come to it; none for the text as it lies in the file."""

    text: str
    undone: tuple[str, ...] = ()


def forms_of(text: str) -> Iterator[Form]:
    """The text and what it is without its escapes, each different text once, those with the least undone first."""
    seen = {text}
    yield Form(text)
    for escapes in ((), ("escapes",), ("html",), ("escapes", "escapes"), ("escapes", "html"), ("html", "escapes")):
        plain = _undone(text, escapes)
        if plain is None:
            continue
        for further in ((), ("nfc",), ("line_ends", "nfc"), ("marker",), ("marker", "line_ends", "nfc")):
            form = _undo_all(plain, further)
            if form.text not in seen:
                seen.add(form.text)
                yield form


def _undone(text: str, steps: Sequence[str]) -> Form | None:
    """All steps in turn; None where one has nothing to undo."""
    form = _undo_all(Form(text), steps)
    return form if len(form.undone) == len(steps) else None


def _undo_all(form: Form, steps: Sequence[str]) -> Form:
    for step in steps:
        text = _STEPS[step](form.text)
        if text != form.text:
            form = Form(text, (*form.undone, step))
    return form


def _without_escapes(text: str) -> str:
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    four, low, eight, simple = match.groups()
    if simple is not None:
        return _SIMPLE.get(simple, simple)
    code = int(four or eight, 16)
    if low is not None:
        if 0xD800 <= code < 0xDC00:
            return chr(0x10000 + ((code - 0xD800) << 10) + int(low, 16) - 0xDC00)
        return _sound(code, match.group()[:6]) + "\\u" + low  # two escapes of which only the second is half a character
    return _sound(code, match.group())


def _sound(code: int, written: str) -> str:
    """The character, or what was written where the code is none: half of one, or beyond Unicode."""
    return written if 0xD800 <= code < 0xE000 or code > 0x10FFFF else chr(code)


def _with_marker(text: str) -> str:
    return _UNMARKED.sub(MARK, text) if MAGIC in text else text


_STEPS: dict[str, Callable[[str], str]] = {
    "escapes": _without_escapes,
    "html": html.unescape,
    "line_ends": lambda text: text.replace("\r\n", "\n").replace("\r", "\n"),
    "marker": _with_marker,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
}
