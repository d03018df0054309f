"""A trained model as a folder that transformers, vLLM and llama.cpp's converter read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError, WorkError
from qaz_llm.io import atomic_dir, read_json
from qaz_llm.model.adapters import merge_adapter
from qaz_llm.model.card import facts_of_base, read_facts, write_card
from qaz_llm.model.compat import open_to_readers, write_old_words
from qaz_llm.model.finite import count_bad
from qaz_llm.model.generation import extended_generation_config
from qaz_llm.model.load import Dtype, load_model, load_tokenizer
from qaz_llm.model.vocabulary import extension_of, fit_vocabulary
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
    """Write `source`, a model, an adapter to be merged into its base, or a run with either, as a whole model folder at `out`.

    `base` overrides the base that an adapter names; `dtype` auto keeps that of the file; `facts` go into the card, beside
    those that `source` has; `trust_remote_code` and `rename_weights` are load_model's.

    Raises:
        InputError: `source` is neither, or the base cannot be loaded.
    """
    source = model_folder(source)
    if (source / "adapter_config.json").is_file():
        model, tokenizer, name = _merged(source, base, dtype, trust_remote_code, rename_weights)
    else:
        model = load_model(source, dtype=dtype, trust_remote_code=trust_remote_code, rename_weights=rename_weights)
        tokenizer, name = load_tokenizer(source, trust_remote_code=trust_remote_code), str(source)
    known = read_facts(source) or facts_of_base(name)
    write_model(model, tokenizer, out, facts=known | dict(facts or {}), end_of_turn=end_of_turn, generation_from=source)
    return out


def model_folder(source: Path) -> Path:
    """The folder of a model or adapter that `source` is, or that the run in `source` holds.

    Raises:
        InputError: there is none; what is there instead is named.
    """
    if not source.is_dir():
        raise InputError(f"{source}: no such folder", hint="name a run, or its model/ or adapter/ folder")
    if (source / "config.json").is_file() or (source / "adapter_config.json").is_file():
        return source
    for inside, marker in (("model", "config.json"), ("adapter", "adapter_config.json")):
        if (source / inside / marker).is_file():
            return source / inside
    stages = sorted(p.parent.name for p in source.glob("*/model") if (p / "config.json").is_file())
    if stages:
        raise InputError(
            f"{source}: a run of several stages, of which {', '.join(stages)} have a model",
            hint=f"name one: qaz export {source / stages[-1]} OUT",
        )
    if (source / "checkpoints").is_dir():
        raise InputError(
            f"{source}: a run that has no model yet, it is not done",
            hint="go on with it by the same `qaz train`; its model/ is written at the end",
        )
    present = ", ".join(sorted(p.name for p in source.iterdir())[:6]) or "nothing"
    raise InputError(
        f"{source}: neither a model, nor an adapter, nor a run with one; it holds {present}",
        hint="name a run, or its model/ or adapter/ folder",
    )


def name_of(source: Path) -> str:
    """A model's name for people: its folder's, or its run's where the folder is called model or adapter."""
    folder = source.resolve()
    return folder.parent.name if folder.name in ("model", "adapter") else folder.name


@contextmanager
def whole_folder(source: Path, base: str | None, *, near: Path) -> Iterator[Path]:
    """The folder of a whole model: `source`'s own, or for an adapter one beside `near`, merged, while the block runs.

    Raises:
        InputError: as export_model.
    """
    folder = model_folder(source)
    if not (folder / "adapter_config.json").is_file():
        yield folder
        return
    near.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=near.parent, prefix=".merged-") as temporary:
        yield export_model(folder, Path(temporary) / "model", base=base)


def _merged(
    adapter: Path, base: str | None, dtype: Dtype, trust_remote_code: bool, rename_weights: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerFast, str]:
    """The adapter's base, made as it was when training began, with the adapter merged in; its tokenizer; its name."""
    facts = read_json(adapter / ADAPTER_FACTS) if (adapter / ADAPTER_FACTS).is_file() else {}
    name = base or facts.get("base") or read_json(adapter / "adapter_config.json").get("base_model_name_or_path")
    if not name:
        raise InputError(f"{adapter}: does not say which model it belongs to", hint="name it with --base")
    trained_with = facts.get("base", name)
    if base is not None and Path(base).name != Path(trained_with).name:
        _logger.warning("%s: trained on %s, merged into %s as was asked for", adapter, trained_with, base)
    tokenizer = load_tokenizer(adapter, trust_remote_code=trust_remote_code)
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
    generation_from: Path | None = None,
) -> None:
    """Write weights, tokenizer, chat template, generation config and model card; all of it or nothing.

    The model stops at what it stopped at before, at `end_of_turn`, and where the folder `generation_from` says so.
    `state_dict` are the weights where the model itself does not hold them, as under ZeRO-3.

    Raises:
        WorkError: a weight is no number, as a product of adapters that are may not be one.
    """
    held = chain(model.parameters(), model.buffers()) if state_dict is None else state_dict.values()
    if bad := count_bad(held):
        raise WorkError(f"{out}: not written, {bad:,} of its weights are not numbers", hint="train with a lower lr")
    model.config.use_cache = True
    model.generation_config = extended_generation_config(
        model, tokenizer, end_of_turn=end_of_turn, beside=generation_from
    )
    with atomic_dir(out) as temporary:
        model.save_pretrained(temporary, state_dict=_untied(model, state_dict))
        tokenizer.save_pretrained(temporary)
        write_old_words(temporary, model.config)
        write_card(temporary, model, facts)
        open_to_readers(temporary)
    _logger.info("model: %s", out)


def _untied(model: PreTrainedModel, state_dict: dict[str, Any] | None) -> dict[str, Any] | None:
    """The gathered weights without the copies of tied ones, which DeepSpeed lists beside their originals."""
    if state_dict is None or not model.config.tie_word_embeddings:
        return state_dict
    tied = getattr(model, "_tied_weights_keys", None) or {}
    return {key: value for key, value in state_dict.items() if key not in tied}
