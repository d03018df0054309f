"""The fields that go to an engine as they are, looked at first: an engine may take anything, and do something else.

Ranges are those of OpenAI's reference of chat completions; JSON modes are known by their exact form, for a label is left away there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from qaz_llm.serve.refusals import wrong_field

TEXT_FORMAT: Mapping[str, Any] = {"type": "text"}
MAX_BIASES = 1024
MAX_TOOLS = 128
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_TOKEN = re.compile(r"[0-9]{1,9}")
_CHOICES = ("none", "auto", "required")


def is_number(value: Any, least: float, most: float) -> bool:
    """Whether a value is a number in a range; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and least <= value <= most


def is_whole(value: Any, least: int, most: int) -> bool:
    """Whether a value is a whole number in a range."""
    return isinstance(value, int) and is_number(value, least, most)


def check_passed(passed: Mapping[str, Any], *, is_chat: bool) -> None:
    """Raise Refused (400), naming the field, where one is not as it should be."""
    for key, value in passed.items():
        what = _wrong_logprobs(value, is_chat) if key == "logprobs" else _CHECKS[key](value, passed)
        if what is not None:
            raise wrong_field(key, what)


def _wrong_format(value: Any, _passed: Mapping[str, Any]) -> str | None:
    kinds = "is to be {type: text}, {type: json_object} or {type: json_schema, json_schema: {name, schema}}"
    if not isinstance(value, dict) or value.get("type") not in ("text", "json_object", "json_schema"):
        return kinds
    if value["type"] != "json_schema":
        return kinds if set(value) != {"type"} else None
    inner = value.get("json_schema")
    if set(value) != {"type", "json_schema"} or not isinstance(inner, dict):
        return kinds
    if set(inner) - {"name", "description", "schema", "strict"} or not isinstance(inner.get("schema"), dict):
        return f"{kinds}; the schema is an object"
    return None if _is_name(inner.get("name")) else f"{kinds}; the name has up to 64 letters, digits, dashes"


def _wrong_tools(value: Any, _passed: Mapping[str, Any]) -> str | None:
    if not isinstance(value, list) or len(value) > MAX_TOOLS:
        return f"is to be a list of at most {MAX_TOOLS}"
    for number, tool in enumerate(value):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type") == "function" else None
        if not isinstance(function, dict) or not _is_name(function.get("name")):
            return f"number {number} is to be {{type: function, function: {{name: …}}}}"
        if not isinstance(function.get("parameters", {}), dict) or not isinstance(function.get("description", ""), str):
            return f"number {number}: parameters is to be an object, description a text"
    return None


def _wrong_choice(value: Any, passed: Mapping[str, Any]) -> str | None:
    tools = passed.get("tools")
    if not isinstance(tools, list):
        return "needs tools"
    if isinstance(value, str):
        return None if value in _CHOICES else f"is to be one of {', '.join(_CHOICES)}, or a function of the tools"
    function = value.get("function") if isinstance(value, dict) and value.get("type") == "function" else None
    names = [tool["function"].get("name") for tool in tools if isinstance(tool, dict) and "function" in tool]
    is_known = isinstance(function, dict) and set(function) == {"name"} and function["name"] in names
    return None if is_known else "is to be {type: function, function: {name: …}} with the name of a tool"


def _wrong_bias(value: Any, _passed: Mapping[str, Any]) -> str | None:
    if not isinstance(value, dict) or len(value) > MAX_BIASES:
        return f"is to be an object with at most {MAX_BIASES:,} tokens"
    if all(_TOKEN.fullmatch(token) and is_number(bias, -100, 100) for token, bias in value.items()):
        return None
    return "is to name tokens by their numbers, each with a number from -100 to 100"


def _wrong_penalty(value: Any, _passed: Mapping[str, Any]) -> str | None:
    return None if is_number(value, -2, 2) else "is to be a number from -2 to 2"


def _wrong_logprobs(value: Any, is_chat: bool) -> str | None:
    if is_chat:
        return None if isinstance(value, bool) else "is to be true or false"
    return None if is_whole(value, 0, 5) else "is to be a whole number from 0 to 5"


def _wrong_top(value: Any, passed: Mapping[str, Any]) -> str | None:
    if not is_whole(value, 0, 20):
        return "is to be a whole number from 0 to 20"
    return None if passed.get("logprobs") is True else "needs logprobs: true"


def _wrong_parallel(value: Any, passed: Mapping[str, Any]) -> str | None:
    if not isinstance(value, bool):
        return "is to be true or false"
    return None if "tools" in passed else "needs tools"


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


_CHECKS: Mapping[str, Callable[[Any, Mapping[str, Any]], str | None]] = {
    "response_format": _wrong_format,
    "tools": _wrong_tools,
    "tool_choice": _wrong_choice,
    "parallel_tool_calls": _wrong_parallel,
    "logit_bias": _wrong_bias,
    "frequency_penalty": _wrong_penalty,
    "presence_penalty": _wrong_penalty,
    "top_logprobs": _wrong_top,
}
