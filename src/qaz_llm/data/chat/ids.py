"""The ids of conversations: what a row calls itself where that tells it from the others, and else where it stands.

    one file, rows with `id` 7           c/7
    one file, rows without               c/0000004          the fifth row
    several files, `id` 0 in each        c/a.jsonl/0        c/b.jsonl/0
    `id` 7 a second time in a file       c/7#0000012        the thirteenth row

A field that looks like an id is a label and no more: many sets number their rows anew in each file. Only with `id_field` is
it taken for the row's name in all files, and even then a row is dropped only where its content is the same too.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import xxhash

from qaz_llm.data.chat.converters import Made
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.data.readers import Row


@dataclass(frozen=True)
class ConversationIds:
    """Gives the conversations of one source their ids, each its own, the same in every run."""

    source: ConversationSourceConfig
    _seen: set[int] = field(default_factory=set)

    def of_row(self, row: Row, file: str) -> str:
        """The id of a row. `file` tells its file from the others of the source; empty where there is one only."""
        own = _own_id(row.fields, self.source.id_field or "id")
        parts = (self.source.name, *([file] if file and not (own and self.source.id_field) else []))
        return "/".join((*parts, own or f"{row.number:07d}"))

    def distinct(self, made: Made, row: Row, file: str) -> Made:
        """The conversation, under another id where an earlier one has its own."""
        wanted = made.conversation.id
        place = f"{file}/{row.number:07d}" if file and self.source.id_field else f"{row.number:07d}"
        chosen, count = wanted, 0
        while (key := xxhash.xxh3_64_intdigest(chosen.encode("utf-8", "replace"))) in self._seen:
            count += 1
            chosen = f"{wanted}#{place}" if count == 1 else f"{wanted}#{place}.{count}"
        self._seen.add(key)
        if chosen == wanted:
            return made
        return replace(made, conversation=replace(made.conversation, id=chosen), repeats_id=wanted)


def _own_id(fields: Mapping[str, object], name: str) -> str | None:
    """What a row calls itself; None where that is nothing, or no plain value."""
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or not str(value).strip():
        return None
    return str(value)
