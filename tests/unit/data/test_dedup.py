import random
from itertools import combinations

import numpy as np
import pytest

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.dedup import (
    Entry,
    LineRemover,
    MinHasher,
    common_lines,
    exact_duplicates,
    jaccard,
    line_hashes,
    near_candidates,
    near_duplicates,
)
from qaz_llm.data.hashing import ngram_hashes, shingles, text_hash, word_hashes

CONFIG = DedupConfig()


def entry(number: int, text: str, *, rank: int = 0, quality: float = 0.5) -> Entry:
    return Entry(f"{number:05d}", text_hash(text), rank, quality, len(text.split()))


def sets_of(text: str, n: int) -> set[tuple[str, ...]]:
    words = text.lower().split()
    return set(zip(*(words[i:] for i in range(n)), strict=False))


def corpus(seed: int, *, documents: int = 60) -> list[str]:
    """Random texts, and copies of them with 0 to 12 of 120 words changed."""
    rng = random.Random(seed)
    vocabulary = [f"сөз{i}" for i in range(400)]
    texts = []
    for _ in range(documents):
        words = rng.choices(vocabulary, k=120)
        texts.append(" ".join(words))
        for _ in range(2):
            changed = list(words)
            for place in rng.sample(range(120), rng.randint(0, 12)):
                changed[place] = rng.choice(vocabulary)
            texts.append(" ".join(changed))
    return texts


def test_ngram_hashes_are_equal_where_the_ngrams_are() -> None:
    rng = random.Random(0)
    words = rng.choices("абвг", k=300)
    for n in (1, 2, 5):
        hashes = ngram_hashes(word_hashes(words), n).tolist()
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        assert len(set(hashes)) == len(set(grams)) == len(set(zip(hashes, grams, strict=True)))


def test_jaccard_is_that_of_the_sets_of_strings() -> None:
    texts = corpus(1, documents=8)
    for one, other in combinations(texts, 2):
        a, b = sets_of(one, 5), sets_of(other, 5)
        assert jaccard(shingles(one, 5), shingles(other, 5)) == pytest.approx(len(a & b) / len(a | b))


def test_signatures_estimate_jaccard() -> None:
    texts = corpus(2, documents=20)
    hasher = MinHasher(DedupConfig(bands=64, rows=8), seed=0)
    signatures = [hasher.signature(text) for text in texts]
    errors = [
        np.mean(signatures[i] == signatures[j]) - jaccard(shingles(texts[i], 5), shingles(texts[j], 5))
        for i, j in combinations(range(len(texts)), 2)
    ]
    assert abs(np.mean(errors)) < 0.01
    assert np.max(np.abs(errors)) < 5 * 0.5 / np.sqrt(512)  # five standard errors of 512 hashes


def near(texts: list[str], entries: list[Entry]) -> list[tuple[int, int]]:
    keys = MinHasher(CONFIG, seed=0).band_keys(np.stack([MinHasher(CONFIG, seed=0).signature(text) for text in texts]))
    candidates = {index: shingles(texts[index], 5) for index in near_candidates(keys)}
    return [(d.index, d.kept) for d in near_duplicates(entries, keys, candidates, min_jaccard=CONFIG.min_jaccard)]


def test_near_duplicates_against_brute_force() -> None:
    texts = corpus(3)
    entries = [entry(i, text) for i, text in enumerate(texts)]
    sets = [sets_of(text, 5) for text in texts]

    def similar(i: int, j: int) -> bool:
        return len(sets[i] & sets[j]) / len(sets[i] | sets[j]) >= CONFIG.min_jaccard

    found = near(texts, entries)
    dropped = {index for index, _ in found}
    assert all(similar(index, kept) and kept not in dropped for index, kept in found)  # precision 1
    by_hand: list[int] = []
    for i in sorted(range(len(texts)), key=lambda i: entries[i].preference):
        if not any(similar(i, j) for j in by_hand):
            by_hand.append(i)
    missed = set(range(len(texts))) - set(by_hand) - dropped
    assert len(missed) <= 0.02 * len(texts)


def test_which_copy_stays_does_not_depend_on_order() -> None:
    text = corpus(4, documents=1)[0]
    entries = [entry(0, text, rank=2), entry(1, text, rank=1, quality=0.2), entry(2, text, rank=1, quality=0.9)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0]):
        given = [entries[i] for i in order]
        kept = {given[d.kept].id for d in exact_duplicates(given)}
        assert kept == {"00002"}  # better licence, then better quality
        assert len(exact_duplicates(given)) == 2


def test_equal_but_for_case_and_punctuation_is_equal() -> None:
    assert text_hash("Бір, екі – ҮШ!") == text_hash("бір екі үш")
    assert text_hash("бір екі үш") != text_hash("бір үш екі")


def test_common_lines_stay_in_the_first_document_only() -> None:
    shared = "Осы мақаланы басқаларға да жібергеніңіз жөн болар"
    texts = [f"{shared}\nЖеке сөйлемнің реті осындай болады {i}" for i in range(4)]
    texts.append("Қысқа жол\nҚысқа жол")
    common = common_lines((line_hashes(text, min_words=4) for text in texts), max_documents=3)
    remove = LineRemover(common, min_words=4)
    cleaned = [remove(text) for text in texts]
    assert cleaned[0] == (texts[0], 0)
    assert [removed for _, removed in cleaned] == [0, 1, 1, 1, 0]
    assert all(shared not in text for text, _ in cleaned[1:])
    assert not common_lines((line_hashes(text, min_words=4) for text in texts), max_documents=4)


def test_empty_corpus() -> None:
    assert exact_duplicates([]) == []
    assert near_candidates(np.empty((0, CONFIG.bands), dtype=np.uint64)) == []
    assert common_lines([], max_documents=1) == frozenset()
