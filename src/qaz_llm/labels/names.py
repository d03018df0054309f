"""Names in labels and certificates: what may be written into them, and how they are shown to whoever reads them.

    "Мектеп"                     "Мектеп"
    "x\\n\\x1b[2Jtrusted 0–99"     "x\\n\\x1b[2Jtrusted 0–99"     the escapes as letters: no new line, nothing for the terminal to obey

A label is written by whoever likes to, and `qaz verify` prints what it says beside its own verdict. So what comes out of a label is shown in
quotation marks, on one line, cut to MAX_CHARS, and without a character that moves, hides or turns round what stands beside it.
"""

from __future__ import annotations

import re

from qaz_llm.errors import InputError

MAX_CHARS = 200
CERTIFICATE_CHARS = 64
"""What a certificate has room for (RFC 5280, appendix A.1: ub-organization-name, ub-common-name)."""
UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef"
"""What Python calls printable and nobody sees: joiners, fillers, the blank of Braille and variation selectors."""
_UNSEEN = re.compile(f"[{UNSEEN}]")
_SPACES = re.compile(" {2,}")
_OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What a terminal obeys, ends a line at or turns round, and halves of characters, which it cannot be sent; lines and tabs are none."""


def check_name(name: str, option: str) -> str:
    """The name. Raises InputError where it is too long for a label, or has characters that are not seen or not shown as they are.

    >>> check_name("Білім министрлігі", "--organisation")
    'Білім министрлігі'
    """
    if len(name) > MAX_CHARS:
        raise InputError(
            f"{option}: {len(name):,} characters, at most {MAX_CHARS} are allowed", hint="give a shorter name"
        )
    unfit = next((character for character in name if _is_unfit(character)), None)
    if unfit is not None:
        raise InputError(
            f"{option}: has U+{ord(unfit):04X} in it, which is not seen; control characters, line ends and marks of direction are refused",
            hint="readers see the name beside a verdict: write it in letters, digits, signs and spaces",
        )
    if name and not name.strip():
        raise InputError(f"{option}: white space alone is no name", hint="give a name, or leave the option out")
    return name


def shown(text: str) -> str:
    """A text of somebody else on one line of at most MAX_CHARS characters, what is not seen as its escape.

    >>> print(shown("demo\\n\\x1b[2J\\u202e!"))
    demo\\n\\x1b[2J\\u202e!
    """
    line = escaped(_SPACES.sub(" ", text[: MAX_CHARS + 1]))
    return line if len(line) <= MAX_CHARS else f"{line[: MAX_CHARS - 1]}…"


def escaped(text: str) -> str:
    """A text of somebody else as it is, but what is not seen, or is obeyed by a terminal, as its escape.

    >>> print(escaped("step 3\\r\\x1b[2J"))
    step 3\\r\\x1b[2J
    """
    return "".join(_escape(character) if _is_unfit(character) else character for character in text)


def safe_lines(text: str) -> str:
    """A text of lines as it is, but what a terminal obeys as its escape: of a name or a line that is to stay one, take `escaped`.

    >>> print(safe_lines("one\\n\\x1b[2Jtwo\\x9b1A"))
    one
    \\x1b[2Jtwo\\x9b1A
    """
    return _OBEYED.sub(lambda match: _escape(match[0]), text)


def safe_json(text: str) -> str:
    """JSON with the same characters as JSON's own escapes: it means what it meant.

    >>> print(safe_json('{"a": "\\x9b1A"}'))
    {"a": "\\u009b1A"}
    """
    return _OBEYED.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def quoted(text: str) -> str:
    """`shown` in quotation marks that the text cannot close.

    >>> print(quoted('demo", signed by "Мектеп'))
    "demo', signed by 'Мектеп"
    """
    return '"' + shown(text).replace('"', "'") + '"'


def _is_unfit(character: str) -> bool:
    return not character.isprintable() or bool(_UNSEEN.match(character))


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
