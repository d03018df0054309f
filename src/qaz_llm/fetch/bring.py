"""Bring what a config needs into a folder: looked up, measured against the disk, one repository after the other."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from qaz_llm.errors import InputError
from qaz_llm.fetch.download import bring_one, is_there
from qaz_llm.fetch.folder import LOCK, Entry, Manifest, read_manifest, stored, write_manifest
from qaz_llm.fetch.look import Found, look_up
from qaz_llm.fetch.needs import Need, joined
from qaz_llm.io import check_writable, hub_endpoint, hub_name, is_offline, only_one, reach_hub
from qaz_llm.progress import get_logger

SPARE_BYTES = 1 << 30
"""So much is to stay free on the disk."""

_logger = get_logger("fetch")


def find(needs: Sequence[Need], out: Path) -> tuple[Found, ...]:
    """What the hub has of what is needed; of what is in the folder already with what was fetched of it before, too.

    Raises as `look_up`, and InputError where the hub is not to be asked, has no proper address, or does not answer.
    """
    if is_offline():
        raise InputError(
            "HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE is set, and fetching asks the hub",
            hint="unset it for this command: HF_HUB_OFFLINE=0 qaz fetch ...",
        )
    _check_endpoint()
    if (problem := reach_hub()) is not None:
        raise InputError(problem, hint="run it where there is a network, or set HF_ENDPOINT to a mirror")
    before = {entry.key: entry.need for entry in manifest.entries} if (manifest := read_manifest(out)) else {}
    return look_up(joined([*needs, *(before[need.key] for need in needs if need.key in before)]))


def missing_bytes(found: Sequence[Found], out: Path) -> int:
    """Bytes that have yet to be downloaded."""
    return sum(file.size for one in found for file in one.files if not is_there(out, one, file))


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
        InputError: no room on the disk; a folder that cannot be written; another `qaz fetch` at work in it, or done since `find`.
        WorkError: the hub fails, or sends other bytes than it says it has.
    """
    check_room(out, missing_bytes(found, out))
    check_writable(out)
    with only_one(out, name=LOCK, key="--out"):
        manifest = read_manifest(out) or Manifest(hub_name())
        before = {entry.key: entry for entry in manifest.entries}
        for one in found:
            if (old := before.get(one.need.key)) is not None:
                _compare(one, old, out)
            _logger.info("%s: %d files, %s", one.need.repo, len(one.files), in_bytes(one.size))
            manifest = manifest.with_entries([_entry(one, out, bring_one(one, out))])
            write_manifest(out, manifest)
    return manifest


def in_bytes(size: int) -> str:
    """`3.2 GB`."""
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _check_endpoint() -> None:
    """Raise InputError where no path can be put behind HF_ENDPOINT; what stands there may be a secret, and is not shown."""
    problem = (
        "does not begin with http:// or https://" if not hub_endpoint().startswith(("http://", "https://"))
        else "has a ? or a #, and the hub's libraries put paths behind it" if set("?#") & set(hub_endpoint())
        else None
    )  # fmt: skip
    if problem is not None:
        raise InputError(
            f"HF_ENDPOINT {problem}", hint="write it as https://HOST or https://HOST/PATH; a token goes into HF_TOKEN"
        )


def _compare(found: Found, old: Entry, out: Path) -> None:
    """Say where a name stands for another commit now. Raises InputError where another `qaz fetch` has added to it since `find`."""
    if old.need.joined(found.need) != replace(found.need, why=old.need.joined(found.need).why):
        raise InputError(
            f"{out}: another `qaz fetch` has brought more of {old.repo} meanwhile", hint="run the same command again"
        )
    if old.commit != found.commit:
        _logger.info("%s: was at %s, is at %s now", old.repo, old.commit[:12], found.commit[:12])


def _entry(found: Found, out: Path, paths: Sequence[Path]) -> Entry:
    need = found.need
    return Entry(
        need.repo, need.type, need.revision, found.commit, found.licence, found.is_gated, need.weights,
        need.subsets, need.patterns, need.why, stored(out, paths), need.code,
    )  # fmt: skip
