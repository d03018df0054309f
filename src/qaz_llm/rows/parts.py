"""The parts in which text and dialogues become rows: some small files, one file, or a piece of a large one.

    CACHE/.NAME-FINGERPRINT.parts/00012/     tokens.bin, flags.bin, rows.npy and, written last, part.json

How an input is cut depends on its files alone, and each part begins a row; so the rows are the same whatever number of
processes and jobs makes them, and wherever these are interrupted. A part is renamed into place when whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers import Part
from qaz_llm.data.readers.cuts import parts_of
from qaz_llm.errors import QazError
from qaz_llm.io import compression_of, damage_of, fingerprint_inputs, fingerprint_value, read_json, size_in
from qaz_llm.rows.config import MixEntry, RowShape
from qaz_llm.rows.encode import frame_of
from qaz_llm.rows.packed import META_FILE, START, PackedDataset
from qaz_llm.rows.sources import text_source, training_files
from qaz_llm.tokenizer.fast import tokenizer_fingerprint

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

FORMAT_VERSION = 2
"""2: special tokens spelled in a text are text; rows begin anew with each part."""

PART_FILE = "part.json"
LOOKED_AT_ROWS = 1000
"""Of rows by an earlier version, to see how their documents end."""
COMPRESSED_TIMES = 4.5
"""How much longer than a compressed file its text usually is; for the estimate only."""


@dataclass(frozen=True, slots=True)
class RowPart:
    """Files that become rows together, or a piece of one file."""

    paths: tuple[Path, ...]
    piece: Part | None = None

    @property
    def text_bytes(self) -> int:
        """About so many bytes of text are in it."""
        return self.piece.text_bytes if self.piece is not None else sum(map(_text_bytes, self.paths))


@dataclass(frozen=True)
class RowSet:
    """One part of the mix on its way to disk: `folder` is where its rows will lie, `work` where their parts do till then."""

    entry: MixEntry
    shape: RowShape
    fingerprint: str
    folder: Path

    @cached_property
    def parts(self) -> tuple[RowPart, ...]:
        """Looked for when they are asked for, as lines of large files are counted for it."""
        return tuple(row_parts(self.entry, self.shape))

    @property
    def is_done(self) -> bool:
        return (self.folder / META_FILE).is_file()

    @property
    def work(self) -> Path:
        return self.folder.with_name(f".{self.folder.name}.parts")

    def part_folder(self, number: int) -> Path:
        return self.work / f"{number:05d}"


def dataset_fingerprint(
    entry: MixEntry, tokenizer: PreTrainedTokenizerFast, shape: RowShape, *, with_named: bool = True
) -> str:
    """What the packed rows depend on: the files (large ones by size and time), the tokenizer, the packing.

    Without `with_named` as it was before it knew of the tokens that tokenizer_config.json names; see `row_set`.
    """
    files = training_files(entry, chat=shape.chat)
    chosen = {"source": entry.source, "min_quality": entry.min_quality}
    if with_named and (named := named_tokens(tokenizer, chat=shape.chat)):
        chosen["named_tokens"] = named
    return fingerprint_value(
        {
            **{key: value for key, value in chosen.items() if value is not None},
            **({} if shape.packs else {"packs": False}),
            **({"pairs": True} if shape.pairs else {}),
            "format": FORMAT_VERSION,
            "files": fingerprint_inputs(files),
            "language": entry.language,
            "tokenizer": tokenizer_fingerprint(tokenizer),
            "chat": shape.chat,
            "seq_len": shape.seq_len,
            "split": shape.splits,
            "part_bytes": shape.part_bytes,
        }
    )


def row_set(entry: MixEntry, tokenizer: PreTrainedTokenizerFast, shape: RowShape, *, cache: Path) -> RowSet:
    """Where the rows of one part of the mix lie, or will lie. Raises InputError where it has no files.

    Rows of earlier versions, whose fingerprint did not hold what stands around a text, are taken where they have just that.
    """
    prints = [dataset_fingerprint(entry, tokenizer, shape, with_named=named) for named in (True, False)]
    now, earlier = (RowSet(entry, shape, text, cache / f"{entry.name}-{text[:16]}") for text in prints)
    return earlier if not now.is_done and earlier.is_done and _is_framed(earlier, tokenizer) else now


def named_tokens(tokenizer: PreTrainedTokenizerFast, *, chat: bool) -> Any:
    """What tokenizer_config.json decides of the rows, beside tokenizer.json and the chat template.

    Of texts the ids before and behind each; of dialogues the tokens that the template takes by their name, as `eos_token`.
    """
    if not chat:
        return list(frame_of(tokenizer))
    template = str(tokenizer.chat_template)
    return {name: str(token) for name, token in sorted(tokenizer.special_tokens_map.items()) if name in template}


def _is_framed(rows: RowSet, tokenizer: PreTrainedTokenizerFast) -> bool:
    """Whether finished rows begin and end a document as one would now; those of dialogues, whether they hold the tokens."""
    data = PackedDataset.open(rows.folder)
    first = data.tokens_RL[0][: data.row_tokens_R[0]].tolist()
    if rows.shape.chat:
        names = named_tokens(tokenizer, chat=True).values()
        return set(tokenizer.convert_tokens_to_ids(list(names))) <= set(first)
    before, after = frame_of(tokenizer)
    seen = data.flags_RL[:LOOKED_AT_ROWS]
    inner = np.arange(seen.shape[1]) < data.row_tokens_R[: len(seen), None]
    starts = np.argwhere((seen & START).astype(bool) & inner)
    row, cell = next(((row, cell) for row, cell in starts if cell >= len(after)), (0, 0))
    return first[: len(before)] == before and (
        not cell or data.tokens_RL[row][cell - len(after) : cell].tolist() == after
    )


def row_parts(entry: MixEntry, shape: RowShape) -> Iterator[RowPart]:
    """The files in their order: small ones together up to `part_bytes`, large ones cut where their format allows."""
    some: list[Path] = []
    size = 0
    for path in training_files(entry, chat=shape.chat):
        path_bytes = path.stat().st_size
        if some and size + path_bytes > shape.part_bytes:
            yield RowPart(tuple(some))
            some, size = [], 0
        pieces = parts_of(path, _source(entry, path, shape)) if path_bytes > shape.part_bytes else []
        if len(pieces) > 1:
            yield from (RowPart((path,), piece) for piece in pieces)
        else:
            some.append(path)
            size += path_bytes
    if some:
        yield RowPart(tuple(some))


def _source(entry: MixEntry, path: Path, shape: RowShape) -> SourceConfig:
    source = SourceConfig(name=entry.name, path=str(path)) if shape.chat else text_source(entry, path)
    return source.model_copy(update={"part_bytes": shape.part_bytes})


def _text_bytes(path: Path) -> int:
    try:
        return round(path.stat().st_size * (COMPRESSED_TIMES if compression_of(path) else 1))
    except QazError:  # reading it says what is wrong
        return 0


def is_part_done(folder: Path) -> bool:
    """Whether a part is there, and whole: every file of it, with the size it was written with. The bytes are not read."""
    try:
        files: Mapping[str, Any] = read_json(folder / PART_FILE)["files"]
        return all((folder / name).stat().st_size == size_in(facts) for name, facts in files.items())
    except (QazError, OSError, KeyError, TypeError):
        return False


def damage_of_rows(folder: Path, facts_file: str) -> str | None:
    """What of a folder of rows is not as it was written, every byte read; None where all is.

    Rows of earlier versions, which kept sizes or nothing, are compared with what they have.
    """
    try:
        return damage_of(folder, read_json(folder / facts_file).get("files", {}))
    except (QazError, AttributeError) as error:
        return f"{facts_file} cannot be read ({error})"
