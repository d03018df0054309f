"""Models and tokenizers from a folder or the hub, with errors that say what is missing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from qaz_llm.errors import InputError
from qaz_llm.tokenizer.chat_template import CHATML, DEFAULT_CHAT_TEMPLATE
from qaz_llm.tokenizer.extension import EXTENSION_FILE, ExtendedTokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from qaz_llm.model.config import EmbeddingInit

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

EXTENSION_MARK = "qaz_extension"
"""Key in a model's config: the fingerprint of the extension it has rows for."""

OLD_MARK = "qaz_vocab_size"
"""What version 0.1 wrote instead, when new ids were always appended: how many rows had been made for tokens."""

WEIGHT_FILES = ("model.safetensors", "model.safetensors.index.json")


def check_model_folder(folder: Path) -> None:
    """Raises InputError, saying what is missing, where `folder` is no whole model."""
    present = sorted(p.name for p in folder.iterdir())
    hint = "name a folder that holds config.json, model.safetensors and tokenizer.json, for instance a run's model/"
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise InputError(
            f"{folder}: an adapter, not a model", hint=f"merge it into its base first: qaz export {folder} OUT"
        )
    if not (folder / "config.json").is_file():
        shown = ", ".join(present[:6]) or "nothing"
        raise InputError(f"{folder}: no model, config.json is missing; it holds {shown}", hint=hint)
    if not any((folder / name).is_file() for name in WEIGHT_FILES):
        raise InputError(f"{folder}: the weights are missing, none of {', '.join(WEIGHT_FILES)}", hint=hint)


def load_config_of(checkpoint: str, *, trust_remote_code: bool = False) -> PretrainedConfig:
    """The transformers config of a folder or hub id. Raises InputError where there is none."""
    from transformers import AutoConfig

    if Path(checkpoint).is_dir():
        check_model_folder(Path(checkpoint))
    try:
        return AutoConfig.from_pretrained(checkpoint, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError) as error:
        raise _not_loadable(checkpoint, error) from error


def load_model(
    checkpoint: str | Path,
    *,
    dtype: Dtype = "auto",
    device: str | None = None,
    attn_implementation: str = "sdpa",
    trust_remote_code: bool = False,
) -> PreTrainedModel:
    """A causal language model in evaluation mode; `dtype` auto takes that of the file.

    Raises:
        InputError: no such folder, a folder that is no model, a damaged file, or a hub id that is not at hand.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    transformers_logging.disable_progress_bar()  # our own lines say what is loaded
    name = str(checkpoint)
    if Path(name).is_dir():
        check_model_folder(Path(name))
    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, dtype=dtype, attn_implementation=attn_implementation, trust_remote_code=trust_remote_code
        )
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise _not_loadable(name, error) from error
    model.eval()
    return cast("PreTrainedModel", model.to(device) if device is not None else model)


def load_tokenizer(checkpoint: str | Path, *, chat_template: str | None = None) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder or hub id, with its own chat template, or none where it has none.

    `chat_template` gives another: a file with one, or `chatml`.

    Raises:
        InputError: where there is no tokenizer, or no such file.
    """
    name = str(checkpoint)
    if not Path(name).is_dir() and _looks_like_path(name):
        raise InputError(f"{name}: no such folder", hint="check the path of the model or tokenizer")
    tokenizer = load_fast_tokenizer(name)
    if chat_template is not None:
        tokenizer.chat_template = _read_template(chat_template)
    return tokenizer


def _read_template(name: str) -> str:
    if name == CHATML:
        return DEFAULT_CHAT_TEMPLATE
    try:
        return Path(name).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"model.chat_template: {name} is no file with a chat template ({error})",
            hint=f"name a file in Jinja, as chat_template.jinja of a model folder, or {CHATML}",
        ) from error


def extension_of(tokenizer_folder: str | Path | None) -> ExtendedTokenizer | None:
    """What an extended tokenizer's new tokens are made of; None for a tokenizer that is not extended."""
    if tokenizer_folder is None or not (Path(tokenizer_folder) / EXTENSION_FILE).is_file():
        return None
    return ExtendedTokenizer.load(Path(tokenizer_folder))


def fit_vocabulary(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    extended: ExtendedTokenizer | None,
    *,
    init: EmbeddingInit,
    seed: int,
) -> tuple[int, ...] | None:
    """Give the model rows for an extended tokenizer's new tokens, where it has none yet; their ids, or None.

    A model that has them says so by `qaz_extension` in its config: its number of rows alone does not tell, since
    models have padding rows and swapped tokens take rows that were there before.

    Raises:
        InputError: the tokenizer has tokens that the model has no rows for, and no extension says how to make them.
    """
    from qaz_llm.model.embeddings import count_rows, resize_embeddings

    if extended is not None and not has_rows_for(model, extended):
        resize_embeddings(model, extended, init=init, seed=seed)
        mark_rows(model, extended)
        return extended.new_ids
    rows = count_rows(model)
    if len(tokenizer) > rows:
        raise InputError(
            f"the tokenizer has {len(tokenizer):,} tokens, the model {rows:,} embedding rows",
            hint="use the tokenizer that belongs to the checkpoint, or extend that one with `qaz tokenizer extend`",
        )
    return None


def has_rows_for(model: PreTrainedModel, extended: ExtendedTokenizer) -> bool:
    """True where the model's rows were made for this extension, by `fit_vocabulary` or by training from nothing."""
    if getattr(model.config, EXTENSION_MARK, None) == extended.fingerprint:
        return True
    return not extended.swapped_ids and getattr(model.config, OLD_MARK, 0) >= extended.size


def mark_rows(model: PreTrainedModel, extended: ExtendedTokenizer) -> None:
    """Note in the model's config, which is saved with it, that it has rows for this extension."""
    setattr(model.config, EXTENSION_MARK, extended.fingerprint)


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _not_loadable(name: str, error: Exception) -> InputError:
    first_line = (str(error).splitlines() or [type(error).__name__])[0][:300]
    if Path(name).is_dir():
        return InputError(f"{name}: not a model that can be loaded ({first_line})", hint="fetch or export it again")
    if _looks_like_path(name):
        return InputError(f"{name}: no such folder", hint="check the path of the checkpoint")
    offline = os.environ.get("HF_HUB_OFFLINE", "0") not in ("0", "")
    hint = (
        "HF_HUB_OFFLINE is set: name a folder, or fetch the model beforehand with `hf download`"
        if offline
        else "check the id and the network, or name a folder"
    )
    return InputError(f"{name}: no such folder, and no such model on the hub or in its cache ({first_line})", hint=hint)


def describe_model(model: Any) -> str:
    """`LlamaForCausalLM, 2.1 M parameters, float32`."""
    count = sum(p.numel() for p in model.parameters())
    return f"{type(model).__name__}, {count / 1e6:,.1f} M parameters, {str(model.dtype).removeprefix('torch.')}"
