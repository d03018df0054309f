"""What holders of rights have closed to training, by machine-readable lists and by fields of rows: it never becomes a document.

A list is a text file, a line for each host or beginning of an address; what follows # is a comment:

    blog.example.kz                  the host and all hosts below it
    example.kz/essays/               addresses of this host that begin so
    https://www.қала.қаз/a           scheme, port and a leading www. say nothing, hosts are compared as IDNA writes them

A field of a row (`opt_out_field`) is one that says so itself, as `tdm-reservation: 1` of TDMRep (W3C community group, 2024) does:
anything but null, false, 0 and words for no closes the row.

Only what is known is kept out: a row without an address cannot be held against a list, which is counted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from qaz_llm.errors import InputError
from qaz_llm.io import expand_paths, fingerprint_file, resolve_path

if TYPE_CHECKING:
    from qaz_llm.data.config import DataConfig

OPTED_OUT = "opted_out"
"""The reason of what is dropped so."""

MAX_LIST_BYTES = 256 << 20
NOT_CLOSED = frozenset({"", "0", "false", "no", "none", "null", "нет", "жоқ"})


@dataclass(frozen=True)
class OptOuts:
    """The entries of all lists: for each host the beginnings of paths that are closed, `/` for all of it and all hosts below it."""

    paths_by_host: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def num_entries(self) -> int:
        return sum(map(len, self.paths_by_host.values()))

    def is_closed(self, url: str) -> bool:
        """Whether an entry closes this address.

        >>> found = OptOuts({"example.kz": ("/essays/",), "blog.kz": ("/",)})
        >>> [found.is_closed(url) for url in ("http://www.blog.kz:80/a", "example.kz/essays/1?x=2", "https://example.kz/", "notblog.kz")]
        [True, True, False, False]
        """
        host, path = _parts_of(url)
        labels = host.split(".")
        above = (".".join(labels[n:]) for n in range(1, len(labels)))
        return any(path.startswith(begin) for begin in self.paths_by_host.get(host, ())) or any(
            "/" in self.paths_by_host.get(parent, ()) for parent in above
        )


def says_no(value: Any) -> bool:
    """Whether the value of a row's own field closes it.

    >>> [says_no(v) for v in (1, "1", True, "noai", {"policy": "…"}, 0, "0", None, "no", False)]
    [True, True, True, True, True, False, False, False, False, False]
    """
    if isinstance(value, str):
        return value.strip().casefold() not in NOT_CLOSED
    return bool(value) and value == value  # nan: a column of numbers has nothing there


def opt_out_files(lists: Sequence[str], *, root: Path | None = None) -> list[Path]:
    """The files of the lists. Raises InputError where one is not there."""
    return [path for one in lists for path in expand_paths(resolve_path(one, root=root))]


def read_opt_outs(lists: Sequence[str], *, root: Path | None = None) -> OptOuts:
    """The entries of all lists.

    Raises:
        InputError: a list that is not there, that is no text, or has a line that is no host and no address; one without any entry.
    """
    found: dict[str, dict[str, None]] = {}
    for path in opt_out_files(lists, root=root):
        entries = list(_entries_of(path))
        if not entries:
            raise InputError(
                f"opt_outs.lists {path}: no entry in it", hint="leave it out, or name the list that was meant"
            )
        for host, begin in entries:
            found.setdefault(host, {})[begin] = None
    return OptOuts({host: tuple(begins) for host, begins in found.items()})


def _entries_of(path: Path) -> Iterator[tuple[str, str]]:
    """Host and beginning of the path of each line."""
    hint = "one a line, for instance example.kz or example.kz/blog/; a host closes all hosts below it"
    if path.stat().st_size > MAX_LIST_BYTES:
        raise InputError(f"opt_outs.lists {path}: more than {MAX_LIST_BYTES >> 20} MB", hint=hint)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"opt_outs.lists {path}: no UTF-8 text", hint=hint) from error
    for number, line in enumerate(lines, 1):
        entry = re.split(r"(?:^|\s)#", line, maxsplit=1)[0].strip()  # an address may have a # of its own
        if not entry:
            continue
        host, begin = _parts_of(entry)
        is_person = "@" in (entry.partition("://")[2] or entry).partition("/")[0]
        if is_person or not re.fullmatch(r"[^\s,;*/]+\.[^\s,;*/]+", host):
            raise InputError(
                f"opt_outs.lists {path}, line {number}: {entry[:60]!r} is no host and no address", hint=hint
            )
        yield host, begin


def describe_lists(lists: Sequence[str], *, root: Path | None = None) -> list[dict[str, Any]]:
    """Each file by name and fingerprint, for the manifest."""
    return [{"file": path.name, "fingerprint": fingerprint_file(path)} for path in opt_out_files(lists, root=root)]


def account(
    config: DataConfig, opt_outs: OptOuts, dropped: Mapping[str, int], notices: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """What the manifest says of opt-outs: nothing where none were asked for."""
    fields = {source.name: source.opt_out_field for source in config.sources if source.opt_out_field is not None}
    if not config.opt_outs.lists and not fields:
        return {}
    return {
        "lists": describe_lists(config.opt_outs.lists, root=config.root),
        "fields": fields,
        "entries": opt_outs.num_entries,
        "rows_closed": dropped.get(OPTED_OUT, 0),
        "rows_without_address": sum(one["count"] for one in notices if one["kind"] == "no_address"),
    }


def _parts_of(address: str) -> tuple[str, str]:
    """Host, as IDNA writes it, and path of an address, with or without a scheme. A host in which IDNA finds a fault stays as it is."""
    whole = address.strip() if "://" in address else f"//{address.strip().removeprefix('//')}"
    try:
        split = urlsplit(whole)
        host = (split.hostname or "").rstrip(".")
    except ValueError:  # brackets that are no IPv6 address
        return "", "/"
    with suppress(UnicodeError):
        host = host.encode("idna").decode("ascii")
    return host.removeprefix("www."), unquote(split.path) or "/"
