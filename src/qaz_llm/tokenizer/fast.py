"""Fast tokenizers: loading one, its fingerprint, another backend under the same settings."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.errors import InputError
from qaz_llm.io import fingerprint_value, hub_hint, reach_hub

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast


def load_fast_tokenizer(name: str, *, trust_remote_code: bool = False) -> PreTrainedTokenizerFast:
    """The fast tokenizer of a folder or hub id; code that it brings is run with `trust_remote_code` alone.

    Raises:
        InputError: where there is none, or only a slow one.
    """
    from transformers import AutoTokenizer

    is_folder = Path(name).is_dir()
    if not is_folder:
        reach_hub()
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=trust_remote_code)
    except (OSError, ValueError, KeyError, ImportError) as error:
        if "trust_remote_code" in str(error):
            raise InputError(
                f"{name}: its tokenizer brings code of its own, which is not run",
                hint="name a folder with a tokenizer.json that needs none",
            ) from error
        if is_folder:
            raise InputError(
                f"{name}: the folder holds no tokenizer", hint="name a folder with tokenizer.json, or a hub id"
            ) from error
        what = "no such folder, and no such tokenizer on the hub or in its cache"
        raise InputError(f"{name}: {what}", hint=hub_hint()) from error
    if not tokenizer.is_fast:
        raise InputError(
            f"{name}: only a slow tokenizer ({type(tokenizer).__name__})", hint="a tokenizer.json is needed"
        )
    return tokenizer


def backend_spec(tokenizer: PreTrainedTokenizerFast) -> dict[str, Any]:
    """What tokenizer.json says: model, vocabulary, merges, normalizer, pre-tokenizer, added tokens."""
    spec: dict[str, Any] = json.loads(tokenizer.backend_tokenizer.to_str())
    return spec


def count_ids(tokenizer: PreTrainedTokenizerFast) -> int:
    """One more than the highest id: the number of tokens, or more where the ids have holes."""
    return int(max(tokenizer.get_vocab().values())) + 1


def is_byte_level(tokenizer: PreTrainedTokenizerFast) -> bool:
    """True where tokens are spelled with one character for each byte, as in GPT-2, Llama-3 and Qwen."""
    decoder = backend_spec(tokenizer)["decoder"] or {}
    return "ByteLevel" in {decoder.get("type"), *(part["type"] for part in decoder.get("decoders", ()))}


def with_backend(base: PreTrainedTokenizerFast, spec: Mapping[str, Any]) -> PreTrainedTokenizerFast:
    """A copy of `base`, its settings and template, over another backend."""
    from tokenizers import Tokenizer

    made = copy.copy(base)  # a deep copy would write and read the old backend again, ten seconds for Llama-3's
    made.__dict__ = {name: copy.deepcopy(value) for name, value in vars(base).items() if name != "_tokenizer"}
    made._tokenizer = Tokenizer.from_str(json.dumps(spec, ensure_ascii=False))
    return made


def tokenizer_fingerprint(tokenizer: PreTrainedTokenizerFast) -> str:
    """A fingerprint of what the tokenizer does: its backend and its chat template."""
    return fingerprint_value([tokenizer.backend_tokenizer.to_str(), tokenizer.chat_template])
