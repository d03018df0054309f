"""What of a config tells one run from another, for keys that came later than the first runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qaz_llm.config import StrictModel
from qaz_llm.train.config import AdapterConfig, TrainSettings

LATER_KEYS = ("freeze", "pull_to_base", "optimizer", "preference")
LATER_ADAPTER_KEYS = ("weight_decomposed", "lora_plus_ratio", "quantised")


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
