"""Files: where they lie, how they are read and written, and by what fingerprint they are known.

Nothing half-written is ever trusted. Every artefact is written beside its place, flushed, and renamed into it, so a
file that has its final name is whole; a folder is whole when its manifest is there, because the manifest comes last.
"""

from __future__ import annotations

import bz2
import errno
import fcntl
import glob
import gzip
import hashlib
import io
import json
import lzma
import os
import re
import shutil
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import xxhash
import zstandard

from qaz_llm.errors import DamagedFileError, InputError, WriteError

EMBEDDED_PREFIX = "embedded:"
"""A path such as `embedded:documents_kk_a.jsonl` names a file that ships with the package."""

CORPUS_DIR_VARIABLE = "QAZ_CORPUS_DIR"
LOCK_FILE = ".lock"
ZSTD_LEVEL = 3
COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bz2"}
BZ2_STREAM = rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"
"""How a stream of bz2 begins: its header, and the magic number of its first block or of its end."""

_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),  # RFC 1952
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # RFC 8878: a frame, a skippable one
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "bz2": re.compile(BZ2_STREAM),
}


def embedded_path(name: str) -> Path:
    """The file `name` that ships with the package. Raises InputError, naming those that exist, where there is none."""
    folder = Path(__file__).parent / "embedded"
    path = folder / name
    if not path.exists():
        known = ", ".join(sorted(p.name for p in folder.iterdir() if p.suffix in {".jsonl", ".json"}))
        raise InputError(f"no embedded file {name!r}", hint=f"the embedded files are: {known}")
    return path


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
    return Path(path.stem).suffix if path.suffix in COMPRESSIONS else path.suffix


def file_format(path: Path) -> str:
    """The suffix without its compression: `.jsonl` for `a.jsonl.zst`."""
    return _bare_suffix(path)


def compression_of(path: Path) -> str | None:
    """`gzip`, `zstd`, `xz`, `bz2` or None, by what the file's first bytes say, whatever its suffix.

    Raises DamagedFileError where the suffix promises a compression and the bytes are of none; InputError where the file
    is absent, a folder, or may not be read.
    """
    try:
        with path.open("rb") as stream:
            head = stream.read(16)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file", hint="check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder, a file was expected", hint="name a file in it, or a glob") from error
    except PermissionError as error:
        raise InputError(f"{path}: may not be read", hint="check the file's permissions") from error
    found = next((name for name, magic in _MAGIC.items() if magic.match(head)), None)
    if found is None and path.suffix in COMPRESSIONS:
        if not head:
            raise DamagedFileError(f"{path}: is empty, not even compressed nothing", hint="fetch the file again")
        raise DamagedFileError(
            f"{path}: damaged, or not compressed: no {COMPRESSIONS[path.suffix]} file begins with {head[:8]!r}",
            hint="fetch the file again, or rename it to what it is",
        )
    return found


def open_bytes(path: Path) -> IO[bytes]:
    """A stream of the uncompressed bytes of `path`, by its content: a gzip file that is named .jsonl is unpacked too.

    Raises as `compression_of`; a file cut off raises EOFError when its end is read.
    """
    match compression_of(path):
        case "gzip":
            return cast(IO[bytes], gzip.open(path, "rb"))
        case "zstd":
            return cast(IO[bytes], _ZstdFile(path))
        case "xz":
            return lzma.open(path, "rb")
        case "bz2":
            return bz2.open(path, "rb")
        case _:
            return path.open("rb")


class _ZstdFile(io.RawIOBase):
    """The bytes of a zstd file of one or several frames.

    Why not the library's `stream_reader`: at the end of a file that was cut off it ends without a word. Here that is an
    EOFError, as with gzip and xz.
    """

    MIN_CHUNK_BYTES, MAX_CHUNK_BYTES = 256, 4 << 10
    """All that a chunk unpacks to is held at once, and 4 bytes can stand for 128 KiB of one letter: where much comes out of
    a chunk, the next is short."""

    MAX_WINDOW_BYTES = 1 << 31
    """What `zstd --long=31` needs; the library's default refuses such files."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._chunk_bytes = self.MIN_CHUNK_BYTES
        self._frame: Any = None
        self._compressed = b""
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._ready:
            if not self._compressed and not (chunk := self._file.read(self._chunk_bytes)):
                if self._frame is not None:
                    raise EOFError("compressed file ended before the end of its last frame")
                return 0
            self._compressed = self._compressed or chunk
            if self._frame is None:
                self._frame = zstandard.ZstdDecompressor(max_window_size=self.MAX_WINDOW_BYTES).decompressobj()
            self._ready = memoryview(self._frame.decompress(self._compressed))
            few = len(self._ready) < 1 << 18
            self._chunk_bytes = min(2 * self._chunk_bytes, self.MAX_CHUNK_BYTES) if few else self.MIN_CHUNK_BYTES
            self._compressed = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame = None
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def open_text(path: Path) -> Iterator[IO[str]]:
    """The text of `path`, decompressed, UTF-8. Raises DamagedFileError on a damaged file, with the path."""
    stream = io.TextIOWrapper(io.BufferedReader(open_bytes(path), 1 << 20), encoding="utf-8", newline="\n")  # type: ignore[type-var]
    with stream, naming_damage(path):
        try:
            yield stream
        except UnicodeDecodeError as error:
            raise DamagedFileError(
                f"{path}:{_first_undecodable_line(path)}: not UTF-8 ({error.reason})",
                hint="convert the file to UTF-8, or leave it out",
            ) from error


@contextmanager
def naming_damage(path: Path) -> Iterator[None]:
    """Turn what decompressors raise on a damaged or cut-off file into a DamagedFileError that names it."""
    try:
        yield
    except (EOFError, OSError, zlib.error, zstandard.ZstdError, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # a real error of the system, not of the data
            raise
        raise DamagedFileError(f"{path}: damaged or cut off ({error})", hint="fetch the file again") from error


def _first_undecodable_line(path: Path) -> int:
    """The number of the line that no UTF-8 decoder reads; the error itself counts from the start of a buffer."""
    number = 1
    with io.BufferedReader(open_bytes(path)) as lines:  # type: ignore[type-var]
        for line in lines:
            try:
                line.decode()
            except UnicodeDecodeError:
                break
            number += 1
    return number


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, compressed or not. Raises DamagedFileError with the line's number where one is no object."""
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise DamagedFileError(f"{path}:{number}: not JSON ({error})") from error
            if not isinstance(row, dict):
                raise DamagedFileError(f"{path}:{number}: expected an object, found {type(row).__name__}")
            yield row


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL or Parquet file."""
    if file_format(path) == ".parquet":
        yield from read_parquet(path)
    else:
        yield from read_jsonl(path)


def read_parquet(path: Path, columns: list[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file, one batch in memory at a time. Raises InputError if absent, DamagedFileError if damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    open_bytes(path).close()  # a missing file, a folder, a forbidden one: the same message as for all other files
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(columns=columns):
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as error:  # pyarrow says OSError for a damaged page
        raise DamagedFileError(f"{path}: not a readable Parquet file ({error})", hint="fetch the file again") from error


# ---------------------------------------------------------------------------------------------------------- writing


@contextmanager
def _write_errors(target: Path) -> Iterator[None]:
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
        with _write_errors(path):
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
        with _write_errors(path):
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


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; renamed to `target` when the block ends well, removed when it does not."""
    make_dir(target.parent)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    with _write_errors(target):
        try:
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(target: Path) -> Iterator[Path]:
    """A folder beside `target` to fill; takes the place of `target` when the block ends well, removed when it does not.

    Raises InputError where `target` is a file.
    """
    target = target.absolute()
    make_dir(target.parent)
    if target.exists() and not target.is_dir():
        raise InputError(f"{target}: a file is where a folder is to be", hint="choose another output folder")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    retired = target.with_name(f".{target.name}.{os.getpid()}.old.tmp")
    with _write_errors(target):
        try:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir()
            yield temporary
            if target.exists():
                target.replace(retired)
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
            shutil.rmtree(retired, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, whole or not at all, letters unescaped."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises InputError where it is missing, DamagedFileError where it is no JSON."""
    with open_text(path) as stream:
        try:
            return json.load(stream)
        except ValueError as error:
            raise DamagedFileError(f"{path}: not JSON ({error})", hint="make the file again") from error


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write rows to a `.jsonl` or `.jsonl.zst` file, whole or not at all; returns their number."""
    count = 0
    with atomic_path(path) as temporary, open_jsonl_for_writing(temporary, compressed=path.suffix == ".zst") as write:
        for row in rows:
            write(row)
            count += 1
    return count


@contextmanager
def open_jsonl_for_writing(path: Path, *, compressed: bool) -> Iterator[Callable[[Mapping[str, Any]], int]]:
    """A function that appends one row to `path` and returns its uncompressed bytes."""
    with open_lines_for_writing(path, level=ZSTD_LEVEL if compressed else None) as write_line:

        def write(row: Mapping[str, Any]) -> int:
            line = dump_row(row)
            write_line(line)
            return len(line)

        yield write


@contextmanager
def open_lines_for_writing(path: Path, *, level: int | None = ZSTD_LEVEL) -> Iterator[Callable[[bytes], object]]:
    """A function that appends bytes to `path`, compressed by zstd at `level`, or as they are where it is None."""
    with path.open("wb") as raw:
        if level is None:
            yield raw.write
            return
        stream = zstandard.ZstdCompressor(level=level, write_checksum=True).stream_writer(raw, closefd=False)
        pending: list[bytes] = []  # a call into zstd for every line would cost more than its work
        size = 0

        def write(line: bytes) -> None:
            nonlocal size
            pending.append(line)
            size += len(line)
            if size >= 1 << 17:
                stream.write(b"".join(pending))
                pending.clear()
                size = 0

        yield write
        stream.write(b"".join(pending))
        stream.close()  # type: ignore[no-untyped-call]


def read_lines(path: Path) -> Iterator[bytes]:
    """The lines of a file that this project wrote, with their line ends. Raises DamagedFileError."""
    with open_bytes(path) as stream, naming_damage(path):
        yield from io.BufferedReader(stream, 1 << 20)  # type: ignore[type-var]


def dump_row(row: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON in UTF-8, without spaces."""
    import orjson

    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # integers over 64 bits, which JSON has no limit for
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def parse_row(line: bytes) -> dict[str, Any]:
    """The row of a line that `dump_row` wrote."""
    import orjson

    row: dict[str, Any] = orjson.loads(line)
    return row


class ShardWriter:
    """Writes rows to `PREFIX-00000.jsonl.zst`, `PREFIX-00001.jsonl.zst` … in a folder; each shard appears when whole.

    Use as a context manager. Shards are cut by uncompressed bytes, so the same rows give the same shards.
    """

    def __init__(self, folder: Path, prefix: str, *, shard_bytes: int = 256 << 20) -> None:
        self.folder = folder
        self.prefix = prefix
        self.shard_bytes = shard_bytes
        self.paths: list[Path] = []
        self.rows = 0
        self._bytes = 0
        self._open: Any = None
        self._write: Callable[[bytes], object] | None = None

    def __enter__(self) -> ShardWriter:
        make_dir(self.folder)
        return self

    def write(self, row: Mapping[str, Any]) -> None:
        """Append one row, starting a new shard where the current one is full."""
        self.write_line(dump_row(row))

    def write_line(self, line: bytes) -> None:
        """Append one row that is a line of JSON already."""
        if self._write is None:
            path = self.folder / f"{self.prefix}-{len(self.paths):05d}.jsonl.zst"
            self._open = _shard(path)
            self._write = self._open.__enter__()
            self.paths.append(path)
        self._write(line)
        self._bytes += len(line)
        self.rows += 1
        if self._bytes >= self.shard_bytes:
            self._close(None, None, None)

    def _close(self, *exc: Any) -> None:
        if self._open is not None:
            opened, self._open, self._write, self._bytes = self._open, None, None, 0
            opened.__exit__(*exc)

    def __exit__(self, *exc: Any) -> None:
        self._close(*exc)


@contextmanager
def _shard(path: Path) -> Iterator[Callable[[bytes], object]]:
    with atomic_path(path) as temporary, open_lines_for_writing(temporary) as write:
        yield write


# ----------------------------------------------------------------------------------------------------- fingerprints


def fingerprint_file(path: Path, *, start: int = 0, end: int | None = None) -> str:
    """XXH3-128 of the bytes of a file, or of those from `start` to before `end`, as hex.

    Tells versions apart; it is no protection against forgery.
    """
    digest = xxhash.xxh3_128()
    left_bytes = path.stat().st_size - start if end is None else end - start
    with path.open("rb") as stream:
        stream.seek(start)
        while left_bytes > 0 and (chunk := stream.read(min(1 << 22, left_bytes))):
            digest.update(chunk)
            left_bytes -= len(chunk)
    return digest.hexdigest()


def fingerprint_paths(paths: Iterable[Path], *, relative_to: Path | None = None) -> str:
    """One fingerprint of several files or folders: of their names and bytes, in sorted order."""
    digest = xxhash.xxh3_128()
    for path in sorted(paths):
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        for file in files:
            name = file.relative_to(relative_to) if relative_to else file.relative_to(path.parent)
            digest.update(f"{name}\0{fingerprint_file(file)}\n".encode())
    return digest.hexdigest()


def fingerprint_value(value: Any) -> str:
    """SHA-256 (first 32 hex digits) of a JSON value with sorted keys: equal values, equal fingerprints."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def code_fingerprint(*rooms: str) -> str:
    """One fingerprint of the source of the rooms (and of the modules all rooms stand on).

    >>> code_fingerprint("data") == code_fingerprint("data")
    True
    """
    package = Path(__file__).parent
    files = [package / f"{name}.py" for name in ("records", "io", "config")]
    for room in rooms:
        path = package / room
        inside = (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        files += sorted(inside) if path.is_dir() else [path.with_suffix(".py")]
    return fingerprint_paths(files, relative_to=package)
