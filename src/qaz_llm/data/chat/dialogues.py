"""Ready dialogues: the shapes they come in, and what makes a sequence of turns one to learn from.

OpenAI     {"messages": [{"role": "user", "content": "…"}, …]}           content may be a list of text parts
ShareGPT   {"conversations": [{"from": "human", "value": "…"}, …], "system": "…"}
Alpaca     {"instruction": "…", "input": "…", "output": "…", "history": [["…", "…"], …], "system": "…"}
pairs      {"prompt": "…", "response": "…"}, or the fields that the config names
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from qaz_llm.data.config import ConversationSourceConfig
from qaz_llm.records import Message, Role

ROLE_NAMES: Mapping[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "human": "user",
    "prompter": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "bot": "assistant",
    "ai": "assistant",
}
TOOL_ROLES = frozenset({"tool", "function", "ipython", "observation", "tool_call", "tool_response", "function_call"})

TURN_LISTS = ("messages", "conversations", "conversation")
PAIRS = (("instruction", "output"), ("prompt", "response"), ("prompt", "completion"))


def turns_of(row: Mapping[str, Any], source: ConversationSourceConfig) -> list[Message]:
    """The turns of a row in any of the shapes above, roles by our names where they are known; none where there are none."""
    for field in dict.fromkeys((source.messages_field, *TURN_LISTS)):
        if isinstance(row.get(field), list):
            return [*_system(row), *(_turn(turn) for turn in row[field])]
    for question, answer in (*PAIRS, (source.question_field, source.answer_field)):
        if question in row and answer in row:
            return [*_system(row), *_history(row), *_pair(row, question, answer)]
    return []


def _system(row: Mapping[str, Any]) -> list[Message]:
    said = row.get("system")
    return [Message("system", said)] if isinstance(said, str) and said.strip() else []


def _turn(turn: Any) -> Message:
    if not isinstance(turn, Mapping):
        return Message(cast(Role, ""), "")
    name = str(turn.get("role") or turn.get("from") or "").lower()
    if turn.get("tool_calls") or turn.get("function_call"):
        name = "tool_call"
    content = turn.get("content") if turn.get("content") is not None else turn.get("value")
    return Message(cast(Role, ROLE_NAMES.get(name, name)), _text(content))


def _text(content: Any) -> str:
    """A string as it is; of a list of parts the texts, and nothing at all where a part is a picture or the like."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
        texts = [part for part in parts if isinstance(part, str)]
        return "\n".join(texts) if len(texts) == len(parts) else ""
    return content if isinstance(content, str) else ""


def _history(row: Mapping[str, Any]) -> Iterator[Message]:
    for pair in row.get("history") or ():
        if isinstance(pair, list) and len(pair) == 2:
            yield Message("user", _text(pair[0]))
            yield Message("assistant", _text(pair[1]))


def _pair(row: Mapping[str, Any], question: str, answer: str) -> Iterator[Message]:
    asked, given = _text(row[question]), _text(row.get("input")) if question == "instruction" else ""
    yield Message("user", f"{asked}\n\n{given}" if given.strip() else asked)
    yield Message("assistant", _text(row[answer]))


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
