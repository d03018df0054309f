"""Each check with a node that was never there: a good one is let pass, one fault is found and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from qaz_llm.cluster.preflight.checks import CHECKS, check_node
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import (
    DiskFacts,
    GpuFacts,
    GpuProcess,
    NodeFacts,
    XidEvent,
    node_from_json,
    to_json,
)
from qaz_llm.cluster.preflight.fault import settle

GB = 10**9
GPUS = tuple(
    GpuFacts(n, f"GPU-{n}", "NVIDIA H200", f"0000:{n + 1:02x}:00", 141 * GB, GB // 2, 0, False, False) for n in range(8)
)
GOOD = NodeFacts(
    node="gpu07",
    host="gpu07",
    expected_gpus=8,
    visible_gpus=8,
    processes=8,
    has_driver=True,
    gpus=GPUS,
    gpu_processes=(GpuProcess("GPU-0", 11, "python", GB),),
    driver="570.86.15",
    driver_cuda="12.8",
    torch_cuda="12.6",
    xids=(XidEvent("0000:01:00", 31, 60.0), XidEvent("0000:01:00", 79, 90_000.0), XidEvent("0000:ff:00", 79, 60.0)),
    disks=(DiskFacts("run_dir", "/data/run", 10**12, None, True),),
    shm_free_bytes=100 * GB,
    shm_bytes=200 * GB,
    clock_ahead_s=0.2,
    pids=(11, 12),
)
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "hangs": ({"hangs": "nvidia-smi gave no answer for 20 s"}, "nvidia-smi gave no answer"),
    "lost": ({"visible_gpus": 7}, "7 GPUs seen, 8 expected"),
    "dead": (
        {"visible_gpus": 0, "driver_says": "nvidia-smi: NVML"},
        "expected 8 GPUs, torch sees 0: the NVIDIA driver does not answer: nvidia-smi: NVML",
    ),
    "kinds": (
        {"gpus": (*GPUS[:7], replace(GPUS[7], name="NVIDIA H100"))},
        "GPUs of several kinds: NVIDIA H100, NVIDIA H200",
    ),
    "used": ({"gpu_processes": (GpuProcess("GPU-3", 99, "vllm"),)}, "GPU 3 is used by others: vllm (99)"),
    "hidden": ({"gpus": (replace(GPUS[0], used_bytes=70 * GB), *GPUS[1:])}, "GPU 0: 69.0 GB in use by nobody"),
    "driver": ({"driver_cuda": "11.8"}, "driver 570.86.15 knows CUDA 11.8, torch was built with 12.6"),
    "ecc": ({"gpus": (*GPUS[:7], replace(GPUS[7], uncorrected_errors=2))}, "GPU 7: 2 uncorrected ECC errors"),
    "remap": ({"gpus": (replace(GPUS[0], remap_failed=True), *GPUS[1:])}, "GPU 0: a damaged row of memory could not"),
    "reset": ({"gpus": (replace(GPUS[0], reset_needed=True), *GPUS[1:])}, "GPU 0: a damaged row of memory waits"),
    "xid": ({"xids": (XidEvent("0000:02:00", 79, 7200.0),)}, "GPU 1: Xid 79 (GPU has fallen off the bus) 2.0 h ago"),
    "read-only": ({"disks": (DiskFacts("run_dir", "/d", error="read-only"),)}, "run_dir /d: read-only"),
    "shm": ({"shm_free_bytes": 64 << 20}, "0.07 GB free in /dev/shm, 0.25 asked for"),
}


def test_a_good_node_is_let_pass() -> None:
    """With an error of a program, an old one of the hardware, one of a GPU that is not ours, and our own process on a GPU."""
    assert check_node(GOOD, PreflightConfig()) == []


@pytest.mark.parametrize("fault", list(FAULTS))
def test_one_fault_is_found_and_no_other(fault: str) -> None:
    changed, expected = FAULTS[fault]
    (found,) = check_node(replace(GOOD, **changed), PreflightConfig())
    assert (found.kind, found.node) == ("bad", "gpu07")
    assert found.what.startswith(expected), found.what


def test_every_check_has_a_fault() -> None:
    """A check that nothing above sets off would be a check that cannot fail."""
    found = {
        check.__name__
        for check in CHECKS
        for changed, _ in FAULTS.values()
        if list(check(replace(GOOD, **changed), PreflightConfig()))
    }
    assert found == {check.__name__ for check in CHECKS}


def test_what_the_driver_does_not_tell_is_not_found_bad() -> None:
    silent = tuple(GpuFacts(n, f"GPU-{n}", "NVIDIA H200", "") for n in range(8))
    node = replace(
        GOOD, gpus=silent, gpu_processes=(), driver_cuda=None, shm_free_bytes=None, unread=("ECC errors: …",)
    )
    assert check_node(node, PreflightConfig()) == []


def test_limits_are_the_config_s() -> None:
    node = replace(GOOD, shm_free_bytes=GB, gpus=(replace(GPUS[0], used_bytes=9 * GB), *GPUS[1:]))
    assert len(check_node(node, PreflightConfig(shm_gb=2.0))) == 2
    assert check_node(node, PreflightConfig(shm_gb=1.0, gpu_used_gb=9.0)) == []
    old = replace(GOOD, xids=(XidEvent("0000:01:00", 79, 90_000.0),))
    assert len(check_node(old, PreflightConfig(xid_hours=26.0))) == 1


UNSEEN = replace(GOOD, visible_gpus=0, in_slurm=True, is_given=True)
WHOSE: dict[str, tuple[NodeFacts, bool]] = {
    "dead driver": (UNSEEN, True),
    "torch for CPUs": (replace(UNSEEN, torch_cuda=None, torch="2.13.0+cpu"), False),
    "no driver in the container": (replace(UNSEEN, has_driver=False), False),
    "none given by Slurm": (replace(UNSEEN, is_given=False), False),
    "old driver": (replace(GOOD, driver_cuda="11.8"), False),
    "old driver, nothing seen": (replace(UNSEEN, driver_cuda="11.8"), False),
    "GPU lost": (replace(GOOD, visible_gpus=7, machine_gpus=8), True),
    "GPU of the job lost": (replace(GOOD, visible_gpus=7, expected_by="SLURM_GPUS_ON_NODE", in_slurm=True), True),
    "too many processes": (replace(GOOD, visible_gpus=4, expected_gpus=4, machine_gpus=4), False),
    "too many processes, machine not known": (replace(GOOD, visible_gpus=4, expected_gpus=4), False),
    "a GPU named that is not there": (replace(GOOD, visible_gpus=7, expected_by="CUDA_VISIBLE_DEVICES"), False),
    "/dev/shm full": (replace(GOOD, shm_free_bytes=0), True),
    "/dev/shm made small": (replace(GOOD, shm_free_bytes=64 << 20, shm_bytes=64 << 20), False),
    "folder": (replace(GOOD, disks=(DiskFacts("run_dir", "/d", error="permission denied"),)), False),
    "/tmp full": (replace(GOOD, disks=(DiskFacts("run_dir", "/tmp/d", error="full", is_of_node=True),)), True),
}


@pytest.mark.parametrize("number", [1, 2, 5])
@pytest.mark.parametrize("what", list(WHOSE))
def test_what_every_node_has_is_a_node_s_fault_only_where_another_node_may_do(what: str, number: int) -> None:
    node, is_nodes = WHOSE[what]
    nodes = [replace(node, node=f"n{n}") for n in range(number)]
    found = settle([f for one in nodes for f in check_node(one, PreflightConfig())], [one.node for one in nodes])
    assert found and {f.kind for f in found} == {"bad" if is_nodes else "input"}
    assert len(found) == number if is_nodes else all(f.node is None and f.hint for f in found)


@pytest.mark.parametrize("what", list(WHOSE))
def test_what_one_of_two_nodes_has_is_its_fault(what: str) -> None:
    found = settle(check_node(replace(WHOSE[what][0], node="n1"), PreflightConfig()), ["n0", "n1"])
    assert found and {(f.kind, f.node) for f in found} == {("bad", "n1")}


def test_xids_count_by_the_bus_where_the_driver_names_no_gpu() -> None:
    event = XidEvent("0000:02:00", 79, 7200.0)
    node = replace(UNSEEN, gpus=(), gpu_buses=("0000:02:00",), xids=(event, XidEvent("0000:ff:00", 79, 1.0)))
    whats = [found.what for found in check_node(node, PreflightConfig())]
    assert whats[1:] == ["GPU at 0000:02:00: Xid 79 (GPU has fallen off the bus) 2.0 h ago"]


def test_facts_pass_through_json() -> None:
    import json

    assert node_from_json(json.loads(json.dumps(to_json(GOOD)))) == GOOD
