"""Keep evaluation items out of training text.

A document is contaminated when it has `ngram_words` words in a row in common with an item, whatever the case, the
punctuation and the line breaks; an item's text of fewer words is looked for whole. Both sides are repaired and brought to
one script first (item_forms.py). An item is a row of an evaluation file:
the Kazakh, Russian and English of a row, question, choices and passage, are its texts.

What is compared are hashes of words, so the index of 20,000 items takes some tens of megabytes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DecontaminateConfig
from qaz_llm.data.protect.item_forms import compared_texts, runs_of_short_texts
from qaz_llm.data.protect.items import EvaluationItem, evaluation_files, read_items
from qaz_llm.data.protect.ngram_index import NgramIndex, build_index, unique_pairs
from qaz_llm.language.buffer import Positions, ScannedTexts, scan_texts

__all__ = [
    "Decontaminator",
    "EvaluationFile",
    "EvaluationItem",
    "evaluation_files",
    "make_decontaminator",
    "read_items",
]

TOP_ITEMS = 20


@dataclass(frozen=True, slots=True)
class EvaluationFile:
    """What is known of one file; `overlaps`: how many of its items share a run of words with an item of each other file."""

    name: str
    items: int
    texts: int
    texts_too_short: int
    items_too_short: int
    """Items of which nothing can be looked for: their texts have too few words, each and two together."""
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

    def lines(self) -> list[str]:
        """What is looked for, file by file, as a person reads it."""
        return [
            f"evaluation items of {file.name}: {file.items:,}"
            + (f", {file.items_too_short:,} of them too short to be looked for" if file.items_too_short else "")
            for file in self.files
        ]

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
                file.name: {
                    "items": file.items,
                    "items_too_short": file.items_too_short,
                    "texts": file.texts,
                    "texts_too_short": file.texts_too_short,
                }
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
    texts = compared_texts(listed)
    words_T = _num_words([forms[0] for item in texts for forms in item])
    item_T = np.repeat(np.arange(len(listed)), [len(item) for item in texts])
    long_T = words_T >= config.min_item_words
    has_long_I = np.bincount(item_T[long_T], minlength=len(listed)) > 0
    scanned, items_D = _searched(texts, has_long_I)
    index = build_index(scanned, items_D, ngram_words=config.ngram_words, min_words=config.min_item_words)
    found_I = np.zeros(len(listed), np.bool_)
    found_I[items_D[np.diff(scanned.words.doc_starts_D) >= config.min_item_words]] = True
    file_T = np.searchsorted(file_starts, item_T, side="right") - 1
    overlaps = _overlaps(index, scanned, items_D, file_starts)
    files = tuple(
        EvaluationFile(
            name,
            items=sizes[name],
            texts=int(long_T[file_T == number].sum()),
            texts_too_short=int((~long_T[file_T == number]).sum()),
            items_too_short=int((~found_I[file_starts[number] : file_starts[number + 1]]).sum()),
            overlaps={names[other]: count for (own, other), count in overlaps.items() if own == number},
        )
        for number, name in enumerate(names)
    )
    return Decontaminator(config, files, tuple(item.item_id for item in listed), file_starts, index)


def _searched(
    texts: Sequence[Sequence[tuple[str, ...]]], has_long_I: npt.NDArray[np.bool_]
) -> tuple[ScannedTexts, Positions]:
    """All that is looked for, and of which item each is: every form of every text, or of short ones what they make together."""
    searched: list[str] = []
    items: list[int] = []
    for item, (own, has_long) in enumerate(zip(texts, has_long_I.tolist(), strict=True)):
        forms = [form for forms in own for form in forms]
        forms += [] if has_long else list(runs_of_short_texts(own))
        searched += forms
        items += [item] * len(forms)
    return scan_texts(searched), np.array(items, dtype=np.int64)


def _num_words(texts: Sequence[str]) -> Positions:
    return np.diff(scan_texts(texts).words.doc_starts_D)


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
