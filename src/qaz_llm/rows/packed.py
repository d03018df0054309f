"""Packed rows as they lie on disk, written and read by position: resuming starts at a row's number, re-reading nothing.

A packed dataset is a folder of flat files of `rows × seq_len` cells and, written last, `meta.json`:

    tokens.bin   int32    token ids; a row that is not full ends in padding
    flags.bin    uint8    LEARN: has a label · START: an example begins here · PAD: padding
    rows.npy     int32    tokens of each row without padding

Shape legend: R rows, L seq_len, T tokens of several documents one after another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qaz_llm.errors import DataError
from qaz_llm.io import read_json
from qaz_llm.records import IGNORE_INDEX, PackedRow

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LEARN, START, PAD = 1, 2, 4
TOKENS_FILE, FLAGS_FILE, LENGTHS_FILE = "tokens.bin", "flags.bin", "rows.npy"
META_FILE = "meta.json"

Tokens = npt.NDArray[np.int32]
Flags = npt.NDArray[np.uint8]

WRITTEN_TOKENS = 1 << 20
"""So many are gathered before they are written."""


@dataclass(frozen=True)
class PackedDataset:
    """An opened packed dataset. `meta` holds what its build counted."""

    folder: Path
    tokens_RL: Tokens
    flags_RL: Flags
    row_tokens_R: Tokens
    meta: Mapping[str, Any]

    def __len__(self) -> int:
        return int(self.tokens_RL.shape[0])

    def __getitem__(self, row: int) -> dict[str, np.ndarray[Any, Any]]:
        """`input_ids`, `labels` and `position_ids` of one row, each (L,) int64."""
        return decode_row(self.tokens_RL[row], self.flags_RL[row])

    @classmethod
    def open(cls, folder: Path) -> PackedDataset:
        """Map the files of a whole dataset into memory. Raises DataError where they are not as long as `meta.json` says."""
        meta = read_json(folder / META_FILE)
        shape = (meta["rows"], meta["seq_len"])
        try:
            tokens_RL = np.memmap(folder / TOKENS_FILE, dtype=np.int32, mode="r", shape=shape)
            flags_RL = np.memmap(folder / FLAGS_FILE, dtype=np.uint8, mode="r", shape=shape)
            row_tokens_R = np.load(folder / LENGTHS_FILE, mmap_mode="r")
            if row_tokens_R.shape != shape[:1]:
                raise ValueError(f"{LENGTHS_FILE} has {len(row_tokens_R):,} rows, {META_FILE} says {shape[0]:,}")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged ({error})", hint="delete the folder; it will be built again") from error
        return cls(folder, tokens_RL, flags_RL, row_tokens_R, meta)


def decode_row(tokens_L: Tokens, flags_L: Flags) -> dict[str, np.ndarray[Any, Any]]:
    """Cells of a row as what a model takes. START at 0 and 3 → position_ids 0 1 2 0 1 …; padding is its own segment."""
    input_ids_L = tokens_L.astype(np.int64)
    index_L = np.arange(len(tokens_L))
    starts_L = np.maximum.accumulate(np.where(flags_L & START, index_L, 0))
    return {
        "input_ids": input_ids_L,
        "labels": np.where(flags_L & LEARN, input_ids_L, IGNORE_INDEX),
        "position_ids": index_L - starts_L,
    }


def encode_row(row: PackedRow, *, seq_len: int, pad_id: int) -> tuple[Tokens, Flags]:
    """The cells of one packed row, padded to `seq_len`; the inverse of `decode_row`."""
    length = len(row.input_ids)
    tokens_L = np.full(seq_len, pad_id, np.int32)
    tokens_L[:length] = row.input_ids
    flags_L = np.full(seq_len, PAD, np.uint8)
    flags_L[:length] = np.where(np.asarray(row.labels) != IGNORE_INDEX, LEARN, 0) | np.where(
        np.asarray(row.position_ids) == 0, START, 0
    )
    if length < seq_len:
        flags_L[length] |= START
    return tokens_L, flags_L


def pad_id_of(tokenizer: PreTrainedTokenizerFast) -> int:
    """An id to pad with. It carries no label and no document sees it, so any id will do where none is named."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0)


# ------------------------------------------------------------------------------------------------------------ writing


class RowWriter:
    """Appends cells of whole rows to the files of a folder, and counts them. Use as a context manager."""

    def __init__(self, folder: Path, *, seq_len: int, pad_id: int) -> None:
        self.folder, self.seq_len, self.pad_id = folder, seq_len, pad_id
        self.num_learned = 0
        self._lengths: list[Tokens] = []
        self._tokens: IO[bytes] = (folder / TOKENS_FILE).open("wb")
        self._flags: IO[bytes] = (folder / FLAGS_FILE).open("wb")

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: Any) -> None:
        self._tokens.close()
        self._flags.close()
        if kind is None:
            np.save(self.folder / LENGTHS_FILE, np.concatenate([np.empty(0, np.int32), *self._lengths]))

    def facts(self) -> dict[str, int]:
        """What has been written."""
        return {
            "rows": sum(map(len, self._lengths)),
            "seq_len": self.seq_len,
            "tokens": sum(int(lengths_R.sum()) for lengths_R in self._lengths),
            "learned_tokens": self.num_learned,
        }

    def write(self, tokens_T: Tokens, flags_T: Flags, lengths_R: Tokens) -> None:
        """Whole rows, padded: T is R × L."""
        self._tokens.write(tokens_T.tobytes())
        self._flags.write(flags_T.tobytes())
        self._lengths.append(lengths_R)
        self.num_learned += int(np.count_nonzero(flags_T & LEARN))

    def write_rows(self, rows: Iterable[PackedRow]) -> None:
        """Rows as `packing.pack` makes them."""
        for row in rows:
            cells = encode_row(row, seq_len=self.seq_len, pad_id=self.pad_id)
            self.write(*cells, np.array([len(row.input_ids)], np.int32))

    def write_filled(self, documents: Iterable[Tokens]) -> None:
        """Documents of which everything is learned, one after another: the rows of `pack(…, overflow="split")`, without
        a Python object for each token."""
        left = np.empty(0, np.int32)
        left_starts = np.empty(0, bool)
        for some in _portions(documents):
            tokens_T = np.concatenate([left, *some])
            starts_T = np.zeros(len(tokens_T), bool)
            starts_T[: len(left)] = left_starts
            starts_T[len(left) + np.cumsum([0, *map(len, some[:-1])])] = True
            whole = len(tokens_T) // self.seq_len * self.seq_len
            self._write_full(tokens_T[:whole], starts_T[:whole])
            left, left_starts = tokens_T[whole:], starts_T[whole:]
        if len(left):
            tokens_L, flags_L = np.full(self.seq_len, self.pad_id, np.int32), np.full(self.seq_len, PAD, np.uint8)
            tokens_L[: len(left)], flags_L[: len(left)] = left, self._flags_of(left_starts)
            flags_L[len(left)] |= START
            self.write(tokens_L, flags_L, np.array([len(left)], np.int32))

    def _write_full(self, tokens_T: Tokens, starts_T: npt.NDArray[np.bool_]) -> None:
        self.write(tokens_T, self._flags_of(starts_T), np.full(len(tokens_T) // self.seq_len, self.seq_len, np.int32))

    def _flags_of(self, starts_T: npt.NDArray[np.bool_]) -> Flags:
        """A piece begins where a document does, and where a row does; its first token is not learned."""
        flags_T = np.where(starts_T, START, LEARN).astype(np.uint8)
        flags_T[:: self.seq_len] = START
        return flags_T


def _portions(documents: Iterable[Tokens]) -> Iterator[Sequence[Tokens]]:
    """Documents that have tokens, together some WRITTEN_TOKENS."""
    some: list[Tokens] = []
    size = 0
    for document in documents:
        if len(document):
            some.append(document)
            size += len(document)
        if size >= WRITTEN_TOKENS:
            yield some
            some, size = [], 0
    if some:
        yield some
