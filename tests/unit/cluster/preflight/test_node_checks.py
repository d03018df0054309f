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

GB = 10**9
GPUS = tuple(
    GpuFacts(n, f"GPU-{n}", "NVIDIA H200", f"0000:{n + 1:02x}:00", 141 * GB, GB // 2, 0, False, False) for n in range(8)
)
GOOD = NodeFacts(
    node="gpu07",
    host="gpu07",
    expected_gpus=8,
    visible_gpus=8,
    gpus=GPUS,
    gpu_processes=(GpuProcess("GPU-0", 11, "python", GB),),
    driver="570.86.15",
    driver_cuda="12.8",
    torch_cuda="12.6",
    xids=(XidEvent("0000:01:00", 31, 60.0), XidEvent("0000:01:00", 79, 90_000.0), XidEvent("0000:ff:00", 79, 60.0)),
    disks=(DiskFacts("run_dir", "/data/run", 10**12, None, True),),
    shm_free_bytes=100 * GB,
    clock_ahead_s=0.2,
    pids=(11, 12),
)
FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "hangs": ({"hangs": "nvidia-smi gave no answer for 20 s"}, "nvidia-smi gave no answer"),
    "lost": ({"visible_gpus": 7}, "7 GPUs seen, 8 expected"),
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
    "own disk": ({"disks": (DiskFacts("run_dir", "/d", 1, None, False),)}, "run_dir /d is another folder"),
    "shm": ({"shm_free_bytes": 64 << 20}, "0.07 GB free in /dev/shm, 0.25 asked for"),
    "clock": ({"clock_ahead_s": -42.0}, "its clock is 42.0 s behind"),
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
    node = replace(GOOD, clock_ahead_s=20.0, shm_free_bytes=GB, gpus=(replace(GPUS[0], used_bytes=9 * GB), *GPUS[1:]))
    assert len(check_node(node, PreflightConfig(shm_gb=2.0))) == 3
    assert check_node(node, PreflightConfig(clock_s=30.0, shm_gb=1.0, gpu_used_gb=9.0)) == []
    old = replace(GOOD, xids=(XidEvent("0000:01:00", 79, 90_000.0),))
    assert len(check_node(old, PreflightConfig(xid_hours=26.0))) == 1


def test_facts_pass_through_json() -> None:
    import json

    assert node_from_json(json.loads(json.dumps(to_json(GOOD)))) == GOOD
