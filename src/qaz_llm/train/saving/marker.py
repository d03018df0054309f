"""The marker of a checkpoint: what files it has, and their sizes and hashes, so that a damaged one is never trained on.

    {"format": 2, "step": 20, "world_size": 2, "identity": {…},
     "files": {"model.safetensors": {"bytes": 1024, "xxh3_128": "99aa06d3014798d86001c324468d497f"}, …},
     "own_hash": "5b2f…"}

`own_hash` is the fingerprint of all the rest, and the file must read as it was written, byte by byte: a flipped bit
anywhere in it shows. Markers of earlier versions hold sizes alone, `"files": {"model.safetensors": 1024}`; they are
accepted as they are, and every file that can be is opened instead.

XXH3-128 finds damage (2⁻¹²⁸ of all damaged files have the same hash), at the speed that memory is read; it is no
protection against forgery.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.io import fingerprint_file, fingerprint_value, write_text

MARKER_FILE = "complete.json"
FORMAT = 2
LEFT_BY_NETWORK_FILE_SYSTEMS = ".nfs"
"""How names begin that NFS gives to files deleted while they were open; they come and go."""


class DamagedCheckpointError(Exception):
    """A checkpoint that is not as it was written; the text says what of it."""


@dataclass(frozen=True)
class FileFacts:
    """Size in bytes, and XXH3-128 as hex; None in a marker of an earlier version."""

    size_bytes: int
    xxh3_128: str | None


@dataclass(frozen=True)
class Marker:
    """What `complete.json` of a checkpoint says. `files` are known by their path inside the folder."""

    step: int
    world_size: int
    identity: Mapping[str, Any]
    files: Mapping[str, FileFacts]

    @property
    def has_hashes(self) -> bool:
        return all(facts.xxh3_128 is not None for facts in self.files.values())


def files_in(folder: Path) -> list[str]:
    """The files that belong to a checkpoint, all but the marker, in sorted order."""
    found = (path for path in folder.rglob("*") if not path.name.startswith(LEFT_BY_NETWORK_FILE_SYSTEMS))
    return sorted(str(p.relative_to(folder)) for p in found if p.is_file() and p != folder / MARKER_FILE)


def share_of(names: Mapping[str, int], rank: int, world_size: int) -> list[str]:
    """Which of the files, given with their sizes, one process hashes: the longest go first, to who has least so far.

    >>> share_of({"a": 5, "b": 3, "c": 3}, 1, 2)
    ['b', 'c']
    """
    loads = [0] * world_size
    mine = []
    for name in sorted(names, key=lambda name: (-names[name], name)):
        lightest = loads.index(min(loads))
        loads[lightest] += names[name]
        if lightest == rank:
            mine.append(name)
    return mine


def hash_files(folder: Path, names: Sequence[str]) -> dict[str, FileFacts]:
    """Size and hash of each of the files."""
    return {name: FileFacts((folder / name).stat().st_size, fingerprint_file(folder / name)) for name in names}


def write_marker(folder: Path, marker: Marker) -> None:
    """Write `complete.json`, whole or not at all."""
    files = {
        name: {"bytes": facts.size_bytes, "xxh3_128": facts.xxh3_128} for name, facts in sorted(marker.files.items())
    }
    values = {
        "format": FORMAT,
        "step": marker.step,
        "world_size": marker.world_size,
        "identity": dict(marker.identity),
        "files": files,
    }
    write_text(folder / MARKER_FILE, _dump(json.loads(json.dumps(values))))


def read_marker(folder: Path) -> Marker:
    """The marker of a checkpoint. Raises DamagedCheckpointError where there is none or it is not as it was written."""
    try:
        data = (folder / MARKER_FILE).read_bytes()
    except FileNotFoundError:
        raise DamagedCheckpointError(f"incomplete, it has no {MARKER_FILE}") from None
    except OSError as error:
        raise DamagedCheckpointError(f"{MARKER_FILE} cannot be read ({error.strerror})") from None
    try:
        values = json.loads(data)
        files = values["files"]
        if not all(isinstance(facts, int) for facts in files.values()):
            files = {name: (facts["bytes"], facts["xxh3_128"]) for name, facts in files.items()}
            if values.pop("own_hash") != fingerprint_value(values) or _dump(values).encode() != data:
                raise ValueError("own hash")
        else:
            files = {name: (size, None) for name, size in files.items()}
        known = {name: FileFacts(*facts) for name, facts in files.items()}
        marker = Marker(int(values["step"]), int(values["world_size"]), dict(values["identity"]), known)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise DamagedCheckpointError(f"damaged, {MARKER_FILE} is not as it was written") from None
    return marker


def check_sizes(folder: Path, marker: Marker) -> None:
    """Raises DamagedCheckpointError where a file is missing, is longer or shorter than written, or was not written."""
    present = set(files_in(folder))
    for name, facts in marker.files.items():
        if name not in present:
            raise DamagedCheckpointError(f"incomplete, {name} is missing")
        size = (folder / name).stat().st_size
        if size != facts.size_bytes:
            raise DamagedCheckpointError(f"damaged, {name} has {size:,} bytes where {facts.size_bytes:,} were written")
    if foreign := sorted(present - marker.files.keys()):
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise DamagedCheckpointError(f"changed, {foreign[0]}{more} was not written with it; move it elsewhere")


def check_contents(folder: Path, marker: Marker, names: Sequence[str]) -> None:
    """Read the files whole and compare. Raises DamagedCheckpointError where one is not what was written.

    Files without a hash, of earlier versions, are opened instead: what is not a file of its kind is damaged.
    """
    for name in names:
        expected = marker.files[name].xxh3_128
        try:
            if expected is None:
                open_whole(folder / name)
            elif fingerprint_file(folder / name) != expected:
                raise DamagedCheckpointError(f"damaged, the bytes of {name} are not those that were written")
        except OSError as error:
            raise DamagedCheckpointError(f"{name} cannot be read ({error.strerror or error})") from None


def open_whole(path: Path) -> None:
    """Open a file of a kind that is known by its name. Raises DamagedCheckpointError where it is not of that kind."""
    import pickle
    import zipfile

    from safetensors import SafetensorError, safe_open

    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="numpy") as tensors:
                list(tensors.keys())
        elif path.suffix == ".json":
            json.loads(path.read_bytes())
        elif path.suffix in {".pt", ".pth", ".bin"}:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()  # by the check sums that torch.save has put there
                if broken is not None:
                    raise ValueError(broken)
    except (SafetensorError, ValueError, zipfile.BadZipFile, EOFError, pickle.UnpicklingError, RuntimeError) as error:
        raise DamagedCheckpointError(f"damaged, {path.name} cannot be opened ({error})") from None


def _dump(values: Mapping[str, Any]) -> str:
    """The text of a marker: its values, and their fingerprint at the end."""
    signed = {**values, "own_hash": fingerprint_value(values)}
    return json.dumps(signed, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
