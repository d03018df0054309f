"""Described machines: the table, site files, and what is refused."""

from pathlib import Path

import pytest

from qaz_llm.cluster.machines import GPUS, describe_gpus, peak_flops, read_site
from qaz_llm.errors import ConfigError


def test_names_of_the_table_with_published_numbers() -> None:
    """NVIDIA's data sheets: H200 141 GB, 1,979 TFLOP/s with sparsity; A100 312 dense; L40S 48 GB, 362."""
    machine = describe_gpus("h200", gpus=16, nodes=2)
    environment = machine.environment
    assert (environment.world_size, environment.local_world_size, environment.num_nodes) == (16, 8, 2)
    assert environment.gpu_memory_bytes == 141 * 10**9 and machine.peak_flops == pytest.approx(1979e12 / 2, rel=1e-3)
    assert describe_gpus("a100-40").peak_flops == 312e12 and describe_gpus("L40S").environment.gpu_memory_bytes == 48e9


CARDS = {
    "NVIDIA B200": 2250e12,
    "NVIDIA H200": 989e12,
    "NVIDIA H200 NVL": 835.5e12,
    "NVIDIA H100 80GB HBM3": 989e12,
    "NVIDIA H100 PCIe": 756e12,
    "NVIDIA H100 NVL": 835.5e12,
    "NVIDIA GH200 480GB": 990e12,
    "NVIDIA A100-SXM4-80GB": 312e12,
    "NVIDIA A100-SXM4-40GB": 312e12,
    "A100-SXM4-40GB": 312e12,
    "NVIDIA A100-PCIE-40GB": 312e12,
    "NVIDIA A100 80GB PCIe": 312e12,
    "NVIDIA A100-PCIE-80GB": 312e12,
    "NVIDIA A30": 165e12,
    "NVIDIA A40": 149.7e12,
    "NVIDIA A10": 125e12,
    "NVIDIA RTX A6000": 154.8e12,
    "NVIDIA L40S": 362e12,
    "NVIDIA L40": 181e12,
    "NVIDIA L4": 121e12,
    "NVIDIA GeForce RTX 5090": 209.5e12,
    "NVIDIA GeForce RTX 4090": 165.2e12,
    "NVIDIA GeForce RTX 3090": 71e12,
}
"""As `nvidia-smi -L` writes them, with the dense bf16 figures of the makers' sheets."""

OTHERS = """NVIDIA A10G|NVIDIA A100X|NVIDIA A800-SXM4-80GB|NVIDIA A100-SXM-64GB|NVIDIA A16|NVIDIA A2|NVIDIA RTX A1000
NVIDIA RTX A1000 Laptop GPU|NVIDIA RTX A2000 12GB|NVIDIA RTX A4000|NVIDIA RTX A5000|NVIDIA RTX A6000 Laptop GPU
NVIDIA H100|NVIDIA H800|NVIDIA H20|NVIDIA H100 PCIe MIG 1g.10gb|NVIDIA H200 MIG 1g.18gb|NVIDIA A100-SXM4-80GB MIG 1g.10gb
NVIDIA A100-SXM4-40GB MIG 3g.20gb|NVIDIA A10-24Q|NVIDIA A100-40C|GRID A100D-20C|NVIDIA L40S-48Q|NVIDIA L20|NVIDIA L2
NVIDIA GeForce RTX 4090 Laptop GPU|NVIDIA GeForce RTX 4090 D|NVIDIA GeForce RTX 3090 Ti|NVIDIA GeForce RTX 5090 D
NVIDIA GeForce RTX 5090 Laptop GPU|NVIDIA GeForce RTX 3080|Tesla V100-SXM2-32GB|Tesla T4|Tesla P100-PCIE-16GB
NVIDIA RTX 6000 Ada Generation|NVIDIA GB200|NVIDIA B300 SXM6 AC|NVIDIA Graphics Device|AMD Instinct MI300X|abacus|"""
"""Names that hold a name of the table, or share words with one, and are other cards; and cards without a sheet's figure."""


@pytest.mark.parametrize("name", list(CARDS))
def test_the_driver_s_names(name: str) -> None:
    assert peak_flops(name) == CARDS[name]


@pytest.mark.parametrize("name", [name for line in OTHERS.splitlines() for name in line.split("|")])
def test_a_name_that_is_another_card_s_has_no_peak(name: str) -> None:
    assert peak_flops(name) is None


CORES_AND_CLOCKS = {
    "b200": (18944, 1965), "h200": (16896, 1980), "h200-nvl": (16896, 1785), "h100": (16896, 1980), "h100-pcie": (14592, 1755),
    "h100-nvl": (16896, 1785), "gh200": (16896, 1980), "a100-80": (6912, 1410), "a100-40": (6912, 1410), "a30": (3584, 1440),
    "a40": (10752, 1740), "a10": (9216, 1695), "a6000": (10752, 1800), "l40s": (18176, 2520), "l40": (18176, 2490),
    "l4": (7424, 2040), "5090": (21760, 2407), "4090": (16384, 2520), "3090": (10496, 1695),
}  # fmt: skip
"""FP32 cores and boost clock in MHz by the makers' white papers."""


@pytest.mark.parametrize("name", list(GPUS))
def test_float32_by_cores_and_clock(name: str) -> None:
    """A core multiplies and adds once a cycle; the sheets round."""
    cores, mhz = CORES_AND_CLOCKS[name]
    assert GPUS[name].fp32_flops == pytest.approx(2 * cores * mhz * 1e6, rel=0.012)
    assert peak_flops(GPUS[name].names[0], "fp32") == GPUS[name].fp32_flops


def test_no_two_cards_of_the_table_share_a_name() -> None:
    assert len({peak_flops(name) for name in ("NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H100 80GB HBM3")}) == 3
    names = [name.lower() for gpu in GPUS.values() for name in gpu.names]
    assert len(names) == len(set(names)) and all(peak_flops(name) is not None for name in names)


def test_a_site_file(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("gpu: own\nmemory_gb: 96\npeak_tflops: 500\ngpus: 4\nprice_per_gpu_hour: 2.5\ncurrency: KZT\n")
    machine = read_site(site)
    assert machine.environment.gpu_memory_bytes == 96 * 10**9 and machine.peak_flops == 5e14
    assert machine.price_per_hour == 10.0 and machine.currency == "KZT"
    assert read_site(site, gpus=8, nodes=2).price_per_hour == 20.0


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gpu abacus: not in the table, which has b200, h200"):
        describe_gpus("abacus")
    with pytest.raises(ConfigError, match="15 GPUs on 2 nodes: every node needs as many"):
        describe_gpus("h200", gpus=15, nodes=2)
    site = tmp_path / "site.yaml"
    site.write_text("gpu: own\nmemory_gb: 96\n")
    with pytest.raises(ConfigError, match="gpu own: not in the table"):
        read_site(site)
