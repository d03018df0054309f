"""Paths that stay inside a folder: of a hub's files, of a manifest's."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

MAX_NAME_BYTES = 255
"""What the file systems of Linux take as a name."""


def stays_inside(path: str) -> bool:
    """Whether a relative path, written with slashes, names a file below the folder it starts in, and in one way alone; a
    backslash, which elsewhere leads out, and names too long for a disk are none.

    >>> [stays_inside(path) for path in ("a/b.json", "../b", "/etc/x", "a/../b", "a//b", "./a", "")]
    [True, False, False, False, False, False, False]
    """
    parts = path.split("/")
    if "\\" in path or any(len(part.encode("utf-8", "ignore")) > MAX_NAME_BYTES for part in parts):
        return False
    is_text = "\0" not in path and path.encode("utf-8", "ignore").decode() == path
    return is_text and not {"", ".", ".."} & set(parts) and PurePosixPath(path).as_posix() == path


def leads_out(path: Path, folder: Path) -> bool:
    """Whether something below a folder is, by links on the way to it, something outside of it, or nothing at all."""
    try:
        return not path.resolve(strict=True).is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        return True
