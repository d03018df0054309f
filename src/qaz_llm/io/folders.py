"""Folders to write to: made, tried, held for one process."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from qaz_llm.errors import InputError, WriteError

LOCK_FILE = ".lock"


@contextmanager
def write_errors(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reasons = {
            errno.ENOSPC: (
                "the disk is full",
                "free some space or choose another folder; the next run goes on from here",
            ),
            errno.EROFS: ("the file system is read-only", "choose another output folder"),
            errno.EACCES: ("permission denied", "choose a folder you may write to"),
            errno.EDQUOT: ("your disk quota is used up", "free some space or choose another folder"),
        }
        if error.errno not in reasons:
            raise
        what, hint = reasons[error.errno]
        raise WriteError(f"{target}: {what}", hint=hint) from error


def make_dir(path: Path) -> Path:
    """Create the folder where it is missing. Raises WriteError where that is not allowed, InputError where a file is in the way."""
    try:
        with write_errors(path):
            path.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{path}: a file is where a folder is to be", hint="choose another output folder") from error
    return path


def check_writable(path: Path) -> None:
    """Create the folder and a file in it, and take the file away. Raises WriteError where it fails.

    Called before long work: a read-only output folder is the user's input, so it is an InputError.
    """
    try:
        make_dir(path)
        probe = path / f".write-test-{os.getpid()}"
        with write_errors(path):
            probe.write_bytes(b"x")
            probe.unlink()
    except WriteError as error:
        raise InputError(error.message, hint=error.hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror})", hint="choose another folder") from error


def check_replaceable(path: Path, *, marker: str) -> None:
    """Raise InputError where `path` is a file, or a folder with files in it but without `marker`, the sign of our own.

    Called before a folder that the user names is made with `atomic_dir`, which takes the place of what was there.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
        raise InputError(f"{path}: holds other files, which would be lost", hint="name a new or an empty folder")
    if path.exists() and not path.is_dir():
        raise InputError(f"{path}: a file is where a folder is to be", hint="choose another output folder")


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Hold a folder for this process while the block runs. The lock is the kernel's and goes with the process.

    Raises:
        InputError: where another process holds it: two runs that write the same files would spoil both.
    """
    make_dir(folder)
    with (folder / LOCK_FILE).open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder}: another process is working in this folder",
                hint="wait for it, stop it, or choose another run_dir",
            ) from error
        except OSError:
            pass  # some network file systems have no locks; a run there is not guarded, but it can run
        yield
