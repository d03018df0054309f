"""What an adapter's file holds, against the model that it is merged into: all of it is used, and nothing is left at zero.

PEFT leaves out matrices that the model has no layer for without a word, and warns of layers that the file has none for. An
adapter of another base, or a file with a wrapper's names, would be merged in part or not at all.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.io import read_json
from qaz_llm.model.finite import not_finite
from qaz_llm.model.stored import shown

if TYPE_CHECKING:
    from peft import PeftModel


def check_adapter(model: PeftModel, folder: Path) -> None:
    """See that the adapter which `model` was given from `folder` is in it whole, and is made of numbers.

    Raises:
        InputError: matrices without a layer, layers without a matrix, NaN or infinity; the names are given.
    """
    found = model.load_adapter(str(folder), adapter_name="default", torch_device="cpu")  # again, for what it tells
    hint = f"it was trained on {trained_on(folder)}; merge it into that one, or write the adapter again"
    if found.unexpected_keys or found.missing_keys:
        parts = [
            f"{len(names)} {what}: {shown(names)}"
            for names, what in (
                (found.unexpected_keys, "matrices of it have no layer in this model"),
                (found.missing_keys, "matrices that its layers need are not in the file"),
            )
            if names
        ]
        raise InputError(f"{folder}: does not fit this model; {'; '.join(parts)}", hint=hint)
    if odd := not_finite((name, p) for name, p in model.named_parameters() if "lora_" in name):
        raise InputError(f"{folder}: NaN or infinity in {shown(odd)}", hint="take an earlier checkpoint of the run")


def trained_on(folder: Path) -> str:
    """The base that an adapter names, as its config says."""
    return str(read_json(folder / "adapter_config.json").get("base_model_name_or_path") or "a model it does not name")
