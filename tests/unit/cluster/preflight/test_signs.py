"""A node asked after GPUs that torch does not see: a bus, a driver and a job made up, with what each says by itself."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from qaz_llm.cluster.asking import Answer
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight import gather
from qaz_llm.cluster.preflight.alone import look_at_this_node
from qaz_llm.cluster.preflight.checks import check_node
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import NodeFacts
from qaz_llm.cluster.preflight.gather import gather_facts
from qaz_llm.cluster.preflight.kernel_log import DMESG
from qaz_llm.cluster.preflight.nodes import Look
from qaz_llm.cluster.preflight.nvidia import CARDS, ERRORS, PROCESSES, ROWS
from qaz_llm.cluster.preflight.signs import Signs, read_signs

DEAD = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver."


def machine(tmp_path: Path, *, cards: int = 0, files: int = 0, lent: int = 0) -> tuple[Path, Path]:
    """A PCI bus with a network card, an NVIDIA switch, an Intel display and so many GPUs; a /dev with so many files."""
    bus, devices = tmp_path / "bus", tmp_path / "dev"
    (tmp_path / "vfio-pci").mkdir(parents=True)
    devices.mkdir()
    rows = [("0x15b3", "0x020700"), ("0x10de", "0x068000"), ("0x8086", "0x030000"), *[("0x10de", "0x030200")] * cards]
    for number, (vendor, kind) in enumerate(rows):
        device = bus / f"0000:{number:02X}:00.0"
        device.mkdir(parents=True)
        (device / "vendor").write_text(f"{vendor}\n")
        (device / "class").write_text(f"{kind}\n")
        if len(rows) - number <= lent:
            (device / "driver").symlink_to(tmp_path / "vfio-pci")
    for name in ("nvidiactl", "nvidia-uvm", *(f"nvidia{n}" for n in range(files))):
        (devices / name).touch()
    return bus, devices


def signs(tmp_path: Path, variables: Mapping[str, str] | None = None, *, tool: bool = False, **known: int) -> Signs:
    bus, devices = machine(tmp_path, **known)
    return read_signs(variables or {}, bus=bus, devices=devices, which=lambda name: name if tool else None)


def test_a_node_of_cpus_has_no_sign(tmp_path: Path) -> None:
    found = signs(tmp_path, {"SLURM_JOB_ID": "7", "CUDA_VISIBLE_DEVICES": "NoDevFiles", "SLURM_GPUS_ON_NODE": "0"})
    assert found.expected() == (0, "") and not found.has_driver and found.hidden_by is None


JOBS = {
    "Slurm's number": ({"SLURM_GPUS_ON_NODE": "8"}, (8, "SLURM_GPUS_ON_NODE")),
    "Slurm's list": ({"SLURM_JOB_GPUS": "0,2-4"}, (4, "SLURM_JOB_GPUS")),
    "a list": ({"CUDA_VISIBLE_DEVICES": "0, 3"}, (2, "CUDA_VISIBLE_DEVICES")),
    "a task's own": ({"CUDA_VISIBLE_DEVICES": "3", "SLURM_GPUS_ON_NODE": "8"}, (1, "CUDA_VISIBLE_DEVICES")),
    "slices": ({"CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}, (1, "CUDA_VISIBLE_DEVICES")),
}


@pytest.mark.parametrize("job", list(JOBS))
def test_a_job_says_what_it_was_given(tmp_path: Path, job: str) -> None:
    variables, expected = JOBS[job]
    assert signs(tmp_path, variables).expected() == expected


def test_the_machine_says_what_it_has(tmp_path: Path) -> None:
    assert signs(tmp_path / "bus", cards=4).expected() == (4, "the PCI bus")
    assert signs(tmp_path / "dev", cards=8, files=2).expected() == (2, "/dev/nvidia*")
    assert signs(tmp_path / "tool", tool=True).expected() == (1, "nvidia-smi")
    lent = signs(tmp_path / "lent", cards=4, lent=3)
    assert lent.buses == ("0000:03:00",)


@pytest.mark.parametrize("hidden", ["", "-1", "-1,0"])
def test_gpus_hidden_on_purpose_are_said_and_not_missed(tmp_path: Path, hidden: str) -> None:
    found = signs(tmp_path, {"CUDA_VISIBLE_DEVICES": hidden}, cards=8, tool=True)
    node = gather_facts(Environment(), {}, asks=never, signs=found)
    assert node.expected_gpus == 0 and f"GPUs: hidden by CUDA_VISIBLE_DEVICES={hidden!r}" in node.unread
    assert check_node(node, PreflightConfig()) == []


def never(command: Sequence[str]) -> Answer:
    raise AssertionError(f"asked: {command}")


def asked(answers: Mapping[tuple[str, ...], Answer], signs: Signs, monkeypatch: pytest.MonkeyPatch) -> NodeFacts:
    """A node whose torch is built for CUDA and sees no GPU."""
    monkeypatch.setattr(gather, "_torch_build", lambda: ("2.13.0", "12.6"))
    dead = Answer(None, f"nvidia-smi: {DEAD}")
    return gather_facts(Environment(), {}, asks=lambda command: answers.get(tuple(command), dead), signs=signs)


def test_a_dead_driver_is_found_by_whatever_says_that_there_are_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, known in {"bus": {"cards": 8}, "dev": {"files": 8}}.items():
        found = signs(tmp_path / name, tool=True, **known)
        node = asked({DMESG: Answer("")}, found, monkeypatch)
        (bad,) = check_node(node, PreflightConfig())
        assert (bad.kind, bad.cause) == ("bad", "")
        silent = f"the NVIDIA driver does not answer: nvidia-smi: {DEAD}"
        assert bad.what.startswith(f"expected 8 GPUs ({found.expected()[1]}), torch sees 0: {silent}")
        assert "device=cpu" in bad.hint


def test_a_dead_driver_s_node_is_asked_for_errors_and_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qaz_llm.cluster.preflight.kernel_log._uptime_s", lambda: 3700.0)
    answers = {
        CARDS: Answer("0, GPU-aa, NVIDIA H200, 00000000:0A:00.0, 570.86.15, 143771, 4\n"),
        ERRORS: Answer("GPU-aa, 3\n"),
        ROWS: Answer("GPU-aa, No, No\n"),
        PROCESSES: Answer("GPU-aa, 4711, vllm, 512\n"),
        DMESG: Answer("[  100.0] NVRM: Xid (PCI:0000:0a:00): 79, GPU has fallen off the bus.\n"),
    }
    node = asked(answers, signs(tmp_path, {"SLURM_GPUS_ON_NODE": "1"}, tool=True), monkeypatch)
    whats = "\n".join(found.what for found in check_node(node, PreflightConfig()))
    assert "expected 1 GPU (SLURM_GPUS_ON_NODE), torch sees 0: nvidia-smi shows 1, CUDA does not start" in whats
    assert "3 uncorrected ECC errors" in whats and "used by others: vllm (4711)" in whats
    assert "Xid 79 (GPU has fallen off the bus) 1.0 h ago" in whats


def test_a_run_that_is_told_to_keep_to_its_cpu_asks_no_driver(tmp_path: Path) -> None:
    found = signs(tmp_path, {"SLURM_GPUS_ON_NODE": "8"}, cards=8, tool=True)
    for device in ("cpu", "cuda"):
        node = gather_facts(Environment(device=device), {}, keeps_to_cpu=True, asks=never, signs=found)  # type: ignore[arg-type]
        assert check_node(node, PreflightConfig()) == [] and node.expected_gpus == 0


def test_a_node_alone_is_looked_at_by_its_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = signs(tmp_path, {"SLURM_JOB_ID": "7"}, cards=8)
    monkeypatch.setattr(gather, "read_signs", lambda: found)
    monkeypatch.setattr(gather, "_torch_build", lambda: ("2.13.0", "12.6"))
    _, findings = look_at_this_node(Environment(), Look(PreflightConfig(), {}, {}))
    (given,) = (one for one in findings if one.kind != "note")
    assert given.kind == "input" and "torch sees 0: no NVIDIA driver is to be seen" in given.what
    _, findings = look_at_this_node(Environment(), Look(PreflightConfig(), {}, {}, keeps_to_cpu=True))
    assert findings == []


def test_a_disk_of_the_node_s_own_is_told_from_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def disk(folder: Path, number: int) -> bool:
        def fail(path: Path, **known: object) -> None:
            raise OSError(number, os.strerror(number), str(path))

        monkeypatch.setattr(Path, "mkdir", fail)
        facts = gather_facts(Environment(), {"run_dir": folder}, signs=Signs())
        assert facts.disks[0].error is not None
        return facts.disks[0].is_of_node

    assert disk(Path("/tmp/x"), errno.ENOSPC) and disk(Path("/dev/shm/x"), errno.EROFS)
    assert not disk(Path("/tmp/x"), errno.EACCES) and not disk(Path("/data/x"), errno.ENOSPC)
