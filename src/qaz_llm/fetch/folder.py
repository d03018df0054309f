"""The folder that `qaz fetch` fills, and its manifest.

OUT/hub/…          models and tokenizers, as the hub's libraries keep them: HF_HOME=OUT makes them find them
OUT/sets/OWNER/NAME[@REVISION]/   data sets, as they lie on the hub; read where HF_HOME=OUT
OUT/wheels, OUT/project.tar       with --bundle: the packages, and the project itself
OUT/fetched.json   what was fetched: repository, commit, licence, and of each file path, bytes and SHA-256
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import DataError, InputError
from qaz_llm.fetch.look import Found, RemoteFile
from qaz_llm.fetch.needs import Need
from qaz_llm.io import read_json, set_folder, write_json

MANIFEST = "fetched.json"
HUB = "hub"

_CHUNK_BYTES = 8 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file below the folder, by its path there."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """A repository in the folder."""

    repo: str
    type: str
    revision: str | None
    commit: str
    licence: str
    gated: bool
    weights: bool
    subsets: tuple[str, ...]
    patterns: tuple[str, ...]
    why: tuple[str, ...]
    files: tuple[StoredFile, ...]

    @property
    def key(self) -> tuple[str, str, str | None]:
        """As `Need.key`."""
        return self.type, self.repo, self.revision

    @property
    def need(self) -> Need:
        """What was asked for."""
        kind = "model" if self.type == "model" else "dataset"
        asked = {"weights": self.weights, "subsets": self.subsets, "patterns": self.patterns, "why": self.why}
        return Need(self.repo, kind, self.revision, **asked)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Manifest:
    """What lies in a folder; `bundle` are the files of --bundle."""

    endpoint: str
    entries: tuple[Entry, ...] = ()
    bundle: tuple[StoredFile, ...] = ()

    def files(self) -> Iterator[StoredFile]:
        """All files."""
        for entry in self.entries:
            yield from entry.files
        yield from self.bundle

    def with_entries(self, new: Sequence[Entry]) -> Manifest:
        """With these in place of those of the same repositories and revisions."""
        keys = {entry.key for entry in new}
        return Manifest(self.endpoint, (*(e for e in self.entries if e.key not in keys), *new), self.bundle)


def read_manifest(out: Path) -> Manifest | None:
    """The manifest of a folder; None where there is none. Raises DataError where it is damaged."""
    path = out / MANIFEST
    if not path.is_file():
        return None
    values = read_json(path)
    try:
        entries = tuple(_entry(one) for one in values["entries"])
        return Manifest(values["endpoint"], entries, tuple(StoredFile(**one) for one in values["bundle"]))
    except (KeyError, TypeError) as error:
        raise DataError(
            f"{path}: is not what `qaz fetch` writes ({error})", hint="move it away, and fetch again"
        ) from error


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Write fetched.json."""
    write_json(out / MANIFEST, asdict(manifest))


def _entry(values: Mapping[str, Any]) -> Entry:
    lists = {key: tuple(values[key]) for key in ("subsets", "patterns", "why")}
    return Entry(**{**values, **lists, "files": tuple(StoredFile(**one) for one in values["files"])})


def place_of(found: Found, file: RemoteFile) -> Path:
    """Where a file of a repository lies, below the folder."""
    need = found.need
    if need.type == "model":
        return Path(HUB, f"models--{need.repo.replace('/', '--')}", "snapshots", found.commit, file.path)
    return set_folder(Path(), need.repo, need.revision) / file.path


def hashes_of(path: Path) -> tuple[str, str]:
    """SHA-256 of a file, and SHA-1 of it as a blob of git, in one reading."""
    plain = hashlib.sha256()
    git = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            plain.update(chunk)
            git.update(chunk)
    return plain.hexdigest(), git.hexdigest()


def stored(out: Path, paths: Iterable[Path]) -> tuple[StoredFile, ...]:
    """The facts of files below the folder."""
    return tuple(
        StoredFile(path.relative_to(out).as_posix(), path.stat().st_size, hashes_of(path)[0]) for path in paths
    )


def damage_of_folder(out: Path) -> tuple[int, list[str]]:
    """How many files the manifest names, and what is wrong with those that are not as they were fetched; every byte is read.

    Raises InputError where nothing was fetched into the folder.
    """
    manifest = read_manifest(out)
    if manifest is None:
        raise InputError(f"{out}: holds no {MANIFEST}", hint="name the folder that `qaz fetch --out` filled")
    files = list(manifest.files())
    return len(files), [f"{file.path}: {problem}" for file in files if (problem := _damage(out / file.path, file))]


def _damage(path: Path, file: StoredFile) -> str | None:
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != file.size:
        return f"has {path.stat().st_size:,} bytes where {file.size:,} were fetched"
    return None if hashes_of(path)[0] == file.sha256 else "its bytes are not those that were fetched"
