"""Rows of a model's tables for the tokens of its tokenizer: whether they are there, are to be made, and how that is noted."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.progress import get_logger
from qaz_llm.tokenizer.extension import EXTENSION_FILE, ExtendedTokenizer
from qaz_llm.tokenizer.fast import load_fast_tokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

    from qaz_llm.model.choices import EmbeddingInit, NewRows

_logger = get_logger("model")

EXTENSION_MARK = "qaz_extension"
"""Key in a model's config: the fingerprint of the extension it has rows for."""

OLD_MARK = "qaz_vocab_size"
"""What version 0.1 wrote instead, when new ids were always appended: how many rows had been made for tokens."""


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
    new_rows: NewRows = "auto",
) -> tuple[int, ...] | None:
    """Give the model rows for an extended tokenizer's new tokens, where it has none yet; their ids, or None.

    Raises:
        InputError: the tokenizer has tokens that the model has no rows for, and no extension says how to make them; or
            nothing tells whether the model's rows were made for this extension, and `new_rows` is auto.
    """
    from qaz_llm.model.embeddings import count_rows, resize_embeddings

    rows = count_rows(model)
    if extended is not None:
        if needs_rows(model.config, rows, extended, new_rows):
            resize_embeddings(model, extended, init=init, seed=seed)
            mark_rows(model, extended)
            return extended.new_ids
        mark_rows(model, extended)
    check_rows(rows, len(tokenizer))
    return None


def check_rows(rows: int, tokens: int, *, name: str = "") -> None:
    """Raises InputError where a model, called `name` where there are several, has fewer rows than its tokenizer has tokens."""
    if tokens > rows:
        raise InputError(
            f"{name}{': ' if name else ''}the tokenizer has {tokens:,} tokens, the model {rows:,} embedding rows",
            hint="use the tokenizer that belongs to the checkpoint, or extend that one with `qaz tokenizer extend`",
        )


def needs_rows(config: PretrainedConfig, rows: int, extended: ExtendedTokenizer, new_rows: NewRows = "auto") -> bool:
    """True where rows for the new tokens are to be made, False where the checkpoint has them, trained perhaps.

    The number of rows alone does not tell: models have padding rows, and swapped tokens take rows that were there before.
    In this order it is told by the mark in the config, by `new_rows`, by rows that are too few, and by the tokenizer that
    lies beside the weights: it knows all new tokens, or none. A model that was never in a file has no trained rows.

    Raises:
        InputError: none of these tells.
    """
    if has_mark(config, extended):
        return False
    if new_rows != "auto":
        return new_rows == "make"
    if rows < extended.size or not config.name_or_path:
        return True
    known = _known_tokens(config.name_or_path, extended)
    if known is not None and known in (0, len(extended.new_ids)):
        if known:
            _logger.info("%s: its tokenizer has the new tokens, so their rows are kept", config.name_or_path)
        return not known
    if known is None and getattr(config, EXTENSION_MARK, None) is not None:
        return True  # it has rows for another extension
    found = (
        "no tokenizer lies beside it" if known is None
        else f"the tokenizer beside it knows {known:,} of the {len(extended.new_ids):,} new tokens"
    )  # fmt: skip
    raise InputError(
        f"{config.name_or_path}: has {rows:,} embedding rows, enough for the extended tokenizer's {extended.size:,} tokens, "
        f"but nothing says whether they were made for it: config.json has no {EXTENSION_MARK} of it, and {found}",
        hint="if they were made and trained, set model.new_rows=keep; if they are only padding, model.new_rows=make",
    )


def _known_tokens(checkpoint: str, extended: ExtendedTokenizer) -> int | None:
    """How many of the new tokens a checkpoint's own tokenizer has under the same ids; None where it has no tokenizer."""
    try:
        own = load_fast_tokenizer(checkpoint)
    except InputError:
        return None
    ids = list(extended.new_ids)
    pairs = zip(own.convert_ids_to_tokens(ids), extended.tokenizer.convert_ids_to_tokens(ids), strict=True)
    return sum(1 for a, b in pairs if a == b)


def has_mark(config: PretrainedConfig, extended: ExtendedTokenizer) -> bool:
    """True where a config says so, as `fit_vocabulary` and training from nothing note it."""
    if getattr(config, EXTENSION_MARK, None) == extended.fingerprint:
        return True
    return not extended.swapped_ids and getattr(config, OLD_MARK, 0) >= extended.size


def mark_rows(model: PreTrainedModel, extended: ExtendedTokenizer) -> None:
    """Note in the model's config, which is saved with it, that it has rows for this extension."""
    setattr(model.config, EXTENSION_MARK, extended.fingerprint)
