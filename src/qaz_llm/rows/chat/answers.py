"""Where in the text of a chat template an assistant's turn begins and ends, found as generation will find it.

What a model sees at inference is the template over the turns before, with a prompt for generation; what it has to write is
the rest of the template over these turns and its own, up to the token that ends the turn:

    prompt   <|im_start|>user⏎Сәлем!<|im_end|>⏎<|im_start|>assistant⏎
    answer   <think>⏎⏎</think>⏎⏎Сәлем, қалайсыз?<|im_end|>            an empty thought included, where the template has one

So nothing is looked up by its words, blanks at the ends of an answer stay part of it, and a template that moves a system
turn, trims or renames does no harm. The end is found by writing another answer in its place: the text that both have in
common behind it is the template's, and the first special token in it ends the turn.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from qaz_llm.rows.chat.spelled import Marks
from qaz_llm.rows.chat.template import Chat, DialogueError, Rows, tokens_missing

SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Answer:
    """An assistant's turn in the text of the dialogue up to it: `shown[start:end]`, `stop` being its last token."""

    turn: int
    shown: str
    start: int
    end: int
    stop: str
    is_prompted: bool = True
    """False where the template's prompt for generation is not what stands before the answer."""

    @property
    def text(self) -> str:
        """What has to be learned."""
        return self.shown[self.start : self.end]

    def stands_in(self, text: str) -> bool:
        """Whether `text` has the same answer behind the same turns, to the letter."""
        return text.startswith(self.shown[: self.end])


@dataclass(frozen=True)
class ControlTokens:
    """The tokens a turn may end with: special ones, and for want of these any that was added to the vocabulary."""

    special: re.Pattern[str]
    added: re.Pattern[str]


def find_answer(chat: Chat, rows: Rows, turn: int, marks: Marks, controls: ControlTokens) -> Answer:
    """The assistant's turn number `turn` of the rows.

    Raises:
        DialogueError: the template refuses the turns, or lets no special token follow the answer.
    """
    before, shown = rows[:turn], chat.text(rows[: turn + 1])
    probed = [
        chat.text([*before, {"role": "assistant", "content": probe}]) for probe in (marks.probe, marks.other_probe)
    ]
    header = probed[0][: shared_start(*probed)]
    start, is_prompted = _start(chat, before, shown, header, marks)
    stop, end = _stop(chat, turn, shown, start, probed[0], controls)
    return Answer(turn, shown, start, end, stop, is_prompted)


def _start(chat: Chat, before: Rows, shown: str, header: str, marks: Marks) -> tuple[int, bool]:
    """Where the answer begins in `shown`, and whether that is behind the prompt for generation.

    `header` is what any answer here has before it. Without a prompt for generation it tells where the answer begins.
    """
    common = shared_start(header, shown)
    if not before:
        return _start_of_first(chat, header[:common], marks), True
    prompt = chat.text(before, prompt=True)
    if not shown.startswith(prompt):
        return common, False
    if chat.has_prompt or not shown[len(prompt) : common].strip():
        return len(prompt), True
    return common, True


def _start_of_first(chat: Chat, header: str, marks: Marks) -> int:
    """A dialogue that the assistant begins has no turns to make a prompt from: the prompt behind another turn is looked up."""
    asked = [{"role": "user", "content": marks.probe}]
    with_prompt, without = chat.text(asked, prompt=True), chat.text(asked)
    prompt = with_prompt[shared_start(with_prompt, without) :]
    place = header.rfind(prompt) if prompt else -1
    return place + len(prompt) if place >= 0 else len(header)


def _stop(chat: Chat, turn: int, shown: str, start: int, probed: str, controls: ControlTokens) -> tuple[str, int]:
    """The token that ends the answer and where it ends in `shown`."""
    length = shared_start(shown[start:][::-1], probed[::-1])
    tail = shown[len(shown) - length :]
    for pattern in (controls.special, controls.added):
        found = pattern.search(tail)
        if found is not None:
            return found[0], len(shown) - length + found.end()
        last = next(iter(reversed(list(pattern.finditer(shown, start)))), None)
        if last is not None and not shown[last.end() :].strip():
            return last[0], last.end()
    missing = tokens_missing(chat.tokenizer, chat.source)
    raise DialogueError(
        "no_stop_token",
        f"{chat.name}: the chat template puts no special token right after the answer of turn {turn + 1}, found "
        f"{tail[:SHOWN_CHARS]!r}; the model would never learn to stop"
        + (f"; the tokenizer has no token {', '.join(missing)}" if missing else ""),
        hint="use a template that ends each assistant turn with eos_token or an end-of-turn token that the tokenizer has",
    )


def texts_to_learn(answers: Sequence[Answer]) -> list[tuple[str, list[Answer]]]:
    """The texts to train on, each with the answers to be learned in it; the last answer's first.

    One text holds all answers, where none of them looks different once the dialogue has gone on. Templates that take
    thoughts out of earlier turns, or move the tools to the last question, need more: an answer is learned behind the text
    that the model will see before it, and in the form in which it has to write it.

    An empty list of answers gives no texts.
    """
    texts: list[tuple[str, list[Answer]]] = []
    left = list(answers)
    while left:
        text = left[-1].shown
        held = [answer for answer in left if answer.stands_in(text)]
        texts.append((text, held))
        left = [answer for answer in left if answer not in held]
    return texts


def shared_start(one: str, other: str) -> int:
    """How many characters two texts have in common at their beginning, halving what is in doubt.

    >>> shared_start("астана", "астық"), shared_start("", "а"), shared_start("су", "су")
    (3, 0, 2)
    """
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one.startswith(other[low:middle], low):
            low = middle
        else:
            high = middle - 1
    return low


def strings_in(value: Any) -> list[str]:
    """All strings in a value of JSON, keys of objects left out."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in strings_in(item)]
    return [text for item in value for text in strings_in(item)] if isinstance(value, list | tuple) else []
