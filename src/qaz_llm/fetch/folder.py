"""The folder that `qaz fetch` fills, and its manifest.

OUT/hub/…          models and tokenizers, as the hub's libraries keep them: HF_HOME=OUT makes them find them
OUT/sets/OWNER/NAME[@REVISION]/   data sets, as they lie on the hub; read where HF_HOME=OUT
OUT/wheels, OUT/project.tar       with --bundle: the packages, and the project itself
OUT/fetched.json   what was fetched: repository, commit, licence, and of each file path, bytes and SHA-256
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import AfterValidator, ConfigDict, Field, TypeAdapter, ValidationError

from qaz_llm.config import first_problem
from qaz_llm.errors import DamagedFileError
from qaz_llm.fetch.inside import stays_inside
from qaz_llm.fetch.look import Found, RemoteFile
from qaz_llm.fetch.needs import Need, RepoType
from qaz_llm.io import read_json, set_folder, write_json
from qaz_llm.io.secrets import safe_to_show
from qaz_llm.labels.names import shown

MANIFEST = "fetched.json"
HUB = "hub"
LOCK = ".lock-fetch"

_CHUNK_BYTES = 8 << 20
_EXACT = ConfigDict(extra="forbid")


def _inside(path: str) -> str:
    if not stays_inside(path):
        raise ValueError(f"{path[:200]!r} is no path below the folder")
    return path


@dataclass(frozen=True)
class StoredFile:
    """A file below the folder, by its path there."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    path: Annotated[str, AfterValidator(_inside)]
    size: Annotated[int, Field(ge=0, strict=True)]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


@dataclass(frozen=True)
class Entry:
    """A repository in the folder."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    repo: Annotated[str, AfterValidator(_inside)]
    type: RepoType
    revision: str | None
    commit: Annotated[str, Field(pattern="^[0-9a-f]{40}$")]
    licence: str
    gated: Annotated[bool, Field(strict=True)]
    weights: Annotated[bool, Field(strict=True)]
    subsets: tuple[str, ...]
    patterns: tuple[str, ...]
    why: tuple[str, ...]
    files: Annotated[tuple[StoredFile, ...], Field(min_length=1)]
    code: Annotated[bool, Field(strict=True)] = False

    @property
    def key(self) -> tuple[str, str, str | None]:
        """As `Need.key`."""
        return self.type, self.repo, self.revision

    @property
    def need(self) -> Need:
        """What was asked for."""
        return Need(
            self.repo, self.type, self.revision, weights=self.weights, code=self.code,
            subsets=self.subsets, patterns=self.patterns, why=self.why,
        )  # fmt: skip


@dataclass(frozen=True)
class Manifest:
    """What lies in a folder; `bundle` are the files of --bundle."""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

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
    """The manifest of a folder; None where there is none.

    Raises DamagedFileError where it is anything else than `write_manifest` writes, or names a file or a repository twice.
    """
    path = out / MANIFEST
    if not path.exists() and not path.is_symlink():
        return None
    values = read_json(path)
    try:
        manifest = TypeAdapter(Manifest).validate_python(values)
    except ValidationError as error:
        where, problem = first_problem(error)
        raise _damaged(path, f"{where}: {problem}" if where else problem) from error
    paths = (file.path for file in manifest.files())
    keys = (" ".join(map(str, entry.key)) for entry in manifest.entries)
    for name, count in (Counter(paths) + Counter(keys)).items():
        if count > 1:
            raise _damaged(path, f"{name} is named {count} times")
    return manifest


def _damaged(path: Path, found: str) -> DamagedFileError:
    return DamagedFileError(
        f"{path}: is not what `qaz fetch` writes ({shown(found)})",
        hint="carry it again; or move it away, and fetch again into the folder",
    )


def write_manifest(out: Path, manifest: Manifest) -> None:
    """Write fetched.json, without what lets somebody in by the hub's address."""
    write_json(out / MANIFEST, asdict(replace(manifest, endpoint=safe_to_show(manifest.endpoint))))


def place_of(found: Found, file: RemoteFile) -> Path:
    """Where a file of a repository lies, below the folder."""
    need = found.need
    if need.type == "model":
        return model_folder(need.repo) / "snapshots" / found.commit / file.path
    return set_folder(Path(), need.repo, need.revision) / file.path


def model_folder(repo: str) -> Path:
    """Where the hub's libraries keep a model, below the folder."""
    return Path(HUB, f"models--{repo.replace('/', '--')}")


def ref_of(repo: str, revision: str | None) -> Path:
    """The file, below the folder, that says which commit a model's name stands for."""
    return model_folder(repo) / "refs" / (revision or "main")


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
