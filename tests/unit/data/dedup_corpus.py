"""Texts with known duplicates, and parts made of them, for the tests of duplicate search."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.features import FeatureWriter, Part
from qaz_llm.language.buffer import scan_texts
from qaz_llm.records import Document

CONFIG = DedupConfig()


def document(number: int, text: str, *, licence: str = "CC0-1.0", quality: float = 0.5) -> Document:
    return Document(f"құжат-{number:05d}", text, "s", "kk", "Cyrl", licence, meta={"quality": quality})


def edited(words: Sequence[str], changes: int, rng: random.Random) -> list[str]:
    """The words with so many of them replaced by new ones."""
    changed = list(words)
    for place in rng.sample(range(len(words)), changes):
        changed[place] = f"жаңа{rng.randrange(10**6)}"
    return changed


def corpus(seed: int, *, families: int = 60, most_changes: int = 12) -> list[str]:
    """Random texts of 120 words, each followed by two copies with some words changed."""
    rng = random.Random(seed)
    texts = []
    for _ in range(families):
        words = rng.choices([f"сөз{i}" for i in range(400)], k=120)
        texts.append(" ".join(words))
        texts += [" ".join(edited(words, rng.randint(0, most_changes), rng)) for _ in range(2)]
    return texts


def make_part(
    folder: Path, documents: Sequence[Document], config: DedupConfig = CONFIG, *, seed: int = 0, batch: int = 7
) -> Part:
    """A part with these documents, written in small batches."""
    writer = FeatureWriter(folder, config, seed)
    for start in range(0, len(documents), batch):
        some = documents[start : start + batch]
        writer.add(some, scan_texts([one.text for one in some]))
    writer.close()

    def read_texts(rows: npt.NDArray[np.int64]) -> Iterator[str]:
        return (documents[row].text for row in rows.tolist())

    return Part(folder, len(documents), read_texts)


def sets_of(text: str, n: int) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def similarity(one: str, other: str, n: int = 5) -> float:
    a, b = sets_of(one, n), sets_of(other, n)
    return len(a & b) / len(a | b)
