"""Where the rows of a task lie: files and tables, or data sets of the Hugging Face hub.

    sib200/sib200_kk_dev.jsonl                    below the root, $QAZ_CORPUS_DIR or the current folder
    hub:facebook/belebele/kaz_Cyrl/test           of the hub: owner, name, subset, split
    hub:MBZUAI/KazMMLU/*in kaz)/test.csv          of the hub: files of the set as they lie there
    hub:MBZUAI/KazMMLU@567b9e3/*in kaz)/test.csv  of one revision

A copy of the set in ROOT/hub/OWNER/NAME is read instead, where there is one. Tables are read as text: a library that guesses types makes
5.50 a 5.5, and of the choice "NA" none at all.

To each row come columns that say where it stands: `row` (its number in its file, from 1, where the data has no such column), `@file` (without suffixes) and `@folder`, and of a
set of the hub `@subset` and `@split`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import xxhash

from qaz_llm.errors import InputError
from qaz_llm.evals.items.tables import TABLES, read_task_rows
from qaz_llm.io import CORPUS_DIR_VARIABLE, file_format, fingerprint_file, hub_hint, reach_hub, resolve_path, set_copy

HUB_PREFIX = "hub:"
SUFFIXES = (".jsonl", ".parquet", *TABLES)
_ADDRESS = re.compile(r"hub:(?P<name>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+?))?/(?P<rest>.+)")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class HubAddress:
    """A set of the hub, and of it either `pattern` (files) or `subset` and `split`."""

    name: str
    revision: str | None
    pattern: str = ""
    subset: str = ""
    split: str = ""


@dataclass(frozen=True)
class Source:
    """Rows at hand: `files`, or a subset and split of `folder` (a copy) or of the hub."""

    written: str
    files: tuple[Path, ...] = ()
    columns: tuple[str, ...] | None = None
    quoted: bool | None = None
    address: HubAddress | None = None
    folder: Path | None = None

    def rows(self) -> Iterator[tuple[str, Row]]:
        """Each row with where it stands (`file:row`). Raises InputError, DamagedFileError."""
        if self.address is not None and not self.files:
            place = {"@subset": self.address.subset, "@split": self.address.split}
            for number, row in enumerate(_load_split(self.address, self.folder), 1):
                yield f"{self.written}:{number}", {**row, "row": row.get("row", number), **place}
        for path in self.files:
            place = {"@file": path.name.removesuffix("".join(path.suffixes)), "@folder": path.parent.name}
            for number, row in enumerate(read_task_rows(path, self.columns, quoted=self.quoted), 1):
                yield f"{path}:{number}", {**row, **place}

    def fingerprint(self) -> str:
        """Of the bytes of the files, or of the rows."""
        if self.files:
            return "+".join(map(fingerprint_file, self.files))
        digest = xxhash.xxh3_128()
        for _where, row in self.rows():
            digest.update(json.dumps(row, ensure_ascii=False, sort_keys=True, default=str).encode())
        return digest.hexdigest()


def find_source(
    written: str,
    *,
    task: str,
    root: Path | None = None,
    columns: tuple[str, ...] | None = None,
    quoted: bool | None = None,
    fetch: bool = True,
) -> Source:
    """What a task names. With `fetch` files of the hub are downloaded; without, they are to be here.

    Raises InputError where it is not there, with what was looked for.
    """
    if written.startswith(HUB_PREFIX):
        found = _find_on_hub(written, task, root, fetch)
        return replace(found, columns=columns, quoted=quoted)
    path = resolve_path(written, root=root)
    if not path.is_file():
        raise InputError(
            f"task {task}: its data {path} is not there",
            hint=f"set eval root (--config, or root=DIR) or {CORPUS_DIR_VARIABLE} to the folder that holds it",
        )
    return Source(written, (path,), columns, quoted)


def parse_address(written: str) -> HubAddress:
    """The parts of `hub:OWNER/NAME[@REVISION]/SUBSET/SPLIT` or `hub:OWNER/NAME[@REVISION]/PATTERN.csv`.

    >>> parse_address("hub:facebook/belebele/kaz_Cyrl/test")
    HubAddress(name='facebook/belebele', revision=None, pattern='', subset='kaz_Cyrl', split='test')
    """
    match = _ADDRESS.fullmatch(written)
    rest = match["rest"] if match else ""
    if match and file_format(Path(rest)) in SUFFIXES:
        return HubAddress(match["name"], match["revision"], pattern=rest)
    if match is None or rest.count("/") != 1 or not all(rest.split("/")):
        raise InputError(
            f"{written} names no data set of the hub",
            hint=f"write hub:OWNER/NAME/SUBSET/SPLIT, or hub:OWNER/NAME/FILE with one of {', '.join(SUFFIXES)}",
        )
    subset, split = rest.split("/")
    return HubAddress(match["name"], match["revision"], subset=subset, split=split)


def _find_on_hub(written: str, task: str, root: Path | None, fetch: bool) -> Source:
    address = parse_address(written)
    folder = set_copy(address.name, root=root, beside="hub/", revision=address.revision)
    if not address.pattern:
        if folder is None and not fetch and not _is_cached(address.name):
            raise InputError(f"task {task}: {written} was not fetched yet")
        return Source(written, address=address, folder=folder)
    folder = folder or _snapshot(address, task, fetch)
    files = tuple(sorted(path for path in folder.glob(address.pattern) if path.is_file()))
    if not files:
        there = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if file_format(p) in SUFFIXES)
        raise InputError(
            f"task {task}: {address.name} has no file {address.pattern}",
            hint=f"in {folder} there are: {', '.join(there[:8]) or 'no tables'}{' …' if len(there) > 8 else ''}",
        )
    return Source(written, files, address=address, folder=folder)


def _snapshot(address: HubAddress, task: str, fetch: bool) -> Path:
    """The folder with the files of the pattern, downloaded where they are not here."""
    from huggingface_hub import snapshot_download

    if fetch:
        reach_hub()
    try:
        return Path(
            snapshot_download(
                address.name,
                repo_type="dataset",
                revision=address.revision,
                allow_patterns=[address.pattern],
                local_files_only=not fetch,
            )
        )
    except Exception as error:  # the hub's library raises a dozen kinds here, all of which mean: not to be had
        raise _not_to_be_had(f"task {task}: {address.name}", error) from error


def _load_split(address: HubAddress, folder: Path | None) -> Iterator[Row]:
    """Its rows; of a copy they are streamed, since the library keeps what it once read of a folder though its files have changed."""
    import datasets

    if folder is None:
        reach_hub()
    subset, split = address.subset, address.split
    try:
        if folder is not None:
            yield from datasets.load_dataset(str(folder), subset, split=split, streaming=True)
        else:
            yield from datasets.load_dataset(address.name, subset, split=split, revision=address.revision)
    except (InputError, GeneratorExit):
        raise
    except Exception as error:  # as above: datasets raises some twenty kinds
        raise _not_to_be_had(f"{address.name}, subset {address.subset}, split {address.split}", error) from error


def _not_to_be_had(what: str, error: Exception) -> InputError:
    said = str(error).strip().partition("\n")[0][:200]
    return InputError(
        f"{what} cannot be read ({type(error).__name__}: {said})",
        hint=f"{hub_hint()} with a copy of it in ROOT/hub/OWNER/NAME; where it is gated, ask for access on its page and set HF_TOKEN",
    )


def _is_cached(name: str) -> bool:
    """Whether the libraries of the hub keep something of this set. Asked by file names, since asking them would import them."""
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    prepared = Path(os.environ.get("HF_DATASETS_CACHE") or home / "datasets") / name.replace("/", "___").lower()
    fetched = Path(os.environ.get("HF_HUB_CACHE") or home / "hub") / f"datasets--{name.replace('/', '--')}"
    return prepared.is_dir() or fetched.is_dir()
