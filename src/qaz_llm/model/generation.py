"""How a model's folder says that it is to be generated with: what the base said, and what training added."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from qaz_llm.errors import InputError
from qaz_llm.io import read_json
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("model")

GENERATION_FILE = "generation_config.json"

SAMPLING = ("temperature", "top_p", "top_k", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")
"""Settings that mean something only where `do_sample` is on."""


def extended_generation_config(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    *,
    end_of_turn: int | None = None,
    beside: Path | None = None,
) -> GenerationConfig:
    """The model's own settings, with further tokens to stop at.

    Stops at all of: what the model's settings and config name, the tokenizer's end of text, `end_of_turn`, and what the
    settings in the folder `beside` name, as an adapter's do. A token that the model has no row for is left out. Settings that the
    base has stay as they are; a model without any of its own samples nothing.
    """
    from transformers import GenerationConfig

    own = model.generation_config
    config = GenerationConfig.from_dict(own.to_dict()) if own is not None else GenerationConfig()
    further = _settings_in(beside) if beside is not None else GenerationConfig()
    rows = model.config.get_text_config().vocab_size  # a table may be sharded, or hold trained rows beside it
    ends = [
        *_ids(config.eos_token_id),
        *_ids(getattr(model.config.get_text_config(), "eos_token_id", None)),
        *_ids(tokenizer.eos_token_id),
        *_ids(further.eos_token_id),
        *_ids(end_of_turn),
    ]
    unknown = sorted({end for end in ends if end >= rows})
    if unknown:
        _logger.warning("stop tokens %s left out: the model has %s rows", unknown, f"{rows:,}")
    config.eos_token_id = [end for end in dict.fromkeys(ends) if end < rows] or None
    if config.bos_token_id is None:
        config.bos_token_id = tokenizer.bos_token_id
    if config.pad_token_id is None:
        pad = tokenizer.pad_token_id
        config.pad_token_id = pad if pad is not None else tokenizer.eos_token_id
    if config.do_sample is None:
        config.do_sample = False
    _leave_out_what_contradicts(config)
    return config


def _settings_in(folder: Path) -> GenerationConfig:
    """The settings in a folder, none where it has none. Raises InputError where its file is no JSON, or stops at no ids."""
    from transformers import GenerationConfig

    path = folder / GENERATION_FILE
    if not path.is_file():
        return GenerationConfig()
    ends = (values := read_json(path)).get("eos_token_id")
    if not all(
        isinstance(end, int) for end in (ends if isinstance(ends, list) else [ends] if ends is not None else [])
    ):
        raise InputError(
            f"{path}: eos_token_id is {ends!r}, expected a token's id or a list of ids",
            hint="write the number that tokenizer.json gives the token, or take the line out",
        )
    return cast("GenerationConfig", GenerationConfig.from_dict(values))


def _leave_out_what_contradicts(config: Any) -> None:
    """Settings of sampling beside `do_sample: false` have no effect, and transformers refuses to save them."""
    if config.do_sample:
        return
    set_ones = [name for name in SAMPLING if getattr(config, name, None) is not None]
    if set_ones:
        _logger.warning(
            "generation settings without effect where nothing is sampled, left out: %s", ", ".join(set_ones)
        )
    for name in set_ones:
        setattr(config, name, None)


def _ids(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
