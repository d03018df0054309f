"""Strict YAML 1.2 to frozen pydantic models.

    base: tiny.yaml          # optional; taken relative to this file, this file's keys win, lists are replaced whole
    data:
      base: data/web.yaml    # a section can inherit from a file of its own, and so can an item of a list
    train:
      lr: 3e-4

and on the command line dotted overrides, `train.lr=1e-3 sources.0.name=wiki`, whose values are read as YAML too.

Why not plain YAML: PyYAML follows YAML 1.1, where `3e-4` is a string, `12:30:00` is 45000, `no` is False and the last of
two equal keys wins without a word (https://yaml.org/spec/1.2.2/#101-failsafe-schema ff. for what 1.2 says). Here a value
keeps the type it looks like, a repeated key is an error, and nothing is coerced: `"no"` is not a bool.

This module imports no room: each room declares its own config class below `StrictModel`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from qaz_llm.errors import ConfigError
from qaz_llm.records import LANGUAGES

BASE_KEY = "base"
MAX_CONFIG_BYTES = 4 << 20
MAX_CONFIG_VALUES = 20_000
MAX_CONFIG_DEPTH = 64
_TAG = "tag:yaml.org,2002:"
_TOO_DEEP = "lists and mappings lie too deep in one another"
Location = tuple[str | int, ...]


class StrictModel(BaseModel):
    """Base of all configs: frozen, unknown keys refused, no coercion, no number that is none or infinite, defaults checked."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        validate_default=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        use_attribute_docstrings=True,
    )

    def to_dict(self) -> dict[str, Any]:
        """The config as JSON values, every default written out."""
        return self.model_dump(mode="json")


T = TypeVar("T", bound=StrictModel)


def check_language(code: str) -> str:
    """The code itself where it is one of kk, ru, en. Raises ValueError with what was probably meant."""
    if code in LANGUAGES:
        return code
    meant = {
        "kz": "kk",
        "kaz": "kk",
        "kaz_Cyrl": "kk",
        "qaz": "kk",
        "rus": "ru",
        "rus_Cyrl": "ru",
        "eng": "en",
        "eng_Latn": "en",
    }.get(code)
    if code == "kz":
        raise ValueError("'kz' is the country code of Kazakhstan; the language code of Kazakh is 'kk' (ISO 639-1)")
    hint = f"; did you mean '{meant}'?" if meant else ""
    raise ValueError(f"unknown language code {code!r}, expected one of {', '.join(LANGUAGES)}{hint}")


def check_language_or_auto(code: str) -> str:
    """As `check_language`, and `auto` for text whose language is to be found out."""
    return code if code == "auto" else check_language(code)


LanguageCode = Annotated[str, AfterValidator(check_language)]
LanguageOrAuto = Annotated[str, AfterValidator(check_language_or_auto)]


@dataclass(frozen=True)
class RawConfig:
    """The merged values of a config before validation, and where each one was written (`file:line` or the override)."""

    values: Mapping[str, Any]
    origins: Mapping[Location, str]


def load_config(cls: type[T], path: Path, overrides: Sequence[str] = ()) -> T:
    """Read, merge, override and validate a config.

    Raises:
        ConfigError: naming every problem found, each with its place and, for an unknown key, what was probably meant.
    """
    return validate(cls, read_raw(path, overrides), str(path))


def config_from_values(cls: type[T], values: Mapping[str, Any], *, where: str, overrides: Sequence[str] = ()) -> T:
    """As `load_config`, from values made in code instead of a file."""
    origins: dict[Location, str] = {}
    merged = dict(values)
    for override in overrides:
        _apply_override(merged, origins, override)
    return validate(cls, RawConfig(merged, origins), where)


def read_raw(path: Path, overrides: Sequence[str] = ()) -> RawConfig:
    """The values of a config file over its bases, with the overrides applied. Raises ConfigError."""
    values, origins = _read_with_bases(path, ())
    for override in overrides:
        _apply_override(values, origins, override)
    return RawConfig(values, origins)


def likeliest_kind(raw: RawConfig, kinds: Mapping[str, type[StrictModel]]) -> str:
    """The name of the kind that shares the most top-level keys with a config; of equal ones the first."""
    return max(kinds, key=lambda name: len(set(raw.values) & set(kinds[name].model_fields)))


def validate(cls: type[T], raw: RawConfig, where: str) -> T:
    """The frozen config of raw values. Raises ConfigError listing every problem."""
    text = json.dumps(raw.values, default=str)
    try:
        return cls.model_validate_json(text, strict=True)
    except ValidationError as error:
        problems = list(dict.fromkeys(_describe(cls, raw, problem) for problem in error.errors()))
        lines = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(
            f"{where}: {len(problems)} problem{'s' if len(problems) > 1 else ''} in the configuration\n{lines}"
        ) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """Where in a file of ours its first problem is, as `files.0.size` ("" where it is the whole), and what it is."""
    first = error.errors(include_url=False)[0]
    return ".".join(map(str, first["loc"])), first["msg"]


def dump_yaml(values: Mapping[str, Any]) -> str:
    """Values as YAML text, keys in their order, letters unescaped."""
    from io import StringIO

    yaml = YAML()
    yaml.allow_unicode = True
    yaml.width = 120
    stream = StringIO()
    yaml.dump(dict(values), stream)
    return stream.getvalue()


# ---------------------------------------------------------------------------------------------------------- reading


def _read_with_bases(path: Path, seen: tuple[Path, ...]) -> tuple[dict[str, Any], dict[Location, str]]:
    resolved = path.resolve()
    if resolved in seen:
        chain = " → ".join(p.name for p in (*seen, resolved))
        raise ConfigError(f"{path}: the configs inherit from each other in a circle: {chain}")
    values, origins = _read_file(path)
    return _inherit(values, origins, (), path, (*seen, resolved))


def _inherit(
    values: Mapping[str, Any], origins: dict[Location, str], location: Location, path: Path, seen: tuple[Path, ...]
) -> tuple[dict[str, Any], dict[Location, str]]:
    """Put the values of a mapping, and of those in it, over the files that their `base` keys name.

    Below the top a `base` counts only where it names a YAML file, since a section may have a key of that name.
    """
    own = dict(values)
    base = own.get(BASE_KEY)
    names_file = isinstance(base, str) and base.endswith((".yaml", ".yml"))
    if base is not None and not location and not names_file:
        raise ConfigError(f"{origins[(BASE_KEY,)]}: 'base' names one config file (.yaml), found {base!r}")
    for key, value in values.items():
        own[key], origins = _inherit_within(value, origins, (*location, key), path, seen)
    if not names_file:
        return own, origins
    del own[BASE_KEY]
    try:
        base_values, base_origins = _read_with_bases(path.parent / str(base), seen)
    except ConfigError as error:
        raise ConfigError(f"{error.message} (base of {origins[(*location, BASE_KEY)]})", hint=error.hint) from error
    return _merge(base_values, own), {**{(*location, *k): v for k, v in base_origins.items()}, **origins}


def _inherit_within(
    value: Any, origins: dict[Location, str], location: Location, path: Path, seen: tuple[Path, ...]
) -> tuple[Any, dict[Location, str]]:
    """A value with the bases of the mappings in it, those in lists too, put under them."""
    if isinstance(value, dict):
        return _inherit(value, origins, location, path, seen)
    if isinstance(value, list):
        items = []
        for index, item in enumerate(value):
            merged, origins = _inherit_within(item, origins, (*location, index), path, seen)
            items.append(merged)
        return items, origins
    return value, origins


def _read_file(path: Path) -> tuple[dict[str, Any], dict[Location, str]]:
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ConfigError(
                f"{path}: {path.stat().st_size:,} bytes are no config", hint="give the path of a YAML file"
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        near = (
            difflib.get_close_matches(path.name, [p.name for p in path.parent.glob("*.yaml")])
            if path.parent.is_dir()
            else []
        )
        hint = (
            f"did you mean {path.parent / near[0]}?"
            if near
            else "give the path of a YAML file, for instance configs/demo.yaml"
        )
        raise ConfigError(f"{path}: no such config file", hint=hint) from error
    except (IsADirectoryError, PermissionError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a config ({error})") from error
    try:
        node = _compose(text)
    except YAMLError as error:
        line, problem = _yaml_problem(error)
        raise ConfigError(f"{path}:{line}: {problem}") from error
    origins: dict[Location, str] = {}
    values = None if node is None else _construct(node, (), str(path), origins)
    if not isinstance(values, dict):
        found = "nothing" if values is None else type(values).__name__
        raise ConfigError(f"{path}: expected keys and values at the top, found {found}")
    return values, origins


def _compose(text: str) -> Node | None:
    """The node tree of a YAML 1.2 text. Raises YAMLError."""
    if re.search(r"^%YAML\s+1\.[01]\b", text, re.MULTILINE):
        raise YAMLError("configs are read as YAML 1.2; leave out the %YAML line")
    try:
        return cast("Node | None", YAML(typ="safe", pure=True).compose(text))
    except RecursionError as error:
        raise YAMLError(_TOO_DEEP) from error


def _yaml_problem(error: YAMLError) -> tuple[int, str]:
    """The line, counted from 1, and the words of a YAML error."""
    if isinstance(error, MarkedYAMLError):
        return error.problem_mark.line + 1 if error.problem_mark else 1, str(error.problem or error.context)
    return 1, str(error)


def _scalar(node: Node) -> Any:
    """The value of a single word. A date, a lone `=` and a lone `<<` are text in YAML 1.2. Raises KeyError for other tags."""
    constructor = YAML(typ="safe", pure=True).constructor
    construct: Mapping[str, Callable[[Node], Any]] = {
        "null": lambda _node: None,
        "bool": constructor.construct_yaml_bool,
        "int": constructor.construct_yaml_int,
        "float": constructor.construct_yaml_float,
        **dict.fromkeys(("str", "timestamp", "value", "merge"), lambda node: node.value),
    }
    return construct[str(node.tag).removeprefix(_TAG)](node)


def _construct(
    node: Node, location: Location, where: str, origins: dict[Location, str], above: tuple[Node, ...] = ()
) -> Any:
    """The JSON value of a node, every key being text; notes in `origins` where each key and list item was written."""

    def inside(child: Node, key: str | int, written: Node) -> Any:
        origins[(*location, key)] = f"{where}:{written.start_mark.line + 1}"
        if len(origins) > MAX_CONFIG_VALUES:  # ten lines of anchors that repeat one another can stand for billions
            raise ConfigError(f"{where}: more than {MAX_CONFIG_VALUES:,} values", hint="anchors may repeat one another")
        return _construct(child, (*location, key), where, origins, (*above, node))

    place = f"{where}:{node.start_mark.line + 1}"
    if node in above:
        raise ConfigError(f"{place}: this value contains itself")
    if len(above) > MAX_CONFIG_DEPTH:
        raise ConfigError(f"{place}: {_TOO_DEEP}")
    if isinstance(node, SequenceNode) and node.tag == f"{_TAG}seq":
        return [inside(child, index, child) for index, child in enumerate(node.value)]
    if isinstance(node, MappingNode) and node.tag == f"{_TAG}map":
        values: dict[str, Any] = {}
        for key, child in node.value:
            here = f"{where}:{key.start_mark.line + 1}"
            if not isinstance(key, ScalarNode):
                raise ConfigError(f"{here}: a key must be one word, found a list or mapping")
            if key.tag == f"{_TAG}merge":
                raise ConfigError(f"{here}: YAML 1.2 has no merge key '<<'", hint="inherit from a file with 'base:'")
            if key.value in values:
                raise ConfigError(
                    f"{here}: duplicate key {key.value!r}, given before at {origins[(*location, key.value)]}"
                )
            values[key.value] = inside(child, key.value, key)
        return values
    try:
        return _scalar(node)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"{place}: a value tagged {node.tag} cannot be read here") from error


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = _merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def _apply_override(values: dict[str, Any], origins: dict[Location, str], override: str) -> None:
    """Set `a.b.0.c=value` in place of what the file says."""
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(
            f"{override!r} is no override", hint="overrides have the form section.key=value, for instance train.lr=3e-4"
        )
    try:
        node = _compose(text)
    except YAMLError as error:
        raise ConfigError(
            f"{override!r}: the value is not YAML ({_yaml_problem(error)[1]})", hint="put it in quotes"
        ) from error
    value = None if node is None else _construct(node, (), f"override {override!r}", {})
    location: Location = ()
    current: Any = values
    parts = key.split(".")
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        step: str | int = part
        if isinstance(current, list):
            if not part.isdecimal() or int(part) >= len(current):
                raise ConfigError(
                    f"{override!r}: {'.'.join(map(str, location))} is a list of {len(current)}, no place {part!r} in it"
                )
            step = int(part)
        elif not isinstance(current, dict):
            raise ConfigError(f"{override!r}: {'.'.join(map(str, location))} is a single value, it has no {part!r}")
        location = (*location, step)
        origins[location] = f"override {override!r}"
        if last:
            for inner in [known for known in origins if known[: depth + 1] == location and known != location]:
                del origins[inner]  # what the file said below this key is gone
            cast(Any, current)[step] = value
        else:
            child = cast(Any, current)[step] if isinstance(current, list) else current.get(step)
            if child is None:
                child = {}
            elif isinstance(child, (dict, list)):
                child = child.copy()
            cast(Any, current)[step] = child
            current = child


# ---------------------------------------------------------------------------------------------------------- errors


def _describe(cls: type[BaseModel], raw: RawConfig, problem: Any) -> str:
    """One problem of pydantic's as a line: where it was written, which key, what was found, what was expected."""
    location = _existing_location(raw.values, problem["loc"])
    key = ".".join(map(str, location)) or "(top)"
    origin = next((raw.origins[location[:n]] for n in range(len(location), 0, -1) if location[:n] in raw.origins), "")
    prefix = f"{origin}: {key}" if origin else key
    kind, found = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        known = _known_keys(cls, problem["loc"][:-1])
        near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys here: {', '.join(known)}"
        return f"{prefix}: unknown key; {hint}"
    if kind == "missing":
        name = ".".join(map(str, problem["loc"]))
        return f"{origin}: {name}: missing, it has no default" if origin else f"{name}: missing, it has no default"
    message = problem["msg"].removeprefix("Value error, ")
    if kind in {"int_type", "int_from_float"} and isinstance(found, float) and found.is_integer():
        message += f"; write it as {found:.0f}"
    shown = json.dumps(found, ensure_ascii=False, default=str)
    if (kind == "value_error" and isinstance(found, dict)) or len(shown) > 120:
        return f"{prefix}: {message}"
    return f"{prefix}: {message} (found {shown})"


def _existing_location(values: Any, loc: Sequence[str | int]) -> Location:
    """The part of pydantic's location that the file has: union tags and the like are left out."""
    location: list[str | int] = []
    current: Any = values
    for part in loc:
        in_mapping = isinstance(current, dict) and part in current
        in_list = isinstance(current, list) and isinstance(part, int) and part < len(current)
        if in_mapping or in_list:
            location.append(part)
            current = current[part]
    return tuple(location)


def _known_keys(cls: type[BaseModel], loc: Sequence[str | int]) -> list[str]:
    """The field names of the model that lies at `loc` below `cls` (of all candidates where it is a union)."""
    models = {cls}
    for part in loc:
        if isinstance(part, int):
            continue
        nested = {
            m for model in models if part in model.model_fields for m in _models_in(model.model_fields[part].annotation)
        }
        if not nested:  # a union's tag or a key of a mapping
            continue
        models = nested
    return sorted({name for model in models for name in model.model_fields})


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {m for inner in getattr(annotation, "__args__", ()) for m in _models_in(inner)}
