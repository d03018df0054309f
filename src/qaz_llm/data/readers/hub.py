"""Data sets of the Hugging Face hub: streamed by name, or read from a copy that `save_to_disk` wrote."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from qaz_llm.data.config import SourceConfig
from qaz_llm.data.readers.rows import Part, Row
from qaz_llm.errors import InputError
from qaz_llm.io import COMPRESSIONS, hub_hint, reach_hub
from qaz_llm.io.parquet import BATCH_ROWS, as_text

T = TypeVar("T")
_BUILDERS = {".jsonl": "json", ".json": "json", ".parquet": "parquet", ".csv": "csv", ".txt": "text"}


def is_saved_copy(folder: Path) -> bool:
    """Whether `save_to_disk` wrote the folder."""
    return (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file()


def load_saved_copy(source: SourceConfig, folder: Path) -> Any:
    """The `datasets.Dataset` in a folder that `save_to_disk` wrote. Raises InputError."""
    import datasets

    loaded = _loaded(source, lambda: datasets.load_from_disk(str(folder)))
    return loaded[source.hub_split] if isinstance(loaded, datasets.DatasetDict) else loaded


def read_saved_copy(
    source: SourceConfig, folder: Path, columns: Sequence[str] | None, part: Part | None
) -> Iterator[Row]:
    """Rows of a saved copy, all of its columns or those named (where it has them all). Raises InputError."""
    table = load_saved_copy(source, folder)
    if columns is not None and set(columns) <= set(table.column_names):
        table = table.select_columns(list(columns))
    start, end = (part.start, part.end) if part is not None else (0, len(table))
    for number in range(start, end, BATCH_ROWS):
        batch = table[number : min(number + BATCH_ROWS, end)]
        for place, values in enumerate(zip(*batch.values(), strict=True)):
            yield Row(number + place, dict(zip(batch, map(as_text, values), strict=True)))


def stream_rows(source: SourceConfig, folder: Path | None) -> Iterator[Row]:
    """Rows of a data set by name, or in a folder whose README says which files belong to which subset.

    Where `hub_files` names the files they are read as they are, without the loading script a data set may have.
    Raises InputError where there is no such data set, or it cannot be reached.
    """
    import datasets

    if folder is None:
        reach_hub()

    def load() -> Any:
        if source.hub_files:
            urls = [f"hf://datasets/{source.path}/{pattern}" for pattern in source.hub_files]
            return datasets.load_dataset(_builder(source.hub_files[0]), data_files=urls, split="train", streaming=True)
        name = source.path if folder is None else str(folder)
        return datasets.load_dataset(name, source.hub_subset, split=source.hub_split, streaming=True)

    rows = _loaded(source, load)
    try:
        for number, fields in enumerate(rows):
            yield Row(number, {name: as_text(value) for name, value in fields.items()})
    except (OSError, datasets.exceptions.DatasetsError) as error:
        raise InputError(
            f"source {source.name}: the stream of {source.path!r} broke ({type(error).__name__}: {error})",
            hint="run it again, or fetch a copy first: hf download --repo-type dataset",
        ) from error


def _builder(pattern: str) -> str:
    suffixes = [suffix for suffix in Path(pattern).suffixes if suffix not in COMPRESSIONS]
    if not suffixes or suffixes[-1] not in _BUILDERS:
        raise InputError(f"hub_files: the format of {pattern} is not known", hint=f"known: {', '.join(_BUILDERS)}")
    return _BUILDERS[suffixes[-1]]


def _loaded(source: SourceConfig, load: Callable[[], T]) -> T:
    try:
        return load()
    except InputError:
        raise
    except Exception as error:  # datasets raises some twenty kinds here, all of which mean: not to be had
        raise InputError(
            f"source {source.name}: the data set {source.path!r} cannot be read ({_first_line(error)})",
            hint=f"check path, hub_subset and hub_split; {hub_hint()}",
        ) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:300]}"
