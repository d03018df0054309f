"""A model folder in words that earlier readers know too.

transformers 5 writes a model's config in its own new words. transformers 4 (4.57 is its last), and what is built on it,
reads the folder without an error and computes something else: rotary positions with the default base of 10,000 and
without scaling, weights in another precision. So the old words are written beside the new ones:

    new                                    old
    rope_parameters {rope_theta, …}        rope_theta, rope_scaling, partial_rotary_factor
    rope_parameters by kind of layer       rope_theta, rope_scaling of full attention, rope_local_base_freq of sliding
    dtype                                  torch_dtype
    tokenizer_class TokenizersBackend      PreTrainedTokenizerFast
    extra_special_tokens, a list           additional_special_tokens
    a name with an alias, as               the alias: num_experts (without it 4 takes its default of 128 experts)
    num_local_experts of Qwen3-MoE

An old word that transformers 5 itself would then read differently is left out, and said.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.io import read_json, write_json
from qaz_llm.progress import get_logger

_logger = get_logger("model")

NEW_TOKENIZER_CLASSES = ("TokenizersBackend", "PythonBackend", "SentencePieceBackend")
"""Classes that are new in transformers 5; with a tokenizer.json, PreTrainedTokenizerFast reads the same in both."""

ROPE_WORDS = ("rope_theta", "rope_scaling", "partial_rotary_factor", "rope_local_base_freq", "text_config")

ONLY_HERE = ("is_local", "local_files_only", "name_or_path", "backend")
"""What transformers notes in tokenizer_config.json about where and how it loaded one; nothing a reader needs."""


def write_old_words(folder: Path, config: Any) -> None:
    """Add the old words to `config.json` and `tokenizer_config.json` of a folder; `config` is the model's."""
    path = folder / "config.json"
    values = read_json(path)
    old = _old_words(values) | _aliases(values, type(config))
    for left_out in ((), ("rope_scaling",), ROPE_WORDS):
        candidate = values | {name: value for name, value in old.items() if name not in left_out}
        if _same_rope(type(config), candidate, values):
            break
        _logger.warning("%s: old words for rope would change what transformers 5 reads; some left out", path)
    write_json(path, candidate)
    if (folder / "tokenizer_config.json").is_file():
        _write_tokenizer_config(folder / "tokenizer_config.json")


def _old_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """The old words for a config; for a text model inside another one, for both."""
    old: dict[str, Any] = {"torch_dtype": values["dtype"]} if isinstance(values.get("dtype"), str) else {}
    rope = values.get("rope_parameters")
    if isinstance(rope, Mapping):
        old |= _old_rope(rope, str(values.get("model_type")))
    if isinstance(values.get("text_config"), Mapping):
        old["text_config"] = {**values["text_config"], **_old_words(values["text_config"])}
    return old


def _aliases(values: Mapping[str, Any], config_class: Any) -> dict[str, Any]:
    """Other names that the config's class has for what it writes; some are the only ones that transformers 4 knows."""
    names = getattr(config_class, "attribute_map", {}) or {}
    return {alias: values[name] for alias, name in names.items() if name in values and alias not in values}


def _old_rope(rope: Mapping[str, Any], model_type: str) -> dict[str, Any]:
    """
    >>> _old_rope({"rope_type": "default", "rope_theta": 5e5}, "llama")
    {'rope_theta': 500000.0, 'rope_scaling': None}
    >>> _old_rope({"rope_type": "linear", "rope_theta": 1e4, "factor": 2.0}, "llama")["rope_scaling"]
    {'rope_type': 'linear', 'factor': 2.0}
    """
    if "full_attention" in rope:
        local = (rope.get("sliding_attention") or {}).get("rope_theta")
        return _old_rope(rope["full_attention"], model_type) | (
            {} if local is None else {"rope_local_base_freq": local}
        )
    if "rope_theta" not in rope:
        return {}
    moved = {"rope_theta", "partial_rotary_factor"}
    rest = {name: value for name, value in rope.items() if name not in moved}
    if rest.get("rope_type") == "longrope" and model_type.startswith("phi"):  # 4.x takes these three keys and no other
        rest = {"type": "longrope"} | {name: rest[name] for name in ("short_factor", "long_factor")}
    scaled = rest.get("rope_type", "default") != "default" or "type" in rest
    old = {"rope_theta": rope["rope_theta"], "rope_scaling": rest if scaled else None}
    share = rope.get("partial_rotary_factor")
    if model_type == "gpt_neox":
        return {"rotary_emb_base": rope["rope_theta"]} | ({} if share is None else {"rotary_pct": share})
    return old | ({} if share is None else {"partial_rotary_factor": share})


def _same_rope(config_class: Any, candidate: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Whether this transformers reads the same rotary positions from both."""
    return bool(_read_rope(config_class, candidate) == _read_rope(config_class, values))


def _read_rope(config_class: Any, values: Mapping[str, Any]) -> Any:
    read = config_class.from_dict(_with_floats(values))
    rope = getattr(read.get_text_config(), "rope_parameters", None)
    return (
        {k: v for k, v in rope.items() if k != "type"} if isinstance(rope, Mapping) else rope
    )  # it says rope_type too


def _with_floats(value: Any) -> Any:
    """A copy with the numbers that JSON has not, as transformers 5 writes them: `{"__float__": "Infinity"}`."""
    match value:
        case {"__float__": str(name)} if len(value) == 1:
            return float(name)
        case Mapping():
            return {key: _with_floats(one) for key, one in value.items()}
        case list():
            return [_with_floats(one) for one in value]
        case _:
            return value


def _write_tokenizer_config(path: Path) -> None:
    values = {name: value for name, value in read_json(path).items() if name not in ONLY_HERE}
    if values.get("tokenizer_class") in NEW_TOKENIZER_CLASSES:
        values["tokenizer_class"] = "PreTrainedTokenizerFast"
    extra = values.get("extra_special_tokens")
    if isinstance(extra, list):  # a list is read by 5 under either name, by 4 under the old one alone
        del values["extra_special_tokens"]
        values["additional_special_tokens"] = extra
    write_json(path, values)


def open_to_readers(folder: Path) -> None:
    """Give all files of a folder the permissions that the umask asks for; weights are written by way of a private
    temporary file, and would be the owner's alone."""
    umask = os.umask(0)
    os.umask(umask)
    for path in [folder, *folder.rglob("*")]:
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
