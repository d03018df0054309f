"""What makes a sequence of turns a dialogue to learn from: an optional system turn, then user and assistant by turns."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from qaz_llm.data.chat.shapes import TOOL_ROLES
from qaz_llm.records import Message


def without_unanswered(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The turns up to the last answer: what was asked after it has no answer to learn. All, where there is no answer.

    >>> [m.role for m in without_unanswered([Message("user", "a"), Message("assistant", "b"), Message("user", "c")])]
    ['user', 'assistant']
    """
    end = len(messages)
    while end and messages[end - 1].role == "user":
        end -= 1
    return tuple(messages[:end] if end and messages[end - 1].role == "assistant" else messages)


def dialogue_problem(messages: Sequence[Message]) -> str | None:
    """What is wrong with the turns: an optional system turn, then user and assistant by turns, an assistant's last.

    >>> dialogue_problem([Message("user", "Сәлем!"), Message("assistant", "Сәлем!")]) is None
    True
    >>> dialogue_problem([Message("user", "Сәлем!"), Message("user", "Бар ма?"), Message("assistant", "Иә")])
    'same_role_twice'
    """
    roles = [message.role for message in messages]
    turns = roles[1:] if roles[:1] == ["system"] else roles
    checks = (
        ("no_messages", not messages),
        ("tool_role", any(role in TOOL_ROLES for role in roles)),
        ("unknown_role", any(role not in {"system", "user", "assistant"} for role in roles)),
        ("empty_turn", any(not message.content.strip() for message in messages)),
        ("system_not_first", "system" in turns),
        ("no_answer", turns[-1:] != ["assistant"]),
        ("assistant_first", turns[:1] == ["assistant"]),
        ("same_role_twice", any(one == other for one, other in pairwise(turns))),
    )
    return next((reason for reason, wrong in checks if wrong), None)
