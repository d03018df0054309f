"""A folder, once carried, beside its manifest: every byte that was fetched, and what lies there that nobody fetched.

Refused is what stands where something fetched is read: a file in the commit of a model, below `sets/` or `wheels/`, a branch's name that
stands for another commit, a link that leads out of the folder. What the hub's libraries keep for themselves (kept.py, and the bytes that
links lead to) is theirs. All else is counted by place: it is read by nobody who asks for what was fetched.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from qaz_llm.errors import InputError
from qaz_llm.fetch.bundle import PROJECT, WHEELS
from qaz_llm.fetch.folder import (
    HUB,
    LOCK,
    MANIFEST,
    Manifest,
    StoredFile,
    hashes_of,
    model_folder,
    read_manifest,
    ref_of,
)
from qaz_llm.fetch.inside import leads_out
from qaz_llm.fetch.kept import is_kept_by_libraries
from qaz_llm.io.hub import SETS
from qaz_llm.labels.names import shown

OWN = {MANIFEST, LOCK}
"""Of `qaz fetch` itself."""


@dataclass(frozen=True)
class Verified:
    """What a look at a folder found.

    Attributes:
        files: so many the manifest names.
        damage: a line for each that is not as it was fetched, and for each that nobody fetched and that would be read.
        others: files beside them by place, as `hub/models--org--other`.
    """

    files: int
    damage: tuple[str, ...]
    others: Mapping[str, int]


def verify_folder(out: Path) -> Verified:
    """Read every byte that was fetched, and look at each name below the folder; no link is followed out of it.

    Raises:
        InputError: nothing was fetched into the folder.
        DamagedFileError: fetched.json is damaged.
    """
    manifest = read_manifest(out)
    hint = "name the folder that `qaz fetch --out` filled"
    if manifest is None:
        raise InputError(f"{out}: holds no {MANIFEST}", hint=hint)
    named = {file.path: file for file in manifest.files()}
    if not named:
        raise InputError(f"{out / MANIFEST}: names no file, so there is nothing to compare", hint=hint)
    there = set(_names(out))
    damage = [f"{shown(path)}: {problem}" for path, file in named.items() if (problem := _damage(out, file, there))]
    damage += [f"{shown(str(path))}: {problem}" for path, problem in _wrong_refs(out, manifest)]
    others = there - set(named) - _kept_by_libraries(out, manifest, there)
    planted = {path for path in others if _is_read(path, manifest)}
    damage += [f"{shown(path)}: was not fetched, and would be read" for path in sorted(planted)]
    return Verified(len(named), tuple(damage), dict(sorted(Counter(map(_place, others - planted)).items())))


def _names(out: Path) -> Iterator[str]:
    """All that is no folder, and links to folders, by their paths below `out`."""
    for root, folders, files in os.walk(out, onerror=_refuse):
        paths = [Path(root, name) for name in files]
        paths += [path for name in folders if (path := Path(root, name)).is_symlink()]
        yield from (path.relative_to(out).as_posix() for path in paths)


def _refuse(error: OSError) -> None:
    raise InputError(f"{error.filename}: cannot be listed ({error.strerror})", hint="check its permissions") from error


def _damage(out: Path, file: StoredFile, there: set[str]) -> str | None:
    path = out / file.path
    try:
        if not path.is_file():
            alike = [name for name in there if name != file.path and name.casefold() == file.path.casefold()]
            return f"is missing; {shown(PurePosixPath(alike[0]).name)} lies there" if alike else "is missing"
        if leads_out(path, out):
            return "is a link that leads out of the folder"
        if path.stat().st_size != file.size:
            return f"has {path.stat().st_size:,} bytes where {file.size:,} were fetched"
        return None if hashes_of(path)[0] == file.sha256 else "its bytes are not those that were fetched"
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _wrong_refs(out: Path, manifest: Manifest) -> Iterator[tuple[Path, str]]:
    """Names of models that stand for no commit, or another one than was fetched: by its name a model is looked for."""
    for entry in manifest.entries:
        if entry.type != "model" or entry.revision == entry.commit:
            continue
        ref = ref_of(entry.repo, entry.revision)
        said = _commit_at(out, ref)
        if said is None:
            yield ref, f"is missing, so {entry.repo} is not found by its name"
        elif said != entry.commit:
            yield ref, f"names the commit {said[:40]!r} where {entry.commit} was fetched"


def _commit_at(out: Path, ref: Path) -> str | None:
    path = out / ref
    if not path.is_file() or leads_out(path, out):
        return None
    with path.open(encoding="utf-8", errors="replace") as stream:
        return stream.read(80).strip()


def _kept_by_libraries(out: Path, manifest: Manifest, there: set[str]) -> set[str]:
    models = {model_folder(entry.repo).as_posix() for entry in manifest.entries if entry.type == "model"}
    # a link in such a place was made by nobody's library
    kept = OWN | {path for path in there if is_kept_by_libraries(path, models) and not (out / path).is_symlink()}
    links = [path for file in manifest.files() if (path := out / file.path).is_symlink() and not leads_out(path, out)]
    return kept | {path.resolve().relative_to(out.resolve()).as_posix() for path in links}


def _is_read(path: str, manifest: Manifest) -> bool:
    """Whether something stands where what was fetched is read, so that it would be read with it."""
    folders = [
        f"{model_folder(one.repo).as_posix()}/snapshots/{one.commit}" for one in manifest.entries if one.type == "model"
    ]
    folders += [str(parent) for folder in folders for parent in PurePosixPath(folder).parents]
    if path in folders or path in (WHEELS, SETS, PROJECT):  # a link in the place of a folder
        return True
    if path.startswith(f"{SETS}/"):
        return not any(part.startswith(".") and part.endswith((".partial", ".old")) for part in path.split("/")[1:3])
    return path.startswith((f"{WHEELS}/", *(f"{folder}/" for folder in folders if "/snapshots/" in folder)))


def _place(path: str) -> str:
    parts = PurePosixPath(path).parts
    return shown("/".join(parts[: 2 if parts[0] == HUB and len(parts) > 2 else 1]))
