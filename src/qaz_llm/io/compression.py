"""Compressed files, told by their first bytes, and read to their very end."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import zstandard

from qaz_llm.errors import DamagedFileError, InputError

COMPRESSIONS = {".gz": "gzip", ".zst": "zstd", ".xz": "xz", ".bz2": "bz2"}
BZ2_STREAM = rb"BZh[1-9](?:1AY&SY|\x17rE8P\x90)"
"""How a stream of bz2 begins: its header, and the magic number of its first block or of its end."""
_MAGIC = {
    "gzip": re.compile(rb"\x1f\x8b"),  # RFC 1952
    "zstd": re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),  # RFC 8878: a frame, a skippable one
    "xz": re.compile(rb"\xfd7zXZ\x00"),
    "bz2": re.compile(BZ2_STREAM),
}


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
    promised = COMPRESSIONS.get(path.suffix.lower())
    if found is None and promised is not None:
        if not head:
            raise DamagedFileError(f"{path}: is empty, not even compressed nothing", hint="fetch the file again")
        raise DamagedFileError(
            f"{path}: damaged, or not compressed: no {promised} file begins with {head[:8]!r}",
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
def naming_damage(path: Path) -> Iterator[None]:
    """Turn what decompressors raise on a damaged or cut-off file into a DamagedFileError that names it."""
    try:
        yield
    except (EOFError, OSError, zlib.error, zstandard.ZstdError, lzma.LZMAError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # a real error of the system, not of the data
            raise
        raise DamagedFileError(f"{path}: damaged or cut off ({error})", hint="fetch the file again") from error
