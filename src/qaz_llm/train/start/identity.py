"""What tells one run from another: of a config the keys that are used, of the model that it begins with its weights."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qaz_llm.config import StrictModel
from qaz_llm.io import fingerprint_file, fingerprint_value
from qaz_llm.train.config import AdapterConfig, TrainSettings

LATER_KEYS = ("freeze", "pull_to_base", "optimizer", "preference")
LATER_ADAPTER_KEYS = ("weight_decomposed", "lora_plus_ratio", "quantised")

SAMPLES, SAMPLE_BYTES = 64, 4096
"""So many pieces of each file of weights are looked at, so many bytes each: a quarter of a megabyte, of 16 GB too."""


def known_weights(folder: Path) -> dict[str, str]:
    """What a model folder is known again by: names and sizes of its files of weights with the bytes of its config, and
    samples of the weights themselves.

    The samples tell a model from one that was tuned from it, whose files have the same sizes: under LoRA a resumed run would
    else go on with the adapter of one upon the weights of the other. A change to few weights may lie between them; hashing
    all of a large model at each start would be dear.
    """
    files = sorted(folder.glob("*.safetensors*"))
    sizes = {path.name: path.stat().st_size for path in files}
    samples = [_samples(path) for path in files if path.suffix == ".safetensors"]
    return {
        "checkpoint": fingerprint_value([sizes, fingerprint_file(folder / "config.json")]),
        "weights_fingerprint": fingerprint_value(samples),
    }


def _samples(path: Path) -> str:
    """Of pieces that lie evenly from the beginning of a file to its end."""
    digest = hashlib.blake2b(digest_size=16)
    last = max(path.stat().st_size - SAMPLE_BYTES, 0)
    with path.open("rb") as stream:
        for number in range(SAMPLES):
            stream.seek(last * number // (SAMPLES - 1))
            digest.update(stream.read(SAMPLE_BYTES))
    return digest.hexdigest()


def without_unused(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a config without later keys that are not used, so that a run begun before there were such keys can be resumed.

    A key is not used where it has its default.
    """
    left = _without_defaults(values, TrainSettings, LATER_KEYS)
    return left | {"adapter": _without_defaults(left["adapter"], AdapterConfig, LATER_ADAPTER_KEYS)}


def _without_defaults(values: Mapping[str, Any], model: type[StrictModel], keys: tuple[str, ...]) -> dict[str, Any]:
    defaults = {key: model.model_fields[key].get_default(call_default_factory=True) for key in keys}
    return {key: value for key, value in values.items() if key not in keys or value != _as_json(defaults[key])}


def _as_json(value: Any) -> Any:
    if isinstance(value, StrictModel):
        return value.to_dict()
    return list(value) if isinstance(value, tuple) else value
