"""What a build guessed, cut, could not match or left unread: counted by kind and place, so that nothing of it is silent.

    notices = Notices()
    notices.add("encoding_recognised", "news: a.csv (windows-1251)")
    notices.to_list()   [{"kind": "encoding_recognised", "where": "news: a.csv (windows-1251)", "count": 1}]

A notice is no reason for dropping: what is dropped is counted under its reason. Readers and converters are given the notices
of their part; the manifest holds those of all parts, and the command's last lines, the report and the card show them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

MEANINGS: Mapping[str, str] = {
    "context_unused": "questions asked without the `context` of their rows (context_field: context puts it beside them)",
    "continuations_shortened": "texts of which the first whole sentences are continued and the others left out (max_words)",
    "conversations_refused": "sources of conversations not read, their licence is refused",
    "dialect_recognised": "tables whose delimiter or quotes were recognised, not declared",
    "encoding_recognised": "files read in an encoding that was recognised, not declared",
    "files_are_documents": "files of plain text of which each is one document (rows: line reads them by lines)",
    "files_not_read": "files in the folders of sources that are of no format known, by suffix",
    "items_unmatchable": "evaluation items of which no text is long enough to be looked for",
    "licence_not_understood": "rows whose licence is not understood and counts as unknown",
    "no_address": "rows without an address, which cannot be held against the lists of opt_outs",
    "nothing_kept": "rows read of sources of which nothing is kept",
    "repeated_document_ids": "documents whose id another one with other text has too, kept under a new id",
    "repeated_ids": "conversations whose id another one has too, kept under a new id",
    "unanswered_turns": "conversations kept without what was asked after their last answer",
}
"""What each kind means, for people; a kind that is not listed is shown by its name."""


class Notices:
    """Counts by kind and place, places in the order in which they came."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, kind: str, where: str, count: int = 1) -> None:
        """Count something of a kind (a key of MEANINGS) at a place: a source, a file, a field."""
        if count:
            self._counts[kind, where] += count

    def update(self, listed: Iterable[Mapping[str, Any]]) -> None:
        """Add what `to_list` gave, of another part or process."""
        for notice in listed:
            self.add(notice["kind"], notice["where"], notice["count"])

    def to_list(self) -> list[dict[str, Any]]:
        """As JSON values, kinds in the order of their names."""
        ordered = sorted(self._counts.items(), key=lambda pair: pair[0][0])
        return [{"kind": kind, "where": where, "count": count} for (kind, where), count in ordered]


PLACES_SHOWN = 3


def lines_of(listed: Iterable[Mapping[str, Any]]) -> list[str]:
    """One line per kind, as a person reads it.

    >>> lines_of([{"kind": "licence_not_understood", "where": "web", "count": 1200}])
    ['rows whose licence is not understood and counts as unknown: 1,200 (web)']
    """
    places: dict[str, dict[str, int]] = {}
    for notice in listed:
        places.setdefault(notice["kind"], {})[notice["where"]] = notice["count"]
    return [f"{meaning_of(kind)}: {sum(found.values()):,} ({_named(list(found))})" for kind, found in places.items()]


def meaning_of(kind: str) -> str:
    """What a kind of notice means, for people."""
    return MEANINGS.get(kind, kind.replace("_", " "))


def _named(places: list[str]) -> str:
    rest = len(places) - PLACES_SHOWN
    return "; ".join([*places[:PLACES_SHOWN], *([f"{rest:,} more"] if rest > 0 else [])])
