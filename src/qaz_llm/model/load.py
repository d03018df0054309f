"""Models and tokenizers from a folder or the hub, with errors that say what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from qaz_llm.errors import InputError
from qaz_llm.io import hub_hint, is_offline, reach_hub
from qaz_llm.model.choices import DOCUMENTS
from qaz_llm.model.finite import not_finite
from qaz_llm.model.folder import WEIGHT_FILES, check_model_folder
from qaz_llm.model.stored import StoredTensor, check_loaded, refuse_quantised, shown, stored_tensors
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.chat_template import CHATML, DEFAULT_CHAT_TEMPLATE
from qaz_llm.tokenizer.fast import load_fast_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from qaz_llm.model.choices import Attention

_logger = get_logger("model")

Dtype = Literal["auto", "float32", "bfloat16", "float16"]


def load_config_of(checkpoint: str, *, trust_remote_code: bool = False, needs_weights: bool = True) -> PretrainedConfig:
    """The transformers config of a folder or hub id; of a multimodal model that of the text model inside.

    `needs_weights` false: a folder with a config.json alone will do.

    Raises:
        InputError: there is none, it is of no causal language model, it needs code of its own, or it says quantised.
    """
    return _configs(checkpoint, trust_remote_code=trust_remote_code, needs_weights=needs_weights)[1]


def _configs(
    checkpoint: str, *, trust_remote_code: bool, needs_weights: bool = True
) -> tuple[PretrainedConfig, PretrainedConfig]:
    """The config as it stands in the file, and the one of the language model in it."""
    from transformers import AutoConfig

    from qaz_llm.model.architecture import is_bidirectional, is_causal, text_config_of

    if Path(checkpoint).is_dir():
        check_model_folder(Path(checkpoint), needs_weights=needs_weights)
    else:
        reach_hub()
    try:
        whole = AutoConfig.from_pretrained(checkpoint, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise _not_loadable(checkpoint, error) from error
    config = text_config_of(whole)
    _check_shape(config, checkpoint)
    if not is_causal(config):
        raise InputError(
            f"{checkpoint}: a {whole.model_type} model, which is no causal language model",
            hint="name a model that goes on with a text, as Llama, Qwen or Gemma do",
        )
    if is_bidirectional(config):
        raise InputError(
            f"{checkpoint}: a {whole.model_type} model, which reads both ways and cannot learn to go on with a text",
            hint="name a model that goes on with a text, as Llama, Qwen or Gemma do",
        )
    refuse_quantised(config, checkpoint, {})
    return whole, config


def _check_shape(config: PretrainedConfig, checkpoint: str) -> None:
    """Raises InputError where a size that every model has is no number from 1."""
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "vocab_size"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value < 1:
            raise InputError(
                f"{checkpoint}: its config.json says {name} {value}",
                hint="take the config.json that belongs to the model",
            )


def load_model(
    checkpoint: str | Path,
    *,
    dtype: Dtype = "auto",
    device: str | None = None,
    attn_implementation: Attention = "auto",
    trust_remote_code: bool = False,
    rename_weights: bool = False,
) -> PreTrainedModel:
    """A causal language model in evaluation mode, every parameter from the file; `dtype` auto takes that of the file.

    Of a multimodal model it is the text model alone; what is left out is logged. `rename_weights` reads weights whose names
    differ from the model's by wrappers (stored.py).

    Raises:
        InputError: no such folder, a folder that is no model, a damaged file, a hub id that is not at hand, quantised
            weights, weights that the file does not hold, NaN in those it holds.
        ConfigError: an attention that the architecture does not have.
    """
    name = str(checkpoint)
    model, info, stored, part_of = _read(
        name, dtype=dtype, attn_implementation=attn_implementation, trust_remote_code=trust_remote_code
    )
    check_loaded(model, info, name, stored, part_of=part_of, rename=rename_weights)
    if odd := not_finite(model.named_parameters()):
        raise InputError(
            f"{name}: NaN or infinity in {len(odd)} of its weights: {shown(odd)}",
            hint="fetch it again, or take an earlier checkpoint of the run that made it",
        )
    if part_of is not None:
        _logger.info("%s: a %s model; its text model alone is used, a %s", name, part_of, type(model).__name__)
    model.eval()
    return cast("PreTrainedModel", model.to(device) if device is not None else model)


def check_weights(checkpoint: str, *, trust_remote_code: bool = False) -> None:
    """See that the files of a model hold its weights, by their names and shapes; no weight is read.

    Those of a hub id are fetched when it is loaded, and looked at then.

    Raises:
        InputError: as load_model, before any work rests on it.
    """
    if not Path(checkpoint).is_dir():
        return
    model, info, stored, part_of = _read(checkpoint, trust_remote_code=trust_remote_code, shapes_alone=True)
    check_loaded(model, info, checkpoint, stored, part_of=part_of, rename=False, fill=False)


def _read(
    name: str,
    *,
    dtype: Dtype = "auto",
    attn_implementation: Attention = "auto",
    trust_remote_code: bool,
    shapes_alone: bool = False,
) -> tuple[PreTrainedModel, dict[str, Any], dict[str, StoredTensor], str | None]:
    """A model as transformers reads it, what it tells of that, the tensors of the files, and what it is the text model of."""
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging as transformers_logging

    from qaz_llm.model.architecture import choose_attention

    transformers_logging.disable_progress_bar()  # our own lines say what is loaded
    whole, config = _configs(name, trust_remote_code=trust_remote_code)
    attention = choose_attention(config, attn_implementation, trust_remote_code=trust_remote_code)
    if attention == DOCUMENTS:
        from qaz_llm.model.kernels.documents import register_documents

        register_documents()
    try:
        stored = stored_tensors(_folder_of(name))
        refuse_quantised(config, name, stored)
        with _quiet_transformers():
            model, info = AutoModelForCausalLM.from_pretrained(
                name,
                config=config,
                dtype=dtype,
                attn_implementation=attention,
                trust_remote_code=trust_remote_code,
                ignore_mismatched_sizes=True,  # reported with names and shapes by check_loaded, in place of a table
                output_loading_info=True,
                **({"device_map": "meta"} if shapes_alone else {}),
            )
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        raise _not_loadable(name, error) from error
    return model, info, stored, None if whole is config else whole.model_type


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Keep transformers' table of missing and unexpected names out of the log: we say it ourselves, or refuse."""
    from transformers.utils import logging as transformers_logging

    before = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(before)


def _folder_of(name: str) -> Path:
    """Where the files of a folder or hub id lie on this machine; those of a hub id are fetched if need be."""
    from transformers.utils import cached_file

    if Path(name).is_dir():
        return Path(name)
    for file in WEIGHT_FILES:
        path = cached_file(name, file, _raise_exceptions_for_missing_entries=False)
        if path is not None:
            return Path(path).parent
    raise OSError(f"it holds none of {', '.join(WEIGHT_FILES)}")


def load_tokenizer(
    checkpoint: str | Path, *, chat_template: str | None = None, trust_remote_code: bool = False
) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder or hub id, with its own chat template, or none where it has none.

    `chat_template` gives another: a file with one, or `chatml`. Code that it brings is run with `trust_remote_code` alone.

    Raises:
        InputError: where there is no tokenizer, or no such file.
    """
    name = str(checkpoint)
    if not Path(name).is_dir() and _looks_like_path(name):
        raise InputError(f"{name}: no such folder", hint="check the path of the model or tokenizer")
    tokenizer = load_fast_tokenizer(name, trust_remote_code=trust_remote_code)
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


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1


def _not_loadable(name: str, error: Exception) -> InputError:
    first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
    if "trust_remote_code" in str(error):
        return InputError(
            f"{name}: brings code of its own, which is not run unasked",
            hint="read it, then set model.trust_remote_code=true in a config, or give --trust-remote-code",
        )
    if isinstance(error, ImportError):
        return InputError(f"{name}: needs a package that is not here ({first_line})", hint="install that package")
    if Path(name).is_dir():
        return InputError(f"{name}: not a model that can be loaded ({first_line})", hint="fetch or export it again")
    if _looks_like_path(name):
        return InputError(f"{name}: no such folder", hint="check the path of the checkpoint")
    said = "" if is_offline() else f" ({first_line})"
    return InputError(f"{name}: no such folder, and no such model on the hub or in its cache{said}", hint=hub_hint())


def describe_model(model: Any) -> str:
    """`LlamaForCausalLM, 2.1 M parameters, float32`."""
    count = sum(p.numel() for p in model.parameters())
    return f"{type(model).__name__}, {count / 1e6:,.1f} M parameters, {str(model.dtype).removeprefix('torch.')}"
