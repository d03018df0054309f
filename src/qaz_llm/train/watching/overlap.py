"""Whether held-out text is also in the training data, looked for by its tokens; said, since its numbers then say too much.

A text is found where KEY_TOKENS of its tokens (from the second, as the first depends on what stands before it) follow one
another in the rows, and then all up to COMPARED_TOKENS do. The rows are gone through once with a rolling sum

    h[i] = Σ_j token[i + j] × BASE^j   mod 2^64

of which few positions share their first 16 bits with one of the texts; only those are compared. The first SEARCHED_TOKENS of
each part of the mix are looked at: about a second per ten million.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qaz_llm.io import write_json
from qaz_llm.progress import get_logger

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

    from qaz_llm.rows.dataset import PackedDataset

_logger = get_logger("train")

OVERLAP_FILE = "heldout.json"

KEY_TOKENS = 8
COMPARED_TOKENS = 32
SEARCHED_TOKENS = 20_000_000
BASE = 0x9E3779B97F4A7C15
"""An odd number with its bits spread: 2^64 over the golden ratio (Knuth, The Art of Computer Programming 3, section 6.4)."""
CHUNK_TOKENS = 1 << 20

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Overlap:
    """Of `texts` held-out texts `found` are in the training data; `too_short` have too few tokens to tell."""

    texts: int
    found: int
    too_short: int

    def in_words(self, name: str, searched: str) -> str:
        """`held-out kk: 12 of 64 texts are also in the training data, so its numbers are too good (all rows were looked at)`."""
        short = f"; {self.too_short} too short to tell" if self.too_short else ""
        also = (
            "are also in the training data, so its numbers are too good" if self.found else "are in the training data"
        )
        return f"held-out {name}: {self.found or 'none'} of {self.texts} texts {also}{short} ({searched})"


def say_overlaps(
    run_dir: Path,
    heldout: Mapping[str, Sequence[str]],
    tokenizer: PreTrainedTokenizerFast,
    parts: Sequence[PackedDataset],
) -> None:
    """Say what is found, as a warning where it is something, and keep it in OVERLAP_FILE."""
    found, searched = find_overlaps(heldout, tokenizer, parts), what_was_searched(parts)
    for name, overlap in found.items():
        _logger.log(logging.WARNING if overlap.found else logging.INFO, overlap.in_words(name, searched))
    write_json(run_dir / OVERLAP_FILE, {"searched": searched, **{name: asdict(value) for name, value in found.items()}})


def find_overlaps(
    heldout: Mapping[str, Sequence[str]], tokenizer: PreTrainedTokenizerFast, parts: Sequence[PackedDataset]
) -> dict[str, Overlap]:
    """How many of the texts of each name are in the rows of the parts."""
    tokens = {(name, n): _compared(tokenizer, text) for name, texts in heldout.items() for n, text in enumerate(texts)}
    wanted = {key: ids for key, ids in tokens.items() if len(ids) >= KEY_TOKENS}
    found: set[tuple[str, int]] = set()
    for part in parts:
        found |= set(_in_part(part, wanted))
    return {
        name: Overlap(
            len(texts),
            sum(key[0] == name for key in found),
            sum(key[0] == name and key not in wanted for key in tokens),
        )
        for name, texts in heldout.items()
    }


def what_was_searched(parts: Sequence[PackedDataset]) -> str:
    """In words: all rows, or the first of each part."""
    longest = max((part.tokens_RL.size for part in parts), default=0)
    if longest <= SEARCHED_TOKENS:
        return "all rows were looked at"
    return f"the first {SEARCHED_TOKENS / 1e6:g} M tokens of each part of the mix were looked at"


def _compared(tokenizer: Any, text: str) -> Tokens:
    ids = tokenizer.encode(text, add_special_tokens=False)[1 : 1 + COMPARED_TOKENS]
    return np.asarray(ids, np.int32)


def _in_part(part: PackedDataset, wanted: Mapping[tuple[str, int], Tokens]) -> Iterator[tuple[str, int]]:
    by_sum: dict[int, list[tuple[str, int]]] = {}
    for key, ids in wanted.items():
        by_sum.setdefault(int(rolling_sums(ids[:KEY_TOKENS])[0]), []).append(key)
    may_be = np.zeros(1 << 16, bool)
    may_be[[value >> 48 for value in by_sum]] = True
    flat_T = part.tokens_RL.reshape(-1)[:SEARCHED_TOKENS]
    for start in range(0, len(flat_T), CHUNK_TOKENS):
        sums = rolling_sums(flat_T[start : start + CHUNK_TOKENS + KEY_TOKENS - 1])
        for offset in np.flatnonzero(may_be[sums >> np.uint64(48)]):
            for key in by_sum.get(int(sums[offset]), ()):
                ids, at = wanted[key], start + int(offset)
                if np.array_equal(flat_T[at : at + len(ids)], ids):
                    yield key


def rolling_sums(tokens_T: Tokens) -> npt.NDArray[np.uint64]:
    """The sum h of each position that KEY_TOKENS begin at; as many as there are, none for fewer tokens."""
    count = max(len(tokens_T) - KEY_TOKENS + 1, 0)
    wide_T = np.asarray(tokens_T).astype(np.uint64)
    sums = np.zeros(count, np.uint64)
    factor = 1
    for offset in range(KEY_TOKENS):
        sums += wide_T[offset : offset + count] * np.uint64(factor)
        factor = factor * BASE % (1 << 64)
    return sums
