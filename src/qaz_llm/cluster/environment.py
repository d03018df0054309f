"""Where this process runs: alone, under torchrun, or as a task of a Slurm step.

Whatever starts a distributed run says so in environment variables, each in its own words:

    what            torchrun            srun
    world size      WORLD_SIZE          SLURM_STEP_NUM_TASKS
    rank            RANK                SLURM_PROCID
    rank on node    LOCAL_RANK          SLURM_LOCALID
    ranks on node   LOCAL_WORLD_SIZE    SLURM_STEP_TASKS_PER_NODE, e.g. `8(x2)`
    meeting place   MASTER_ADDR, _PORT  first of SLURM_STEP_NODELIST

A batch script under Slurm also sees SLURM_NTASKS, though it is no task of a step: only the SLURM_STEP_ names count.

A part of torchrun's names is refused where no step says the rest: a process that took itself to be alone would do all the work
beside others that do the same. In a step some of them, as sites' scripts export them, have to agree with Slurm's.
"""

from __future__ import annotations

import ctypes
import os
import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from qaz_llm.errors import ConfigError

DeviceKind = Literal["cpu", "cuda"]
Launcher = Literal["alone", "torchrun", "slurm"]

DEFAULT_PORT = 29500
PORT_RANGE = 20_000
"""Ports for a job's processes to meet at are taken from DEFAULT_PORT upwards by the job's number, so that two jobs on
one node do not meet."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The machine as one process sees it. `gpu_memory_bytes` is of one device, 0 on a CPU."""

    world_size: int = 1
    rank: int = 0
    local_rank: int = 0
    local_world_size: int = 1
    launcher: Launcher = "alone"
    device: DeviceKind = "cpu"
    device_name: str = "cpu"
    gpu_memory_bytes: int = 0
    cpus: int = 1
    memory_bytes: int = 0
    host: str = "localhost"
    node: str = "localhost"
    """As Slurm calls it, which is what `sbatch --exclude` takes; elsewhere the host."""
    master_addr: str = "127.0.0.1"
    master_port: int = DEFAULT_PORT
    job_id: str | None = None

    @property
    def is_main(self) -> bool:
        return self.rank == 0

    @property
    def num_nodes(self) -> int:
        return -(-self.world_size // self.local_world_size)

    def describe(self) -> str:
        """One line for a person: `2 processes on 2 nodes (slurm), cpu, 2 CPUs and 23.5 GiB on host a`."""
        processes = f"{self.world_size} process{'es' if self.world_size > 1 else ''}"
        nodes = f" on {self.num_nodes} node{'s' if self.num_nodes > 1 else ''} ({self.launcher})"
        device = (
            "cpu" if self.device == "cpu" else f"{self.device_name}, {self.gpu_memory_bytes / 2**30:.0f} GiB per device"
        )
        return f"{processes}{nodes}, {device}, {self.cpus} CPUs and {self.memory_bytes / 2**30:.1f} GiB on {self.host}"


def read_environment(variables: Mapping[str, str] | None = None) -> Environment:
    """The environment of this process, from the launcher's variables and the hardware that is there.

    Raises:
        ConfigError: where the launcher's variables contradict each other.
    """
    env = os.environ if variables is None else variables
    launcher, ranks = _read_ranks(env)
    device, name, memory = _read_device(ranks["local_rank"])
    return Environment(
        **ranks,
        launcher=launcher,
        device=device,
        device_name=name,
        gpu_memory_bytes=memory,
        cpus=usable_cpus(),
        memory_bytes=_memory_bytes(),
        host=socket.gethostname(),
        node=env.get("SLURMD_NODENAME") or socket.gethostname(),
        master_addr=env.get("MASTER_ADDR") or _first_node(env),
        master_port=_read_port(env, is_launched=launcher != "alone"),
        job_id=env.get("SLURM_JOB_ID"),
    )


def _read_port(env: Mapping[str, str], *, is_launched: bool) -> int:
    """The port where processes meet. Raises ConfigError where it is none: at port 0 each would wait at another one, for ever."""
    written = env.get("MASTER_PORT") or str(_default_port(env))
    if is_launched and not (written.isdecimal() and 0 < int(written) < 1 << 16):
        raise ConfigError(
            f"MASTER_PORT is {written!r}, no port at which processes can meet",
            hint="give one from 1 to 65535; torchrun --standalone finds a free one on a single machine",
        )
    return int(written) if written.isdecimal() else DEFAULT_PORT


def launched_processes(variables: Mapping[str, str] | None = None) -> int:
    """How many processes the launcher started; 1 for a process that is alone. Looks at no hardware, so it takes no time."""
    return int(_read_ranks(os.environ if variables is None else variables)[1]["world_size"])


def export_variables(environment: Environment) -> None:
    """Say where this process stands in torchrun's words, which torch, accelerate and DeepSpeed all read.

    Does nothing for a process that is alone: it needs no process group.
    """
    if environment.launcher == "alone":
        return
    values = {
        "RANK": environment.rank,
        "WORLD_SIZE": environment.world_size,
        "LOCAL_RANK": environment.local_rank,
        "LOCAL_WORLD_SIZE": environment.local_world_size,
        "MASTER_ADDR": environment.master_addr,
        "MASTER_PORT": environment.master_port,
    }
    os.environ.update({name: str(value) for name, value in values.items()})


def _number(env: Mapping[str, str], name: str, default: int | None = None) -> int:
    """Raises ConfigError where a launcher's variable is no number."""
    value = env.get(name)
    if value is None and default is not None:
        return default
    try:
        return int(value or "")
    except ValueError:
        raise ConfigError(
            f"{name} is {value!r}, and a whole number was expected",
            hint="start with torchrun --nproc-per-node N -m qaz_llm …, or srun; or unset what a launcher left behind",
        ) from None


def _read_ranks(env: Mapping[str, str]) -> tuple[Launcher, dict[str, int]]:
    if "RANK" in env and "WORLD_SIZE" in env:
        launcher: Launcher = "torchrun"
        world_size, rank = _number(env, "WORLD_SIZE"), _number(env, "RANK")
        local_rank = _number(env, "LOCAL_RANK", rank)
        local_world_size = _number(env, "LOCAL_WORLD_SIZE", world_size)
    elif "SLURM_STEP_NUM_TASKS" in env and "SLURM_PROCID" in env:
        launcher = "slurm"
        world_size, rank = _number(env, "SLURM_STEP_NUM_TASKS"), _number(env, "SLURM_PROCID")
        local_rank, node = _number(env, "SLURM_LOCALID", 0), _number(env, "SLURM_NODEID", 0)
        local_world_size = tasks_on_node(env.get("SLURM_STEP_TASKS_PER_NODE", str(world_size)), node)
        _check_agrees(env, {"RANK": rank, "WORLD_SIZE": world_size})
    else:
        _check_nothing_left(env)
        return "alone", {"world_size": 1, "rank": 0, "local_rank": 0, "local_world_size": 1}
    if not 0 <= rank < world_size or not 0 <= local_rank < max(local_world_size, 1):
        raise ConfigError(
            f"the launcher says rank {rank} of {world_size}, local rank {local_rank} of {local_world_size}",
            hint="start with torchrun --nproc-per-node N -m qaz_llm …, or srun python -m qaz_llm …",
        )
    return launcher, {
        "world_size": world_size,
        "rank": rank,
        "local_rank": local_rank,
        "local_world_size": local_world_size,
    }


_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def _check_agrees(env: Mapping[str, str], of_step: Mapping[str, int]) -> None:
    """Raises ConfigError where one of torchrun's names stands beside Slurm's and says something else."""
    for name, value in of_step.items():
        if name in env and _number(env, name) != value:
            raise ConfigError(
                f"{name} is {env[name]}, and this task's step says {value}",
                hint=f"unset {name} in the job script: srun tells each task; or start torchrun, which sets RANK and WORLD_SIZE",
            )


def _check_nothing_left(env: Mapping[str, str]) -> None:
    """Raises ConfigError where a launcher's variables are there in part."""
    there = [name for name in _TORCHRUN if name in env]
    if there and not (there == ["WORLD_SIZE"] and _number(env, "WORLD_SIZE") == 1):
        shown = ", ".join(f"{name}={env[name]}" for name in there)
        lacking = " and ".join(name for name in _TORCHRUN[:2] if name not in env)
        raise ConfigError(
            f"the environment has {shown} and no {lacking}: this is no process of torchrun, nor a task of srun",
            hint=f"for several processes: torchrun --nproc-per-node N -m qaz_llm …, or srun; for this one alone: unset {' '.join(there)}",
        )


def tasks_on_node(spelling: str, node: int) -> int:
    """The number of tasks on the node with index `node`, from Slurm's spelling.

    >>> [tasks_on_node("8(x2),4", node) for node in range(3)]
    [8, 8, 4]
    """
    counts: list[int] = []
    for part in spelling.split(","):
        match = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part.strip())
        if match is None:
            raise ConfigError(f"SLURM_STEP_TASKS_PER_NODE is {spelling!r}, expected for instance '8(x2)'")
        counts += [int(match[1])] * int(match[2] or 1)
    return counts[min(node, len(counts) - 1)]


def _first_node(env: Mapping[str, str]) -> str:
    """The first host of Slurm's list, `node[03-05,7],other` → `node03`; this machine outside Slurm."""
    nodes = env.get("SLURM_STEP_NODELIST") or env.get("SLURM_JOB_NODELIST")
    if not nodes:
        return "127.0.0.1"
    match = re.match(r"([^\[,]+)(?:\[(\d+))?", nodes)
    return "127.0.0.1" if match is None else match[1] + (match[2] or "")


def free_port() -> int:
    """A port of this machine that nothing listens at; whoever is to have it takes it soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _default_port(env: Mapping[str, str]) -> int:
    job = env.get("SLURM_JOB_ID", "0")
    return DEFAULT_PORT + (int(job) % PORT_RANGE if job.isdigit() else 0)


def _read_device(local_rank: int) -> tuple[DeviceKind, str, int]:
    if not may_have_gpu():
        return "cpu", "cpu", 0
    import torch

    if not torch.cuda.is_available():
        return "cpu", "cpu", 0
    properties = torch.cuda.get_device_properties(local_rank % torch.cuda.device_count())
    return "cuda", properties.name, properties.total_memory


def may_have_gpu() -> bool:
    """False where torch cannot see a GPU, so that it need not be imported to say so, which takes seconds of a processor.

    On Linux that is a machine without NVIDIA's driver library, which torch opens by this name, and without AMD's device.
    """
    if sys.platform != "linux" or Path("/dev/kfd").exists():
        return True
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def usable_cpus() -> int:
    """CPUs this process may use: a Slurm task sees only its own."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def _memory_bytes() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
