"""Keep evaluation items out of training text.

A document is contaminated when it has `ngram_words` words in a row in common with an item, whatever the case, the
punctuation and the line breaks; an item with fewer words is looked for whole. What is compared are hashes of words, so
the index of 10,000 items takes a few megabytes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.hashing import Hashes, ngram_hashes, word_hashes
from qaz_llm.io import expand_paths, file_format, read_rows, resolve_path
from qaz_llm.language.segment import match_words


@dataclass(frozen=True)
class Decontaminator:
    """The n-grams of all items, by their length in words: one length for long items, several for short ones."""

    by_length: Mapping[int, Hashes]
    num_texts: int
    num_texts_too_short: int

    def hit(self, text: str) -> bool:
        """Whether the text holds a part of an item."""
        if not self.by_length:
            return False
        hashes = word_hashes(match_words(text))
        return any(_meets(ngram_hashes(hashes, length), known) for length, known in self.by_length.items())


def _meets(found: Hashes, known: Hashes) -> bool:
    if not len(found):
        return False
    places = np.minimum(np.searchsorted(known, found), len(known) - 1)
    return bool((known[places] == found).any())


def make_decontaminator(texts: Iterable[str], config: DecontaminateConfig) -> Decontaminator:
    """The index of the given texts; each is an item, or a part of one.

    >>> index = make_decontaminator(["Абай Құнанбайұлы қай жылы және қай жерде туған?"], DecontaminateConfig())
    >>> index.hit("— Айтшы, Абай Құнанбайұлы, қай жылы және ҚАЙ жерде туған?")
    True
    """
    grams: dict[int, list[Hashes]] = defaultdict(list)
    used = too_short = 0
    for text in dict.fromkeys(texts):
        hashes = word_hashes(match_words(text))
        if len(hashes) < config.min_item_words:
            too_short += 1
            continue
        used += 1
        length = min(config.ngram_words, len(hashes))
        grams[length].append(ngram_hashes(hashes, length))
    by_length = {length: np.unique(np.concatenate(parts)) for length, parts in sorted(grams.items())}
    return Decontaminator(by_length, used, too_short)


def read_items(config: DecontaminateConfig, *, root: Path | None = None) -> Iterator[str]:
    """The texts of the evaluation files of a config: .jsonl and .parquet fields, .tsv columns, .txt lines.

    Raises InputError where a path leads to no file.
    """
    for entry in config.paths:
        for path in expand_paths(resolve_path(entry, root=root)):
            yield from _texts_of(path, config.fields)


def _texts_of(path: Path, fields: Sequence[str] | None) -> Iterator[str]:
    if file_format(path) in {".tsv", ".csv", ".txt"}:
        from qaz_llm.io import open_text

        with open_text(path) as lines:
            for line in lines:
                yield from line.rstrip("\n").split("\t")
        return
    for row in read_rows(path):
        chosen = row.values() if fields is None else [row.get(field) for field in fields]
        for value in chosen:
            yield from _strings(value)


def _strings(value: Any) -> Iterator[str]:
    """The strings in a JSON value; numbers and the like hold no text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
