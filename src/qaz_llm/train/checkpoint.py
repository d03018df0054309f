"""Checkpoints: `checkpoints/step-<n>/`, whole or not there.

Every rank writes into `checkpoints/.unfinished/`; when all are done the first one lists the files with their sizes in
`complete.json` and renames the folder to `step-<n>`. A folder without that list, or whose files are not as long as it
says, is never resumed from; the newest whole one is.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qaz_llm.errors import CheckpointError
from qaz_llm.io import fingerprint_value, read_json, write_json
from qaz_llm.model.compat import open_to_readers
from qaz_llm.progress import get_logger

_logger = get_logger("train")

MARKER_FILE = "complete.json"
UNFINISHED = ".unfinished"
_NAME = re.compile(r"step-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint. `identity` is what the run that wrote it was told and trained on."""

    path: Path
    step: int
    identity: Mapping[str, Any]
    world_size: int


def staging_folder(checkpoints: Path) -> Path:
    return checkpoints / UNFINISHED


def commit(staged: Path, checkpoints: Path, *, step: int, identity: Mapping[str, Any], world_size: int) -> Path:
    """Mark a staged folder as whole and give it its name. Called by one process, when all have written."""
    files = {str(p.relative_to(staged)): p.stat().st_size for p in sorted(staged.rglob("*")) if p.is_file()}
    for name in files:
        descriptor = os.open(staged / name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    open_to_readers(staged)
    write_json(
        staged / MARKER_FILE, {"step": step, "world_size": world_size, "identity": dict(identity), "files": files}
    )
    target = checkpoints / f"step-{step}"
    shutil.rmtree(target, ignore_errors=True)
    staged.replace(target)
    return target


def newest_complete(checkpoints: Path) -> Checkpoint | None:
    """The whole checkpoint with the highest step; those that are not whole are named in a warning and passed over."""
    for path in sorted(_folders(checkpoints), key=_step, reverse=True):
        problem = _problem(path)
        if problem is None:
            marker = read_json(path / MARKER_FILE)
            return Checkpoint(path, marker["step"], marker["identity"], marker["world_size"])
        _logger.warning("%s: %s; passed over", path, problem)
    return None


def prune(checkpoints: Path, *, keep: int, spare: Collection[int] = ()) -> None:
    """Delete all but the newest `keep` whole checkpoints and those of the steps `spare`, and what an interrupted save left behind."""
    shutil.rmtree(staging_folder(checkpoints), ignore_errors=True)
    whole = [path for path in sorted(_folders(checkpoints), key=_step, reverse=True) if _problem(path) is None]
    for path in (path for path in whole[keep:] if _step(path) not in spare):
        (path / MARKER_FILE).unlink()  # first of all: half deleted must not look whole
        shutil.rmtree(path, ignore_errors=True)


def problem_of(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be used, a folder that is not there included; None where it can."""
    return _problem(checkpoint)


def check_same_run(identity: Mapping[str, Any], recorded: Mapping[str, Any], *, where: Path) -> None:
    """Raises CheckpointError naming each key in which a run differs from the one that wrote `where`."""
    now, then = _flat(identity), _flat(recorded)
    differing = [key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]
    if not differing:
        return
    differing.sort(key=lambda key: "fingerprint" in key)  # a changed setting explains a changed fingerprint
    shown = "; ".join(f"{key}: {_show(then.get(key))} then, {_show(now.get(key))} now" for key in differing[:6])
    more = f" and {len(differing) - 6} more" if len(differing) > 6 else ""
    raise CheckpointError(
        f"{where} belongs to a run with another configuration or other data: {shown}{more}",
        hint="give the same arguments as then, or another run_dir for the new run"
        + ("; only schedule constant lets a run be prolonged" if differing == ["max_steps"] else ""),
    )


def _folders(checkpoints: Path) -> list[Path]:
    if not checkpoints.is_dir():
        return []
    return [path for path in checkpoints.iterdir() if path.is_dir() and _NAME.fullmatch(path.name)]


def _step(path: Path) -> int:
    return int(path.name.removeprefix("step-"))


def _problem(path: Path) -> str | None:
    """Why a checkpoint is not whole; None where it is."""
    if not (path / MARKER_FILE).is_file():
        return f"incomplete, it has no {MARKER_FILE}"
    for name, size in read_json(path / MARKER_FILE)["files"].items():
        file = path / name
        if not file.is_file():
            return f"incomplete, {name} is missing"
        if file.stat().st_size != size:
            return f"damaged, {name} has {file.stat().st_size:,} bytes where {size:,} were written"
    return None


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"(fingerprint {fingerprint_value(value)[:8]})"
