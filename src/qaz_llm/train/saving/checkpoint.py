"""Checkpoints: `checkpoints/step-<n>/`, whole or not there.

Every rank writes into `checkpoints/.unfinished/`; when all are done, what was written is hashed (each rank hashes its
share), the first rank puts sizes and hashes into `complete.json` and renames the folder to `step-<n>`. Before a run goes
on from one, all its bytes are compared with that marker. What is not whole is never resumed from, never counts as one of
the kept ones, and is set aside as `damaged-step-<n>` with its reason in the log; the newest whole one is used.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from qaz_llm.errors import OtherRunError
from qaz_llm.io import fingerprint_value
from qaz_llm.model.compat import open_to_readers
from qaz_llm.progress import get_logger
from qaz_llm.train.ranks.distributed import everyone, on_main, rank_and_size
from qaz_llm.train.saving.marker import (
    MARKER_FILE,
    DamagedCheckpointError,
    FileFacts,
    Marker,
    check_contents,
    check_sizes,
    files_in,
    hash_files,
    read_marker,
    share_of,
    write_marker,
)

_logger = get_logger("train")

UNFINISHED = ".unfinished"
WEIGHTS_KEY = "model.weights_fingerprint"
_NAME = re.compile(r"step-(\d+)")
_SET_ASIDE = re.compile(r"damaged-step-(\d+)")


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint. `identity` is what the run that wrote it was told and trained on."""

    path: Path
    step: int
    identity: Mapping[str, Any]
    world_size: int


def staging_folder(checkpoints: Path) -> Path:
    return checkpoints / UNFINISHED


def hash_share(staged: Path, *, group: Any = None) -> dict[str, FileFacts]:
    """Sizes and hashes of this process's share of what was written, flushed to the disk. Called on all ranks."""
    names = everyone(files_in(staged), group=group)[0]
    mine = share_of({name: (staged / name).stat().st_size for name in names}, *rank_and_size())
    for name in mine:
        _flush(staged / name)
    return hash_files(staged, mine)


def commit(
    staged: Path,
    checkpoints: Path,
    *,
    step: int,
    identity: Mapping[str, Any],
    world_size: int,
    files: Mapping[str, FileFacts] | None = None,
) -> Path:
    """Mark a staged folder as whole and give it its name. Called by one process, when all have written.

    `files` are what `hash_share` gives on all ranks together; None: this process hashes them all.
    """
    if files is None:
        files = hash_files(staged, files_in(staged))
        for name in files:
            _flush(staged / name)
    open_to_readers(staged)
    for folder in {(staged / name).parent for name in files}:
        _flush(folder)
    write_marker(staged, Marker(step, world_size, identity, files))
    target = checkpoints / f"step-{step}"
    if _is_no_folder(target):
        target.unlink()
    shutil.rmtree(target, ignore_errors=True)
    staged.replace(target)
    _flush(checkpoints)
    return target


def newest_complete(checkpoints: Path, *, without: Collection[Path] = ()) -> Checkpoint | None:
    """The whole checkpoint with the highest step, by marker, names and sizes; the bytes are not read.

    Those that are not whole are named in a warning and passed over, those in `without` silently.
    """
    for path in sorted(checkpoints.glob("step-*")) if not without else ():
        if _NAME.fullmatch(path.name) and _is_no_folder(path):
            _logger.warning("%s: not a folder; passed over", path)
    for path in _by_step(checkpoints, _NAME):
        if path in without:
            continue
        try:
            marker = _look_at(path)
        except DamagedCheckpointError as problem:
            _logger.warning("%s: %s; passed over", path, problem)
            continue
        return Checkpoint(path, marker.step, marker.identity, marker.world_size)
    return None


def newest_verified(checkpoints: Path, *, without: Collection[Path] = ()) -> Checkpoint | None:
    """The newest checkpoint whose every byte is as it was written. Called on all ranks; each reads its share.

    One that is not is set aside. Those in `without` are not looked at.
    """
    passed = list(without)
    while (newest := on_main(partial(newest_complete, checkpoints, without=passed))) is not None:
        problem = _problem_in_bytes(newest.path)
        if problem is None:
            return newest
        passed.append(newest.path)
        on_main(partial(set_aside, newest.path, problem))
    if not without and (_by_step(checkpoints, _NAME) or _by_step(checkpoints, _SET_ASIDE)):
        _logger.warning("%s: no whole checkpoint is left; the run begins at its first step", checkpoints)
    return None


def set_aside(path: Path, problem: str) -> None:
    """Take a damaged checkpoint out of those that count, and say why. It is deleted once enough whole ones are there."""
    aside = path.with_name(f"damaged-{path.name}")
    try:
        shutil.rmtree(aside, ignore_errors=True)
        path.replace(aside)
        _logger.warning("%s: %s; set aside as %s", path, problem, aside.name)
    except OSError as error:
        _logger.warning("%s: %s; passed over (it could not be set aside: %s)", path, problem, error.strerror)


def prune(checkpoints: Path, *, keep: int, spare: Collection[int] = ()) -> None:
    """Delete all but the newest `keep` whole checkpoints and those of the steps `spare`, and what an interrupted save left behind.

    Damaged ones are not counted; they are deleted too, and named, once there are `keep` whole ones.
    """
    shutil.rmtree(staging_folder(checkpoints), ignore_errors=True)
    whole, damaged = [], _by_step(checkpoints, _SET_ASIDE)
    for path in _by_step(checkpoints, _NAME):
        try:
            _look_at(path)
            whole.append(path)
        except DamagedCheckpointError as problem:
            damaged.append(path)
            _logger.warning("%s: %s; it does not count as one of the kept", path, problem)
    for path in (path for path in whole[keep:] if int(path.name.removeprefix("step-")) not in spare):
        (path / MARKER_FILE).unlink(missing_ok=True)  # first of all: half deleted must not look whole
        shutil.rmtree(path, ignore_errors=True)
    if damaged and len(whole) >= keep:
        _logger.warning(
            "deleted, since %d whole checkpoints are kept: damaged %s", keep, ", ".join(path.name for path in damaged)
        )
        for path in damaged:
            shutil.rmtree(path, ignore_errors=True)


def problem_of(checkpoint: Path) -> str | None:
    """Why a checkpoint cannot be used, a folder that is not there included; None where it can."""
    try:
        _look_at(checkpoint)
    except DamagedCheckpointError as problem:
        return str(problem)
    return None


def check_same_run(identity: Mapping[str, Any], recorded: Mapping[str, Any], *, where: Path) -> None:
    """Raises OtherRunError naming each key in which a run differs from the one that wrote `where`."""
    now, then = _flat(identity), _flat(recorded)
    then.pop("processes", None)  # written while ZeRO's checkpoints fitted one number of processes only
    if WEIGHTS_KEY not in then:
        now.pop(WEIGHTS_KEY, None)  # begun before weights were looked into
    differing = [key for key in sorted(now.keys() | then.keys()) if now.get(key) != then.get(key)]
    if not differing:
        return
    differing.sort(key=lambda key: "fingerprint" in key)  # a changed setting explains a changed fingerprint
    shown = "; ".join(f"{key}: {_show(then, key)} then, {_show(now, key)} now" for key in differing[:6])
    more = f" and {len(differing) - 6} more" if len(differing) > 6 else ""
    raise OtherRunError(
        f"{where} belongs to a run with another configuration or other data: {shown}{more}",
        hint="give the same arguments as then, or another run_dir for the new run"
        + ("; only schedule constant lets a run be prolonged" if differing == ["max_steps"] else ""),
    )


def _by_step(checkpoints: Path, pattern: re.Pattern[str]) -> list[Path]:
    """The folders with such a name, the highest step first."""
    if not checkpoints.is_dir():
        return []
    found = [(match, path) for path in checkpoints.iterdir() if (match := pattern.fullmatch(path.name))]
    return [path for match, path in sorted(found, key=lambda f: int(f[0][1]), reverse=True) if path.is_dir()]


def _is_no_folder(path: Path) -> bool:
    """Whether something has a checkpoint's name that is a file or a link."""
    return path.is_symlink() or (path.exists() and not path.is_dir())


def _look_at(path: Path) -> Marker:
    """The marker of a checkpoint whose files are all there in their sizes. Raises DamagedCheckpointError otherwise."""
    marker = read_marker(path)
    check_sizes(path, marker)
    if path.name != f"step-{marker.step}":
        raise DamagedCheckpointError(f"its name is not that of the step it holds, {marker.step}")
    return marker


def _problem_in_bytes(path: Path) -> str | None:
    """What a checkpoint's bytes differ in from its marker; None where in nothing. Called on all ranks."""
    problem = None
    try:
        marker = read_marker(path)
        if not marker.has_hashes:
            on_main(partial(_logger.info, "%s: of an earlier version, which wrote sizes and no hashes", path))
        sizes = {name: facts.size_bytes for name, facts in marker.files.items()}
        check_contents(path, marker, share_of(sizes, *rank_and_size()))
    except DamagedCheckpointError as found:
        problem = str(found)
    return next((text for text in everyone(problem) if text is not None), None)


def _flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def _show(values: Mapping[str, Any], key: str) -> str:
    """What is recorded of a key; one that is not recorded is left at its default."""
    if key not in values:
        return "its default"
    value = values[key]
    text = repr(value)
    return text if len(text) <= 60 else f"(fingerprint {fingerprint_value(value)[:8]})"
