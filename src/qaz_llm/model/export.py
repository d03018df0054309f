"""A trained model as a folder that transformers, vLLM and llama.cpp's converter read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.io import atomic_dir, read_json
from qaz_llm.model.adapters import merge_adapter
from qaz_llm.model.load import Dtype, extension_of, fit_vocabulary, load_model, load_tokenizer
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

_logger = get_logger("model")

ADAPTER_FACTS = "qaz_adapter.json"
"""Beside an adapter: base, tokenizer, embedding_init and seed, from which the base it was trained on is made again."""


def export_model(
    source: Path,
    out: Path,
    *,
    base: str | None = None,
    dtype: Dtype = "auto",
    facts: Mapping[str, object] | None = None,
    end_of_turn: int | None = None,
    trust_remote_code: bool = False,
    rename_weights: bool = False,
) -> Path:
    """Write `source`, a model or an adapter to be merged into its base, as a whole model folder at `out`.

    `base` overrides the base that an adapter names; `dtype` auto keeps that of the file; `facts` go into the card;
    `trust_remote_code` and `rename_weights` are load_model's.

    Raises:
        InputError: `source` is neither, or the base cannot be loaded.
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder", hint="name a run's model/ or adapter/ folder")
    if (source / "adapter_config.json").is_file():
        model, tokenizer, name = _merged(source, base, dtype, trust_remote_code, rename_weights)
    else:
        model = load_model(source, dtype=dtype, trust_remote_code=trust_remote_code, rename_weights=rename_weights)
        tokenizer, name = load_tokenizer(source), str(source)
    write_model(model, tokenizer, out, facts={"made from": name} | dict(facts or {}), end_of_turn=end_of_turn)
    return out


def _merged(
    adapter: Path, base: str | None, dtype: Dtype, trust_remote_code: bool, rename_weights: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, str]:
    """The adapter's base, made as it was when training began, with the adapter merged in; its tokenizer; its name."""
    facts = read_json(adapter / ADAPTER_FACTS) if (adapter / ADAPTER_FACTS).is_file() else {}
    name = base or facts.get("base") or read_json(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not name:
        raise InputError(f"{adapter}: does not say which model it belongs to", hint="name it with --base")
    tokenizer = load_tokenizer(adapter)
    model = load_model(name, dtype=dtype, trust_remote_code=trust_remote_code, rename_weights=rename_weights)
    init, seed, rows = facts.get("embedding_init", "mean"), facts.get("seed", 0), facts.get("new_rows", "auto")
    fit_vocabulary(model, tokenizer, extension_of(adapter), init=init, seed=seed, new_rows=rows)
    return merge_adapter(model, adapter), tokenizer, name


def write_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerFast,
    out: Path,
    *,
    facts: Mapping[str, object],
    state_dict: dict[str, Any] | None = None,
    end_of_turn: int | None = None,
) -> None:
    """Write weights, tokenizer, chat template, generation config and model card; all of it or nothing.

    `state_dict` are the weights where the model itself does not hold them, as under ZeRO-3.
    """
    model.config.use_cache = True
    set_generation_config(model, tokenizer, end_of_turn=end_of_turn)
    with atomic_dir(out) as temporary:
        model.save_pretrained(temporary, state_dict=_untied(model, state_dict))
        tokenizer.save_pretrained(temporary)
        (temporary / "README.md").write_text(model_card(model, facts), encoding="utf-8")
    _logger.info("model: %s", out)


def _untied(model: PreTrainedModel, state_dict: dict[str, Any] | None) -> dict[str, Any] | None:
    """The gathered weights without the copies of tied ones, which DeepSpeed lists beside their originals."""
    if state_dict is None or not model.config.tie_word_embeddings:
        return state_dict
    tied = getattr(model, "_tied_weights_keys", None) or {}
    return {key: value for key, value in state_dict.items() if key not in tied}


def set_generation_config(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, *, end_of_turn: int | None = None
) -> None:
    """Let generation stop at the end of the text and, where the model answers, at the end of its turn; sample nothing."""
    from transformers import GenerationConfig

    ends = [i for i in (tokenizer.eos_token_id, end_of_turn) if i is not None]
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=sorted(set(ends)) or None,
        pad_token_id=tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id,
        do_sample=False,
    )


def model_card(model: PreTrainedModel, facts: Mapping[str, object]) -> str:
    """The README of a model folder in the hub's format."""
    lines = [f"- {key}: {value}" for key, value in facts.items()]
    return "\n".join(
        [
            "---",
            "language: [kk, ru, en]",
            "library_name: transformers",
            "pipeline_tag: text-generation",
            "tags: [kazakh, qaz-llm]",
            "---",
            "",
            "# A Kazakh language model",
            "",
            f"{type(model).__name__}, vocabulary {model.config.vocab_size:,}, made with qaz-llm.",
            "",
            *lines,
            "",
            "Check the licences of the base model and of the training text before passing it on.",
            "",
        ]
    )
