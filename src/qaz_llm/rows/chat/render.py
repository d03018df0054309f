"""A dialogue as examples to train on, under the chat template of a tokenizer."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from qaz_llm.records import IGNORE_INDEX, Message, TokenizedExample
from qaz_llm.rows.chat.answers import Answer, ControlTokens, find_answer, strings_in, texts_to_learn
from qaz_llm.rows.chat.spelled import THOUGHT_TAGS, Marks, special_tokens, spelled_pattern
from qaz_llm.rows.chat.template import Chat, DialogueError, Rows
from qaz_llm.rows.chat.tokens import encode_answers
from qaz_llm.rows.chat.written import check_answer, check_context, check_markers

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

NOTES: Mapping[str, str] = {
    "answers_cut": "answers cut off, they end beyond seq_len",
    "examples_more": "examples more than dialogues, as the chat template changes earlier turns when a dialogue goes on",
    "special_tokens_spelled": "dialogues that spell special tokens, which stay text",
    "thoughts_not_written": "answers whose thoughts the chat template does not write",
    "tools_not_written": "dialogues whose tools the chat template does not write",
    "prompt_differs": "answers before which the chat template's prompt for generation is not what is trained on",
    "date_written": "dialogues in which the chat template writes the date of today: in the rows it is 26 July 2024, whenever "
    "they are made",
    "null_arguments": "dialogues with null among the arguments of calls, as Parquet fills in where calls differ in their "
    "keys; arguments that are JSON text have none",
    "replacement_characters": "dialogues with U+FFFD in them, where a character was broken",
}
"""What is noted of a dialogue that is trained on, in words."""


class AnswerTooLongError(DialogueError):
    """The first answer of a dialogue ends beyond the end of a row."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__("answer_longer_than_seq_len", message, hint=hint)


@dataclass(frozen=True, slots=True)
class Rendered:
    """The examples of a dialogue, that of the whole dialogue first, and what is to be said of it: keys of NOTES."""

    examples: tuple[TokenizedExample, ...]
    notes: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class ChatRenderer:
    """What is known of a tokenizer, looked up once: the tokens that a message may not spell and a turn may end with."""

    tokenizer: PreTrainedTokenizerFast
    controls: ControlTokens
    spelled: re.Pattern[str]
    spelled_in_answers: re.Pattern[str]

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerFast) -> ChatRenderer:
        special = special_tokens(tokenizer)
        added = frozenset(t.content for t in tokenizer.added_tokens_decoder.values() if t.content.strip())
        controls = ControlTokens(spelled_pattern(special), spelled_pattern(added | special))
        return cls(tokenizer, controls, controls.special, spelled_pattern(special - THOUGHT_TAGS))

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        seq_len: int,
        source_id: str = "",
    ) -> Rendered:
        """The tokens of a dialogue and their labels, each example at most `seq_len` long.

        An example that is too long is cut after the last answer that fits whole, never inside one.

        Raises:
            AnswerTooLongError: not even one answer fits.
            DialogueError: there is nothing to learn; the template fails on these messages, hides the assistant's words or
                puts no token behind them to stop with; or the labelled tokens, decoded, are not what the assistant said.
        """
        name = f"dialogue {source_id!r}"
        learned = [turn for turn, message in enumerate(messages) if message.role == "assistant" and message.is_learned]
        if not learned:
            some = any(message.role == "assistant" for message in messages)
            raise DialogueError(
                "not_to_be_learned" if some else "no_answer",
                f"{name}: an assistant's answer is missing or has weight 0; nothing to learn",
            )
        if any(not messages[turn].content.strip() and not messages[turn].tool_calls for turn in learned):
            raise DialogueError("empty_turn", f"{name}: an assistant's answer is missing or empty; nothing to learn")
        rows, marks, is_spelled = self._rows(messages, tools)
        notes = Counter({"special_tokens_spelled": 1} if is_spelled else {})
        notes["replacement_characters"] += any("\ufffd" in text for row in rows for text in strings_in(row))
        notes["null_arguments"] += any(_holds_null(message.tool_calls) for message in messages)
        marked_tools = marks.marked(list(tools), self.spelled)
        has_calls = any(message.tool_calls for message in messages)
        try:
            texts = self._texts(Chat(self.tokenizer, name, marked_tools), rows, learned, marks, notes)
        except DialogueError as error:
            if error.reason != "template_refuses" or not has_calls:
                raise
            chat = Chat(self.tokenizer, name, marked_tools, arguments_as_text=True)
            texts = self._texts(chat, rows, learned, marks, notes)
        notes["date_written"] += "strftime_now" in str(self.tokenizer.chat_template)
        examples = tuple(self._examples(texts, marks, seq_len, name, source_id, notes))
        return Rendered(examples, +notes)

    def _rows(
        self, messages: Sequence[Message], tools: Sequence[Mapping[str, Any]]
    ) -> tuple[list[dict[str, Any]], Marks, bool]:
        """The turns as templates take them, with marks around the special tokens they spell, and whether they do."""
        plain = [message.to_row() for message in messages]
        for row in plain:
            row.pop("weight", None)
        strings = [text for value in (*plain, list(tools)) for text in strings_in(value)]
        marks = Marks.free_in(strings)
        patterns = {True: self.spelled_in_answers, False: self.spelled}
        rows = [marks.marked(row, patterns[row["role"] == "assistant"]) for row in plain]
        return rows, marks, rows != plain or any(self.spelled.search(text) for text in strings_in(list(tools)))

    def _texts(
        self, chat: Chat, rows: Rows, learned: Sequence[int], marks: Marks, notes: Counter[str]
    ) -> list[tuple[str, list[Answer]]]:
        """The checked texts to train on with the answers to be learned in each."""
        turns = [turn for turn in range(learned[-1] + 1) if rows[turn]["role"] == "assistant"]
        answers = [find_answer(chat, rows, turn, marks, self.controls) for turn in turns]
        to_learn = [answer for answer in answers if answer.turn in learned]
        texts = texts_to_learn(to_learn)
        for text, held in texts:
            upto = rows[: held[-1].turn + 1]
            check_markers(chat, upto, [answer for answer in answers if answer.stands_in(text)], held)
        found = Counter({"prompt_differs": sum(not answer.is_prompted for answer in to_learn)})
        for answer in to_learn:
            found += check_answer(chat, rows, answer, marks, self.controls)
        found += check_context(chat, rows[: learned[-1] + 1], texts[0][0], marks)
        notes.update(found)
        return texts

    def _examples(
        self,
        texts: Sequence[tuple[str, list[Answer]]],
        marks: Marks,
        seq_len: int,
        name: str,
        source_id: str,
        notes: Counter[str],
    ) -> Iterator[TokenizedExample]:
        shortest = []
        num_examples = 0
        for text, answers in texts:
            encoded = encode_answers(text, answers, marks, self.tokenizer, name)
            runs = [run for run in encoded.runs if run[1] <= seq_len]
            notes["answers_cut"] += len(encoded.runs) - len(runs)
            shortest.append(encoded.runs[0][1])
            if runs:
                num_examples += 1
                end = len(encoded.ids) if len(encoded.ids) <= seq_len else runs[-1][1]
                yield _labelled(encoded.ids[:end], runs, source_id)
        if not num_examples:
            raise AnswerTooLongError(
                f"{name}: the first answer ends at token {min(shortest):,}, a row has {seq_len:,}",
                hint="raise seq_len, or leave such dialogues out",
            )
        notes["examples_more"] += num_examples - 1


def _holds_null(value: Any) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_null(item) for item in value.values())
    return any(_holds_null(item) for item in value) if isinstance(value, list | tuple) else value is None


def _labelled(ids: Sequence[int], runs: Sequence[tuple[int, int]], source_id: str) -> TokenizedExample:
    """Labels on the runs alone. Of a text that begins with an answer the first token has nothing to be predicted from."""
    labels = [IGNORE_INDEX] * len(ids)
    for start, end in runs:
        labels[max(start, 1) : end] = ids[max(start, 1) : end]
    return TokenizedExample(tuple(ids), tuple(labels), source_id)
