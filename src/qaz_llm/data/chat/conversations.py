"""Instruction data: the rows of a source as conversations, one after another, each with what is wrong with it.

No more of a source is in memory than its first rows and, where `max_items` is set, so many conversations.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

from qaz_llm.data.chat.continuation import of_text
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
from qaz_llm.data.chat.dialogues import dialogue_problem, without_unanswered
from qaz_llm.data.chat.first_rows import dialogue_fields, first_rows, rows_of_source
from qaz_llm.data.chat.identity import Example
from qaz_llm.data.chat.ids import ConversationIds
from qaz_llm.data.chat.languages import prose_of
from qaz_llm.data.chat.shapes import shape_of_rows, turns_of
from qaz_llm.data.chat.texts import said, with_message_texts
from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.data.readers import Row
from qaz_llm.progress import get_logger
from qaz_llm.records import Conversation, Message

_logger = get_logger("data")


def make_conversations(
    source: ConversationSourceConfig, *, root: Path | None, seed: int, stop_on_bad_row: bool = False
) -> Iterator[Made]:
    """All conversations of a source, and the rows none could be made of; at most max_items of the former.

    Where there are more, those with the smallest hash of seed and id are taken, in the order of the files.

    Raises:
        InputError: there is no such file, or no row has the fields its kind needs.
        DataError: a damaged archive; a row that cannot be read, where `stop_on_bad_row`.
    """
    rows = rows_of_source(source, root, stop_on_bad_row=stop_on_bad_row)
    head = first_rows(rows, source)
    if source.kind == "chat":
        shape = shape_of_rows([row.fields for row, _ in head], dialogue_fields(source))
        _logger.info(f"conversations {source.name}: dialogues are read from {shape or 'no field'}")
    labels = labels_of([row.fields for row, _ in head], source) if source.kind == "classification" else ()
    ids = ConversationIds(source)
    made = (
        _limited(ids.distinct(item, row, file), source)
        for row, file in chain(head, rows)
        for item in _of_row(row, ids.of_row(row, file), labels, source, seed)
    )
    told = _telling_unused(made, source)
    return told if source.max_items is None else _drawn(told, source.max_items, seed)


def _telling_unused(made: Iterator[Made], source: ConversationSourceConfig) -> Iterator[Made]:
    """The same, with the keys that are used for nothing said once at the end."""
    unused: Counter[str] = Counter()
    for item in made:
        unused.update(item.unused)
        yield item
    if unused:
        named = ", ".join(f"{key} ({count:,})" for key, count in sorted(unused.items()))
        _logger.info(f"conversations {source.name}: keys that are not used, with the rows that have them: {named}")


def _of_row(
    row: Row, row_id: str, labels: Sequence[str], source: ConversationSourceConfig, seed: int
) -> Iterator[Made]:
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
        case "continuation":
            yield of_text(row.fields, row_id, source, seed)
        case "chat":
            yield _of_dialogue(row.fields, row_id, source)


def _of_dialogue(row: Mapping[str, Any], row_id: str, source: ConversationSourceConfig) -> Made:
    turns = turns_of(row, dialogue_fields(source))
    repairs: Counter[str] = Counter()
    cleaned = [with_message_texts(turn, lambda text: clean_text(text, source, repairs)) for turn in turns.messages]
    messages = without_unanswered(cleaned)
    answers = tuple(message.content for message in messages if message.role == "assistant")
    questions = (message.content for message in messages if message.role == "user")
    language = language_of(row, source, prose_of(answers), prose_of(questions))
    conversation = Conversation(row_id, messages, source.name, language, licence_of(row, source), turns.tools)
    reason = turns.problem or dialogue_problem(messages)
    notice = "unanswered_turns" if len(messages) < len(cleaned) else None
    return Made(conversation, reason, _example_of(messages, turns.tools), repairs, notice, unused=turns.unused)


def _example_of(messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]) -> Example:
    """What a dialogue is compared by: all that is context is asked, the answers to be learned are answered."""
    answers = [message.role == "assistant" and message.is_learned for message in messages]
    asked = [
        text for m, is_answer in zip(messages, answers, strict=True) if not is_answer for text in (m.role, said(m))
    ]
    described = [json.dumps(tool, ensure_ascii=False) for tool in tools]
    answered = [said(m) for m, is_answer in zip(messages, answers, strict=True) if is_answer]
    return Example("chat", (*asked, *described), tuple(answered))


def _limited(made: Made, source: ConversationSourceConfig) -> Made:
    if made.reason is not None or source.kind == "continuation":  # which takes as much of a text as fits
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
