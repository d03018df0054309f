"""A node asked for its facts, by its first process; and what each process says of itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from qaz_llm.cluster.asking import Ask, ask
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.facts import DiskFacts, NodeFacts, RankFacts
from qaz_llm.cluster.preflight.kernel_log import read_xids
from qaz_llm.cluster.preflight.nvidia import Cards, driver_cuda, read_cards
from qaz_llm.errors import QazError
from qaz_llm.io import check_writable, fingerprint_paths
from qaz_llm.provenance import package_versions

SHM = Path("/dev/shm")


def gather_rank(environment: Environment, given: Mapping[str, str]) -> RankFacts:
    """What this process says of itself; `given` are fingerprints of what it was told to do."""
    return RankFacts(
        rank=environment.rank,
        local_rank=environment.local_rank,
        node=environment.node,
        host=environment.host,
        pid=os.getpid(),
        device=environment.device,
        fingerprints={"code": _package_fingerprint(), "packages": _versions(), **given},
    )


def gather_facts(
    environment: Environment,
    folders: Mapping[str, Path],
    *,
    pids: Sequence[int] = (),
    clock_ahead_s: float = 0.0,
    asks: Ask = ask,
) -> NodeFacts:
    """What this node says of itself. `folders`: what the run writes to, by what it is; `pids`: its processes here."""
    on_gpu = environment.device == "cuda"
    visible, uuids, torch_cuda = _torch_sees() if on_gpu else (0, [], None)
    cards = read_cards(asks, uuids=uuids or None) if on_gpu else Cards()
    xids, unread_xids = read_xids(asks) if on_gpu else ((), None)
    unread = [*cards.unread, *([unread_xids] if unread_xids else []), *([] if SHM.is_dir() else [f"{SHM}: not there"])]
    return NodeFacts(
        node=environment.node,
        host=environment.host,
        expected_gpus=environment.local_world_size if on_gpu else 0,
        visible_gpus=visible,
        gpus=cards.gpus,
        gpu_processes=cards.processes,
        driver=cards.driver,
        driver_cuda=driver_cuda() if on_gpu else None,
        torch_cuda=torch_cuda,
        xids=xids,
        disks=tuple(_disk(what, folder) for what, folder in folders.items()),
        shm_free_bytes=shutil.disk_usage(SHM).free if SHM.is_dir() else None,
        clock_ahead_s=clock_ahead_s,
        pids=tuple(pids),
        hangs=cards.hangs,
        unread=tuple(unread),
    )


def _disk(what: str, folder: Path) -> DiskFacts:
    try:
        check_writable(folder)
        return DiskFacts(what, str(folder), shutil.disk_usage(folder).free)
    except (QazError, OSError) as error:
        return DiskFacts(what, str(folder), error=str(error).splitlines()[0])


def _torch_sees() -> tuple[int, list[str], str | None]:
    """How many GPUs torch may use, their numbers as the driver writes them, and the CUDA that torch was built with."""
    import torch

    count = torch.cuda.device_count()
    uuids = [f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(count)]
    return count, uuids, torch.version.cuda


@cache
def _package_fingerprint() -> str:
    """Of all files of this package: a checkout that is not the others' differs in one of them."""
    package = Path(__file__).parents[2]
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return fingerprint_paths(files, relative_to=package)


def _versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in package_versions().items())
