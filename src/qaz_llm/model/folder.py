"""What lies in a model's folder, before anything of it is loaded."""

from __future__ import annotations

from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.progress import get_logger

_logger = get_logger("model")

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")
"""The weights in one file, or the list of the files that they are in; transformers reads the first that is there."""

SHOWN_FILES = 6

_HINT = "name a folder that holds config.json, model.safetensors and tokenizer.json, for instance a run's model/"
_GGUF = "GGUF is quantised and for running alone; name the Hugging Face folder that it was made from"


def check_model_folder(folder: Path, *, needs_weights: bool = True) -> None:
    """Raises InputError, saying what is missing and what is there instead, where `folder` is no whole model; or has no
    config, which a plan does with."""
    present = sorted(p.name for p in folder.iterdir())
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: an adapter, not a model", hint=f"merge it into its base first: qaz export {folder} OUT"
        )
    if not (folder / "config.json").is_file():
        shown = ", ".join(present[:SHOWN_FILES]) or "nothing"
        hint = _GGUF if any(name.endswith(".gguf") for name in present) else _HINT
        raise InputError(f"{folder}: no model, config.json is missing; it holds {shown}", hint=hint)
    weights = [name for name in WEIGHT_FILES if name in present]
    if not weights and needs_weights:
        raise _no_weights(folder, present)
    if len(weights) > 1:
        _logger.warning(
            "%s: holds model.safetensors and the shards of %s; model.safetensors is read, the shards are not", folder, weights[1]
        )  # fmt: skip


def _no_weights(folder: Path, present: list[str]) -> InputError:
    """The error for a folder without weights that can be read, by what else is in it."""
    message = f"{folder}: the weights are missing, none of {', '.join(WEIGHT_FILES)}"
    others = [
        name for name in present if name.endswith((".bin", ".pt", ".pth", ".gguf", ".safetensors", ".h5", ".msgpack"))
    ]
    if not others:
        return InputError(message, hint=_HINT)
    message += f"; it holds {', '.join(others[:SHOWN_FILES])}" + (" …" if len(others) > SHOWN_FILES else "")
    if any(name.endswith(".gguf") for name in others):
        return InputError(message, hint=_GGUF)
    if any(name.endswith(".safetensors") for name in others):
        return InputError(message, hint="fetch model.safetensors.index.json too, which says which file holds what")
    return InputError(
        message,
        hint="these are pickles, which can run code and are not read; write them as safetensors where you trust them: "
        f'AutoModelForCausalLM.from_pretrained("{folder}").save_pretrained(OUT)',
    )
