"""The verdict of `qaz doctor`, over machines that are described; and what is asked of the package's own metadata."""

from __future__ import annotations

import shlex
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import pytest

from qaz_llm.cluster import installed, readiness
from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.readiness import GIB, Ability, Facts, Verdict, read_facts, verdict

CLONE = Path(__file__).parents[3]
LAPTOP = Facts(
    environment=Environment(cpus=8, memory_bytes=16 * GIB),
    clone=CLONE,
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
    node = replace(LAPTOP, environment=GPU, has_driver=True, has_slurm=True)
    assert can(node) == ["demo", "cpu", "gpu"]
    lacking = ability(verdict(node), "cluster")
    assert "site.env" in lacking.because and (lacking.to_type or "").startswith("cp ")
    assert can(replace(node, has_site=True)) == ["demo", "cpu", "gpu", "cluster"]


def test_a_driver_that_torch_does_not_use_is_named_with_the_build() -> None:
    found = ability(verdict(replace(LAPTOP, has_driver=True)), "gpu")
    assert not found.can and version("torch") in found.because and "pip install" in (found.to_type or "")


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
