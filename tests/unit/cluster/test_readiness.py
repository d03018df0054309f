"""The verdict of `qaz doctor`, over machines that are described; and what is asked of the package's own metadata."""

from __future__ import annotations

import os
import shlex
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from qaz_llm import installed
from qaz_llm.cli.entry import app
from qaz_llm.cluster import readiness
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.facts import NodeFacts
from qaz_llm.cluster.readiness import GIB, Ability, Facts, Verdict, read_facts, verdict

CLONE = Path(__file__).parents[3]
LAPTOP = Facts(
    environment=Environment(cpus=8, memory_bytes=16 * GIB),
    clone=CLONE,
    source=CLONE,
    free_bytes=100 * GIB,
)
GPU = Environment(device="cuda", device_name="NVIDIA H200", gpu_memory_bytes=141 * GIB, cpus=16, memory_bytes=128 * GIB)


def ability(found: Verdict, name: str) -> Ability:
    return next(one for one in found.abilities if one.name == name)


def can(facts: Facts) -> list[str]:
    return [one.name for one in verdict(facts).abilities if one.can]


def test_a_laptop_runs_the_demo_and_small_models(tmp_path: Path) -> None:
    found = verdict(LAPTOP)
    assert can(LAPTOP) == ["demo", "cpu"] and found.is_ready
    assert found.to_type == ability(found, "demo").to_type
    assert "QAZ_CORPUS_DIR" in (ability(found, "cpu").to_type or "")
    named = ability(verdict(replace(LAPTOP, corpus=tmp_path)), "cpu")
    assert "QAZ_CORPUS_DIR" not in (named.to_type or "") and str(tmp_path) in named.because


def test_a_gpu_and_a_cluster_are_told_by_what_is_there() -> None:
    node = replace(LAPTOP, environment=GPU, has_slurm=True)
    assert can(node) == ["demo", "cpu", "gpu"]
    lacking = ability(verdict(node), "cluster")
    assert "site.env" in lacking.because and (lacking.to_type or "").startswith("cp ")
    assert can(replace(node, has_site=True)) == ["demo", "cpu", "gpu", "cluster"]


NODE = NodeFacts(
    "n", "n", expected_gpus=1, expected_by="nvidia-smi", has_driver=True, torch="2.13.0", torch_cuda="13.0"
)
SAYS = "nvidia-smi: NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver"
UNSEEN: dict[str, tuple[NodeFacts, str, str | None]] = {
    "a build for CPUs": (
        replace(NODE, torch="2.13.0+cpu", torch_cuda=None),
        "an NVIDIA driver is there, and torch sees no GPU: torch 2.13.0+cpu is built for CPUs",
        'pip uninstall --yes torch && pip install "torch==2.13.0"',
    ),
    "no nvidia-smi": (
        replace(NODE, torch="2.13.0+cpu", torch_cuda=None, driver_says="no nvidia-smi"),
        "an NVIDIA driver is there, and torch sees no GPU: torch 2.13.0+cpu is built for CPUs",
        'pip uninstall --yes torch && pip install "torch==2.13.0"',
    ),
    "no answer": (replace(NODE, driver_says=SAYS), f"the NVIDIA driver does not answer: {SAYS}", "nvidia-smi "),
    "no answer to a build for CPUs": (
        replace(NODE, driver_says=SAYS, torch="2.13.0+cpu", torch_cuda=None),
        f"the NVIDIA driver does not answer: {SAYS}; torch 2.13.0+cpu is built for CPUs",
        "nvidia-smi ",
    ),
    "hangs": (
        replace(NODE, hangs="nvidia-smi gave no answer for 20 s", driver_says="nvidia-smi gave no answer for 20 s"),
        "the NVIDIA driver does not answer: nvidia-smi gave no answer for 20 s",
        "nvidia-smi ",
    ),
    "no devices": (
        replace(NODE, driver_says="nvidia-smi: No devices were found"),
        "the NVIDIA driver sees no GPU: nvidia-smi: No devices were found",
        "nvidia-smi ",
    ),
    "too old": (
        replace(NODE, driver_cuda="12.8"),
        "an NVIDIA driver is there, and torch sees no GPU: the driver is older than torch's CUDA: it knows CUDA 12.8, torch was built with 13.0",
        None,
    ),
    "no driver": (replace(NODE, has_driver=False, expected_by="the PCI bus"), "no NVIDIA driver was found, though a GPU is there by the PCI bus", "qaz plan"),
}  # fmt: skip


@pytest.mark.parametrize("case", list(UNSEEN))
def test_why_torch_sees_no_gpu(case: str) -> None:
    """By what nvidia-smi writes. pip takes a build for CPUs as the release, so it goes first; without --no-deps the libraries of
    CUDA, which torch requires by name, come with the other one."""
    node, because, to_type = UNSEEN[case]
    found = ability(verdict(replace(LAPTOP, node=node)), "gpu")
    assert (found.can, found.because) == (False, because)
    assert found.to_type is None if to_type is None else (found.to_type or "").startswith(to_type)


def test_gpus_that_are_hidden_and_a_torch_that_is_broken_are_not_called_no_driver() -> None:
    hidden = ability(verdict(replace(LAPTOP, hidden_by="CUDA_VISIBLE_DEVICES=''")), "gpu")
    assert "hidden by CUDA_VISIBLE_DEVICES" in hidden.because and hidden.to_type == "unset CUDA_VISIBLE_DEVICES"
    broken = ability(verdict(replace(LAPTOP, environment=None, torch_problem="OSError: libcudart")), "gpu")
    assert "libcudart" in broken.because


def test_the_driver_is_asked_where_torch_sees_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{SAYS.partition(': ')[2].replace(chr(39), ' ')}'\nexit 9\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(readiness, "read_environment", lambda: LAPTOP.environment)
    found = ability(verdict(read_facts()), "gpu")
    assert found.because.startswith("the NVIDIA driver does not answer: nvidia-smi: NVIDIA-SMI has failed because")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "hidden by" in ability(verdict(read_facts()), "gpu").because


def test_packages_are_advised_by_how_this_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel's code lies in site-packages, where no pyproject.toml is above it; then `-e` would be of a folder that is none."""
    lacking = ("uvicorn>=0.30 (found 0.1)", "fastapi")
    assert installed.install_command(lacking, "serve", source=None) == 'pip install "uvicorn>=0.30" "fastapi"'
    assert installed.install_command(lacking, "serve", source=CLONE) == f'pip install -e "{CLONE}[serve]"'
    assert installed.source_tree() == CLONE
    code = tmp_path / "lib" / "python3.11" / "site-packages" / "qaz_llm" / "cluster" / "installed.py"
    monkeypatch.setattr(installed, "__file__", str(code))
    assert installed.source_tree() is None
    facts = replace(LAPTOP, clone=None, source=None, missing=("numba>=0.63", "fastapi"))
    assert verdict(facts).to_type == 'pip install "numba>=0.63" "fastapi"'
    doctored = replace(facts, missing=(), extras={"serve": lacking}, clone=CLONE)
    monkeypatch.setattr(readiness, "read_facts", lambda: doctored)
    shown = CliRunner().invoke(app, ["doctor"]).stdout
    assert 'if wanted: pip install "uvicorn>=0.30" "fastapi"' in shown and "pip install -e" not in shown


@pytest.mark.parametrize(
    ("changes", "because", "to_type"),
    [
        ({"missing": ("numba>=0.63",)}, "numba>=0.63", "make setup"),
        ({"environment": None, "torch_problem": "OSError: libcudart.so.12"}, "libcudart.so.12", "make setup"),
        ({"environment": Environment(memory_bytes=2 * GIB)}, "2.0 GiB of memory", None),
        ({"free_bytes": GIB // 2}, "0.5 GiB of disk", None),
        ({"is_writable": False}, "written", "cd "),
        ({"clone": None}, "configs", "cd "),
    ],
)
def test_what_stands_in_the_way_is_said(changes: dict[str, object], because: str, to_type: str | None) -> None:
    found = verdict(replace(LAPTOP, **changes))  # type: ignore[arg-type]
    demo = ability(found, "demo")
    assert not found.is_ready and because in demo.because and because in found.summary
    assert found.to_type == demo.to_type
    assert demo.to_type is None if to_type is None else (demo.to_type or "").startswith(to_type)
    assert not ability(found, "cpu").can


def test_memory_that_is_enough_for_the_demo_alone() -> None:
    assert can(replace(LAPTOP, environment=Environment(cpus=2, memory_bytes=4 * GIB))) == ["demo"]


def test_files_that_are_typed_are_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    node = replace(LAPTOP, environment=GPU, has_slurm=True, has_site=True)
    for folder in (CLONE, tmp_path):
        monkeypatch.chdir(folder)
        for facts in (LAPTOP, node, replace(node, has_site=False)):
            typed = [word for one in verdict(facts).abilities for word in shlex.split(one.to_type or "", comments=True)]
            named = [word for word in typed if word.endswith((".yaml", ".sh", ".example"))]
            assert named and all(Path(word).is_file() for word in named), named


def test_this_machine_is_read() -> None:
    facts = read_facts()
    assert facts.environment is not None and facts.missing == () and facts.clone == CLONE and facts.free_bytes > 0


def test_requirements_are_read_from_the_metadata(monkeypatch: pytest.MonkeyPatch) -> None:
    class Metadata:
        def get_all(self, name: str) -> list[str]:
            lines = [
                "pytest>=1",
                "pytest>=999",
                "no-such-thing>=2",
                'pytest>=998; extra == "watch"',
                'x>1; extra == "dev"',
            ]
            lines.append('no-such-thing; python_version < "3"')
            return lines if name == "Requires-Dist" else ["watch", "dev"]

    monkeypatch.setattr(installed, "metadata", lambda name: Metadata())
    found = f"(found {version('pytest')})"
    assert installed.missing_packages() == (f"pytest>=999 {found}", "no-such-thing>=2")
    assert installed.missing_extras() == {"watch": (f"pytest>=998 {found}",)}


@pytest.mark.parametrize(
    "error", [ImportError("No module named 'torch'"), OSError("libcublas.so.12: cannot open\nmore")]
)
def test_a_torch_that_cannot_be_imported_is_no_end_of_the_doctor(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> Environment:
        raise error

    monkeypatch.setattr(readiness, "read_environment", fail)
    facts = read_facts()
    found = verdict(facts)
    assert facts.environment is None and not found.is_ready and found.to_type == "make setup"
    assert str(error).split("\n")[0] in ability(found, "demo").because and "more" not in ability(found, "demo").because
    assert not ability(found, "gpu").can
