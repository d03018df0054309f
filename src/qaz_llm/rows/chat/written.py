"""Whether a chat template writes what a dialogue holds: the answers, thoughts, calls, tools and the turns before them.

A word of a turn that is found in the text proves nothing where the template or another turn says it too: `5`, the answer of a
tool, stands in "5 °C" as well. There other words are put in its place, and what is written changes the text with them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from qaz_llm.rows.chat.answers import Answer, ControlTokens, find_answer, strings_in
from qaz_llm.rows.chat.spelled import THOUGHT_TAGS, Marks
from qaz_llm.rows.chat.template import Chat, DialogueError, Rows

_LETTER = re.compile(r"[^\W_]")
_NO_THOUGHT = re.compile(r"<think>\s*</think>")


def check_answer(chat: Chat, rows: Rows, answer: Answer, marks: Marks, controls: ControlTokens) -> Counter[str]:
    """What of the turn the template leaves out and may leave out (`thoughts_not_written`), counted.

    Raises:
        DialogueError: the template changes the answer (`answer_not_written`), leaves a call out (`calls_not_written`), or
            writes something of other turns into it (`more_than_the_answer`).
    """
    row, text = rows[answer.turn], answer.text
    thoughts, said = thoughts_and_answer(row)
    if said not in text:
        raise DialogueError(
            "answer_not_written",
            f"{chat.name}: the answer of turn {answer.turn + 1} is not in the text the chat template makes",
            hint="the template changes the answers; use one that writes them as they are",
        )
    for call in row.get("tool_calls", ()):
        lost = next((t for t in strings_in(call["function"]) if not _holds(text, t)), None)
        if lost is not None:
            raise DialogueError(
                "calls_not_written",
                f"{chat.name}: the chat template does not write the tool_calls of turn {answer.turn + 1}: no {lost!r} in it",
                hint="use a template that writes tool calls, or leave such dialogues out",
            )
    if row.get("tool_calls") and not _shows(
        chat, rows[: answer.turn + 1], {"tool_calls": _other_words(row["tool_calls"], marks)}, answer.shown
    ):
        raise DialogueError(
            "calls_not_written",
            f"{chat.name}: the chat template does not write the tool_calls of turn {answer.turn + 1}; other calls make the "
            "same text",
            hint="use a template that writes tool calls, or leave such dialogues out",
        )
    rest = text.removesuffix(answer.stop)
    for known in (said, thoughts):
        rest = rest.replace(known, "") if known else rest
    rest = controls.added.sub("", rest)
    for tag in THOUGHT_TAGS:
        rest = rest.replace(tag, "")
    if _LETTER.search(rest) and _depends_on_others(chat, rows, answer, marks, controls):
        raise DialogueError(
            "more_than_the_answer",
            f"{chat.name}: the chat template writes text of other turns into the answer of turn {answer.turn + 1}",
            hint="let the dialogue begin with the user's turn, or use a template that keeps the turns apart",
        )
    is_written = not thoughts or (thoughts in text and _thoughts_show(chat, rows, answer, marks))
    return Counter({} if is_written else {"thoughts_not_written": 1})


def _thoughts_show(chat: Chat, rows: Rows, answer: Answer, marks: Marks) -> bool:
    """Whether thoughts that stand in the text of an answer are there as thoughts."""
    row = rows[answer.turn]
    thoughts, said = thoughts_and_answer(row)
    if not _is_said_elsewhere(chat, thoughts, [said, *strings_in(row.get("tool_calls", ()))]):
        return True
    key = "reasoning_content" if row.get("reasoning_content") else "content"
    other = {key: row[key].replace(thoughts, marks.probe, 1)}
    return _shows(chat, rows[: answer.turn + 1], other, answer.shown)


def _is_said_elsewhere(chat: Chat, part: str, others: Sequence[str]) -> bool:
    """Whether a text could hold these words without their being written where they belong."""
    return part in chat.source or any(part in other for other in others)


def _shows(chat: Chat, rows: Rows, other: Mapping[str, Any], text: str, *, turn: int = -1) -> bool:
    """Whether other values in a turn, the last by default, make another text. Such turns may be refused: then they show."""
    turn %= len(rows)
    try:
        return chat.text([*rows[:turn], {**rows[turn], **other}, *rows[turn + 1 :]]) != text
    except DialogueError:
        return True


def _other_words(value: Any, marks: Marks) -> Any:
    """The same calls or tools under another name, with other words in all strings but those that say what is what."""
    if isinstance(value, str):
        return marks.probe
    if isinstance(value, Mapping):
        return {k: v if k in ("type", "id") else _other_words(v, marks) for k, v in value.items()}
    return [_other_words(item, marks) for item in value] if isinstance(value, list | tuple) else value


def thoughts_and_answer(row: Mapping[str, Any]) -> tuple[str, str]:
    """The thoughts and the answer of a turn without the blanks around them.

    >>> thoughts_and_answer({"content": "<think>\\nОйлан.\\n</think>\\n\\nИә."})
    ('Ойлан.', 'Иә.')
    """
    before, tag, said = row["content"].partition("</think>")
    if tag:
        return (row.get("reasoning_content") or before.rpartition("<think>")[2]).strip(), said.strip()
    return row.get("reasoning_content", "").strip(), row["content"].strip()


def _holds(text: str, part: str) -> bool:
    """Whether a text holds a string, as it is or as JSON writes it."""
    return part.strip() in text or any(json.dumps(part, ensure_ascii=e)[1:-1] in text for e in (False, True))


def _depends_on_others(chat: Chat, rows: Rows, answer: Answer, marks: Marks, controls: ControlTokens) -> bool:
    """Whether other words in the turns of others make another answer."""
    others = [row if row["role"] == "assistant" else {**row, "content": marks.probe} for row in rows[: answer.turn + 1]]
    try:
        return find_answer(chat, others, answer.turn, marks, controls).text != answer.text
    except DialogueError:
        return False  # such turns the template refuses: nothing is shown


def check_context(chat: Chat, rows: Rows, text: str, marks: Marks) -> Counter[str]:
    """Whether the turns of others and the tools are in the text of the dialogue; `tools_not_written` is counted.

    Raises:
        DialogueError: a turn leaves no trace (`turn_not_written`).
    """
    for turn, row in enumerate(rows):
        content = row["content"].strip()
        if row["role"] == "assistant" or not content:
            continue
        others = [*strings_in([*rows[:turn], *rows[turn + 1 :]]), *strings_in(chat.tools)]
        if content in text and not _is_said_elsewhere(chat, content, others):
            continue
        if not _shows(chat, rows, {"content": marks.probe}, text, turn=turn):
            raise DialogueError(
                "turn_not_written",
                f"{chat.name}: the chat template leaves turn {turn + 1} out, of role {row['role']}",
                hint="use a template that writes such turns, or leave such dialogues out",
            )
    return Counter({"tools_not_written": 1} if chat.tools and not _tools_show(chat, rows, text, marks) else {})


def _tools_show(chat: Chat, rows: Rows, text: str, marks: Marks) -> bool:
    names = _names(chat.tools)
    if not all(_holds(text, name) for name in names):
        return False
    if not any(_is_said_elsewhere(chat, name, strings_in(list(rows))) for name in names):
        return True
    try:
        return replace(chat, tools=_other_words(chat.tools, marks)).text(rows) != text
    except DialogueError:
        return True


def _names(tools: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(tool["function"].get("name", "")) for tool in tools]


def check_markers(chat: Chat, rows: Rows, answers: Sequence[Answer], learned: Sequence[Answer]) -> None:
    """A template's own `{% generation %}` markers have to agree with what is learned, but for the token that ends a turn.

    `answers` are those that stand in the text of the rows as they would be written.

    Raises:
        DialogueError: the markers leave out words of an answer, or take in what is not the assistant's.
    """
    blocks = chat.generation_blocks(rows)
    if blocks is None:
        return
    text = learned[-1].shown
    for answer in learned:
        stop = answer.end - len(answer.stop)
        left_out = _without(text, answer.start, stop, blocks)
        if _NO_THOUGHT.sub("", left_out).strip():
            raise _misplaced(chat, f"leave out {left_out.strip()[:60]!r} of turn {answer.turn + 1}")
    if len(answers) == sum(row["role"] == "assistant" for row in rows):
        spans = [(answer.start, answer.end) for answer in answers]
        taken_in = "".join(_without(text, *block, spans) for block in blocks)
        if taken_in.strip():
            raise _misplaced(chat, f"take in {taken_in.strip()[:60]!r}, which is not the assistant's")


def _misplaced(chat: Chat, what: str) -> DialogueError:
    return DialogueError(
        "bad_generation_markers",
        f"{chat.name}: the {{% generation %}} markers of the chat template {what}",
        hint="set them around an assistant's words and the token that ends its turn, or take them out",
    )


def _without(text: str, start: int, end: int, spans: Sequence[tuple[int, int]]) -> str:
    """What of text[start:end] lies in none of the spans, which are in order.

    >>> _without("abcdef", 1, 6, [(0, 2), (3, 4)])
    'cef'
    """
    parts = []
    for first, last in spans:
        parts.append(text[start : max(min(first, end), start)])
        start = max(start, min(last, end))
    return "".join([*parts, text[start:end]])
