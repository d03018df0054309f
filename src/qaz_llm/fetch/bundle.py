"""Everything a machine without a network needs, in one file: what was fetched, the packages, the project.

OUT.tar          OUT/fetched.json first, then all files that it names
OUT.tar.sha256   for `sha256sum --check`
"""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qaz_llm.errors import InputError, WorkError
from qaz_llm.fetch.bring import check_room, in_bytes
from qaz_llm.fetch.folder import LOCK, MANIFEST, Manifest, StoredFile, read_manifest, stored, write_manifest
from qaz_llm.io import atomic_dir, atomic_path, only_one, sha256_of, write_text
from qaz_llm.progress import get_logger

WHEELS, PROJECT = "wheels", "project.tar"
REFS = "refs"

_logger = get_logger("fetch")


def project_root() -> Path:
    """The checkout that this package runs from. Raises InputError where it runs from none."""
    root = Path(__file__).parents[3]
    if not (root / "pyproject.toml").is_file() or not (root / "constraints.txt").is_file():
        raise InputError(
            "--bundle packs the project, and this package does not lie in a checkout of it",
            hint="clone it, and `make setup` there",
        )
    return root


def check_extras(extras: Sequence[str], root: Path) -> None:
    """Raise InputError for an extra that the project does not have: pip passes over it with a warning."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = sorted(project.get("optional-dependencies", {}))
    unknown = [name for name in extras if name not in known]
    if unknown:
        raise InputError(
            f"--extra {', '.join(unknown)}: the project has no such extra", hint=f"the extras are: {', '.join(known)}"
        )


def add_bundle(out: Path, manifest: Manifest, *, extras: Sequence[str] = (), root: Path | None = None) -> Manifest:
    """Put the wheels of the project and all it needs, and the project itself, into the folder; pinned as constraints.txt says.

    They take the place of those of an earlier bundle.

    Raises:
        InputError: this is no checkout; it has no such extra; another `qaz fetch` is at work in the folder.
        WorkError: pip or git fails; the message has its own words.
    """
    root = root or project_root()
    asked = f"{root}[{','.join(extras)}]" if extras else str(root)
    check_extras(extras, root)
    with only_one(out, name=LOCK, key="--out"):
        _make_wheels(out / WHEELS, asked, root)
        _pack_project(out / PROJECT, root)
        files = stored(out, [*sorted((out / WHEELS).glob("*.whl")), out / PROJECT])
        bundled = replace(read_manifest(out) or manifest, bundle=files)  # with what was fetched while pip worked
        write_manifest(out, bundled)
    return bundled


def _make_wheels(folder: Path, asked: str, root: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    _logger.info("wheels: %s", asked)
    with atomic_dir(folder) as made:
        _run(
            [*pip, "wheel", "--quiet", "--wheel-dir", str(made), "--constraint", str(root / "constraints.txt"),
             "--no-build-isolation", asked]
        )  # fmt: skip


def _pack_project(target: Path, root: Path) -> None:
    git = ["git", "-C", str(root)]
    with atomic_path(target.absolute()) as made:
        _run([*git, "archive", "--format=tar", "--prefix=qaz-llm/", "--output", str(made), "HEAD"])
    changed = _run([*git, "status", "--porcelain", "--untracked-files=no"]).splitlines()
    if changed:
        _logger.warning("the project is packed as it was committed; %d changed files are not in it", len(changed))


def tar_of(out: Path) -> Path:
    """Where the bundle of a folder goes: beside it, under its name."""
    folder = Path(os.path.abspath(out))  # noqa: PTH100 -- `..` is taken out, and a link stays the name it is
    return folder.with_name(f"{folder.name}.tar")


def pack(out: Path, manifest: Manifest) -> Path:
    """Write OUT.tar and its checksum; the path of the tar. Links are packed as the files that they lead to.

    Raises InputError where the disk has no room for it.
    """
    target = tar_of(out)
    files = list(manifest.files())
    check_room(target.parent, sum(file.size for file in files))
    names = [MANIFEST, *dict.fromkeys(file.path for file in files), *_refs(out, files)]
    with atomic_path(target) as temporary, tarfile.open(temporary, "w", dereference=True) as tar:
        for name in names:
            tar.add(out / name, arcname=f"{target.stem}/{name}", recursive=False)
    write_text(target.with_name(f"{target.name}.sha256"), f"{sha256_of(target)}  {target.name}\n")
    _logger.info("%s: %d files, %s", target, len(names), in_bytes(target.stat().st_size))
    return target


def _refs(out: Path, files: Sequence[StoredFile]) -> list[str]:
    """Of the hub's cache what says which commit a branch's name stands for."""
    repositories = {Path(*Path(file.path).parts[:2]) for file in files if Path(file.path).parts[0] == "hub"}
    refs = (path for folder in sorted(repositories) for path in sorted((out / folder / REFS).rglob("*")))
    return [path.relative_to(out).as_posix() for path in refs if path.is_file()]


def _run(command: Sequence[str]) -> str:
    """What a program printed. Raises WorkError with what it said where it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise WorkError(
            f"{command[0]} cannot be started ({error.strerror})", hint="install it, and run again"
        ) from error
    if done.returncode != 0:
        said = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-5:])
        raise WorkError(f"{' '.join(command[:4])} … failed:\n{said}", hint="see its words above")
    return done.stdout
