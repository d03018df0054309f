"""Near-duplicate search against datatrove, rensa and datasketch: CPU seconds on one core, recall and precision, on one corpus.

    QAZ_CORPUS_DIR=DATA python scripts/bench/minhash.py [--documents 20000] [--bands 20 --rows 6 --seed 1] [--only ours rensa]

The corpus: documents of about 2.2 kB of Kazakh sentences, half of them copies of others with 0 to 10 words changed, in
seeded order. Which pairs have a Jaccard similarity (of word 5-grams) of .8 and more is worked out exactly, for all pairs, from
the words as strings; no hash of any tool is used. Each tool starts from the texts and ends with the list of documents to
drop; all have the same bands and rows. The peers' words are cut by a regular expression, which is the fastest they can have.

  recall      of the pairs of at least .8, those of which at most one document stays
  precision   of the documents dropped, those that are alike (at least .75) to one that stays

Needs the extra `bench`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numba
import numpy as np
import numpy.typing as npt
import xxhash

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.dedup import FeatureWriter, Part, find_duplicates, near_duplicates_of_texts
from qaz_llm.language.buffer import scan_texts
from qaz_llm.records import Document

DOCUMENT_BYTES = 2200
LIMIT, ALIKE = 0.8, 0.75
_SOURCES = (
    ("kazqad/kazqad_rc_validation.jsonl.gz", "context"),
    ("apertium_kaz_rus/gov_corpus_kk.jsonl.gz", "text"),
    ("kaznerd/kaznerd_valid.jsonl.gz", "text"),
    ("kaznu_kk_en/kk_en_gov_aligned.jsonl.gz", "kk"),
)
_WORD = re.compile(r"[^\W_]+")

Drop = Callable[[Sequence[str], DedupConfig], list[int]]
"""Texts in, numbers of the documents to drop out."""


# ------------------------------------------------------------------------------------------------- corpus and truth


def make_corpus(folder: Path, count: int, seed: int) -> list[str]:
    """Documents of shuffled sentences, every second one a copy of the one before with some words changed."""
    rng = random.Random(seed)
    pool = list(_sentences(folder))
    vocabulary = sorted({word for sentence in pool for word in sentence.split()})
    texts: list[str] = []
    while len(texts) < count:
        words: list[str] = []
        while len(" ".join(words).encode()) < DOCUMENT_BYTES:
            words += rng.choice(pool).split()
        texts.append(" ".join(words))
        changed = list(words)
        for place in rng.sample(range(len(words)), rng.randint(0, 10)):
            changed[place] = rng.choice(vocabulary)
        texts.append(" ".join(changed))
    rng.shuffle(texts)
    return texts[:count]


def _sentences(folder: Path) -> Iterator[str]:
    for name, field in _SOURCES:
        with gzip.open(folder / name, "rt", encoding="utf-8") as rows:
            yield from (row[field] for row in map(json.loads, rows) if row[field] and len(row[field].split()) >= 5)


@dataclass(frozen=True)
class Truth:
    """All pairs of at least ALIKE, with their similarity."""

    pairs: npt.NDArray[np.int64]
    similarities: npt.NDArray[np.float64]


def brute_force(texts: Sequence[str]) -> Truth:
    """The similarity of all pairs: each document is counted against every document that it shares a 5-gram with."""
    ids: dict[str, int] = {}
    grams, owners = [], []
    for number, text in enumerate(texts):
        words = [ids.setdefault(word, len(ids)) for word in _WORD.findall(text.lower())]
        grams.append(np.lib.stride_tricks.sliding_window_view(np.array(words), 5))
        owners.append(np.full(len(grams[-1]), number))
    table, owner = np.concatenate(grams), np.concatenate(owners)
    gram = table[:, 0]
    for column in range(1, 5):  # a number for each distinct 5-gram, exactly
        gram = np.unique(gram * len(ids) + table[:, column], return_inverse=True)[1]
    distinct = np.unique(np.stack([owner, gram], axis=1), axis=0)
    by_gram = distinct[np.argsort(distinct[:, 1], kind="stable")]
    doc_starts = np.searchsorted(distinct[:, 0], np.arange(len(texts) + 1))
    gram_starts = np.searchsorted(by_gram[:, 1], np.arange(gram.max() + 2))
    found = _all_pairs(distinct[:, 1].copy(), doc_starts, by_gram[:, 0].copy(), gram_starts, ALIKE)
    return Truth(np.stack(found[:2], axis=1), found[2])


@numba.njit
def _all_pairs(grams, doc_starts, owners, gram_starts, least):  # type: ignore[no-untyped-def]
    num_docs = len(doc_starts) - 1
    common = np.zeros(num_docs, np.int64)
    ones, others, similarities = [0], [0], [0.0]
    for doc in range(num_docs):
        common[:] = 0
        for place in range(doc_starts[doc], doc_starts[doc + 1]):
            for owner in owners[gram_starts[grams[place]] : gram_starts[grams[place] + 1]]:
                common[owner] += 1
        size = doc_starts[doc + 1] - doc_starts[doc]
        for other in range(doc):
            union = size + doc_starts[other + 1] - doc_starts[other] - common[other]
            if common[other] / union >= least:
                ones.append(other)
                others.append(doc)
                similarities.append(common[other] / union)
    return np.array(ones[1:]), np.array(others[1:]), np.array(similarities[1:])


# ------------------------------------------------------------------------------------------------------------ tools


def ours(texts: Sequence[str], config: DedupConfig) -> list[int]:
    return [number for number, kept in enumerate(near_duplicates_of_texts(texts, config, seed=0)) if kept is not None]


def ours_on_disk(texts: Sequence[str], config: DedupConfig) -> list[int]:
    """As a build does it: columns on disk, candidates read again; with exact duplicates, ids and preferences."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = FeatureWriter(folder / "part", config, seed=0)
        for start in range(0, len(texts), 256):
            batch = texts[start : start + 256]
            documents = [Document(f"{start + i:08d}", t, "s", "kk", "Cyrl", "CC0-1.0") for i, t in enumerate(batch)]
            writer.add(documents, scan_texts(batch))
        writer.close()
        part = Part(folder / "part", len(texts), lambda rows: (texts[row] for row in rows))
        decisions = find_duplicates([part], config, work=folder, memory_bytes=1 << 30)
    return np.flatnonzero(decisions.reasons_N).tolist()


def _grams(text: str, n: int) -> list[str]:
    words = _WORD.findall(text.lower())
    return [" ".join(words[i : i + n]) for i in range(len(words) - n + 1)]


def rensa_pairs(texts: Sequence[str], config: DedupConfig) -> list[int]:
    """Signatures in one call, LSH index, candidates of each; later ones of a candidate pair are dropped."""
    from rensa import RMinHash, RMinHashLSH

    count = config.bands * config.rows
    signatures = RMinHash.from_token_sets([_grams(text, config.shingle_words) for text in texts], count, 42)
    index = RMinHashLSH(LIMIT, count, config.bands)
    index.insert_many(signatures)
    return _greedy(index.query_all(signatures))


def rensa_inline(texts: Sequence[str], config: DedupConfig) -> list[int]:
    """Its deduplicator, which takes one document after another and says whether it is new."""
    from rensa import RMinHash, RMinHashDeduplicator

    count = config.bands * config.rows
    signatures = RMinHash.from_token_sets([_grams(text, config.shingle_words) for text in texts], count, 42)
    index = RMinHashDeduplicator(LIMIT, count, True, config.bands)
    return [number for number, signature in enumerate(signatures) if not index.add(str(number), signature)]


def datasketch_lsh(texts: Sequence[str], config: DedupConfig) -> list[int]:
    from datasketch import MinHash, MinHashLSH

    count = config.bands * config.rows
    index = MinHashLSH(num_perm=count, params=(config.bands, config.rows))
    dropped = []
    tokens = ([gram.encode() for gram in _grams(text, config.shingle_words)] for text in texts)
    for number, signature in enumerate(MinHash.generator(tokens, num_perm=count)):
        if index.query(signature):
            dropped.append(number)
        else:
            index.insert(number, signature)
    return dropped


def datatrove(texts: Sequence[str], config: DedupConfig) -> list[int]:
    """Its three steps in one process, with a regular expression in place of its tokenizer."""
    from datatrove.data import Document as TheirDocument
    from datatrove.pipeline.dedup import minhash
    from datatrove.utils.logging import logger

    class Words:
        def word_tokenize(self, text: str) -> list[str]:
            return _WORD.findall(text)

    logger.remove()
    minhash.load_word_tokenizer = lambda language: Words()
    settings = minhash.MinhashConfig(
        n_grams=config.shingle_words, num_buckets=config.bands, hashes_per_bucket=config.rows
    )
    with tempfile.TemporaryDirectory() as folder:
        documents = (TheirDocument(text=text, id=str(number)) for number, text in enumerate(texts))
        first_step = minhash.MinhashDedupSignature(f"{folder}/s", settings)
        first_step._hash_func = lambda gram: xxhash.xxh64_intdigest(gram.encode())  # theirs, for today's xxhash
        first_step.run(documents, 0, 1)
        for bucket in range(config.bands):
            minhash.MinhashDedupBuckets(f"{folder}/s", f"{folder}/b", config=settings).run(None, bucket, config.bands)
        minhash.MinhashDedupCluster(f"{folder}/b", f"{folder}/r", settings).run(None, 0, 1)
        removed = sorted(Path(folder, "r").glob("*.remove"))
        return [int(number) for path in removed for number in np.fromfile(path, "<u4")]


def _greedy(candidates: Sequence[Sequence[int]]) -> list[int]:
    dropped: set[int] = set()
    for number, others in enumerate(candidates):
        if any(other < number and other not in dropped for other in others):
            dropped.add(number)
    return sorted(dropped)


TOOLS: dict[str, Drop] = {
    "ours": ours,
    "ours_on_disk": ours_on_disk,
    "rensa": rensa_pairs,
    "rensa_inline": rensa_inline,
    "datasketch": datasketch_lsh,
    "datatrove": datatrove,
}


def measure(name: str, texts: Sequence[str], config: DedupConfig, truth: Truth, repeats: int) -> dict[str, float]:
    """CPU seconds (the best of some runs; after one on few texts, so that nothing is compiled or imported), recall, precision."""
    TOOLS[name](texts[:300], config)
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        dropped = TOOLS[name](texts, config)
        seconds.append(time.process_time() - start)
    gone = np.zeros(len(texts), bool)
    gone[dropped] = True
    near = truth.pairs[truth.similarities >= LIMIT]
    alike = np.zeros(len(texts), bool)
    for one, other in truth.pairs.tolist():
        alike[one] |= not gone[other]
        alike[other] |= not gone[one]
    return {
        "cpu_s": round(min(seconds), 3),
        "recall": round(float(gone[near].any(axis=1).mean()), 4),
        "precision": round(float(alike[gone].mean()), 4),
        "dropped": int(gone.sum()),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--bands", type=int, default=DedupConfig().bands)
    parser.add_argument("--rows", type=int, default=DedupConfig().rows)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=TOOLS, default=list(TOOLS))
    arguments = parser.parse_args()
    config = DedupConfig(bands=arguments.bands, rows=arguments.rows)
    texts = make_corpus(Path(os.environ["QAZ_CORPUS_DIR"]), arguments.documents, arguments.seed)
    truth = brute_force(texts)
    num_bytes = sum(len(text.encode()) for text in texts)
    print(
        f"{len(texts):,} documents, {num_bytes / 1e6:.1f} MB; {len(truth.pairs):,} pairs of at least {ALIKE},"
        f" {(truth.similarities >= LIMIT).sum():,} of at least {LIMIT}; {config.bands} bands × {config.rows} rows"
    )
    results = {}
    for name in arguments.only:
        results[name] = measure(name, texts, config, truth, arguments.repeats)
        ratio = results[name]["cpu_s"] / results[arguments.only[0]]["cpu_s"]
        rate = num_bytes / 1e6 / results[name]["cpu_s"]
        print(f"{name:14} {json.dumps(results[name])}  {rate:.1f} MB/s  {ratio:.1f}×", flush=True)


if __name__ == "__main__":
    main()
