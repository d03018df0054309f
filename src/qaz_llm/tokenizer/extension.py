"""What an extended tokenizer is: the tokenizer, which ids are new, and what each new one is made of.

    extension.json   {"base_size": 128256, "sub_tokens": {"128256": [140, 248], …}}

travels in the tokenizer's folder, so that whoever loads it later can make the rows of a model's embedding tables.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.errors import InputError
from qaz_llm.io import atomic_dir, fingerprint_value, read_json, write_text
from qaz_llm.tokenizer.fast import load_fast_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

EXTENSION_FILE = "extension.json"

Weights = tuple[tuple[int, float], ...]
"""Old ids and their shares, which add up to 1."""


@dataclass(frozen=True)
class ExtendedTokenizer:
    """A tokenizer with new tokens, and what each was made of.

    `sub_tokens[new_id]` are the old ids that the base gave for the same text. New ids start at `base_size`, or, where they
    were swapped, are ids below it that stood for something else before. All other ids below `base_size` mean what they meant.
    `similar[new_id]`, where it was worked out, are the old tokens used most like the new one. Models get rows up to a
    multiple of `pad_to_multiple_of`.
    """

    tokenizer: PreTrainedTokenizerFast
    base_size: int
    sub_tokens: Mapping[int, tuple[int, ...]]
    similar: Mapping[int, Weights] = field(default_factory=dict)
    pad_to_multiple_of: int | None = None

    @property
    def new_ids(self) -> tuple[int, ...]:
        return tuple(sorted(self.sub_tokens))

    @property
    def swapped_ids(self) -> tuple[int, ...]:
        """Ids that stood for another token in the base."""
        return tuple(index for index in self.new_ids if index < self.base_size)

    @property
    def size(self) -> int:
        """Ids in use: one more than the highest."""
        return max(self.base_size, max(self.sub_tokens, default=0) + 1)

    @cached_property
    def fingerprint(self) -> str:
        """What a model notes down when it has rows for these tokens."""
        return fingerprint_value([self.base_size, sorted(self.sub_tokens.items())])

    def save(self, folder: Path) -> None:
        """Write a folder that `AutoTokenizer.from_pretrained` loads, whole or not at all."""
        facts: dict[str, object] = {
            "base_size": self.base_size,
            "sub_tokens": {str(new): list(old) for new, old in self.sub_tokens.items()},
        }
        if self.similar:
            facts["similar"] = {str(new): [list(pair) for pair in pairs] for new, pairs in self.similar.items()}
        if self.pad_to_multiple_of is not None:
            facts["pad_to_multiple_of"] = self.pad_to_multiple_of
        with atomic_dir(folder) as temporary:
            self.tokenizer.save_pretrained(temporary)
            # a line, not indented: the shares of 30,000 tokens are ten lines each
            write_text(temporary / EXTENSION_FILE, json.dumps(facts) + "\n")

    @classmethod
    def load(cls, folder: Path) -> ExtendedTokenizer:
        """Read a folder written by `save`. Raises InputError where it holds no extension."""
        if not (folder / EXTENSION_FILE).is_file():
            raise InputError(f"{folder}: holds no {EXTENSION_FILE}", hint="make one with `qaz tokenizer extend`")
        facts = read_json(folder / EXTENSION_FILE)
        similar = {int(new): tuple((i, w) for i, w in pairs) for new, pairs in facts.get("similar", {}).items()}
        return cls(
            load_fast_tokenizer(str(folder)),
            facts["base_size"],
            {int(new): tuple(old) for new, old in facts["sub_tokens"].items()},
            similar,
            facts.get("pad_to_multiple_of"),
        )
