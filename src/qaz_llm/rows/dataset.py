"""Text tokenised once into packed rows on disk, read by position: resuming starts at a row's number, re-reading nothing.

A packed dataset is a folder of two flat files of `rows × seq_len` cells and, written last, `meta.json`:

    tokens.bin   int32    token ids; a row that is not full ends in padding
    flags.bin    uint8    LEARN: has a label · START: an example begins here · PAD: padding
    rows.npy     int32    tokens of each row without padding

Shape legend: R rows, L seq_len.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qaz_llm.errors import DataError
from qaz_llm.io import atomic_dir, fingerprint_paths, fingerprint_value, read_json, write_json
from qaz_llm.progress import get_logger, track
from qaz_llm.records import IGNORE_INDEX, PackedRow, TokenizedExample
from qaz_llm.rows.chat.examples import ChatCounts, chat_examples
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.packing import pack
from qaz_llm.rows.sources import read_dialogues, read_texts, training_files
from qaz_llm.tokenizer.fast import tokenizer_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

_logger = get_logger("rows")

LEARN, START, PAD = 1, 2, 4
FORMAT_VERSION = 2
META_FILE = "meta.json"
BATCH_TEXTS = 256
"""Texts handed to the tokenizer at a time; its threads share one call."""


@dataclass(frozen=True)
class PackedDataset:
    """An opened packed dataset. `meta` holds what its build counted."""

    folder: Path
    tokens_RL: np.ndarray[Any, np.dtype[np.int32]]
    flags_RL: np.ndarray[Any, np.dtype[np.uint8]]
    row_tokens_R: np.ndarray[Any, np.dtype[np.int32]]
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
            tokens_RL = np.memmap(folder / "tokens.bin", dtype=np.int32, mode="r", shape=shape)
            flags_RL = np.memmap(folder / "flags.bin", dtype=np.uint8, mode="r", shape=shape)
            row_tokens_R = np.load(folder / "rows.npy")
        except (OSError, ValueError) as error:
            raise DataError(f"{folder}: damaged ({error})", hint="delete the folder; it will be built again") from error
        return cls(folder, tokens_RL, flags_RL, row_tokens_R, meta)


def decode_row(
    tokens_L: np.ndarray[Any, np.dtype[np.int32]], flags_L: np.ndarray[Any, np.dtype[np.uint8]]
) -> dict[str, np.ndarray[Any, Any]]:
    """Cells of a row as what a model takes. START at 0 and 3 → position_ids 0 1 2 0 1 …; padding is its own segment."""
    input_ids_L = tokens_L.astype(np.int64)
    index_L = np.arange(len(tokens_L))
    starts_L = np.maximum.accumulate(np.where(flags_L & START, index_L, 0))
    return {
        "input_ids": input_ids_L,
        "labels": np.where(flags_L & LEARN, input_ids_L, IGNORE_INDEX),
        "position_ids": index_L - starts_L,
    }


def encode_row(row: PackedRow, *, seq_len: int, pad_id: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
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


def dataset_fingerprint(entry: MixEntry, tokenizer: PreTrainedTokenizerFast, shape: RowShape) -> str:
    """What the packed rows depend on: the files' bytes, the tokenizer, the packing."""
    files = training_files(entry, chat=shape.chat)
    chosen = {"source": entry.source, "min_quality": entry.min_quality}
    return fingerprint_value(
        {
            **{key: value for key, value in chosen.items() if value is not None},
            "format": FORMAT_VERSION,
            "files": fingerprint_paths(files),
            "language": entry.language,
            "tokenizer": tokenizer_fingerprint(tokenizer),
            "chat": shape.chat,
            "seq_len": shape.seq_len,
            "split": shape.splits,
        }
    )


def build_dataset(
    entry: MixEntry, tokenizer: PreTrainedTokenizerFast, shape: RowShape, *, cache: Path
) -> PackedDataset:
    """Open the packed rows of one part of the mix, tokenising it first where that has not been done.

    Raises:
        DataError: nothing is left to train on; the message counts why.
    """
    fingerprint = dataset_fingerprint(entry, tokenizer, shape)
    folder = cache / f"{entry.name}-{fingerprint[:16]}"
    if (folder / META_FILE).is_file():
        return PackedDataset.open(folder)
    _logger.info("tokenising %s: %s", entry.name, entry.path)
    chat_counts = ChatCounts()
    dropped, counts = chat_counts.dropped, Counter[str]()
    examples = (
        chat_examples(read_dialogues(entry), tokenizer, seq_len=shape.seq_len, counts=chat_counts)
        if shape.chat
        else _text_examples(entry, tokenizer)
    )
    counted = _count_examples(examples, counts)
    rows = pack(
        track(counted, f"tokenising {entry.name}", unit="examples"),
        seq_len=shape.seq_len,
        overflow="split" if shape.splits else "drop",
        on_drop=lambda _example: dropped.update(["longer_than_seq_len"]),
    )
    with atomic_dir(folder) as temporary:
        facts = _write(rows, temporary, seq_len=shape.seq_len, pad_id=pad_id_of(tokenizer))
        facts |= {"examples": counts["examples"], "dropped": dict(dropped), "fingerprint": fingerprint}
        facts |= {"notes": dict(chat_counts.notes), "unused_keys": dict(chat_counts.unused)} if shape.chat else {}
        chat_counts.log(_logger, entry.name)
        if facts["learned_tokens"] == 0:
            why = ", ".join(f"{n} {reason}" for reason, n in dropped.items()) or "the files hold no rows"
            language = f" in language {entry.language!r}" if entry.language else ""
            raise DataError(
                f"data.mix '{entry.name}' ({entry.path}): nothing to train on{language} ({why})",
                hint="docs/dialogues.md says what each reason means"
                if shape.chat and dropped
                else "check the path and the language, or raise seq_len",
            )
        write_json(temporary / META_FILE, facts)
    if dropped:
        _logger.warning("%s: dropped %s", entry.name, ", ".join(f"{n:,} {reason}" for reason, n in dropped.items()))
    _logger.info(
        "%s: %s examples, %s tokens in %s rows (%.1f %% full)",
        entry.name, f"{counts['examples']:,}", f"{facts['tokens']:,}", f"{facts['rows']:,}",
        100 * facts["tokens"] / (facts["rows"] * facts["seq_len"]),
    )  # fmt: skip
    return PackedDataset.open(folder)


def pad_id_of(tokenizer: PreTrainedTokenizerFast) -> int:
    """An id to pad with. It carries no label and no document sees it, so any id will do where none is named."""
    return int(tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id or 0)


def _text_examples(entry: MixEntry, tokenizer: PreTrainedTokenizerFast) -> Iterator[TokenizedExample]:
    """Each text with what the tokenizer puts before it, and the end-of-text token after it; all of it is learned."""
    eos = tokenizer.eos_token_id
    texts = read_texts(entry)
    while batch := list(islice(texts, BATCH_TEXTS)):
        encoded = tokenizer([text for _, text in batch], return_attention_mask=False, verbose=False)
        for (source_id, _), ids in zip(batch, encoded["input_ids"], strict=True):
            closed = tuple(ids) if eos is None or (ids and ids[-1] == eos) else (*ids, eos)
            yield TokenizedExample(closed, closed, source_id)


def _count_examples(examples: Iterator[TokenizedExample], counts: Counter[str]) -> Iterator[TokenizedExample]:
    for example in examples:
        counts["examples"] += 1
        yield example


def _write(rows: Iterator[PackedRow], folder: Path, *, seq_len: int, pad_id: int) -> dict[str, Any]:
    lengths: list[int] = []
    learned = 0
    with (folder / "tokens.bin").open("wb") as tokens, (folder / "flags.bin").open("wb") as flags:
        for row in rows:
            tokens_L, flags_L = encode_row(row, seq_len=seq_len, pad_id=pad_id)
            tokens.write(tokens_L.tobytes())
            flags.write(flags_L.tobytes())
            lengths.append(len(row.input_ids))
            learned += int(np.count_nonzero(flags_L & LEARN))
    np.save(folder / "rows.npy", np.asarray(lengths, np.int32))
    return {"rows": len(lengths), "seq_len": seq_len, "tokens": sum(lengths), "learned_tokens": learned}


# ------------------------------------------------------------------------------------------------------------- mixing


@dataclass(frozen=True)
class MixedDataset:
    """The rows of several packed datasets in one numbering. `parts` in the order of the mix."""

    parts: Sequence[PackedDataset]

    def __len__(self) -> int:
        return sum(map(len, self.parts))

    def __getitem__(self, row: int) -> dict[str, np.ndarray[Any, Any]]:
        for part in self.parts:
            if row < len(part):
                return part[row]
            row -= len(part)
        raise IndexError(row)

    @property
    def row_tokens_R(self) -> np.ndarray[Any, np.dtype[np.int32]]:
        return np.concatenate([part.row_tokens_R for part in self.parts])


def mix_rows(lengths: Sequence[int], passes: Sequence[float], *, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Row numbers of one traversal of the mix, unshuffled: each part's rows as often as its passes say.

    2.5 passes over 4 rows are each row twice and two rows, drawn by `seed`, a third time.
    """
    chosen: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    offset = 0
    for index, (length, share) in enumerate(zip(lengths, passes, strict=True)):
        whole, rest = divmod(round(share * length), length)
        rows = np.arange(offset, offset + length, dtype=np.int64)
        generator = np.random.default_rng([seed, 1, index])
        chosen += [rows] * whole + [np.sort(generator.permutation(rows)[:rest])]
        offset += length
    return np.concatenate(chosen)


class StepSampler:
    """The order of all rows of a run, from its seed alone: traversal after traversal of the mix, each shuffled anew.

    The n-th row is the same however many processes and micro-batches share the work, and after any resume.
    """

    def __init__(self, rows: np.ndarray[Any, np.dtype[np.int64]], *, num_rows: int, seed: int) -> None:
        self.rows = rows
        self.num_rows = num_rows
        self.seed = seed
        self._shuffled: tuple[int, np.ndarray[Any, np.dtype[np.int64]]] = (-1, rows)  # the last traversal asked for

    def __len__(self) -> int:
        return self.num_rows

    def __iter__(self) -> Iterator[int]:
        for traversal in range(-(-self.num_rows // len(self.rows))):
            first = traversal * len(self.rows)
            yield from self.traversal(traversal)[: self.num_rows - first].tolist()

    def traversal(self, number: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """All rows of the mix in the order of their `number`-th traversal."""
        if self._shuffled[0] != number:
            self._shuffled = (number, np.random.default_rng([self.seed, 2, number]).permutation(self.rows))
        return self._shuffled[1]

    def rows_of_step(self, step: int, rows_per_step: int) -> np.ndarray[Any, np.dtype[np.int64]]:
        """The rows that step `step` (from 1) learns from, over all processes."""
        first, last = (step - 1) * rows_per_step, step * rows_per_step
        size = len(self.rows)
        numbers = range(first // size, -(-last // size))
        parts = [self.traversal(n)[max(first - n * size, 0) : last - n * size] for n in numbers]
        return np.concatenate(parts)
