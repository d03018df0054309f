"""Described machines: the table, site files, and what is refused."""

from pathlib import Path

import pytest

from qaz_llm.cluster.machines import describe_gpus, peak_flops, read_site
from qaz_llm.errors import ConfigError


def test_names_of_the_table_with_published_numbers() -> None:
    """NVIDIA's data sheets: H200 141 GB, 1,979 TFLOP/s with sparsity; A100 312 dense; L40S 48 GB, 362."""
    machine = describe_gpus("h200", gpus=16, nodes=2)
    environment = machine.environment
    assert (environment.world_size, environment.local_world_size, environment.num_nodes) == (16, 8, 2)
    assert environment.gpu_memory_bytes == 141 * 10**9 and machine.peak_flops == pytest.approx(1979e12 / 2, rel=1e-3)
    assert describe_gpus("a100-40").peak_flops == 312e12 and describe_gpus("L40S").environment.gpu_memory_bytes == 48e9


@pytest.mark.parametrize(
    ("name", "peak"),
    [("NVIDIA H200", 989e12), ("NVIDIA A100-SXM4-80GB", 312e12), ("NVIDIA A10", 125e12), ("abacus", None)],
)
def test_the_driver_s_names(name: str, peak: float | None) -> None:
    assert peak_flops(name) == peak


def test_a_site_file(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    site.write_text("gpu: own\nmemory_gb: 96\npeak_tflops: 500\ngpus: 4\nprice_per_gpu_hour: 2.5\ncurrency: KZT\n")
    machine = read_site(site)
    assert machine.environment.gpu_memory_bytes == 96 * 10**9 and machine.peak_flops == 5e14
    assert machine.price_per_hour == 10.0 and machine.currency == "KZT"
    assert read_site(site, gpus=8, nodes=2).price_per_hour == 20.0


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gpu abacus: not in the table, which has h200"):
        describe_gpus("abacus")
    with pytest.raises(ConfigError, match="15 GPUs on 2 nodes: every node needs as many"):
        describe_gpus("h200", gpus=15, nodes=2)
    site = tmp_path / "site.yaml"
    site.write_text("gpu: own\nmemory_gb: 96\n")
    with pytest.raises(ConfigError, match="gpu own: not in the table"):
        read_site(site)
