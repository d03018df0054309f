"""Look at what a build kept and dropped: page by page, or one document with its whole way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from qaz_llm.config import check_language
from qaz_llm.data.find import ONLY_BEGINNINGS, around, find_id, find_text, find_url, rows_of
from qaz_llm.data.manifest import read_manifest
from qaz_llm.data.trace import lines_of_trace, open_build, trace
from qaz_llm.errors import InputError


def show_documents(
    folder: Path,
    *,
    dropped: bool = False,
    reason: str | None = None,
    language: str | None = None,
    source: str | None = None,
    limit: int = 10,
    offset: int = 0,
) -> Iterator[dict[str, Any]]:
    """Rows of documents and conversations (or of the dropped ones), those that fit, `limit` of them from the `offset`-th on.

    Raises InputError where the folder is no build, or knows no such reason, language or source.
    """
    wanted = check_wanted(folder, reason=reason, language=language, source=source)
    rows = (found.row for found in rows_of(folder, kept=not (dropped or reason is not None)))
    fitting = (dict(row) for row in rows if fits(row, wanted))
    return islice(fitting, offset, offset + limit)


@dataclass(frozen=True)
class Shown:
    """What was found: the way of each; a list where there is more than one, and what has to be known of the search."""

    traces: list[dict[str, Any]]
    note: str | None = None
    is_list: bool = False

    def lines(self) -> list[str]:
        """As a person reads it."""
        lines: list[str] = []
        for made in self.traces:
            if self.is_list:
                fate = made["fate"]
                state = "kept" if fate["kept"] else f"dropped: {fate['reason']}"
                lines += [
                    f"{made['id']}  {made['kind']}, {state}, {fate['file']} row {fate['row']:,}",
                    f"  {made['at']}",
                ]
            else:
                lines += [*lines_of_trace(made), "", made["text"], ""]
        if self.is_list:
            lines.append("--id ID shows the whole way of one of them")
        return [*lines, *([f"note: {self.note}"] if self.note else [])]


def show_found(
    folder: Path,
    *,
    id_: str | None = None,
    url: str | None = None,
    find: str | None = None,
    dropped: bool = False,
    reason: str | None = None,
    language: str | None = None,
    source: str | None = None,
    limit: int = 10,
    offset: int = 0,
) -> Shown:
    """The way of what has an id, came from an address or holds a text, kept or dropped.

    Raises InputError where nothing fits, or more than one of the three is asked for.
    """
    named = {"--id": id_, "--url": url, "--find": find}
    given = [name for name, value in named.items() if value is not None]
    if len(given) != 1:
        raise InputError(f"{' and '.join(given)}: one of --id, --url and --find at a time", hint="leave out the others")
    wanted = check_wanted(folder, reason=reason, language=language, source=source)
    build = open_build(folder)
    if id_ is not None:
        found = iter(find_id(folder, id_))
    elif url is not None:
        found = iter(find_url(folder, url))
    else:
        found = find_text(folder, str(find), kept=False if dropped or reason is not None else None)
    fitting = list(islice((row for row in found if fits(row.row, wanted)), offset, offset + limit))
    note = ONLY_BEGINNINGS if find is not None else None
    if not fitting:
        asked = ", ".join(f"{key} {value}" for key, value in wanted.items())
        what = f"nothing {'more ' if offset else ''}holds {find!r}" if find is not None else "it is there, but not so"
        raise InputError(f"{folder}: {what}{f' ({asked})' if asked else ''}", hint=note)
    traces = [trace(row, build) for row in fitting]
    is_list = find is not None and len(fitting) > 1
    if is_list:
        traces = [{**made, "at": around(made["text"], str(find))} for made in traces]
    return Shown(traces, note, is_list)


def fits(row: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    """Whether a row has all the values that are asked for."""
    return all(row.get(key) == value for key, value in wanted.items())


def check_wanted(folder: Path, *, reason: str | None, language: str | None, source: str | None) -> dict[str, str]:
    """What rows are asked for, by field. Raises InputError for what the build does not know."""
    manifest = read_manifest(folder)
    conversations = manifest["conversations"]
    _check(folder, "source", source, [*manifest["sources"], *conversations["sources"]])
    if reason is not None and reason not in {**manifest["dropped"], **conversations["dropped"]}:
        known = (
            ", ".join(dict.fromkeys([*manifest["dropped"], *conversations["dropped"]])) or "none, nothing was dropped"
        )
        raise InputError(
            f"{folder}: no document was dropped for {reason!r}, and no conversation", hint=f"the reasons are: {known}"
        )
    if language is not None:
        _check_language(folder, language, manifest)
    wanted = {"reason": reason, "language": language, "source": source}
    return {key: value for key, value in wanted.items() if value is not None}


def _check(folder: Path, what: str, value: str | None, known: list[str]) -> None:
    if value is not None and value not in known:
        raise InputError(f"{folder}: no {what} {value!r}", hint=f"the {what}s are: {', '.join(known)}")


def _check_language(folder: Path, code: str, manifest: Mapping[str, Any]) -> None:
    """Any language that was found may be asked for; of others it is said what was probably meant."""
    known = dict.fromkeys(
        [*manifest["languages"], *manifest["found_languages"], *manifest["conversations"]["languages"], "und"]
    )
    if code in known:
        return
    hint = f"the languages found are: {', '.join(known)}"
    try:
        check_language(code)
    except ValueError as error:
        raise InputError(f"--language: {error}", hint=hint) from error
    raise InputError(f"{folder}: nothing is in {code}", hint=hint)
