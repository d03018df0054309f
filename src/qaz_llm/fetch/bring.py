"""Bring what a config needs into a folder: looked up, measured against the disk, downloaded, compared with the hub's hashes."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import InputError, WorkError, WriteError
from qaz_llm.fetch.folder import HUB, Entry, Manifest, hashes_of, place_of, read_manifest, stored, write_manifest
from qaz_llm.fetch.look import Found, RemoteFile, look_up
from qaz_llm.fetch.needs import Need, joined
from qaz_llm.fetch.subsets import CARD, CARD_OF_HUB, keep_subsets
from qaz_llm.io import check_writable, hub_endpoint, is_offline, only_one, reach_hub, set_folder
from qaz_llm.progress import get_logger

SPARE_BYTES = 1 << 30
"""So much is to stay free on the disk."""

AGAIN = "run the same command again; it goes on where it stopped"

_logger = get_logger("fetch")


def find(needs: Sequence[Need], out: Path) -> tuple[Found, ...]:
    """What the hub has of what is needed; of data sets that are in the folder with what was fetched of them before, too.

    Raises as `look_up`, and InputError where the hub is not to be asked, or does not answer.
    """
    if is_offline():
        raise InputError(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, and fetching asks the hub",
            hint="unset it for this command: HF_HUB_OFFLINE=0 qaz fetch ...",
        )
    if (problem := reach_hub()) is not None:
        raise InputError(problem, hint="run it where there is a network, or set HF_ENDPOINT to a mirror")
    before = {entry.key: entry.need for entry in manifest.entries} if (manifest := read_manifest(out)) else {}
    sets = [before[need.key] for need in needs if need.type == "dataset" and need.key in before]
    return look_up(joined([*needs, *sets]))


def missing_bytes(found: Sequence[Found], out: Path) -> int:
    """Bytes that have yet to be downloaded."""
    return sum(file.size for one in found for file in one.files if not _is_there(out / place_of(one, file), file, one))


def check_room(out: Path, needed: int) -> None:
    """Raise InputError where the disk has no room for so many bytes more."""
    there = next(path for path in (out, *out.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    if needed + SPARE_BYTES > free:
        raise InputError(
            f"{out}: {needed / 1e9:,.2f} GB are to be written and {free / 1e9:,.2f} GB are free, of which 1 is to stay so",
            hint="name a folder on another disk with --out",
        )


def bring(found: Sequence[Found], out: Path) -> Manifest:
    """Download what is missing, compare all with the hub's hashes, write the manifest. Goes on where it stopped.

    Raises:
        InputError: no room on the disk; a folder that cannot be written; another `qaz fetch` at work in it.
        WorkError: the hub fails, or sends other bytes than it says it has.
    """
    check_room(out, missing_bytes(found, out))
    check_writable(out)
    os.environ.setdefault(
        "HF_HUB_DISABLE_SHARED_BLOBS", "1"
    )  # links into a store beside the folder could not be carried
    with only_one(out, name=".lock-fetch", key="--out"):
        manifest = read_manifest(out) or Manifest(hub_endpoint())
        for one in found:
            _logger.info("%s: %d files, %s", one.need.repo, len(one.files), in_bytes(one.size))
            _download(one, out)
            manifest = manifest.with_entries([_entry(one, out)])
            write_manifest(out, manifest)
    return manifest


def in_bytes(size: int) -> str:
    """`3.2 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _download(found: Found, out: Path) -> None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    need = found.need
    wanted = [file.path for file in found.files if not _is_there(out / place_of(found, file), file, found)]
    if not wanted:
        return
    folder = set_folder(out, need.repo, need.revision)
    target: dict[str, Any] = {"cache_dir": out / HUB, "revision": need.revision}  # by its name, to be found by it again
    if need.type == "dataset":
        target = {"local_dir": folder, "revision": found.commit}
        if CARD in wanted:
            (folder / CARD_OF_HUB).unlink(missing_ok=True)
    try:
        snapshot_download(
            need.repo,
            repo_type=need.type,
            allow_patterns=[glob.escape(path) for path in wanted],
            endpoint=hub_endpoint(),
            **target,
        )
    except HfHubHTTPError as error:
        raise WorkError(f"{need.repo}: {_first_line(error)}", hint=AGAIN) from error
    except OSError as error:
        raise WriteError(f"{need.repo}: {_first_line(error)}", hint=AGAIN) from error
    except (
        Exception
    ) as error:  # of the library underneath: a connection that broke, and broke again when it was tried again
        raise WorkError(f"{need.repo}: the download broke off ({_first_line(error)})", hint=AGAIN) from error


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def _entry(found: Found, out: Path) -> Entry:
    """What was downloaded, once it is seen to be what the hub has. Raises WorkError where it is not."""
    need = found.need
    wrong = [file for file in found.files if not _is_whole(out / place_of(found, file), file)]
    if wrong:
        for file in wrong:
            _forget(out / place_of(found, file))
        names = ", ".join(file.path for file in wrong)
        raise WorkError(
            f"{need.repo}: not the bytes that {hub_endpoint()} says it has at {found.commit[:12]}: {names}",
            hint="they were removed; run the same command again",
        )
    paths = [out / place_of(found, file) for file in found.files]
    if need.type == "dataset":
        folder = set_folder(out, need.repo, need.revision)
        paths += keep_subsets(folder, need.subsets)
        _remove_others(folder, set(paths))
    return Entry(
        need.repo, need.type, need.revision, found.commit, found.licence, found.is_gated, need.weights,
        need.subsets, need.patterns, need.why, stored(out, paths),
    )  # fmt: skip


def _is_there(path: Path, file: RemoteFile, found: Found) -> bool:
    """Whether a file need not be downloaded: of a model the cache holds whole files alone; one of a data set is compared."""
    return path.is_file() and (found.need.type == "model" or _is_whole(path, file))


def _is_whole(path: Path, file: RemoteFile) -> bool:
    of_hub = path.with_name(CARD_OF_HUB)
    if file.path == CARD and of_hub.is_file():
        path = of_hub
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    sha256, git_sha1 = hashes_of(path)
    return sha256 == file.sha256 if file.sha256 is not None else git_sha1 == file.git_sha1


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove files of an earlier commit, and what the library notes of downloads under way."""
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    for path in [path for path in folder.rglob("*") if path.is_file() and path not in kept]:
        path.unlink()


def _forget(path: Path) -> None:
    """Remove a file and, in the cache, the blob that it is a link to."""
    if path.is_symlink():
        path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
