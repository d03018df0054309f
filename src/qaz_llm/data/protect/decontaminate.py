"""Keep evaluation items out of training text.

A document is contaminated when it has `ngram_words` words in a row in common with an item, whatever the case, the
punctuation and the line breaks; an item's text of fewer words is looked for whole. An item is a row of an evaluation file:
the Kazakh, Russian and English of a row, question, choices and passage, are its texts.

What is compared are hashes of words, so the index of 20,000 items takes some tens of megabytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.protect.ngram_index import NgramIndex, build_index, unique_pairs
from qaz_llm.io import expand_paths, file_format, open_text, read_rows, resolve_path
from qaz_llm.language.buffer import Positions, ScannedTexts, scan_texts

SHIPPED = ("embedded:mc_items.jsonl", "embedded:parallel_sentences.jsonl")
"""The evaluation files that come with the project."""

ID_FIELDS = ("item_id", "id", "qid", "index_id", "key")
TOP_ITEMS = 20


@dataclass(frozen=True, slots=True)
class EvaluationItem:
    """A row of an evaluation file: the file's name, the row's id (else its number from 1), every text in it."""

    file: str
    item_id: str
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EvaluationFile:
    """What is known of one file; `overlaps`: how many of its items share a run of words with an item of each other file."""

    name: str
    items: int
    texts: int
    texts_too_short: int
    overlaps: Mapping[str, int]


@dataclass(frozen=True)
class Decontaminator:
    """The n-grams of all items. Items are numbered in the order of their files' names."""

    config: DecontaminateConfig
    files: tuple[EvaluationFile, ...]
    item_ids: tuple[str, ...]
    file_starts: Positions
    """Items of file f: `file_starts[f]` to `file_starts[f + 1]`."""
    index: NgramIndex

    @property
    def num_texts(self) -> int:
        """Texts that are looked for."""
        return sum(file.texts for file in self.files)

    @property
    def num_texts_too_short(self) -> int:
        return sum(file.texts_too_short for file in self.files)

    def hits(self, scanned: ScannedTexts) -> list[str | None]:
        """For each text the evaluation file whose item it holds a part of, the first by name; None where clean."""
        return [self.file_of(items[0]) if items else None for items in self.hit_items(scanned)]

    def hit(self, text: str) -> bool:
        """Whether the text holds a part of an item."""
        return self.hits(scan_texts([text]))[0] is not None

    def hit_items(self, scanned: ScannedTexts) -> list[tuple[int, ...]]:
        """For each text the numbers of all items it holds a part of, ascending."""
        found: list[tuple[int, ...]] = [()] * len(scanned)
        if len(self.index.lengths_N):
            docs, items = self.index.find(scanned)
            for doc in np.unique(docs).tolist():
                found[doc] = tuple(items[docs == doc].tolist())
        return found

    def file_of(self, item: int) -> str:
        return self.files[int(np.searchsorted(self.file_starts, item, side="right")) - 1].name

    def describe(self) -> dict[str, Any]:
        """What is looked for, and what the evaluation files have in common, as JSON."""
        return {
            "ngram_words": self.config.ngram_words,
            "min_item_words": self.config.min_item_words,
            "ngrams": len(self.index.starts_R) - 1,
            "files": {
                file.name: {"items": file.items, "texts": file.texts, "texts_too_short": file.texts_too_short}
                for file in self.files
            },
            "overlaps": {file.name: dict(file.overlaps) for file in self.files if file.overlaps},
        }

    def report(self, hits: Iterable[Sequence[int]]) -> dict[str, Any]:
        """What was hit, as JSON, from the `hit_items` of every contaminated document.

        A document that holds items of two files counts for both; `items` are how many different items of a file were hit.
        """
        documents: Counter[str] = Counter()
        items: Counter[int] = Counter()
        for numbers in hits:
            items.update(set(numbers))
            documents.update({self.file_of(item) for item in numbers})
        by_file = Counter(self.file_of(item) for item in items)
        top = sorted(items, key=lambda item: (-items[item], item))[:TOP_ITEMS]
        return {
            "files": {
                file.name: {"documents": documents[file.name], "items_hit": by_file[file.name], "items": file.items}
                for file in self.files
            },
            "top_items": [
                {"file": self.file_of(item), "item": self.item_ids[item], "documents": items[item]} for item in top
            ],
        }


def make_decontaminator(items: Iterable[EvaluationItem], config: DecontaminateConfig) -> Decontaminator:
    """The index of the given items.

    >>> item = EvaluationItem("quiz.jsonl", "1", ("Абай Құнанбайұлы қай жылы және қай жерде туған?",))
    >>> index = make_decontaminator([item], DecontaminateConfig())
    >>> index.hits(scan_texts(["— Айтшы, Абай Құнанбайұлы, қай жылы және ҚАЙ жерде туған?", "Білмеймін."]))
    ['quiz.jsonl', None]
    """
    listed = sorted(items, key=lambda item: item.file)  # stable: rows of a file keep their order
    names = sorted({item.file for item in listed})
    sizes = Counter(item.file for item in listed)
    file_starts = np.cumsum([0, *(sizes[name] for name in names)], dtype=np.int64)
    scanned = scan_texts([text for item in listed for text in item.texts])
    items_D = np.repeat(np.arange(len(listed)), [len(item.texts) for item in listed])
    index = build_index(scanned, items_D, ngram_words=config.ngram_words, min_words=config.min_item_words)
    long_enough = np.diff(scanned.words.doc_starts_D) >= config.min_item_words
    files_D = np.searchsorted(file_starts, items_D, side="right") - 1
    overlaps = _overlaps(index, scanned, items_D, file_starts)
    files = tuple(
        EvaluationFile(
            name,
            items=sizes[name],
            texts=int(long_enough[files_D == number].sum()),
            texts_too_short=int((~long_enough[files_D == number]).sum()),
            overlaps={names[other]: count for (own, other), count in overlaps.items() if own == number},
        )
        for number, name in enumerate(names)
    )
    return Decontaminator(config, files, tuple(item.item_id for item in listed), file_starts, index)


def _overlaps(
    index: NgramIndex, scanned: ScannedTexts, items_D: Positions, file_starts: Positions
) -> dict[tuple[int, int], int]:
    """For each two files how many items of the first share a run of words with an item of the second.

    A short item counts where it stands whole in a long one, so each pair that the search of one file's texts in the other
    finds is counted for both.
    """
    docs, found = index.find(scanned)
    own, found = unique_pairs(items_D[docs], found)
    own_file, found_file = (np.searchsorted(file_starts, items, side="right") - 1 for items in (own, found))
    apart = own_file != found_file
    items = np.concatenate((own[apart], found[apart]))
    others = np.concatenate((found_file[apart], own_file[apart]))
    items, others = unique_pairs(items, others)
    files = np.searchsorted(file_starts, items, side="right") - 1
    return dict(sorted(Counter(zip(files.tolist(), others.tolist(), strict=True)).items()))


# ------------------------------------------------------------------------------------------------------------ reading


def evaluation_files(config: DecontaminateConfig, *, root: Path | None = None) -> list[Path]:
    """The files that a config names, and those that ship with the project where it says so; each once.

    Raises InputError where a path leads to no file.
    """
    entries = (*(SHIPPED if config.shipped else ()), *config.paths)
    paths = (path for entry in entries for path in expand_paths(resolve_path(entry, root=root)))
    return list(dict.fromkeys(path.absolute() for path in paths))


def read_items(config: DecontaminateConfig, *, root: Path | None = None) -> Iterator[EvaluationItem]:
    """The items of the evaluation files of a config: rows of .jsonl and .parquet, lines of .tsv, .csv and .txt.

    Raises InputError where a path leads to no file, DamagedFileError where one cannot be read.
    """
    paths = evaluation_files(config, root=root)
    for path, name in zip(paths, _short_names(paths), strict=True):
        if file_format(path) in {".tsv", ".csv", ".txt"}:
            with open_text(path) as lines:
                for number, line in enumerate(lines, 1):
                    yield EvaluationItem(name, str(number), tuple(line.rstrip("\n").split("\t")))
            continue
        for number, row in enumerate(read_rows(path), 1):
            chosen = row.values() if config.fields is None else [row.get(field) for field in config.fields]
            texts = dict.fromkeys(text for value in chosen for text in _strings(value))
            yield EvaluationItem(name, _id_of(row, number), tuple(texts))


def _short_names(paths: Sequence[Path]) -> list[str]:
    """Folder and name of each file, and more of its path where two files have these in common.

    >>> _short_names([Path("/a/x/dev.jsonl"), Path("/b/x/dev.jsonl"), Path("/b/other.tsv")])
    ['a/x/dev.jsonl', 'b/x/dev.jsonl', 'b/other.tsv']
    """
    names = []
    for path in paths:
        parts = 2
        while parts < len(path.parts) and sum(other.parts[-parts:] == path.parts[-parts:] for other in paths) > 1:
            parts += 1
        names.append("/".join(path.parts[-parts:]))
    return names


def _id_of(row: Mapping[str, Any], number: int) -> str:
    found = next((row[field] for field in ID_FIELDS if isinstance(row.get(field), str | int)), number)
    return str(found)


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
