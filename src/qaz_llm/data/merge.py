"""From the cleaned parts to the final shards: what needs to see all documents at once.

Memory holds per document its entry, its band keys and its line hashes; texts are read from the spool again, once for the
candidates of near duplicates and once to write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from qaz_llm.data.clean import min_words_of, sample_of
from qaz_llm.data.config import DataConfig
from qaz_llm.data.dedup import (
    Duplicate,
    Entry,
    LineRemover,
    MinHasher,
    common_lines,
    exact_duplicates,
    near_candidates,
    near_duplicates,
)
from qaz_llm.data.hashing import Hashes, shingles
from qaz_llm.data.manifest import Ledger
from qaz_llm.data.pii import count_placeholders
from qaz_llm.data.spool import Spooled, dropped_row
from qaz_llm.io import ShardWriter
from qaz_llm.language.segment import words
from qaz_llm.progress import get_logger

_logger = get_logger("data")


def merge_documents(spooled: Sequence[Spooled], config: DataConfig, ledger: Ledger, staging: Path) -> None:
    """Drop duplicates and repeated lines, and write documents-* and dropped-* to `staging`, counting in `ledger`."""
    entries = [entry for part in spooled for entry in part.entries()]
    duplicates = dict.fromkeys(_repeated_ids(entries), "duplicate_id")
    kept_copies: dict[int, int] = {}
    for duplicate in _duplicates(spooled, entries, config, frozenset(duplicates)):
        duplicates[duplicate.index] = duplicate.reason
        kept_copies[duplicate.index] = duplicate.kept
    remover = LineRemover(_common_lines(spooled, config, frozenset(duplicates)), min_words=config.dedup.line_min_words)
    _logger.info(f"duplicates: {len(duplicates):,} of {len(entries):,} cleaned documents")
    index = 0
    with (
        ShardWriter(staging, "documents", shard_bytes=config.shard_bytes) as documents,
        ShardWriter(staging, "dropped", shard_bytes=config.shard_bytes) as dropped,
    ):
        for part in spooled:
            source = part.stats["source"]
            ledger.read(source, part.stats)
            for row in part.dropped():
                dropped.write(row)
            for document, pii in part.kept():
                reason, of = duplicates.get(index), kept_copies.get(index)
                index += 1
                if reason is None:
                    text, removed = remover(document.text)
                    if removed and len(words(text)) < min_words_of(config, document.language):
                        reason = "repeated_lines"
                    elif removed:
                        ledger.repair("repeated_lines", removed)
                        document, pii = replace(document, text=text), count_placeholders(text)
                if reason is not None:
                    ledger.drop(source, reason)
                    of_id = entries[of].id if of is not None else None
                    dropped.write(dropped_row(sample_of(document), reason, of=of_id))
                    continue
                ledger.keep(document, pii)
                documents.write(document.to_row())


def _repeated_ids(entries: Sequence[Entry]) -> list[int]:
    """All but the first document of each id."""
    seen: set[str] = set()
    repeated = []
    for index, entry in enumerate(entries):
        if entry.id in seen:
            repeated.append(index)
        seen.add(entry.id)
    return repeated


def _duplicates(
    spooled: Sequence[Spooled], entries: Sequence[Entry], config: DataConfig, without: frozenset[int]
) -> list[Duplicate]:
    """Exact duplicates, and near ones among the rest; `without` are documents that are out already."""
    present = [index for index in range(len(entries)) if index not in without]
    found: list[Duplicate] = []
    if config.dedup.exact:
        exact = exact_duplicates([entries[index] for index in present])
        found = [Duplicate(present[d.index], present[d.kept], d.reason) for d in exact]
        gone = {duplicate.index for duplicate in found}
        present = [index for index in present if index not in gone]
    if config.dedup.near and present:
        signatures = np.concatenate([part.signatures() for part in spooled])[present]
        keys = MinHasher(config.dedup, config.seed).band_keys(signatures)
        candidates = near_candidates(keys)
        texts = _shingles_of(spooled, {present[place]: place for place in candidates}, config.dedup.shingle_words)
        near = near_duplicates([entries[index] for index in present], keys, texts, min_jaccard=config.dedup.min_jaccard)
        found += [Duplicate(present[d.index], present[d.kept], d.reason) for d in near]
    return found


def _shingles_of(spooled: Sequence[Spooled], places: dict[int, int], n: int) -> dict[int, Hashes]:
    """The shingles of some documents, given as index in all → place in the result."""
    found: dict[int, Hashes] = {}
    if not places:
        return found
    index = 0
    for part in spooled:
        for document, _ in part.kept():
            if index in places:
                found[places[index]] = shingles(document.text, n)
            index += 1
    return found


def _common_lines(spooled: Sequence[Spooled], config: DataConfig, without: frozenset[int]) -> frozenset[int]:
    if not config.dedup.lines:
        return frozenset()
    arrays = [hashes for part in spooled for hashes in part.lines()]
    kept = (hashes for index, hashes in enumerate(arrays) if index not in without)
    return common_lines(kept, max_documents=config.dedup.line_max_documents)
