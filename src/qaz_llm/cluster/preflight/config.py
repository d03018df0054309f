"""What is asked of every node before a training of several processes begins."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from qaz_llm.config import StrictModel

AtLeast0 = Annotated[float, Field(ge=0)]


class PreflightConfig(StrictModel):
    """What is asked of every node before a training of several processes begins. A run may be resumed with other values."""

    nodes: bool = True
    """Look at every node, and measure how fast its processes compute and talk, before anything is loaded; false: only at the folder of the run, and whether all processes train on the same kind of device."""
    wait_s: float = Field(default=300.0, gt=0)
    """All processes have to come within so many seconds of the first one, and answer within as many; those that do not are named."""
    gpu_used_gb: AtLeast0 = 2.0
    """A GPU on which others use more memory than this, in 10⁹ bytes, is not free."""
    xid_hours: AtLeast0 = 24.0
    """Errors of the hardware that a GPU reported within so many hours make its node a bad one."""
    shm_gb: AtLeast0 = 0.25
    """So much of /dev/shm, in 10⁹ bytes, has to be free: NCCL and loaders of data talk through it."""
    clock_s: float = Field(default=10.0, gt=0)
    """The clocks of two nodes may differ by so many seconds."""
    all_reduce_gb_s: AtLeast0 | None = None
    """Slowest all-reduce over all processes that is let pass, in 10⁹ bytes per second and process (bus bandwidth); null: by the device, 50 among GPUs with NVLink on one node, 2 among others, none on CPUs; 0: none."""
    pair_gb_s: AtLeast0 | None = None
    """Slowest connection between two processes of a node, or between two nodes, that is let pass, in 10⁹ bytes per second each way; null: as for `all_reduce_gb_s`; 0: none."""
    slow_frac: float | None = Field(default=None, ge=0, lt=1)
    """A process that computes, or a connection that carries, less than this share of the median is too slow; null: 0.5 on GPUs, none on CPUs, whose speed others take from them; 0: none."""
