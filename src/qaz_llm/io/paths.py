"""Where files lie: paths of configs, globs, folders, and files that ship with the package."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.io.compression import COMPRESSIONS

EMBEDDED_PREFIX = "embedded:"
"""A path such as `embedded:documents_kk_a.jsonl` names a file that ships with the package."""
CORPUS_DIR_VARIABLE = "QAZ_CORPUS_DIR"


def embedded_path(name: str) -> Path:
    """The file `name` that ships with the package. Raises InputError, naming those that exist, where there is none."""
    folder = Path(__file__).parent.parent / "embedded"
    path = folder / name
    if not path.exists():
        known = ", ".join(sorted(p.name for p in folder.iterdir() if p.suffix in {".jsonl", ".json"}))
        raise InputError(f"no embedded file {name!r}", hint=f"the embedded files are: {known}")
    return path


def cache_dir(name: str) -> Path:
    """Where things are kept that would be made anew were they gone: below XDG_CACHE_HOME, or ~/.cache. It need not exist."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "qaz_llm" / name


def resolve_path(path: str, *, root: Path | None = None) -> Path:
    """Where the path of a config points to.

    `embedded:NAME` lies in the package; an absolute path is itself; a relative path is taken below `root` where one
    is given, else from the current folder if it exists there, else below the folder that QAZ_CORPUS_DIR names.
    The path may hold glob characters; whether it exists is asked by `expand_paths`.
    """
    if path.startswith(EMBEDDED_PREFIX):
        return embedded_path(path.removeprefix(EMBEDDED_PREFIX))
    given = Path(path).expanduser()
    if given.is_absolute():
        return given
    if root is not None:
        return root / given
    corpus_dir = os.environ.get(CORPUS_DIR_VARIABLE)
    if corpus_dir and not glob.glob(str(given)):
        return Path(corpus_dir) / given
    return given


def expand_paths(path: Path, *, suffixes: tuple[str, ...] | None = None) -> list[Path]:
    """The files of a file, a glob or a folder (all below it), sorted, so that shards are dealt the same everywhere.

    Raises InputError where there are none.
    """
    if path.is_file():
        return [path]
    if path.is_dir():
        found = [p for p in path.rglob("*") if p.is_file() and not _is_hidden(p.relative_to(path))]
    else:
        found = [Path(p) for p in glob.glob(str(path), recursive=True) if Path(p).is_file()]
    if suffixes is not None:
        found = [p for p in found if _bare_suffix(p) in suffixes]
    if not found:
        what = "folder holds no readable file" if path.is_dir() else "no such file or folder"
        raise InputError(
            f"{path}: {what}",
            hint=f"check the path; relative paths start at data.root, here, or ${CORPUS_DIR_VARIABLE}",
        )
    return sorted(found)


def _is_hidden(path: Path) -> bool:
    """True below a name that starts with a dot, as what a killed run left half-written does."""
    return any(part.startswith(".") for part in path.parts)


def _bare_suffix(path: Path) -> str:
    """In small letters: Windows writes `NEWS.TXT`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in COMPRESSIONS else suffix


def file_format(path: Path) -> str:
    """The suffix in small letters without its compression: `.jsonl` for `a.jsonl.zst`, `.csv` for `A.CSV`."""
    return _bare_suffix(path)
