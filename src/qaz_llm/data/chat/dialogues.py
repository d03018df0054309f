"""What makes a sequence of turns a dialogue to learn from: an optional system turn, then user and assistant by turns.

The assistant may begin, and tools may answer its calls, several of them one after the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from qaz_llm.data.chat.shapes import DialogueFields, turns_of
from qaz_llm.records import Message

FEWEST_JUDGED_ROWS = 3
_TOOL_OUT_OF_TURN = frozenset({("user", "tool"), ("tool", "user")})


def without_unanswered(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns up to the last answer: what was asked after it has no answer to learn. All, where there is no answer.

    >>> [m.role for m in without_unanswered([Message("user", "a"), Message("assistant", "b"), Message("user", "c")])]
    ['user', 'assistant']
    """
    end = len(messages)
    while end and messages[end - 1].role in ("user", "tool"):
        end -= 1
    return tuple(messages[:end] if end and messages[end - 1].role == "assistant" else messages)


def dialogue_problem(messages: Sequence[Message]) -> str | None:
    """What is wrong with the turns: an optional system turn, then user and assistant by turns, an assistant's last.

    A tool's answer follows an assistant's turn or another tool's, and an assistant's follows it.

    >>> dialogue_problem([Message("user", "Сәлем!"), Message("assistant", "Сәлем!")]) is None
    True
    >>> dialogue_problem([Message("user", "Сәлем!"), Message("user", "Бар ма?"), Message("assistant", "Иә")])
    'same_role_twice'
    """
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    checks = (
        ("no_messages", not messages),
        ("unknown_role", any(role not in {"system", "user", "assistant", "tool"} for role in roles)),
        ("empty_turn", any(_is_empty(message) for message in messages)),
        ("system_not_first", "system" in turns),
        ("tool_role", any(pair in _TOOL_OUT_OF_TURN for pair in pairwise(["user", *turns]))),
        ("no_answer", turns[-1:] != ["assistant"]),
        ("assistant_first", "user" not in turns),
        ("same_role_twice", any(one == other != "tool" for one, other in pairwise(turns))),
        ("not_to_be_learned", not any(m.is_learned for m in messages if m.role == "assistant")),
    )
    return next((reason for reason, wrong in checks if wrong), None)


def _is_empty(message: Message) -> bool:
    """Whether it says nothing: no text, and of an assistant no call. A tool may answer nothing."""
    return message.role != "tool" and not message.content.strip() and not message.tool_calls


def what_turns_hold(rows: Sequence[Mapping[str, Any]], fields: DialogueFields) -> str | None:
    """Where all turns of some rows are of nobody we know, or without text: what is in them, for the hint of an error.

    Of fewer than three rows it is not known whether that is the rule.

    >>> rows = [{"messages": [{"role": "robot", "content": "Сәлем!"}]}] * 3
    >>> what_turns_hold(rows, DialogueFields()).partition(";")[0]
    'the roles found are: robot'
    """
    found = [turns for row in rows if (turns := turns_of(row, fields)).messages]
    if len(found) < FEWEST_JUDGED_ROWS or any(
        turns.problem or dialogue_problem(turns.messages) not in {"unknown_role", "empty_turn"} for turns in found
    ):
        return None
    roles = sorted({str(message.role) or "none" for turns in found for message in turns.messages})
    listed = (row.get(name) for row in rows for name in fields.turn_lists)
    turn_fields = sorted({name for turns in listed if isinstance(turns, list) for t in turns[:1] for name in _names(t)})
    return "; ".join(
        [
            f"the roles found are: {', '.join(roles)}",
            *([f"the fields of a turn: {', '.join(turn_fields)}"] if turn_fields else []),
            "a turn is {role: user, content: …} or {from: human, value: …}",
        ]
    )


def _names(turn: Any) -> list[str]:
    return [str(name) for name in turn] if isinstance(turn, Mapping) else []
