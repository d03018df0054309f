"""One repository into the folder: downloaded, compared with the hub's hashes, and under its name only when it is whole.

A model goes into the cache of the hub's libraries by its commit; which commit its name stands for is written last. A data set is
put together in `.NAME.partial` beside its place, and takes the place when all of it is there. So whoever looks for a name meanwhile
finds what was there before, or nothing, and never a part.
"""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qaz_llm.errors import WorkError, WriteError
from qaz_llm.fetch.folder import HUB, hashes_of, place_of, ref_of
from qaz_llm.fetch.inside import leads_out
from qaz_llm.fetch.look import Found, RemoteFile, said_by
from qaz_llm.fetch.subsets import CARD, CARD_OF_HUB, keep_subsets
from qaz_llm.io import hub_endpoint, hub_name, make_dir, set_folder, write_text
from qaz_llm.io.folders import write_errors

AGAIN = "run the same command again; it goes on where it stopped"


def bring_one(found: Found, out: Path) -> list[Path]:
    """Download what is missing of a repository; its files.

    Raises WorkError where the hub fails or sends other bytes than it says it has, WriteError where the disk takes no more.
    """
    return _bring_model(found, out) if found.need.type == "model" else _bring_set(found, out)


def is_there(out: Path, found: Found, file: RemoteFile) -> bool:
    """Whether a file need not be downloaded: of a model the cache holds whole files alone; one of a data set is compared."""
    path = out / place_of(found, file)
    if found.need.type == "model":
        return path.is_file() and not leads_out(path, out)
    return any(_is_whole(one, file) for one in (path, _partial(found, out) / file.path))


def _bring_model(found: Found, out: Path) -> list[Path]:
    paths = {file: out / place_of(found, file) for file in found.files}
    wanted = [file for file in found.files if not is_there(out, found, file)]
    for file in wanted:
        _forget(paths[file], out)
    _download(found, wanted, cache_dir=out / HUB)
    _check_whole(found, paths, out)
    ref = out / ref_of(found.need.repo, found.need.revision)
    if not ref.is_file() or ref.read_text(encoding="utf-8", errors="replace") != found.commit:
        write_text(ref, found.commit)
    return list(paths.values())


def _bring_set(found: Found, out: Path) -> list[Path]:
    folder, partial = set_folder(out, found.need.repo, found.need.revision), _partial(found, out)
    with write_errors(partial):
        _take_over(folder, partial, found)
    paths = {file: partial / file.path for file in found.files}
    wanted = [file for file in found.files if not _is_whole(paths[file], file)]
    for file in wanted:
        _forget(paths[file], out)
        if file.path == CARD:
            (partial / CARD_OF_HUB).unlink(missing_ok=True)
    _download(found, wanted, local_dir=partial)
    _check_whole(found, paths, out)
    kept = [*paths.values(), *keep_subsets(partial, found.need.subsets)]
    _remove_others(partial, set(kept))
    _put_in_place(partial, folder)
    return [folder / path.relative_to(partial) for path in kept]


def _partial(found: Found, out: Path) -> Path:
    folder = set_folder(out, found.need.repo, found.need.revision)
    return folder.with_name(f".{folder.name}.partial")


def _take_over(folder: Path, partial: Path, found: Found) -> None:
    """What was fetched before and is still so: as links to the same bytes; cards are copied, since they are cut where they lie."""
    for file in found.files:
        old, new = folder / file.path, partial / file.path
        if _is_whole(new, file) or not _is_whole(old, file):
            continue
        make_dir(new.parent)
        new.unlink(missing_ok=True)
        if file.path == CARD:
            of_hub = old.with_name(CARD_OF_HUB)
            shutil.copyfile(of_hub if of_hub.is_file() else old, new)
            continue
        try:
            os.link(old.resolve(), new)
        except OSError:  # a file system without such links
            shutil.copyfile(old, new)


def _download(found: Found, wanted: Sequence[RemoteFile], **target: Any) -> None:
    if not wanted:
        return
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    constants.HF_HUB_DISABLE_SHARED_BLOBS = True  # links into a store beside the folder could not be carried
    need = found.need
    try:
        snapshot_download(
            need.repo,
            repo_type=need.type,
            revision=found.commit,
            allow_patterns=[glob.escape(file.path) for file in wanted],
            endpoint=hub_endpoint(),
            **target,
        )
    except HfHubHTTPError as error:
        raise WorkError(f"{need.repo}: {said_by(error)}", hint=AGAIN) from error
    except OSError as error:
        if error.errno is None:  # a file of fewer bytes than were announced; a hub that is gone
            raise WorkError(f"{need.repo}: the download broke off ({said_by(error)})", hint=AGAIN) from error
        raise WriteError(f"{need.repo}: {said_by(error)}", hint=AGAIN) from error
    except Exception as error:  # of the library underneath: a connection that broke, and broke again when tried again
        raise WorkError(f"{need.repo}: the download broke off ({said_by(error)})", hint=AGAIN) from error


def _check_whole(found: Found, paths: dict[RemoteFile, Path], out: Path) -> None:
    """Raise WorkError where a file is not what the hub says it has; it is removed."""
    wrong = [file for file, path in paths.items() if not _is_whole(path, file)]
    if not wrong:
        return
    for file in wrong:
        _forget(paths[file], out)
    names = ", ".join(file.path for file in wrong)
    raise WorkError(
        f"{found.need.repo}: not the bytes that {hub_name()} says it has at {found.commit[:12]}: {names}",
        hint="they were removed; run the same command again",
    )


def _is_whole(path: Path, file: RemoteFile) -> bool:
    of_hub = path.with_name(CARD_OF_HUB)
    if file.path == CARD and of_hub.is_file():
        path = of_hub
    if not path.is_file() or path.stat().st_size != file.size:
        return False
    sha256, git_sha1 = hashes_of(path)
    return sha256 == file.sha256 if file.sha256 is not None else git_sha1 == file.git_sha1


def _remove_others(folder: Path, kept: set[Path]) -> None:
    """Remove files of an earlier try, and what the library notes of downloads under way."""
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    for path in [path for path in folder.rglob("*") if not path.is_dir() and path not in kept]:
        path.unlink()


def _put_in_place(partial: Path, folder: Path) -> None:
    """What was there goes; of a link the link alone, never what it leads to."""
    retired = folder.with_name(f".{folder.name}.old")
    _remove(retired)
    if folder.is_symlink() or folder.exists():
        folder.replace(retired)
    partial.replace(folder)
    _remove(retired)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


def _forget(path: Path, out: Path) -> None:
    """Remove a file and, in the cache, the blob that it is a link to; nothing outside of the folder."""
    if path.is_symlink() and not leads_out(path, out):
        path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
