"""The tokens that end an answer, in the places that a GGUF file has for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError
from qaz_llm.io import read_json

PLACES = ("eos", "eot", "eom")
"""End of text, of a turn, of a message: llama.cpp ends at each; beside them only at tokens it knows by their spelling."""


@dataclass(frozen=True)
class Stops:
    """`ids` as the folder says them, all of them; `places` are those of the GGUF file that hold them."""

    ids: tuple[int, ...]
    places: Mapping[str, int]


def read_stops(folder: Path) -> Stops:
    """What a model's folder ends answers with: generation_config.json first, else config.json. The tokenizer's or config's
    own end of text comes first.

    Raises:
        InputError: more ends than a GGUF file can hold, or none.
    """
    config = _settings(folder / "config.json")
    config = {**config, **config.get("text_config", {})}
    first = _ids(config.get("eos_token_id"))
    ids = _ids(_settings(folder / "generation_config.json").get("eos_token_id")) or first
    ordered = tuple(dict.fromkeys([*(one for one in first if one in ids), *ids]))
    if not ordered:
        raise InputError(
            f"{folder}: names no token that ends an answer", hint="write eos_token_id into its generation_config.json"
        )
    if len(ordered) > len(PLACES):
        raise InputError(
            f"{folder}: {len(ordered)} tokens end an answer, a GGUF file has places for {len(PLACES)}",
            hint="leave those in eos_token_id of generation_config.json that the model needs",
        )
    return Stops(ordered, dict(zip(PLACES, ordered, strict=False)))


def _ids(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)


def _settings(path: Path) -> dict[str, Any]:
    return dict(read_json(path)) if path.is_file() else {}
