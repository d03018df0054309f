"""By what files, values and code are known again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import xxhash

WHOLE_HASH_BYTES = 256 << 20
"""Input files up to this size are known by their bytes, larger ones by size and time of change."""


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


def sha256_of(path: Path) -> str:
    """SHA-256 of the bytes of a file, as hex: what `sha256sum` prints, and what withstands forgery."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def fingerprint_input(path: Path) -> str:
    """What a file from outside is known by: its bytes, or size and time of change where reading all would take long."""
    return fingerprint_file(path) if path.stat().st_size <= WHOLE_HASH_BYTES else _size_and_time(path)


def fingerprint_inputs(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Name and fingerprint of the files of one input, by size and time of change where all together are large."""
    sizes = [path.stat().st_size for path in paths]
    is_large = sum(sizes) > WHOLE_HASH_BYTES
    return [(path.name, _size_and_time(path) if is_large else fingerprint_file(path)) for path in paths]


def _size_and_time(path: Path) -> str:
    status = path.stat()
    return f"{status.st_size}-{status.st_mtime_ns}"


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
    package = Path(__file__).parent.parent
    files: list[Path] = []
    for room in ("records", "io", "config", *rooms):
        path = package / room
        inside = (p for p in path.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
        files += sorted(inside) if path.is_dir() else [path.with_suffix(".py")]
    return fingerprint_paths(files, relative_to=package)


def facts_of_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Size and XXH3-128 of each file of a folder, to be written beside them: `{"tokens.bin": {"bytes": 8, "xxh3_128": "…"}}`."""
    return {
        path.name: {"bytes": path.stat().st_size, "xxh3_128": fingerprint_file(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }


def damage_of(folder: Path, files: Mapping[str, Any]) -> str | None:
    """What of the files of a folder is not as `facts_of_files` found it, every byte read; None where all is.

    A size alone in place of the facts, as earlier versions wrote it, is compared as such.
    """
    for name, facts in files.items():
        try:
            size = (folder / name).stat().st_size
            if size != size_in(facts):
                return f"{name} has {size:,} bytes where {size_in(facts):,} were written"
            if not isinstance(facts, int) and fingerprint_file(folder / name) != facts["xxh3_128"]:
                return f"the bytes of {name} are not those that were written"
        except FileNotFoundError:
            return f"{name} is missing"
        except (OSError, KeyError, TypeError, ValueError) as error:
            return f"{name} cannot be compared ({error})"
    return None


def size_in(facts: Any) -> int:
    """The bytes of a file by its facts, or by the size that earlier versions wrote alone."""
    return int(facts if isinstance(facts, int) else facts["bytes"])
