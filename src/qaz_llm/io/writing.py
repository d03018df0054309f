"""Files and folders written beside their place and renamed into it, so that a file with its final name is whole."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import zstandard

from qaz_llm.errors import InputError
from qaz_llm.io.folders import make_dir, name_beside, write_errors

ZSTD_LEVEL = 3


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; renamed to `target` when the block ends well, removed when it does not."""
    make_dir(target.parent)
    temporary = name_beside(target)
    with write_errors(target):
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
    temporary = name_beside(target)
    retired = name_beside(target, "old.tmp")
    with write_errors(target):
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
    with path.open("wb", buffering=1 << 17) as raw:
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


def dump_row(row: Mapping[str, Any]) -> bytes:
    """A row as one line of JSON in UTF-8, without spaces."""
    import orjson

    try:
        return orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:  # integers over 64 bits, which JSON has no limit for
        return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
