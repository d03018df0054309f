"""What says that a node has GPUs, whether or not torch sees them: the job, the PCI bus, the driver's files.

    the job's      CUDA_VISIBLE_DEVICES; under Slurm SLURM_GPUS_ON_NODE, SLURM_JOB_GPUS
    the machine's  /sys/bus/pci/devices/*: vendor 0x10de (NVIDIA), class 0x03 (display); a card that a virtual machine has is not counted
    the driver's   /dev/nvidia0 …, nvidia-smi

Where the driver is dead torch sees nothing and says nothing of it: a node is asked after its GPUs where any of these says that
it has some.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

BUS = Path("/sys/bus/pci/devices")
DEVICES = Path("/dev")
VISIBLE = "CUDA_VISIBLE_DEVICES"
NVIDIA, DISPLAY = "0x10de", "0x03"
_LENT = "vfio-pci"
"""The driver of a card that was handed to a virtual machine."""


@dataclass(frozen=True)
class Signs:
    """What was found. `given`: GPUs of this process by the job, None where it does not say, and `given_by` what says it.

    `named`: the GPUs that CUDA_VISIBLE_DEVICES lists. `hidden_by`: what hides all GPUs from torch on purpose. `buses`: the
    NVIDIA GPUs on the PCI bus. `is_bound`: each task has a GPU to itself and sees no other.
    """

    given: int | None = None
    given_by: str = ""
    named: tuple[str, ...] = ()
    hidden_by: str | None = None
    buses: tuple[str, ...] = ()
    devices: int = 0
    has_tool: bool = False
    in_slurm: bool = False
    is_bound: bool = False

    @property
    def has_driver(self) -> bool:
        """A driver is there, dead or alive; a container may lack it on a node with GPUs."""
        return self.has_tool or self.devices > 0

    @property
    def of_machine(self) -> int:
        """GPUs that are there and that this container, if it is one, was given; 0 where neither is known."""
        return min((number for number in (self.devices, len(self.buses)) if number), default=0)

    def expected(self) -> tuple[int, str]:
        """How many GPUs this process should see where it sees none, and by what: the job, else what there is; 0: none at all."""
        found = (
            (self.given or 0, self.given_by),
            (self.devices, "/dev/nvidia*"),
            (len(self.buses), "the PCI bus"),
            (int(self.has_tool), "nvidia-smi"),
        )
        return next(((number, by) for number, by in found if number), (0, ""))


def read_signs(
    variables: Mapping[str, str] | None = None,
    *,
    bus: Path = BUS,
    devices: Path = DEVICES,
    which: Callable[[str], str | None] = shutil.which,
) -> Signs:
    """Look at the environment and the machine. Starts no program, so it takes no time."""
    env = os.environ if variables is None else variables
    visible = env.get(VISIBLE)
    named = tuple(part.strip() for part in (visible or "").split(",") if part.strip())
    is_hidden = visible is not None and (not named or named[0] == "-1")
    if is_hidden or named == ("NoDevFiles",):  # Slurm's word for a job without GPUs
        named = ()
    of_slurm, by_slurm = _given_by_slurm(env)
    of_named = 1 if any(name.startswith("MIG-") for name in named) else len(named)  # CUDA shows one slice to a process
    return Signs(
        given=of_named if named else of_slurm,
        given_by=VISIBLE if named else by_slurm,
        named=named,
        hidden_by=f"{VISIBLE}={visible!r}" if is_hidden else None,
        buses=tuple(_gpus_on(bus)),
        devices=sum(1 for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)),
        has_tool=which("nvidia-smi") is not None,
        in_slurm="SLURM_JOB_ID" in env,
        is_bound=of_named == 1 and (of_slurm or 0) > 1,
    )


def _given_by_slurm(env: Mapping[str, str]) -> tuple[int | None, str]:
    on_node = env.get("SLURM_GPUS_ON_NODE", "")
    if on_node.isdecimal():
        return int(on_node), "SLURM_GPUS_ON_NODE"
    listed = env.get("SLURM_JOB_GPUS", "")
    return (_count(listed), "SLURM_JOB_GPUS") if listed else (None, "")


def _count(listed: str) -> int:
    """
    >>> _count("0,2-4")
    4
    """
    number = 0
    for part in listed.split(","):
        low, _, high = part.partition("-")
        number += int(high) - int(low) + 1 if low.isdecimal() and high.isdecimal() else 1
    return number


def _gpus_on(bus: Path) -> Iterator[str]:
    for device in sorted(bus.glob("*")):
        is_gpu = _word(device / "vendor") == NVIDIA and _word(device / "class").startswith(DISPLAY)
        if is_gpu and (device / "driver").resolve().name != _LENT:
            yield device.name.lower().partition(".")[0]


def _word(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip().lower()
    except (OSError, ValueError):
        return ""
