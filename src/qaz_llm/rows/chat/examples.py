"""The dialogues of a part of the mix as examples; what is dropped, cut, changed or not used is counted and said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from logging import Logger
from typing import TYPE_CHECKING

from qaz_llm.errors import LabelSpanError
from qaz_llm.records import TokenizedExample
from qaz_llm.rows.chat.render import NOTES, ChatRenderer
from qaz_llm.rows.chat.template import DialogueError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from qaz_llm.rows.sources import ReadDialogue


@dataclass
class ChatCounts:
    """What was counted of the dialogues of one part; counts of several processes add up.

    `dropped` by reason, `notes` by keys of NOTES, `unused` by keys of rows and turns, `shown` the first row of each reason.
    """

    dropped: Counter[str] = field(default_factory=Counter)
    notes: Counter[str] = field(default_factory=Counter)
    unused: Counter[str] = field(default_factory=Counter)
    shown: dict[str, str] = field(default_factory=dict)
    num_unanswered: int = 0
    """Dialogues of which what was asked after the last answer was left out."""

    def drop(self, reason: str, shown: str) -> None:
        self.dropped[reason] += 1
        self.shown.setdefault(reason, shown)

    def add(self, other: ChatCounts) -> None:
        """Take in what another process counted; of a reason that both have the row of this one stays shown."""
        self.dropped.update(other.dropped)
        self.notes.update(other.notes)
        self.unused.update(other.unused)
        self.shown = {**other.shown, **self.shown}
        self.num_unanswered += other.num_unanswered

    def lines(self) -> list[str]:
        """What is to be said, a line each."""
        lines = [f"not trained on, for one: {shown}" for shown in self.shown.values()]
        if self.num_unanswered:
            lines.append(f"what was asked after the last answer was left out of {self.num_unanswered:,} dialogues")
        lines += [f"{count:,} {NOTES[note]}" for note, count in sorted(self.notes.items())]
        if self.unused:
            named = ", ".join(f"{key} ({count:,})" for key, count in sorted(self.unused.items()))
            lines.append(f"keys that are not used, with the dialogues that have them: {named}")
        return lines

    def log(self, logger: Logger, name: str) -> None:
        """Say all of it, for the part of the mix called `name`."""
        for line in self.lines():
            logger.warning("%s: %s", name, line)


def chat_examples(
    dialogues: Iterable[ReadDialogue], tokenizer: PreTrainedTokenizerFast, *, seq_len: int, counts: ChatCounts
) -> Iterator[TokenizedExample]:
    """Each dialogue rendered, those that cannot be learned from counted by their reason."""
    renderer = ChatRenderer.of(tokenizer)
    for read in dialogues:
        counts.unused.update(read.unused)
        if read.reason is not None:
            counts.drop(read.reason, f"{read.where}: {read.reason}")
            continue
        dialogue = read.conversation
        try:
            rendered = renderer.render(dialogue.messages, tools=dialogue.tools, seq_len=seq_len, source_id=dialogue.id)
        except LabelSpanError as error:
            reason = error.reason if isinstance(error, DialogueError) else "bad_label_span"
            counts.drop(reason, f"{read.where}: {reason}: {error}")
            continue
        counts.num_unanswered += read.is_cut
        counts.notes.update(rendered.notes)
        yield from rendered.examples
