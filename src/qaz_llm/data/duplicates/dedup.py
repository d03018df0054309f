"""Duplicates across all documents of a build: repeated ids, equal texts, nearly equal texts.

Which copy stays does not depend on the order of the files or the number of processes: the freer licence, then the better
quality score, then the longer text, then the smaller id. (Of two documents with one id and one text the first stays. Those
that share an id alone are different documents, of sets that number their rows anew in each file: all but the first get
another.)
A near duplicate is dropped only against a document that is itself kept and whose exact Jaccard similarity with it reaches
the limit.

No Python object is made per document: columns of hashes are read from the parts one at a time, and only the texts of the
documents that share a band with another are read again, once. Memory is some 70 bytes a document and 200 a candidate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.features import Features, FeatureWriter, Part, read_ids
from qaz_llm.data.duplicates.groups import Numbers, find_groups
from qaz_llm.data.duplicates.lines import LinePlan, plan_lines
from qaz_llm.data.duplicates.minhash import MinHasher, join_shingle_sets
from qaz_llm.data.duplicates.near import (
    choose,
    find_candidates,
    sets_of_texts,
    similarities,
    spool_sets,
    words_of_texts,
)
from qaz_llm.data.duplicates.preference import preference_order

__all__ = [
    "REASONS",
    "Decisions",
    "FeatureWriter",
    "LinePlan",
    "Part",
    "find_duplicates",
    "near_duplicates_of_texts",
    "plan_lines",
    "read_ids",
]

REASONS = ("", "duplicate_id", "exact_duplicate", "near_duplicate")
"""What the codes of `Decisions.reasons_N` mean; 0 stays."""
_ID, _EXACT, _NEAR = 1, 2, 3


@dataclass(frozen=True)
class Decisions:
    """What becomes of each document: a code into REASONS, and the number of the copy that stays, -1 where there is none.

    `alike_N` is the Jaccard similarity of a near duplicate with that copy, 0 for all others. `renamed_N` is true of documents
    that need another id, since one before them has theirs and says something else.
    """

    reasons_N: npt.NDArray[np.uint8]
    kept_N: Numbers
    alike_N: npt.NDArray[np.float32]
    renamed_N: npt.NDArray[np.bool_]


def find_duplicates(parts: Sequence[Part], config: DedupConfig, *, work: Path, memory_bytes: int) -> Decisions:
    """The duplicates among the documents of all parts, numbered in the order of the parts.

    Args:
        work: an existing folder for files that are of no use afterwards: shingles of the candidates, 8 bytes a word.
        memory_bytes: what tables may take before they become files in `work`.

    Raises:
        DataError: where a part is not whole or was made with other settings.
    """
    features = Features(parts, config)
    count = len(features)
    decisions = Decisions(
        np.zeros(count, np.uint8), np.full(count, -1, np.int64), np.zeros(count, np.float32), np.zeros(count, np.bool_)
    )
    _drop_repeated_ids(features, decisions)
    if config.exact:
        _drop_exact(features, decisions)
        _follow_copies(decisions, _ID)
    if config.near:
        _drop_near(features, decisions, work, memory_bytes)
        _follow_copies(decisions, _ID, _EXACT)
    return decisions


def near_duplicates_of_texts(
    texts: Sequence[str], config: DedupConfig, seed: int, *, keys: Sequence[int] | None = None
) -> list[int | None]:
    """For each text the index of the one before it that stays in its place, None where it stays itself.

    Only texts of equal `keys` (64 bits each, by default all equal) are copies of each other.

    >>> first, second = "қар еріп су ағып көктем келді бүгін ауылға", "Қар еріп, су ағып, көктем келді бүгін ауылға!"
    >>> near_duplicates_of_texts([first, "басқа сөз", second], DedupConfig(), seed=0)
    [None, None, 0]
    """
    hasher = MinHasher(config, seed)
    keys_DB = np.concatenate([np.empty((0, config.bands), np.uint64), *map(hasher.band_keys, words_of_texts(texts))])
    if keys is not None:
        keys_DB ^= np.asarray(keys, np.uint64)[:, None]  # so texts of other keys share no bucket
    candidates = find_candidates(np.ascontiguousarray(keys_DB.T))
    sets = join_shingle_sets(list(sets_of_texts((texts[n] for n in candidates.numbers_C), config.shingle_words)))
    places_C = choose(candidates, np.arange(len(candidates)), sets, min_jaccard=config.min_jaccard)
    kept: list[int | None] = [None] * len(texts)
    for number, place in zip(candidates.numbers_C.tolist(), places_C.tolist(), strict=True):
        kept[number] = None if place < 0 else int(candidates.numbers_C[place])
    return kept


def _drop_repeated_ids(features: Features, decisions: Decisions) -> None:
    """Of the documents with one id all but the first of each text; of these all but the first of all get another id."""
    groups = find_groups(*features.halves("id_hashes"))
    if not len(groups):
        return
    numbers, group_M = groups.members_M.astype(np.int64), groups.of_members()
    first, second = (half[numbers] for half in features.halves("text_hashes"))
    order = np.lexsort((numbers, second, first, group_M))
    columns = (column[order] for column in (group_M, first, second))
    begins = np.concatenate([[True], np.logical_or.reduce([column[1:] != column[:-1] for column in columns])])
    numbers = numbers[order]
    firsts = numbers[np.maximum.accumulate(np.where(begins, np.arange(len(order)), 0))]
    copies = numbers != firsts
    decisions.reasons_N[numbers[copies]] = _ID
    decisions.kept_N[numbers[copies]] = firsts[copies]
    decisions.renamed_N[groups.members_M] = True
    decisions.renamed_N[groups.members_M[groups.starts_G[:-1]]] = False


def _drop_exact(features: Features, decisions: Decisions) -> None:
    """All but the preferred copy of each text."""
    present = np.flatnonzero(decisions.reasons_N == 0)
    first, second = features.halves("text_hashes")
    groups = find_groups(first[present], second[present])
    if not len(groups):
        return
    numbers = present[groups.members_M]
    order = preference_order(features, numbers)
    position = np.empty(len(order), np.int64)
    position[order] = np.arange(len(order))
    best = order[np.minimum.reduceat(position, groups.starts_G[:-1])]
    kept = np.repeat(numbers[best], np.diff(groups.starts_G))
    copies = numbers != kept
    decisions.reasons_N[numbers[copies]] = _EXACT
    decisions.kept_N[numbers[copies]] = kept[copies]


def _drop_near(features: Features, decisions: Decisions, work: Path, memory_bytes: int) -> None:
    """Documents like a preferred one that stays."""
    present = np.flatnonzero(decisions.reasons_N == 0)
    bands = (features.band(band)[present] for band in range(features.config.bands))
    candidates = find_candidates(bands, work=work, memory_bytes=memory_bytes)
    numbers = present[candidates.numbers_C]
    sets = spool_sets(sets_of_texts(features.texts(numbers), features.config.shingle_words), work / "shingles.u64")
    places = choose(candidates, preference_order(features, numbers), sets, min_jaccard=features.config.min_jaccard)
    dropped = places >= 0
    decisions.alike_N[numbers[dropped]] = similarities(sets, np.flatnonzero(dropped), places[dropped])
    decisions.reasons_N[numbers[dropped]] = _NEAR
    decisions.kept_N[numbers[dropped]] = numbers[places[dropped]]


def _follow_copies(decisions: Decisions, *codes: int) -> None:
    """Copies of a document that was dropped after them are told of the one that stays in its place."""
    copies = np.flatnonzero(np.isin(decisions.reasons_N, codes))
    of_kept = decisions.kept_N[decisions.kept_N[copies]]
    decisions.kept_N[copies] = np.where(of_kept >= 0, of_kept, decisions.kept_N[copies])
