"""Tool calls and lists of tools in the shapes they come in, as OpenAI has them.

{"function": {"name": "weather", "arguments": "{\\"city\\": \\"Астана\\"}"}, "id": "1"}    arguments as JSON in a string
{"name": "weather", "arguments": {"city": "Астана"}}                                     without the wrapping
"[{\\"name\\": …}]"                                                                        all of it as JSON in a string
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Call = Mapping[str, Any]


def calls_of(value: Any) -> tuple[Call, ...] | None:
    """The tool calls of a turn, their arguments as objects; None where they are none that can be read.

    >>> calls_of([{"function": {"name": "f", "arguments": '{"x": 1}'}}])
    ({'type': 'function', 'function': {'name': 'f', 'arguments': {'x': 1}}},)
    """
    listed = _json(value)
    listed = [listed] if isinstance(listed, Mapping) else listed
    if not isinstance(listed, list):
        return None
    calls = [_call(item) for item in listed]
    return None if any(call is None for call in calls) else tuple(call for call in calls if call is not None)


def tools_of(value: Any) -> tuple[Mapping[str, Any], ...] | None:
    """The tools of a row; None where the field holds none that can be read.

    >>> tools_of([{"name": "f"}])
    ({'type': 'function', 'function': {'name': 'f'}},)
    """
    listed = _json(value)
    if not isinstance(listed, list):
        return None
    tools: list[Mapping[str, Any]] = []
    for item in listed:
        function = item.get("function", item) if isinstance(item, Mapping) else None
        if not isinstance(function, Mapping) or not _is_name(function.get("name")):
            return None
        tools.append(item if "function" in item else {"type": "function", "function": item})
    return tuple(tools)


def _call(item: Any) -> Call | None:
    function = item.get("function", item) if isinstance(item, Mapping) else None
    if not isinstance(function, Mapping) or not _is_name(function.get("name")):
        return None
    given: Any = next((function[name] for name in ("arguments", "parameters") if function.get(name) is not None), {})
    arguments = {} if given == "" else _json(given)
    if not isinstance(arguments, Mapping):
        return None
    call = {"type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return {**call, "id": str(item["id"])} if item.get("id") is not None else call


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _json(value: Any) -> Any:
    """A value as it is, or what a string holds as JSON; None where it holds none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return None
