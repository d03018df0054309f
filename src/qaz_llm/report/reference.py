"""The keys of configs as Markdown pages, made from the models themselves: name, type, default, what it does.

    pages({"data": DataConfig, "mix": MixConfig})     {"data": "# data\\n …", "mix": …}

A section that several kinds of config have is written in the smallest of them; the others point there. `docs/reference/` holds what
`qaz config reference --out docs/reference` writes, and a test compares the two.
"""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

Model = type[BaseModel]
_NAMES: Mapping[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    type(None): "null",
    Any: "any value",
}


def pages(kinds: Mapping[str, Model]) -> dict[str, str]:
    """One page per kind of config, in Markdown. Raises ValueError where a key has no description."""
    homes: dict[Model, str] = {}
    for kind, model in sorted(kinds.items(), key=lambda pair: len(_models_in(pair[1]))):  # the smallest is the closest
        for inner in _models_in(model):
            homes.setdefault(inner, kind)
    return {kind: _page(kind, model, homes) for kind, model in kinds.items()}


def undescribed(model: Model) -> list[str]:
    """The keys of a model and of those within it that say nothing about themselves, as `Model.key`."""
    models = _models_in(model)
    return [
        f"{one.__name__}.{name}" for one in models for name, field in one.model_fields.items() if not field.description
    ]


def _models_in(model: Model) -> list[Model]:
    """The model, then those that its keys hold, each once."""
    found = [model]
    for one in found:
        for field in one.model_fields.values():
            found += [inner for inner in _models_of(field.annotation) if inner not in found]
    return found


def _models_of(annotation: Any) -> Iterator[Model]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_of(argument)


def _page(kind: str, model: Model, homes: Mapping[Model, str]) -> str:
    lines = [
        f"# Keys of a {kind} config",
        "",
        f"Check yours with `qaz config check FILE --kind {kind}`; for editors: `qaz config schema {kind}`.",
        "",
    ]
    for one in _models_in(model):
        if homes[one] == kind:
            lines += _section(one, kind, homes)
    return "\n".join(lines).rstrip() + "\n"


def _section(model: Model, kind: str, homes: Mapping[Model, str]) -> list[str]:
    missing = [name for name, field in model.model_fields.items() if not field.description]
    if missing:
        raise ValueError(f"{model.__name__}: no description of {', '.join(missing)}; write one below the field")
    about = re.sub(r"\n(?!\n)\s*", " ", re.sub(r"\n\s*\n\s*", "\n\n", (model.__doc__ or "").strip()))
    rows = [
        f"| `{name}` | {_type(field.annotation, kind, homes)}{_limits(field)} | {_default(field)} | {_cell(field.description or '')} |"
        for name, field in model.model_fields.items()
    ]
    return [
        f"## {model.__name__}",
        "",
        about,
        "",
        "| key | type | default | what it does |",
        "|---|---|---|---|",
        *rows,
        "",
    ]


def _type(annotation: Any, kind: str, homes: Mapping[Model, str]) -> str:
    """An annotation in words; a model is a link to its section."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        page = "" if homes[annotation] == kind else f"{homes[annotation]}.md"
        return f"[{annotation.__name__}]({page}#{annotation.__name__.lower()})"
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], kind, homes)
    if origin is Literal:
        return ", ".join(f"`{_plain(value)}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(one, kind, homes) for one in arguments)
    inner = [_type(one, kind, homes) for one in arguments if one is not Ellipsis]
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"mapping of {inner[0]} to {inner[1]}"
    if origin in (tuple, list, set, frozenset):
        return f"list of {inner[0]}"
    return _NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _limits(field: FieldInfo) -> str:
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    said = [
        f"{sign} {value}"
        for one in field.metadata
        for name, sign in signs.items()
        if (value := getattr(one, name, None)) is not None
    ]
    return f", {' and '.join(said)}" if said else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "needed"
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return ""
    if isinstance(value, BaseModel):
        return "its own defaults"
    if isinstance(value, tuple) and any(isinstance(one, BaseModel) for one in value):
        return f"{len(value)} of them"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Path):
        return str(value)
    return json.dumps(
        list(value) if isinstance(value, (tuple, set, frozenset)) else value, ensure_ascii=False, default=str
    )


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
