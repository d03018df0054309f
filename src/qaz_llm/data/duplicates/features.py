"""What duplicate search keeps of every document: hashes in columns on disk, so that no text is held in memory.

A part is what one task cleaned. Its columns are plain arrays in little-endian files, read through the page cache; they
depend on the texts, the seed and a few settings only, so a part joins any later build without being worked out again.

    ids.u8 id_ends.i64          the ids one after another, UTF-8, and where each ends
    id_hashes.u64               128 bits of each id, shape (documents, 2)
    text_hashes.u64             128 bits of each text's words, shape (documents, 2)
    licences.u8 qualities.f32 num_words.u32       what decides which copy stays
    bands.u64                   band keys, shape (bands, documents): one band of all documents is read at a time
    blocks.u64 block_ends.i64   hashes of lines and paragraphs, sorted within a document, and where each document's end
    features.json               comes last: number of documents, seed and settings
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import xxhash

from qaz_llm.data.config import DedupConfig
from qaz_llm.data.duplicates.blocks import find_blocks
from qaz_llm.data.duplicates.minhash import MinHasher, sort_each, text_hashes
from qaz_llm.data.licences import rank
from qaz_llm.errors import DataError
from qaz_llm.io import read_json, write_json
from qaz_llm.io.arrow import number_array
from qaz_llm.language.buffer import Hashes, ScannedTexts
from qaz_llm.records import Document

_COLUMNS: Mapping[str, str] = {
    "ids": "u1",
    "id_ends": "<i8",
    "id_hashes": "<u8",
    "text_hashes": "<u8",
    "licences": "u1",
    "qualities": "<f4",
    "num_words": "<u4",
    "bands": "<u8",
    "blocks": "<u8",
    "block_ends": "<i8",
}
INDEX = "features.json"
_ROWS = "bands_by_document"
_TRANSPOSED_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Part:
    """The cleaned documents of one task, as duplicate search sees them.

    `read_texts` gives the texts of the rows asked for, which rise, one for each.
    """

    folder: Path
    num_documents: int
    read_texts: Callable[[npt.NDArray[np.int64]], Iterator[str]]


class FeatureWriter:
    """Writes the columns of one part, batch by batch; memory stays that of a batch."""

    def __init__(self, folder: Path, config: DedupConfig, seed: int) -> None:
        self._folder = folder
        self._config = config
        self._hasher = MinHasher(config, seed)
        self._rank = cache(rank)
        self._index = index_of(config, seed)
        self._num_documents = self._id_end = self._block_end = 0
        self._open = ExitStack()
        folder.mkdir(parents=True, exist_ok=True)
        self._files = {name: self._open.enter_context(column_path(folder, name).open("wb")) for name in _COLUMNS}
        self._rows = self._open.enter_context((folder / _ROWS).open("w+b"))

    def add(self, documents: Sequence[Document], scanned: ScannedTexts) -> None:
        """Add documents, whose texts `scanned` has in the same order. Raises ValueError where the numbers differ."""
        if len(documents) != len(scanned):
            raise ValueError(f"{len(documents)} documents, but {len(scanned)} scanned texts")
        count = len(documents)
        words = scanned.words
        self._add_ids([document.id.encode("utf-8", "surrogatepass") for document in documents])
        self._write("text_hashes", text_hashes(words))
        self._write("licences", [self._rank(document.licence) for document in documents])
        self._write("qualities", [float(document.meta.get("quality", 0.0)) for document in documents])
        self._write("num_words", np.diff(words.doc_starts_D))
        if self._config.near:
            self._rows.write(self._hasher.band_keys(words).astype("<u8", copy=False).tobytes())
        ends = np.zeros(count, np.int64)
        if self._config.lines:
            blocks = find_blocks(scanned, min_words=self._config.line_min_words)
            sort_each(blocks.hashes_B, blocks.starts_D)
            self._write("blocks", blocks.hashes_B)
            ends = blocks.starts_D[1:]
        self._write("block_ends", ends + self._block_end)
        self._block_end += int(ends[-1]) if count else 0
        self._num_documents += count

    def _add_ids(self, ids: Sequence[bytes]) -> None:
        digests = b"".join([xxhash.xxh3_128_digest(one) for one in ids])
        ends = self._id_end + np.cumsum([len(one) for one in ids], dtype=np.int64)
        self._write("ids", np.frombuffer(b"".join(ids), dtype=np.uint8))
        self._write("id_ends", ends)
        self._write("id_hashes", np.frombuffer(digests, dtype="<u8"))
        self._id_end = int(ends[-1]) if len(ids) else self._id_end

    def _write(self, name: str, values: npt.ArrayLike) -> None:
        self._files[name].write(np.asarray(values, dtype=_COLUMNS[name]).tobytes())

    def close(self) -> None:
        """Turn the band keys so that each band lies in one piece, and write the index. Without it the part is not whole."""
        self._rows.flush()
        if self._config.near:
            self._turn_bands()
        self._open.close()
        (self._folder / _ROWS).unlink()
        write_json(self._folder / INDEX, {**self._index, "num_documents": self._num_documents})

    def _turn_bands(self) -> None:
        shape = (self._num_documents, self._config.bands)
        rows = _memmap(self._folder / _ROWS, "<u8").reshape(shape)
        with column_path(self._folder, "bands").open("wb") as file:
            for band in range(self._config.bands):
                for start in range(0, len(rows), _TRANSPOSED_AT_ONCE):
                    file.write(rows[start : start + _TRANSPOSED_AT_ONCE, band].tobytes())


@dataclass(frozen=True)
class Features:
    """The columns of several parts as if they were one; N is the number of all documents, in the order of the parts.

    Raises:
        DataError: where a part is not whole, or was made with other settings than this build's.
    """

    parts: Sequence[Part]
    config: DedupConfig
    offsets: npt.NDArray[np.int64] = field(init=False)
    """The number of the first document of each part, and N."""

    def __post_init__(self) -> None:
        seeds = set()
        for part in self.parts:
            seeds.add(_checked_seed(part, self.config))
        if len(seeds) > 1:
            raise DataError(
                f"{self.parts[0].folder.parent}: parts made with the seeds {', '.join(map(str, sorted(seeds)))}",
                hint="build all parts with one seed; the band keys of two seeds cannot be compared",
            )
        object.__setattr__(self, "offsets", _offsets(self.parts))

    def __len__(self) -> int:
        return int(self.offsets[-1])

    def column(self, name: str) -> npt.NDArray[Any]:
        """A column of all documents, in memory."""
        return np.concatenate([*(read_column(part.folder, name) for part in self.parts), np.empty(0, _COLUMNS[name])])

    def halves(self, name: str) -> tuple[Hashes, Hashes]:
        """The two halves of a column of 128-bit hashes, in memory."""
        pairs = [read_column(part.folder, name).reshape(-1, 2) for part in self.parts]
        first, second = (
            np.concatenate([*(pair[:, half] for pair in pairs), np.empty(0, np.uint64)]) for half in (0, 1)
        )
        return first, second

    def band(self, number: int) -> Hashes:
        """The keys of one band of all documents, in memory."""
        shape = (self.config.bands, -1)
        bands = [read_column(part.folder, "bands").reshape(shape)[number] for part in self.parts if part.num_documents]
        return np.concatenate([*bands, np.empty(0, np.uint64)])

    def texts(self, numbers: npt.NDArray[np.int64]) -> Iterator[str]:
        """The texts of the documents with these numbers, which rise. Raises DataError where a part gives more or fewer."""
        cuts = np.searchsorted(numbers, self.offsets)
        for part, offset, start, end in zip(self.parts, self.offsets[:-1], cuts[:-1], cuts[1:], strict=True):
            if start == end:
                continue
            count = 0
            for text in part.read_texts(numbers[start:end] - offset):
                count += 1
                yield text
            if count != end - start:
                raise DataError(
                    f"{part.folder}: {end - start:,} texts were asked for, {count:,} came",
                    hint="remove this folder and build again",
                )


def index_of(config: DedupConfig, seed: int) -> dict[str, Any]:
    """What `features.json` says besides the number of documents: all that a part's columns depend on but the texts."""
    names = {"near": ("shingle_words", "bands", "rows"), "lines": ("line_min_words",)}
    values = config.model_dump()
    used = {name: values[name] for step, fields in names.items() if values[step] for name in fields}
    return {"seed": seed, **used}


def read_ids(parts: Sequence[Part], numbers: npt.NDArray[np.int64]) -> dict[int, str]:
    """The ids of the documents with these numbers (-1, for none, is passed over)."""
    rising = np.unique(numbers[numbers >= 0])
    ids = take_ids(parts, rising).to_pylist()
    return {number: one.decode("utf-8", "surrogatepass") for number, one in zip(rising.tolist(), ids, strict=True)}


def take_ids(parts: Sequence[Part], rising: npt.NDArray[np.int64]) -> Any:
    """The ids, as UTF-8, of the documents with these rising numbers: a pyarrow array in chunks."""
    import pyarrow as pa

    offsets = _offsets(parts)
    cuts = np.searchsorted(rising, offsets)
    chunks = []
    for part, offset, start, end in zip(parts, offsets[:-1], cuts[:-1], cuts[1:], strict=True):
        if start < end:
            ends = np.concatenate([np.zeros(1, np.int64), read_column(part.folder, "id_ends")])
            buffers = [None, pa.py_buffer(ends), pa.py_buffer(read_column(part.folder, "ids"))]
            ids = pa.Array.from_buffers(pa.large_binary(), part.num_documents, buffers)
            chunks.append(ids.take(number_array(rising[start:end] - offset)))
    return pa.chunked_array(chunks, type=pa.large_binary())


def _offsets(parts: Sequence[Part]) -> npt.NDArray[np.int64]:
    """The number of the first document of each part, and that of all documents."""
    return np.cumsum([0, *(part.num_documents for part in parts)], dtype=np.int64)


def read_column(folder: Path, name: str) -> npt.NDArray[Any]:
    """A column of one part, mapped into memory: only what is looked at is read."""
    return _memmap(column_path(folder, name), _COLUMNS[name])


def column_path(folder: Path, name: str) -> Path:
    """The file of a column, whose suffix says what it holds: `bands.u64`."""
    dtype = np.dtype(_COLUMNS[name])
    return folder / f"{name}.{dtype.kind}{8 * dtype.itemsize}"


def _memmap(path: Path, dtype: str) -> npt.NDArray[Any]:
    return np.memmap(path, dtype=dtype, mode="r") if path.stat().st_size else np.empty(0, dtype)


def _checked_seed(part: Part, config: DedupConfig) -> int:
    path = part.folder / INDEX
    if not path.exists():
        raise DataError(f"{part.folder}: holds no {INDEX}, so its making was broken off", hint="run the build again")
    found = read_json(path)
    expected = {**index_of(config, found["seed"]), "num_documents": part.num_documents}
    wrong = [
        f"{name} is {found.get(name)}, not {value}" for name, value in expected.items() if found.get(name) != value
    ]
    if wrong:
        raise DataError(f"{path}: {'; '.join(wrong)}", hint="remove this folder and build again")
    return int(found["seed"])
