"""What joins GPUs, by data sheets: within a node, and between nodes.

`node_gb_s` is of a whole node each way: a ring's traffic over the node's edge is shared out among its network cards.
"""

from __future__ import annotations

from dataclasses import dataclass

from qaz_llm.errors import ConfigError


@dataclass(frozen=True)
class Network:
    """10⁹ bytes per second each way: of one GPU to others of its node, and of a node to other nodes."""

    name: str
    gpu_gb_s: float
    node_gb_s: float
    source: str


_NVLINK = "NVLink 4, 900 GB/s per GPU both ways together (NVIDIA H200 data sheet)"

NETWORKS = {
    "infiniband": Network("InfiniBand NDR", 450.0, 400.0, f"{_NVLINK}; 8 ConnectX-7 of 400 Gbit/s a node (NVIDIA DGX H200 data sheet)"),
    "ethernet-400": Network("Ethernet 400 Gbit/s", 450.0, 50.0, f"{_NVLINK}; one port of 400 Gbit/s a node"),
    "ethernet-100": Network("Ethernet 100 Gbit/s", 450.0, 12.5, f"{_NVLINK}; one port of 100 Gbit/s a node"),
}  # fmt: skip
"""Names for --network. What a program gets of them is less: `REACHED_FRAC`."""

REACHED_FRAC = 0.8
"""Share of the sheet's figure that large collectives reach; assumed. nccl-tests on nodes of 8 H100 show 360-480 GB/s of bus bandwidth."""

HOP_S = 3e-6
"""Of one step of a ring, beside its bytes; assumed."""


def find_network(name: str) -> Network:
    """Raises ConfigError for a name that the table has not."""
    if name not in NETWORKS:
        raise ConfigError(f"--network {name}: not in the table", hint=f"there are: {', '.join(NETWORKS)}")
    return NETWORKS[name]
