"""The turns of a request, as plain text without labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from qaz_llm.language.selectors import remove_labels
from qaz_llm.serve.refusals import wrong_field

MAX_MESSAGES = 2048
ROLES = ("system", "user", "assistant")
_OF_TOOLS = frozenset({"tool_calls", "tool_call_id"})
_UNUSED = frozenset({"name", "refusal", "annotations", "audio", "function_call", "reasoning_content"})
"""Keys of turns that clients send back with the answers they got. They are no part of the prompt; a call is, and is refused."""


def messages_of(value: Any, *, has_tools: bool) -> tuple[tuple[Mapping[str, Any], ...], int]:
    """The turns with their texts in one piece and without labels, and how many labels there were.

    Raises Refused (400), naming the turn and the field.
    """
    if not isinstance(value, list) or not value:
        raise wrong_field("messages", "is to be a list of turns, {role: user, content: …}")
    if len(value) > MAX_MESSAGES:
        raise wrong_field("messages", f"{len(value):,} turns, at most {MAX_MESSAGES:,} are taken")
    counts: Counter[str] = Counter()
    return tuple(_turn(turn, f"messages[{i}]", has_tools, counts) for i, turn in enumerate(value)), counts["label"]


def _turn(turn: Any, place: str, has_tools: bool, counts: Counter[str]) -> Mapping[str, Any]:
    if not isinstance(turn, dict):
        raise wrong_field(place, "is to be an object with role and content")
    roles = (*ROLES, "tool") if has_tools else ROLES
    role = "system" if turn.get("role") == "developer" else turn.get("role")  # OpenAI's later name of it
    if role not in roles:
        raise wrong_field(f"{place}.role", f"is to be one of {', '.join(roles)}")
    made: dict[str, Any] = {"role": role}
    for key, held in turn.items():
        if key in ("role", "content") or held in (None, [], "", {}):
            continue
        if key in _OF_TOOLS and has_tools:
            made[key] = _of_tools(key, held, place)
        elif key not in _UNUSED or key == "function_call":
            raise wrong_field(f"{place}.{str(key)[:50]}", "is not done here, and would be ignored")
    made["content"] = remove_labels(_text(turn.get("content"), place, made), counts)
    return made


def _of_tools(key: str, held: Any, place: str) -> Any:
    """The name of a call, or the calls of a turn, as they are. Raises Refused where they are none."""
    if key == "tool_call_id":
        if not isinstance(held, str):
            raise wrong_field(f"{place}.{key}", "is to be a text")
        return held
    for call in held if isinstance(held, list) else [None]:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or any(not isinstance(function.get(k), str) for k in ("name", "arguments")):
            raise wrong_field(f"{place}.{key}", "is to be a list of {id, type: function, function: {name, arguments}}")
    return held


def _text(content: Any, place: str, made: Mapping[str, Any]) -> str:
    """The content as one text: as it is, or its parts joined."""
    if content is None and "tool_calls" in made:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise wrong_field(f"{place}.content", "is to be a text, or a list of parts of type text")
    texts = []
    for number, part in enumerate(content):
        where = f"{place}.content[{number}]"
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise wrong_field(where, "only parts {type: text, text: …} are taken: this model reads text alone")
        texts.append(part["text"])
    return "".join(texts)
