"""What is known of a node and of a process before a training: plain values, as they are sent between processes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class GpuFacts:
    """One GPU as its driver tells it; None where the driver does not say."""

    index: int
    uuid: str
    name: str
    bus: str
    """PCI bus id in small letters, `0000:3b:00`, as the kernel writes it."""
    memory_bytes: int | None = None
    used_bytes: int | None = None
    uncorrected_errors: int | None = None
    """ECC errors since the driver was loaded that could not be corrected."""
    remap_failed: bool | None = None
    """A damaged row of memory could not be replaced by a spare one."""
    reset_needed: bool | None = None
    """A damaged row is replaced at the next reset, and used until then."""


@dataclass(frozen=True)
class GpuProcess:
    """A process that computes on a GPU."""

    gpu_uuid: str
    pid: int
    name: str
    used_bytes: int | None = None


@dataclass(frozen=True)
class XidEvent:
    """An error of a GPU that the driver wrote into the kernel's messages."""

    bus: str
    xid: int
    age_s: float


@dataclass(frozen=True)
class DiskFacts:
    """A folder that the run writes to, and what its disk has left. `error`: why it cannot be written."""

    what: str
    path: str
    free_bytes: int = 0
    error: str | None = None
    is_shared: bool | None = None
    """Whether what the first process wrote there is seen; None where that was not looked at."""
    is_of_node: bool = False
    """Whether the error is of a disk of the node's own, such as /tmp: full, read-only, failing."""


@dataclass(frozen=True)
class NodeFacts:
    """A node, asked by its first process. `unread`: what could not be looked at, and why; it counts as not known, never as good."""

    node: str
    host: str
    expected_gpus: int = 0
    """That its first process should see; 0 where nothing says that the node has any, or the run keeps to CPUs."""
    expected_by: str = ""
    """What says so."""
    visible_gpus: int = 0
    """That torch sees there."""
    processes: int = 0
    """Of this run on the node, each of which needs a GPU that the first one sees too; 0 on CPUs."""
    machine_gpus: int = 0
    """By the files of the driver and the PCI bus, whatever torch sees and the job was given; 0: not known."""
    in_slurm: bool = False
    is_given: bool = False
    """The job was given GPUs."""
    has_driver: bool = False
    """Files of NVIDIA's driver are there, whether or not it answers."""
    driver_says: str = ""
    """What `nvidia-smi` said in place of an answer."""
    gpu_buses: tuple[str, ...] = ()
    """NVIDIA GPUs on the PCI bus, by which Xid errors are known where the driver does not answer."""
    gpus: tuple[GpuFacts, ...] = ()
    """Of those that this job may use."""
    gpu_processes: tuple[GpuProcess, ...] = ()
    driver: str | None = None
    driver_cuda: str | None = None
    torch: str = ""
    torch_cuda: str | None = None
    """None: torch is built for CPUs, or was not asked."""
    xids: tuple[XidEvent, ...] = ()
    disks: tuple[DiskFacts, ...] = ()
    shm_free_bytes: int | None = None
    shm_bytes: int | None = None
    """How large /dev/shm was made."""
    clock_ahead_s: float = 0.0
    """By so much its clock is ahead of the first process's, with the time that the question took."""
    pids: tuple[int, ...] = ()
    """The processes of this run on the node."""
    hangs: str | None = None
    """What gave no answer at all."""
    unread: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The node as Slurm calls it, with what it calls itself where that differs."""
        return self.node if self.node == self.host else f"{self.node} (host {self.host})"


@dataclass(frozen=True)
class RankFacts:
    """A process: where it is, and by what it is known to run the same as the others."""

    rank: int
    local_rank: int
    node: str
    host: str
    pid: int
    device: str
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    lacks: str = ""
    """Why it cannot begin: what it was asked for needs a GPU, and it has none."""
    hint: str = ""

    @property
    def place(self) -> str:
        return f"rank {self.rank} on {self.node}"


def to_json(facts: NodeFacts | RankFacts) -> dict[str, Any]:
    return asdict(facts)


def node_from_json(values: Mapping[str, Any]) -> NodeFacts:
    """Raises TypeError where the values are of another version."""
    parts = {
        "gpus": tuple(GpuFacts(**gpu) for gpu in values["gpus"]),
        "gpu_processes": tuple(GpuProcess(**process) for process in values["gpu_processes"]),
        "xids": tuple(XidEvent(**event) for event in values["xids"]),
        "disks": tuple(DiskFacts(**disk) for disk in values["disks"]),
        "pids": tuple(values["pids"]),
        "gpu_buses": tuple(values["gpu_buses"]),
        "unread": tuple(values["unread"]),
    }
    return NodeFacts(**{**values, **parts})


def rank_from_json(values: Mapping[str, Any]) -> RankFacts:
    """Raises TypeError where the values are of another version."""
    return RankFacts(**values)
