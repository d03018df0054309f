"""What tells of a machine and its people in a text: absolute paths, names of users and hosts."""

from __future__ import annotations

import getpass
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PART = r"""[^\s/\\"'`<>|:,;()\[\]{}*?]+"""
REPLACED = "".join(rf"(?<!{mark})" for mark in ("<run>", "<path>", "&lt;run&gt;", "&lt;path&gt;"))
"""Not after what stands for a path already, in a text or on a page."""
PATH = re.compile(
    rf"(?:file://|(?<![\w./~<\\-]){REPLACED}~?)/(?:{PART}/)+(?:{PART})?"  # two parts and more: /a/b, ~/a/b
    rf"|(?<![\w./])~/{PART}"
    rf"|\b[A-Za-z]:\\(?:{PART}\\?)+"
)
"""An absolute path of POSIX or Windows inside a text. An URL is none, nor is what closes a tag, nor `kk/ru/en`."""
WHOLE_PATH = re.compile(rf"/{PART}")
"""A path of one part, which is one only where nothing stands beside it."""

COMMON = frozenset({"root", "user", "users", "home", "admin", "ubuntu", "debian", "localhost", "host", "node", "data"})
"""Names that tell nothing, and are words of other meaning."""


@dataclass(frozen=True)
class MachineWords:
    """Replaces paths and the given names of users and hosts; `replace` counts by kind."""

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
        """The text with `<path>/NAME`, `<user>` and `<host>` in their place, and how many of each there were.

        >>> MachineWords(frozenset({"aigul"}), frozenset({"node07"})).replace("aigul@node07: /home/aigul/run/a.json")
        ('<user>@<host>: <path>/a.json', Counter({'path': 1, 'host': 1, 'user': 1}))
        """
        counts: Counter[str] = Counter()

        def shorten(match: re.Match[str]) -> str:
            counts["path"] += 1
            for root, name in self.roots.items():
                if match[0] == root or match[0].startswith(f"{root}/"):
                    return name + match[0].removeprefix(root)
            last = re.split(r"[/\\]", match[0].rstrip("/\\"))[-1]
            return f"<path>/{last}"

        text = PATH.sub(shorten, text)
        if WHOLE_PATH.fullmatch(text):
            counts["path"] += 1
            text = "<path>"
        for kind, names in (("host", self.hosts), ("user", self.users)):
            if names:
                text, number = re.subn(_any_of(names), f"<{kind}>", text)
                counts[kind] += number
        return text, +counts

    def replace_in(self, value: Any) -> tuple[Any, Counter[str]]:
        """The same for every string of JSON values, keys too."""
        counts: Counter[str] = Counter()

        def changed(part: Any) -> Any:
            if isinstance(part, str):
                text, found = self.replace(part)
                counts.update(found)
                return text
            if isinstance(part, dict):
                return {changed(key): changed(item) for key, item in part.items()}
            return [changed(item) for item in part] if isinstance(part, list) else part

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


def _telling(names: set[str]) -> frozenset[str]:
    return frozenset(name for name in names if len(name) > 1 and name.lower() not in COMMON)


def _any_of(names: frozenset[str]) -> str:
    return rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted(names, key=len, reverse=True)))})(?![\w-])"
