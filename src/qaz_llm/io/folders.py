"""Folders and files to write to: made, tried before long work, held for one process."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import IO

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
        raise _file_in_the_way(path) from error
    return path


def name_beside(path: Path, ending: str = "tmp") -> Path:
    """A hidden name beside `path` that no other process has, on whatever machine: processes' numbers are the same on two nodes."""
    return path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.{ending}")


def check_no_file(path: Path) -> None:
    """Raise InputError as `make_dir` where a file is in the way, and make nothing: for plans of a run and dry runs."""
    with suppress(OSError):  # what may not be looked at is not known to be a file
        above = next(part for part in (path, *path.absolute().parents) if os.path.lexists(part))
        if not above.is_dir():
            raise _file_in_the_way(path)


def _file_in_the_way(path: Path) -> InputError:
    return InputError(f"{path}: a file is where a folder is to be", hint="choose another output folder")


def check_writable(path: Path) -> None:
    """Create the folder and a file in it, and take the file away. Raises WriteError where it fails.

    Called before long work: a read-only output folder is the user's input, so it is an InputError.
    """
    try:
        make_dir(path)
        probe = name_beside(path / "write-test")
        with write_errors(path):
            probe.write_bytes(b"x")
            probe.unlink()
    except WriteError as error:
        raise InputError(error.message, hint=error.hint) from error
    except OSError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror})", hint="choose another folder") from error


def check_replaceable(path: Path, *, marker: str) -> None:
    """Raise InputError where `path` is a file, a link to nothing, a folder with files in it but without `marker`, the sign of our own,
    or where no folder can be made.

    Called before a folder that the user names is made with `atomic_dir`, which takes the place of what was there.
    """
    if path.is_dir() and any(path.iterdir()) and not (path / marker).exists():
        raise InputError(f"{path}: holds other files, which would be lost", hint="name a new or an empty folder")
    if path.exists() and not path.is_dir():
        raise _file_in_the_way(path)
    _check_no_dangling_link(path)
    check_writable(path.absolute().parent)


def check_output_file(path: Path, *, replaces: bool = True, why: str = "is not written over") -> None:
    """Raise InputError where a file that the user names as output cannot be written: a folder, a link to nothing, a folder without leave.

    Called before the work. With `replaces` False also where something lies there already; `why` says what keeps it.
    """
    if path.is_dir():
        raise InputError(f"{path}: a folder is where a file is to be", hint=f"name a file in it, as {path / 'NAME'}")
    _check_no_dangling_link(path)
    if not replaces and os.path.lexists(path):
        raise InputError(f"{path}: is there already, and {why}", hint="name a file that is not there yet")
    check_writable(path.absolute().parent)


def _check_no_dangling_link(path: Path) -> None:
    """A link to nothing is somebody's, of a disk that is not there today; writing would take its place."""
    if path.is_symlink() and not path.exists():
        raise InputError(
            f"{path}: is a link to {path.readlink()}, where nothing is", hint="name another, or remove the link"
        )


@contextmanager
def only_one(folder: Path, *, shared: bool = False, name: str = LOCK_FILE, key: str = "run_dir") -> Iterator[None]:
    """Hold a folder for this process while the block runs. The lock is the kernel's and goes with the process.

    Args:
        shared: beside others that hold it shared; nobody holds it alone meanwhile.
        name: the file that is locked.
        key: what a user can set to another folder.

    Raises:
        InputError: where another process holds it: two runs that write the same files would spoil both.
    """
    make_dir(folder)
    path = folder / name
    with _locked(path, fcntl.LOCK_SH if shared else fcntl.LOCK_EX, key) as lock:
        if not shared:
            lock.truncate(0)
        lock.write(f"process {os.getpid()} on {socket.gethostname()}, since {datetime.now():%Y-%m-%d %H:%M:%S}\n")
        lock.flush()
        try:
            yield
        finally:
            if not shared:
                path.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path, kind: int, key: str) -> Iterator[IO[str]]:
    """The open file, locked, and still the one that lies there: who held it before may have removed it."""
    while True:
        with path.open("a+", encoding="utf-8") as lock:
            try:
                fcntl.flock(lock, kind | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                holder = next(iter(lock.read().splitlines()[-1:]), "")
                raise InputError(
                    f"{path.parent}: another process is working in this folder" + (f" ({holder})" if holder else ""),
                    hint=f"wait for it, stop it, or choose another {key}",
                ) from error
            except OSError:
                pass  # some network file systems have no locks; a run there is not guarded, but it can run
            if _lies_there(lock, path):
                yield lock
                return


def _lies_there(lock: IO[str], path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(lock.fileno()), path.stat())
    except FileNotFoundError:
        return False
