"""What lets somebody in, or leads to a person, in a text: passwords, tokens, keys, addresses of e-mail.

    https://user:pass@host/x          https://<secret>@host/x        whoever is named in an address, with or without a password
    https://host/x?token=abc          https://host/x?token=<secret>  by the name in an address's query, however short
    hf_…, sk-…, AKIA…, eyJ….…         <secret>                       by their shape, wherever they stand
    password: Құпия сөз               password: <secret>             by the name before it, whatever it is
    api_key=9f86d081884c7d65          api_key=<secret>               by the name before it, where it is long and no word
    aidar@example.kz                  <email>

A secret of another shape under another name is not known to be one.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

SECRET, EMAIL = "secret", "email"

_SHAPES = (
    r"hf_[A-Za-z0-9]{16,}",
    r"(?:sk|rk|pk)[-_](?:[a-z0-9]+[-_])?[\w-]{16,}",
    r"gh[pousr]_[A-Za-z0-9]{16,}",
    r"(?:github_pat|npm|dckr_pat|dop_v1|whsec|shpat|lin_api|gsk|r8|glsa|api_org)_\w{16,}",
    r"(?:glpat|nvapi|pypi|dapi|tvly|pplx|xapp|xox[abeoprs])-?[\w-]{16,}",
    r"(?:AKIA|ASIA|AROA|AIDA)[A-Z0-9]{12,}",
    r"AIza[\w-]{20,}",
    r"ya29\.[\w-]{16,}",
    r"SG\.[\w-]{16,}\.[\w-]{16,}",
    r"\d{8,10}:[\w-]{35}",  # bots of Telegram
    r"eyJ[\w-]{6,}\.[\w-]{6,}(?:\.[\w-]*)?",  # JWT
)
_OF_SHAPE = re.compile(rf"(?<![\w-])(?:{'|'.join(_SHAPES)})")
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY( BLOCK)?-----|\Z)", re.DOTALL)  # fmt: skip
_BEARER = re.compile(r"(?i)\b((?:bearer|basic)\s+)(?:(?=[\w.~+/-]*\d)[\w.~+/-]{8,}=*|[\w.~+/-]{20,}=*)")

_TELLING = r"(?:passw(?:or)?d|passphrase|passcode|pwd|secret|credentials?|authorization|құпия[ _]?сөз|пароль)"
"""Names of which every value is a secret."""
_MAYBE = r"(?:key|token|auth|signature|sig|cookie|session|access[_-]?key)"
"""Names of secrets and of much else, so that the value has to look like one."""
_ID = r"(?:[_-]?(?:id|value|key|access[_-]?key))?"
_IN_ADDRESS = re.compile(r"""(?<=://)(?:[^\s/?#"`<>]+|[^\s/?#:"`<>]*:(?!\d+[/?#])[^\s"`<>]+)(?=@)""")
"""Before the @ of a host; where a password has a slash that was not written %2F, up to the last @."""
_IN_QUERY = re.compile(rf"""(?i)([?&#](?:amp;)?[\w.\[\]-]*(?:{_TELLING}|{_MAYBE}|pass|pw){_ID}=)([^\s&#"'`<>]+)""")
_SIGN = r"""["'`]?[ \t]*(?:=>|:=|[:=])[ \t]*"""
_LINE = re.compile(rf"(?im)^([ \t]*(?:-[ \t]+)*[\w.-]*{_TELLING}{_ID}:[ \t]+)(?![\"'<|>\[{{&*!])(?!{'(?:null|none|true|false|~|[0-9]{1,5})'}[ \t]*$)(?=\S)(?:(?![ \t]#).)+$")  # fmt: skip
_BLOCK = re.compile(
    rf"(?im)^(([ \t]*)[\w.-]*{_TELLING}{_ID}:[ \t]*)[|>][-+0-9]*[ \t]*\n(?:[ \t]*\n|\2[ \t]+.*(?:\n|\Z))+"
)
_NAMED = re.compile(
    rf"""(?i)({_TELLING}{_ID}{_SIGN})("[^"\n]+"|'[^'\n]+'|(?:(?:basic|bearer|digest|token)[ \t]+)?[^\s"'`,;&#<>()\[\]{{}}]+)"""
)
_LONG_NAMED = re.compile(rf"""(?i)({_MAYBE}{_ID}{_SIGN}["'`]?)([\w+/.~-]{{16,}}=*)""")
_OPTION_WORD = r"--?[\w-]*(?:token|api-?key|passw(?:or)?d|secret|passphrase)"
_OPTION = re.compile(rf"""(?i)((?<![\w-]){_OPTION_WORD}(?:[ \t]+|=))("[^"\n]+"|'[^'\n]+'|[^\s"'<>-][^\s"'<>]{{5,}})""")
_NO_SECRET = re.compile(r"(?i)(?:null|none|true|false|~|[0-9]{1,5}|\$\{?\w+\}?|\*+|…|\.\.\.)")
_EMAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]+@(?:[\w-]+\.)+[^\W\d_]{2,}(?![\w-])")
_LOGIN = re.compile(r"(?<![\w.+%/@-])[^\W\d][\w.-]*@(?:[^\W\d_][\w-]+(?![\w@/.-]|\.\w)|<host>)")
"""Somebody on a machine: aidar@gpu01. `pass@k` is a measure."""
_TELLING_NAME = re.compile(rf"(?i).*{_TELLING}{_ID}")
_MAYBE_NAME = re.compile(rf"(?i).*{_MAYBE}{_ID}")
_OPTION_NAME = re.compile(rf"(?i){_OPTION_WORD}")
_LONG = re.compile(r"[\w+/.~-]{16,}=*")


def safe_to_show(text: str) -> str:
    """The text without what lets somebody in by the addresses in it; for messages, logs, and addresses that are written down.

    >>> safe_to_show("https://aidar:Qupia1@hub.example.kz/api?token=abc&page=2 cannot be reached")
    'https://<secret>@hub.example.kz/api?token=<secret>&page=2 cannot be reached'
    """
    return _replace_in_addresses(text, Counter())


def safe_values(value: Any, *, by_name: bool = False) -> Any:
    """The same of each text in mappings and sequences; with `by_name` also what is a secret by the name it has there.

    >>> safe_values({"url": "https://h/v1?key=abc", "body": {"password": "x y"}}, by_name=True)
    {'url': 'https://h/v1?key=<secret>', 'body': {'password': '<secret>'}}
    """
    if isinstance(value, str):
        return safe_to_show(value)
    if isinstance(value, Mapping):
        return {
            key: f"<{SECRET}>"
            if by_name and isinstance(one, str) and is_secret_value(str(key), one)
            else safe_values(one, by_name=by_name)
            for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [safe_values(one, by_name=by_name) for one in value]
    return value


class SafeRecord(logging.LogRecord):
    """A line of a log, whoever writes it, as `safe_to_show` leaves it: libraries log the addresses that they ask."""

    def getMessage(self) -> str:
        """The message with its arguments."""
        return safe_to_show(super().getMessage())


def replace_secrets(text: str, counts: Counter[str]) -> str:
    """The text with `<secret>` in the place of what lets somebody in; adds their number to `secret`.

    >>> replace_secrets("wget --password=Qupia1 https://aidar:Qupia1@example.kz/x", Counter())
    'wget --password=<secret> https://<secret>@example.kz/x'
    """

    def named(match: re.Match[str]) -> str:
        value = match[2].strip("\"'")
        if not value or value.startswith("<") or _NO_SECRET.fullmatch(value):
            return match[0]
        return counted(match)

    def long_named(match: re.Match[str]) -> str:
        return counted(match) if _is_no_word(match[2]) else match[0]

    def counted(match: re.Match[str]) -> str:
        counts[SECRET] += 1
        return f"{match[1] or ''}<{SECRET}>" if match.re.groups else f"<{SECRET}>"

    def whole(_: re.Match[str]) -> str:
        counts[SECRET] += 1
        return f"<{SECRET}>"

    def block(match: re.Match[str]) -> str:
        return counted(match) + "\n"

    text = _replace_in_addresses(text, counts)
    for pattern, replacement in (
        (_PRIVATE_KEY, whole),
        (_BLOCK, block),
        (_LINE, counted),
        (_OF_SHAPE, whole),
        (_BEARER, counted),
        (_NAMED, named),
        (_OPTION, named),
        (_LONG_NAMED, long_named),
    ):
        text = pattern.sub(replacement, text)
    return text


def _replace_in_addresses(text: str, counts: Counter[str]) -> str:
    def value(match: re.Match[str]) -> str:
        if _NO_SECRET.fullmatch(match[2]):
            return match[0]
        counts[SECRET] += 1
        return f"{match[1]}<{SECRET}>"

    text, number = _IN_ADDRESS.subn(f"<{SECRET}>", text)
    counts[SECRET] += number
    return _IN_QUERY.sub(value, text)


def replace_emails(text: str, counts: Counter[str]) -> str:
    """The text with `<email>` in the place of addresses; adds their number to `email`."""
    text, number = _EMAIL.subn(f"<{EMAIL}>", text) if "@" in text else (text, 0)
    counts[EMAIL] += number
    return text


def replace_logins(text: str, counts: Counter[str]) -> str:
    """The same of `somebody@machine`, counted with the addresses."""
    text, number = _LOGIN.subn(f"<{EMAIL}>", text) if "@" in text else (text, 0)
    counts[EMAIL] += number
    return text


def is_secret_value(name: str, value: str) -> bool:
    """Whether a value is a secret by the name that it has: a key of JSON, or the option before it on a command line."""
    if not value or value.startswith("<") or _NO_SECRET.fullmatch(value):
        return False
    if _TELLING_NAME.fullmatch(name) or _OPTION_NAME.fullmatch(name):
        return True
    return bool(_MAYBE_NAME.fullmatch(name) and _LONG.fullmatch(value)) and _is_no_word(value)


def _is_no_word(value: str) -> bool:
    """Whether letters and digits are mixed as in no name: hexadecimal, or capitals, small letters and digits."""
    has_digit = any(map(str.isdigit, value))
    if re.fullmatch("[0-9a-fA-F-]{16,}", value):
        return has_digit and any(map(str.isalpha, value))
    return has_digit and value != value.lower() and value != value.upper()
