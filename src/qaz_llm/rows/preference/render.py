"""Preference pairs as token ids: of each side only the assistant's words after the common turns, and the token that ends them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from qaz_llm.errors import LabelSpanError
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.chat.render import ChatRenderer
from qaz_llm.rows.chat.template import DialogueError
from qaz_llm.rows.preference.packing import RenderedPair
from qaz_llm.rows.preference.read import ReadPair

if TYPE_CHECKING:
    from qaz_llm.rows.counts import Counts

NO_LIMIT = 1 << 40
"""Sides are rendered whole: a pair that is too long is left out, an answer that is cut would not be what was preferred."""


def rendered_pairs(pairs: Iterable[ReadPair], renderer: ChatRenderer, counts: Counts) -> Iterator[RenderedPair]:
    """Each pair rendered; those that cannot be compared are counted by their reason."""
    for read in pairs:
        counts.unused_keys.update(read.pair.unused)
        if read.pair.reason is not None:
            counts.drop(read.pair.reason, f"{read.where}: {read.pair.reason}")
            continue
        try:
            chosen, rejected = (_side(read, side, renderer, counts) for side in (0, 1))
        except LabelSpanError as error:
            counts.drop(error.reason, f"{read.where}: {error.reason}: {error}")
            continue
        if read.is_mended:
            counts.note("half_characters_replaced", read.where)
        counts.examples += 1
        yield RenderedPair(chosen, rejected, read.where)


def _side(read: ReadPair, side: int, renderer: ChatRenderer, counts: Counts) -> TokenizedExample:
    """One side. Raises DialogueError where the template would make several texts of it, which cannot be compared as one."""
    messages = read.pair.conversations[side]
    rendered = renderer.render(messages, tools=read.pair.tools, seq_len=NO_LIMIT, source_id=read.id)
    if len(rendered.examples) > 1:
        raise DialogueError(
            "several_texts",
            f"dialogue '{read.id}': the chat template changes earlier turns when a dialogue goes on, and the answers of "
            "this side are several",
            hint="give pairs that differ in their last answer alone",
        )
    for note, number in rendered.notes.items():
        counts.note(note, read.where, number)
    return rendered.examples[0]
