"""Instruction data: the rows of a source as conversations, one after another, each with what is wrong with it.

No more of a source is in memory than its first rows and, where `max_items` is set, so many conversations.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.converters import (
    Made,
    clean_text,
    draw,
    labels_of,
    language_of,
    licence_of,
    of_label,
    of_pair,
    of_question,
    questions_of,
)
from qaz_llm.data.chat.dialogues import dialogue_problem, turns_of
from qaz_llm.data.config import ConversationSourceConfig, SourceConfig
from qaz_llm.data.readers import Row, read_hub, read_rows_of
from qaz_llm.errors import DataError, InputError
from qaz_llm.io import expand_paths, resolve_path
from qaz_llm.records import Conversation, Message

LOOKED_AT_ROWS = 100
LABELS_FROM_ROWS = 5000
"""Labels the config does not name are those of so many first rows; a later one is dropped as `unknown_label`."""


def make_conversations(
    source: ConversationSourceConfig, *, root: Path | None, seed: int, stop_on_bad_row: bool = False
) -> Iterator[Made]:
    """All conversations of a source, and the rows none could be made of; at most max_items of the former.

    Where there are more, those with the smallest hash of seed and id are taken, in the order of the file.

    Raises:
        InputError: there is no such file, or no row has the fields its kind needs.
        DataError: a damaged archive; a row that cannot be read, where `stop_on_bad_row`.
    """
    rows = _rows(source, root, stop_on_bad_row=stop_on_bad_row)
    head = list(islice(rows, LABELS_FROM_ROWS if source.kind == "classification" else LOOKED_AT_ROWS))
    _check_fields([row.fields for row in head[:LOOKED_AT_ROWS] if row.problem is None], source)
    labels = labels_of([row.fields for row in head], source) if source.kind == "classification" else ()
    numbered = enumerate(chain(head, rows))
    made = (_limited(item, source) for number, row in numbered for item in _of_row(row, number, labels, source, seed))
    return made if source.max_items is None else _drawn(made, source.max_items, seed)


def _rows(source: ConversationSourceConfig, root: Path | None, *, stop_on_bad_row: bool) -> Iterator[Row]:
    texts = source.texts if source.format == "moses" else {}
    reader = SourceConfig(
        name=source.name,
        path=source.path,
        format=source.format,
        texts=texts,
        columns=source.columns,
        hub_subset=source.hub_subset,
        hub_split=source.hub_split,
    )
    path = resolve_path(source.path, root=root)
    if source.format == "hub":
        files: Iterable[Iterator[Row]] = [read_hub(reader, path if path.is_dir() else None)]
    else:
        files = (read_rows_of(file, reader) for file in expand_paths(path))
    for row in chain.from_iterable(files):
        if row.problem is not None and stop_on_bad_row:
            raise DataError(
                f"conversations {source.name}: row {row.number + 1} cannot be read ({row.problem})",
                hint="on_bad_row: drop counts such rows and goes on",
            )
        yield row


def _check_fields(rows: Sequence[Mapping[str, Any]], source: ConversationSourceConfig) -> None:
    needed: Mapping[str, Sequence[str]] = {
        "parallel": list(source.texts if source.format == "moses" else source.texts.values()),
        "classification": [source.text_field, source.label_field],
        "qa": [source.question_field, source.answer_field],
        "chat": [],
    }
    found = sorted({key for row in rows for key in row})
    if source.kind == "qa" and {"data", "paragraphs", "qas"} & set(found):
        return
    missing = [field for field in needed[source.kind] if rows and field not in found]
    if missing:
        raise InputError(
            f"conversations {source.name}: no field {missing[0]!r} in {source.path}",
            hint=f"the fields found are: {', '.join(found)}",
        )


def _of_row(
    row: Row, number: int, labels: Sequence[str], source: ConversationSourceConfig, seed: int
) -> Iterator[Made]:
    own = row.fields.get(source.id_field or "id")
    row_id = f"{source.name}/{own if own is not None else f'{number:07d}'}"
    if row.problem is not None:
        yield Made(Conversation(row_id, (), source.name, "und", licence_of({}, source)), row.problem)
        return
    match source.kind:
        case "parallel":
            yield from of_pair(row.fields, row_id, source, seed)
        case "classification":
            yield of_label(row.fields, row_id, labels, source, seed)
        case "qa":
            for suffix, question in questions_of(row.fields, source):
                yield of_question(question, row_id + suffix, source, seed)
        case "chat":
            yield _of_dialogue(row.fields, row_id, source)


def _of_dialogue(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig) -> Made:
    messages = tuple(Message(turn.role, clean_text(turn.content, source)) for turn in turns_of(row, source))
    language = language_of(row, " ".join(m.content for m in messages if m.role == "assistant"), source)
    conversation = Conversation(row_id, messages, source.name, language, licence_of(row, source))
    said = "\n".join(message.content for message in messages if message.role != "system")
    return Made(conversation, dialogue_problem(messages), said, "chat")


def _limited(made: Made, source: ConversationSourceConfig) -> Made:
    if made.reason is not None:
        return made
    length = sum(len(message.content.split()) for message in made.conversation.messages)
    return replace(made, reason="too_long") if length > source.max_words else made


def _drawn(made: Iterator[Made], max_items: int, seed: int) -> Iterator[Made]:
    """Those with a reason as they come, then of the others the `max_items` that are drawn."""
    heap: list[tuple[int, int, Made]] = []  # the one drawn last on top
    for order, item in enumerate(made):
        if item.reason is not None:
            yield item
            continue
        entry = (-draw(seed, item.conversation.id), -order, item)
        if len(heap) < max_items:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    yield from (item for _, _, item in sorted(heap, key=lambda entry: -entry[1]))


def with_messages(conversation: Conversation, contents: Sequence[str]) -> Conversation:
    """The conversation with other contents in its turns."""
    messages = tuple(replace(m, content=c) for m, c in zip(conversation.messages, contents, strict=True))
    return replace(conversation, messages=messages)
