"""What tells of a machine and its people in a text: paths, names of users and hosts, and what `secrets.py` knows."""

from __future__ import annotations

import getpass
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qaz_llm.io.secrets import SECRET, is_secret_value, replace_emails, replace_logins, replace_secrets

PART = r"""[^\s/\\"'`<>|:,;()\[\]{}*?]+"""
_MORE = rf"(?:[\\/]{{1,2}}{PART})*[\\/]*"
_SPACED = rf"(?: {PART}[\\/]{{1,2}}(?:{PART}{_MORE})?| [\w-]+\.\w{{1,5}}(?![\w/\\.])){{0,8}}"
"""What goes on behind a space: a part with a separator behind it, or the name of a file."""
REPLACED = "".join(rf"(?<!{mark})" for mark in ("<run>", "<path>", "&lt;run&gt;", "&lt;path&gt;"))
"""Not after what stands for a path already, in a text or on a page."""
_VARIABLE = r"(?:\$(?:env:)?\{?[A-Z_][A-Z0-9_]+\}?|%[A-Z_][A-Z0-9_]+%)"
_STARTS = (
    rf"\b(?:file|smb|cifs|nfs|afp|ssh|sftp|scp|rsync)://+(?:{PART}(?::\d+)?)?(?=/|\\)",
    rf"(?<![\w./~<\\-]){REPLACED}~?/(?={PART}/)",  # two parts and more: /a/b, ~/a/b
    rf"(?<![\w./:<]){REPLACED}//+(?={PART}/)",  # //server/share
    r"(?<![\w./])~(?:[^\W\d][\w.-]*)?[\\/](?=\w)",  # ~/x, ~somebody/x
    r"(?<![\w./\\])(?:\.\.?[\\/])+(?:home|Users)[\\/]",
    r"(?<![\w./\\])(?:\.[\\/])?(?:\.\.[\\/]){2,}(?=\w)",
    rf"(?<![\w$]){_VARIABLE}[\\/]{{1,2}}(?=[\w.])",
    r"\b[A-Za-z]:(?:\\{1,2}|/)(?=[\w.])",
    rf"(?<![\w\\])\\{{2,4}}(?={PART}\\)",  # \\server\share
)
_START = rf"(?:{'|'.join(_STARTS)})"
PATH = re.compile(rf"{_START}(?:{PART})?{_MORE}{_SPACED}")
"""A path of a machine inside a text: absolute ones of POSIX and Windows, those of somebody's home, of a variable, of a server's share, and
those that climb out of their folder. An URL is none, nor is what closes a tag, nor `kk/ru/en`."""
WHOLE_PATH = re.compile(rf"/{PART}|~[^\W\d][\w.-]*")
"""A path of one part, which is one only where nothing stands beside it."""
_TWO = re.compile(rf"\s(?:[\w-]+://|{_START})")
_QUOTED = re.compile(rf"""(?P<quote>["'`])(?P<path>{_START}[^"'`<>\n]{{0,400}})(?P=quote)""")
_VALUE = re.compile(rf"(?m)^(?P<name>[ \t]*(?:-[ \t]+)*(?:[\w.-]+:[ \t]+)?)(?P<path>{_START}(?:(?![ \t]#)[^\"'`<>\n]){{0,400}}?)(?=[ \t]*(?:$|[ \t]#))")  # fmt: skip
"""Paths with spaces where something shows how far they go: marks around them, or the whole value of a line of YAML."""
_HOMES = ("home", "Users", "users")

COMMON = frozenset({"root", "user", "users", "home", "admin", "ubuntu", "debian", "localhost", "host", "node", "data"})
"""Names that tell nothing, and are words of other meaning."""


@dataclass(frozen=True)
class MachineWords:
    """Replaces secrets, addresses, paths and the given names of users and hosts; `replace` counts by kind."""

    users: frozenset[str]
    hosts: frozenset[str]
    roots: Mapping[str, str] = field(default_factory=dict)
    """Folders below which a path keeps its parts, and what each is called: `/scratch/run7` `<run>`."""

    @classmethod
    def here(
        cls, *, users: Iterable[str] = (), hosts: Iterable[str] = (), roots: Mapping[str, str] | None = None
    ) -> MachineWords:
        """The names of this machine and its user, and those given."""
        try:
            user = getpass.getuser()
        except (KeyError, OSError):  # a number without a name, as in some containers
            user = ""
        return cls(_telling({user, *users}), _telling({socket.gethostname(), socket.getfqdn(), *hosts}), roots or {})

    def replace(self, text: str) -> tuple[str, Counter[str]]:
        """The text with `<secret>`, `<email>`, `<path>/NAME`, `<user>` and `<host>` in their place, and how many of each there were.

        >>> MachineWords(frozenset({"aigul"}), frozenset({"node07"})).replace("aigul@node07: /home/aigul/run/a.json")
        ('<user>@<host>: <path>/a.json', Counter({'path': 1, 'host': 1, 'user': 1}))
        """
        counts: Counter[str] = Counter()
        text = replace_emails(replace_secrets(text, counts), counts)
        text = self._without_paths(text, counts)
        for kind, names in (("host", self.hosts), ("user", self.users)):
            if names:
                text, number = re.subn(_any_of(names), f"<{kind}>", text)
                counts[kind] += number
        return replace_logins(text, counts), +counts

    def _without_paths(self, text: str, counts: Counter[str]) -> str:
        def shorten(path: str) -> str:
            counts["path"] += 1
            return _shortened(path)

        def below(match: re.Match[str]) -> str:
            counts["path"] += 1
            return _shortened(match[0]) if match[2] else self.roots[match[1]]

        if self.roots:
            known = "|".join(map(re.escape, sorted(self.roots, key=len, reverse=True)))
            climbing = rf"(?:/{PART})*?/\.\.(?:/{PART})*"  # out of the folder again, to wherever
            text = re.sub(rf"(?<![\w./~<\\-])({known})(?![^\s/\"'`<>|:,;()\[\]{{}}*?])({climbing})?", below, text)

        def whole(match: re.Match[str]) -> str:
            if _TWO.search(match["path"]):
                return match[0]
            start, end = match.span("path")
            around = match.string[match.start() : start], match.string[end : match.end()]
            return shorten(match["path"]).join(around)

        text = _VALUE.sub(whole, _QUOTED.sub(whole, text))
        text = PATH.sub(lambda match: shorten(match[0]), text)
        if WHOLE_PATH.fullmatch(text):
            counts["path"] += 1
            return "<path>"
        return text

    def replace_in(self, value: Any) -> tuple[Any, Counter[str]]:
        """The same for every string of JSON values, keys too; what a value is called tells of it, too."""
        counts: Counter[str] = Counter()

        def changed(part: Any, name: str = "") -> Any:
            if isinstance(part, str):
                if is_secret_value(name, part):
                    counts[SECRET] += 1
                    return f"<{SECRET}>"
                text, found = self.replace(part)
                counts.update(found)
                return text
            if isinstance(part, dict):
                return _apart((changed(key), changed(item, str(key))) for key, item in part.items())
            if isinstance(part, list):  # of a command's words, an option names the one behind it
                return [changed(item, _named_by(before, name)) for before, item in zip(["", *part], part, strict=False)]
            return part

        return changed(value), counts


def paths_in(value: Any) -> Iterator[str]:
    """Absolute paths in the strings of JSON values, or in a text."""
    if isinstance(value, str):
        found = [match[0] for match in PATH.finditer(value)]
        yield from found or ([value] if WHOLE_PATH.fullmatch(value) else [])
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from paths_in(key)
            yield from paths_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from paths_in(item)


def _shortened(path: str) -> str:
    """`<path>/NAME`, where the name is that of a file, or of a folder so deep that it is nobody's home and no share's.

    >>> _shortened("/home/aidar/my docs/x"), _shortened("/home/aidar"), _shortened("$HOME/aidar"), _shortened("~/a.json")
    ('<path>/x', '<path>', '<path>', '<path>/a.json')
    """
    is_server = re.match(r"\\\\|//|\w+://", path)
    parts = [part for part in re.split(r"[/\\]+", path) if part and part not in (".", "..")]
    home = next((place for place, part in enumerate(parts) if part in _HOMES), None)
    is_short = path[0] in "~$%." or bool(re.match("[A-Za-z]:", path))
    if home is not None:
        return f"<path>/{parts[-1]}" if len(parts) > home + 2 else "<path>"
    if is_server:
        parts = parts[3 if "://" in path else 2 :]
    elif is_short:
        parts = parts[path[0] != "." :]
    if not parts:
        return "<path>"
    is_file = re.search(r"[^.]\.\w{1,8}$", parts[-1])
    return f"<path>/{parts[-1]}" if is_file or len(parts) > (1 if is_short or is_server else 2) else "<path>"


def _apart(items: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    """A dict of which no item is lost, where two keys came to be called alike."""
    made: dict[Any, Any] = {}
    for key, item in items:
        name, number = key, 1
        while name in made:
            number += 1
            name = f"{key} ({number})"
        made[name] = item
    return made


def _named_by(before: Any, name: str) -> str:
    return before if isinstance(before, str) and before.startswith("-") else name


def _telling(names: set[str]) -> frozenset[str]:
    return frozenset(name for name in names if len(name) > 1 and name.lower() not in COMMON)


def _any_of(names: frozenset[str]) -> str:
    return rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\w-])"
