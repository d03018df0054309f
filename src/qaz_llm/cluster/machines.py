"""Machines that are not at hand, described: GPUs by name, or a site's own file.

    qaz plan CONFIG --gpu h200 --gpus 16 --nodes 2
    qaz plan CONFIG --site site.yaml

A site file holds `gpu` (a name of the table, or any name with `memory_gb` and `peak_tflops` beside it), `peak_fp32_tflops`,
`gpus`, `nodes`, `price_per_gpu_hour`, `currency` and `interconnect`; what is left out is as in the table, or not known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from qaz_llm.cluster.environment import Environment
from qaz_llm.config import StrictModel, load_config
from qaz_llm.errors import ConfigError


@dataclass(frozen=True)
class Gpu:
    """`memory_bytes` as sold (10⁹), `peak_flops`: dense bf16 with float32 sums, by the maker's data sheet `source`.

    `fp32_flops`: float32 outside tensor cores, of the same sheet, there without "with sparsity". TF32 is faster, and trainings
    here do not use it: torch multiplies float32 as float32 unless it is told otherwise.
    `names`: what drivers call it, whole, without the maker; forms of one card that differ in speed are cards of their own.
    """

    name: str
    memory_bytes: int
    peak_flops: float
    fp32_flops: float
    source: str
    names: tuple[str, ...]


GB = 10**9
GPUS = {
    "b200": Gpu("NVIDIA B200", 180 * GB, 2250e12, 75e12, "NVIDIA HGX data sheet, B200: 4,500 with sparsity", ("B200",)),
    "h200": Gpu("NVIDIA H200", 141 * GB, 989e12, 67e12, "NVIDIA H200 data sheet, SXM: 1,979 with sparsity", ("H200",)),
    "h200-nvl": Gpu("NVIDIA H200 NVL", 141 * GB, 835.5e12, 60e12, "NVIDIA H200 data sheet, NVL: 1,671 with sparsity", ("H200 NVL",)),
    "h100": Gpu("NVIDIA H100", 80 * GB, 989e12, 67e12, "NVIDIA H100 data sheet, SXM: 1,979 with sparsity", ("H100 80GB HBM3",)),
    "h100-pcie": Gpu("NVIDIA H100 PCIe", 80 * GB, 756e12, 51e12, "NVIDIA H100 data sheet, PCIe: 1,513 with sparsity", ("H100 PCIe",)),
    "h100-nvl": Gpu("NVIDIA H100 NVL", 94 * GB, 835.5e12, 60e12, "NVIDIA H100 data sheet, NVL: 1,671 with sparsity", ("H100 NVL",)),
    "gh200": Gpu("NVIDIA GH200", 96 * GB, 990e12, 67e12, "NVIDIA GH200 data sheet, HBM3: 990 (1,979 with sparsity)", ("GH200 480GB",)),
    "a100-80": Gpu("NVIDIA A100 80GB", 80 * GB, 312e12, 19.5e12, "NVIDIA A100 data sheet: 312 (624 with sparsity)", ("A100-SXM4-80GB", "A100-SXM-80GB", "A100 80GB PCIe")),
    "a100-40": Gpu("NVIDIA A100 40GB", 40 * GB, 312e12, 19.5e12, "NVIDIA A100 data sheet: 312 (624 with sparsity)", ("A100-SXM4-40GB", "A100-PCIE-40GB")),
    "a30": Gpu("NVIDIA A30", 24 * GB, 165e12, 10.3e12, "NVIDIA A30 data sheet: 165 (330 with sparsity)", ("A30",)),
    "a40": Gpu("NVIDIA A40", 48 * GB, 149.7e12, 37.4e12, "NVIDIA A40 data sheet: 149.7 (299.4 with sparsity)", ("A40",)),
    "a10": Gpu("NVIDIA A10", 24 * GB, 125e12, 31.2e12, "NVIDIA A10 data sheet: 125 (250 with sparsity)", ("A10",)),
    "a6000": Gpu("NVIDIA RTX A6000", 48 * GB, 154.8e12, 38.7e12, "NVIDIA GA102 whitepaper, appendix A: 154.8", ("RTX A6000",)),
    "l40s": Gpu("NVIDIA L40S", 48 * GB, 362e12, 91.6e12, "NVIDIA L40S data sheet: 362.05 (733 with sparsity)", ("L40S",)),
    "l40": Gpu("NVIDIA L40", 48 * GB, 181e12, 90.5e12, "NVIDIA L40 data sheet: 181.05 (362.1 with sparsity)", ("L40",)),
    "l4": Gpu("NVIDIA L4", 24 * GB, 121e12, 30.3e12, "NVIDIA L4 data sheet: 242 with sparsity", ("L4",)),
    "5090": Gpu("NVIDIA GeForce RTX 5090", 32 * GB, 209.5e12, 104.8e12, "NVIDIA RTX Blackwell whitepaper, appendix A: 209.5", ("GeForce RTX 5090",)),
    "4090": Gpu("NVIDIA GeForce RTX 4090", 24 * GB, 165.2e12, 82.6e12, "NVIDIA Ada whitepaper, appendix A: 165.2", ("GeForce RTX 4090",)),
    "3090": Gpu("NVIDIA GeForce RTX 3090", 24 * GB, 71e12, 35.6e12, "NVIDIA GA102 whitepaper, appendix A: 71", ("GeForce RTX 3090",)),
}  # fmt: skip
"""Names for --gpu."""

_MAKERS = ("nvidia", "tesla")
"""Words before a name that tell no card from another; older drivers leave the first out."""


class SiteConfig(StrictModel):
    """A machine and its price, as `--site FILE` reads it."""

    gpu: str
    """A name of the table, or any other with `memory_gb` and `peak_tflops`."""
    gpus: int = Field(default=1, gt=0)
    """GPUs in all; --gpus wins."""
    nodes: int = Field(default=1, gt=0)
    """Nodes that they stand in; --nodes wins."""
    memory_gb: float | None = Field(default=None, gt=0)
    """Memory of one GPU in 10⁹ bytes; null: the table's."""
    peak_tflops: float | None = Field(default=None, gt=0)
    """Dense bf16 peak of one GPU in 10¹² FLOP/s; null: the table's."""
    peak_fp32_tflops: float | None = Field(default=None, gt=0)
    """Its float32 peak without TF32, for runs with precision fp32; null: the table's."""
    price_per_gpu_hour: float | None = Field(default=None, ge=0)
    """What one GPU costs for an hour; null: no cost is given."""
    currency: str = "USD"
    """Of the price."""
    interconnect: str | None = None
    """What joins the nodes; shown with the plan, which reckons no time for it."""


@dataclass(frozen=True)
class Machine:
    """A described machine: the environment of one of its processes, one a GPU, and what an hour of it costs."""

    environment: Environment
    peak_flops: float
    source: str
    fp32_flops: float | None = None
    price_per_gpu_hour: float | None = None
    currency: str = "USD"
    interconnect: str | None = None

    def peak_of(self, precision: str) -> float:
        """FLOP/s of one GPU in `bf16` or `fp32`. Raises ConfigError where the latter is not known."""
        if precision != "fp32":
            return self.peak_flops
        if self.fp32_flops is None:
            raise ConfigError(
                f"precision fp32, and the float32 peak of {self.environment.device_name} is not known",
                hint="give peak_fp32_tflops in the site file, or precision=bf16",
            )
        return self.fp32_flops

    @property
    def price_per_hour(self) -> float | None:
        """Of all GPUs."""
        return None if self.price_per_gpu_hour is None else self.price_per_gpu_hour * self.environment.world_size


def peak_flops(device_name: str, precision: str = "bf16") -> float | None:
    """A device's dense peak in FLOP/s by its whole name, None where the table has no card of that name.

    `precision`: of the products, bf16 or fp32.

    Words are compared, in whatever order and case: `A100 80GB PCIe` is `A100-PCIE-80GB`. One word more is another thing: a
    laptop's GPU, an export version, a slice (`MIG 1g.10gb`) or a virtual one has not the card's peak.

    >>> peak_flops("NVIDIA H200"), peak_flops("NVIDIA H200", "fp32"), peak_flops("NVIDIA H200 MIG 1g.18gb")
    (989000000000000.0, 67000000000000.0, None)
    """
    gpu = _CARDS.get(_words(device_name))
    return None if gpu is None else gpu.fp32_flops if precision == "fp32" else gpu.peak_flops


def has_nvlink(device_name: str) -> bool:
    """Whether NVLink joins it to all others of its node: the boards with an NVSwitch, by their whole names. PCIe and NVL cards
    are joined in pairs or fours, or not at all."""
    return _words(device_name) in _LINKED


def _words(name: str) -> frozenset[str]:
    return frozenset(word for word in re.split(r"[\s\-_]+", name.lower().strip()) if word not in _MAKERS)


_CARDS = {_words(name): gpu for gpu in GPUS.values() for name in gpu.names}
_LINKED = {
    _words(name) for name in ("B200", "H200", "H100 80GB HBM3", "A100-SXM4-80GB", "A100-SXM-80GB", "A100-SXM4-40GB")
}


def describe_gpus(gpu: str, *, gpus: int = 1, nodes: int = 1) -> Machine:
    """A machine of GPUs of the table. Raises ConfigError for a name that it has not, and where nodes do not divide gpus."""
    return _machine(SiteConfig(gpu=gpu, gpus=gpus, nodes=nodes))


def read_site(path: Path, *, gpus: int | None = None, nodes: int | None = None) -> Machine:
    """A machine by a site file. Raises ConfigError where the file is none, or does not say what its GPU is."""
    given = {key: value for key, value in (("gpus", gpus), ("nodes", nodes)) if value is not None}
    return _machine(load_config(SiteConfig, path).model_copy(update=given))


def _machine(site: SiteConfig) -> Machine:
    known = GPUS.get(site.gpu.lower())
    if known is None and (site.memory_gb is None or site.peak_tflops is None):
        raise ConfigError(
            f"gpu {site.gpu}: not in the table, which has {', '.join(GPUS)}",
            hint="take one of these, or write a site file with gpu, memory_gb and peak_tflops and give it as --site FILE",
        )
    if site.gpus < 1 or site.nodes < 1 or site.gpus % site.nodes:
        raise ConfigError(
            f"{site.gpus} GPUs on {site.nodes} nodes: every node needs as many, --gpus is their number in all",
            hint=f"for 8 on each node: --gpus {8 * max(site.nodes, 1)} --nodes {max(site.nodes, 1)}",
        )
    memory = known.memory_bytes if site.memory_gb is None and known else int((site.memory_gb or 0) * 1e9)
    peak = known.peak_flops if site.peak_tflops is None and known else (site.peak_tflops or 0) * 1e12
    fp32 = known.fp32_flops if site.peak_fp32_tflops is None and known else (site.peak_fp32_tflops or 0) * 1e12 or None
    environment = Environment(
        world_size=site.gpus,
        local_world_size=site.gpus // site.nodes,
        launcher="alone" if site.gpus == 1 else "slurm",
        device="cuda",
        device_name=known.name if known else site.gpu,
        gpu_memory_bytes=memory,
        host="a machine described, not seen",
    )
    source = known.source if known and site.peak_tflops is None else "the site file"
    return Machine(environment, peak, source, fp32, site.price_per_gpu_hour, site.currency, site.interconnect)
