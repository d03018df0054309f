"""Dialogues as examples; what is dropped, cut, changed or not used is counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qaz_llm.errors import LabelSpanError
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.chat.render import ChatRenderer

if TYPE_CHECKING:
    from qaz_llm.rows.counts import Counts
    from qaz_llm.rows.sources import ReadDialogue


def chat_examples(
    dialogues: Iterable[ReadDialogue], renderer: ChatRenderer, *, seq_len: int, counts: Counts
) -> Iterator[TokenizedExample]:
    """Each dialogue rendered, those that cannot be learned from counted by their reason."""
    for read in dialogues:
        counts.unused_keys.update(read.unused)
        if read.reason is not None:
            counts.drop(read.reason, f"{read.where}: {read.reason}")
            continue
        dialogue = read.conversation
        try:
            rendered = renderer.render(dialogue.messages, tools=dialogue.tools, seq_len=seq_len, source_id=dialogue.id)
        except LabelSpanError as error:
            counts.drop(error.reason, f"{read.where}: {error.reason}: {error}")
            continue
        if read.is_mended:
            counts.note("half_characters_replaced", read.where)
        if read.is_cut:
            counts.note("question_after_last_answer", read.where)
        for note, number in rendered.notes.items():
            counts.note(note, read.where, number)
        for example in rendered.examples:
            counts.examples += 1
            yield example
