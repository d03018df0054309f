"""Rows in numbered files of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from qaz_llm.io.folders import make_dir
from qaz_llm.io.writing import atomic_path, dump_row, open_lines_for_writing


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
