"""A node asked for its facts, by its first process; and what each process says of itself."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from qaz_llm.cluster.asking import Ask, ask
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.facts import DiskFacts, NodeFacts, RankFacts
from qaz_llm.cluster.preflight.kernel_log import read_xids
from qaz_llm.cluster.preflight.nvidia import driver_cuda, read_cards
from qaz_llm.cluster.preflight.signs import Signs, read_signs
from qaz_llm.errors import NoGpuError, QazError
from qaz_llm.io import check_writable, fingerprint_paths
from qaz_llm.provenance import package_versions

SHM = Path("/dev/shm")
_OF_NODES = (SHM, Path("/tmp"), Path("/var/tmp"))
_OF_A_DISK = (errno.ENOSPC, errno.EROFS, errno.EIO)
"""What ails a disk, unlike permissions, quotas and files in the way, which are of the path."""


def gather_rank(environment: Environment, given: Mapping[str, str], lacking: NoGpuError | None = None) -> RankFacts:
    """What this process says of itself; `given` are fingerprints of what it was told to do, `lacking` why it cannot."""
    return RankFacts(
        rank=environment.rank,
        local_rank=environment.local_rank,
        node=environment.node,
        host=environment.host,
        pid=os.getpid(),
        device=environment.device,
        fingerprints={"code": _package_fingerprint(), "packages": _versions(), **given},
        lacks=lacking.message if lacking else "",
        hint=(lacking.hint or "") if lacking else "",
    )


def gather_facts(
    environment: Environment,
    folders: Mapping[str, Path],
    *,
    keeps_to_cpu: bool = False,
    pids: Sequence[int] = (),
    clock_ahead_s: float = 0.0,
    asks: Ask = ask,
    signs: Signs | None = None,
) -> NodeFacts:
    """What this node says of itself.

    Args:
        folders: what the run writes to, by what it is.
        keeps_to_cpu: the run is told to: GPUs are not asked after.
        pids: its processes here.
        signs: what says that there are GPUs, which torch may not see; by default this machine's.
    """
    shm = shutil.disk_usage(SHM) if SHM.is_dir() else None
    node = NodeFacts(
        node=environment.node,
        host=environment.host,
        disks=tuple(_disk(what, folder) for what, folder in folders.items()),
        shm_free_bytes=shm.free if shm else None,
        shm_bytes=shm.total if shm else None,
        clock_ahead_s=clock_ahead_s,
        pids=tuple(pids),
        unread=() if shm else (f"{SHM}: not there",),
    )
    signs = read_signs() if signs is None else signs
    is_seen = environment.device == "cuda"
    if keeps_to_cpu or not (is_seen or signs.expected()[0]):
        return node
    if signs.hidden_by is not None and not is_seen:
        return replace(node, unread=(f"GPUs: hidden by {signs.hidden_by}", *node.unread))
    return _with_gpus(node, environment, asks, signs)


def _with_gpus(node: NodeFacts, environment: Environment, asks: Ask, signs: Signs) -> NodeFacts:
    """The facts of a node that has GPUs, or should have some, with what torch, the driver and the kernel say of them."""
    is_seen = environment.device == "cuda"
    visible, names = _torch_sees() if is_seen else (0, signs.named)
    cards = read_cards(asks, names=names or None)
    if not is_seen and names and not (cards.gpus or cards.why):  # named in a way that the driver does not use
        cards = read_cards(asks)
    xids, unread_xids = read_xids(asks)
    expected, by = signs.expected()
    if is_seen and not signs.given:
        expected, by = visible, ""  # what the machine has beside them may be no GPU for torch
    elif not is_seen and not signs.given and cards.gpus:
        expected, by = len(cards.gpus), "nvidia-smi"
    torch, torch_cuda = _torch_build()
    bound = ["GPUs of the node's other processes: each task sees its own alone"] if signs.is_bound else []
    return replace(
        node,
        expected_gpus=expected,
        expected_by=by,
        visible_gpus=visible,
        processes=1 if signs.is_bound else environment.local_world_size,
        in_slurm=signs.in_slurm,
        is_given=bool(signs.given),
        has_driver=signs.has_driver or bool(cards.gpus),
        driver_says=cards.why,
        machine_gpus=signs.of_machine,
        gpu_buses=signs.buses,
        gpus=cards.gpus,
        gpu_processes=cards.processes,
        driver=cards.driver,
        driver_cuda=driver_cuda(),
        torch=torch,
        torch_cuda=torch_cuda,
        xids=xids,
        hangs=cards.hangs,
        unread=(*cards.unread, *([unread_xids] if unread_xids else []), *bound, *node.unread),
    )


def _disk(what: str, folder: Path) -> DiskFacts:
    try:
        check_writable(folder)
        return DiskFacts(what, str(folder), shutil.disk_usage(folder).free)
    except (QazError, OSError) as error:
        of_node = _is_on_node(folder) and _errno(error) in _OF_A_DISK
        return DiskFacts(what, str(folder), error=str(error).splitlines()[0], is_of_node=of_node)


def _is_on_node(folder: Path) -> bool:
    """Below a folder that each node has for itself."""
    return any(folder.resolve().is_relative_to(path) for path in _OF_NODES)


def _errno(error: BaseException | None) -> int | None:
    """Of the system's error beneath ours."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__
    return None if error is None else error.errno


def _torch_sees() -> tuple[int, tuple[str, ...]]:
    """How many GPUs torch may use, and their numbers as the driver writes them."""
    import torch

    count = torch.cuda.device_count()
    return count, tuple(f"GPU-{torch.cuda.get_device_properties(index).uuid}" for index in range(count))


def _torch_build() -> tuple[str, str | None]:
    """Which torch it is, and the CUDA that it was built with."""
    import torch

    return str(torch.__version__), torch.version.cuda


@cache
def _package_fingerprint() -> str:
    """Of all files of this package: a checkout that is not the others' differs in one of them."""
    package = Path(__file__).parents[2]
    files = (path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return fingerprint_paths(files, relative_to=package)


def _versions() -> str:
    return ", ".join(f"{name} {version}" for name, version in package_versions().items())
