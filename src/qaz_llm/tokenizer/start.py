"""The token that a text starts with where a model reads it alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def start_id_of(tokenizer: PreTrainedTokenizerFast) -> int | None:
    """BOS, else EOS; None where the tokenizer has neither."""
    start: int | None = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    return start


def required_start_id(tokenizer: PreTrainedTokenizerFast) -> int:
    """As `start_id_of`. Raises InputError where there is neither: the first token of a text could not be scored."""
    start = start_id_of(tokenizer)
    if start is None:
        raise InputError(
            "the tokenizer has neither a BOS nor an EOS token to start a text with",
            hint="set one in tokenizer_config.json",
        )
    return int(start)
