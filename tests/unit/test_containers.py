"""The recipes take what a bundle has, refuse a damaged one, and say of themselves what was not tried."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
import tomllib
from pathlib import Path

import pytest

from qaz_llm.fetch.bundle import PROJECT, WHEELS
from qaz_llm.fetch.folder import MANIFEST, Manifest, stored, write_manifest

ROOT = Path(__file__).parents[2]
CONTAINERS = ROOT / "containers"
RECIPES = ("Containerfile", "qaz-llm.def")


def code_of(name: str) -> str:
    """A recipe without its comments, each command on one line."""
    lines = (line for line in (CONTAINERS / name).read_text().splitlines() if not line.lstrip().startswith("#"))
    return "\n".join(lines).replace("\\\n", "")


def test_what_is_copied_lies_in_a_bundle_or_in_the_project() -> None:
    copied = [line.split()[1:-1] for line in code_of("Containerfile").splitlines() if line.startswith("COPY ")]
    from_context = {name for names in copied for name in names if not names[0].startswith("--from")}
    assert from_context == {MANIFEST, PROJECT, WHEELS}
    files = code_of("qaz-llm.def").partition("%files\n")[2].partition("\n\n")[0].splitlines()
    assert {line.split()[0] for line in files} == {f"bundle/{name}" for name in from_context}
    for name in RECIPES:
        for path in re.findall(r"/opt/qaz-llm/([\w.]+)", code_of(name)):  # where project.tar is unpacked
            assert (ROOT / path).exists(), f"{name}: {path}"


def test_bases_and_extras_are_those_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = {f"Programming Language :: Python :: {version}" for version in ("3.11", "3.12")}
    assert told <= set(project["classifiers"])
    texts = [
        path.read_text() for path in (*CONTAINERS.iterdir(), ROOT / "docs/containers.md", ROOT / "docs/air-gap.md")
    ]
    bases = {version for text in texts for version in re.findall(r"\bpython:(\d\.\d+)", text)}
    assert bases and bases <= {"3.11", "3.12"}
    extras = {
        name
        for text in texts
        for names in re.findall(r"(?:EXTRAS=|--extra )([\w,]+)", text)
        for name in names.split(",")
    }
    assert extras and extras <= set(project["optional-dependencies"])


def test_no_recipe_reaches_for_the_network_and_the_untested_one_says_so() -> None:
    for name in RECIPES:
        code = code_of(name)
        assert not re.search(r"\b(apt-get|apk|curl|wget|git clone|conda)\b|https?://", code), name
        installs = [line for line in code.splitlines() if "pip install" in line]
        assert installs and all("--no-index" in line for line in installs), name
    assert "\nUSER qaz\n" in code_of("Containerfile")
    assert (CONTAINERS / "qaz-llm.def").read_text().startswith("# UNTESTED")


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("fault", ["none", "other byte", "missing", "no manifest", "manifest cut"])
def test_a_bundle_is_compared_before_anything_is_installed(name: str, fault: str, tmp_path: Path) -> None:
    """The recipe's own commands up to the unpacking, on a small bundle of ours."""
    bundle, opt = tmp_path / "bundle", tmp_path / "opt"
    (bundle / WHEELS).mkdir(parents=True)
    opt.mkdir()
    wheel = bundle / WHEELS / "tiny-1.0-py3-none-any.whl"
    wheel.write_bytes(b"a wheel")
    with tarfile.open(bundle / PROJECT, "w") as tar:
        tar.add(ROOT / "constraints.txt", "qaz-llm/constraints.txt")
    write_manifest(bundle, Manifest("https://hub", bundle=stored(bundle, [wheel, bundle / PROJECT])))
    if fault == "other byte":
        wheel.write_bytes(b"A wheel")
    elif fault == "missing":
        wheel.unlink()
    elif fault == "no manifest":
        (bundle / MANIFEST).unlink()
    elif fault == "manifest cut":
        (bundle / MANIFEST).write_text((bundle / MANIFEST).read_text()[:-40])
    (compares,) = re.findall(r"cd /bundle\b.*?-C /opt", code_of(name), re.DOTALL)
    command = compares.replace("/bundle", str(bundle)).replace("/opt", str(opt))
    shell = shutil.which("dash") or "sh"
    done = subprocess.run([shell, "-euc", command], capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == (fault == "none"), done.stderr
    assert (opt / "qaz-llm" / "constraints.txt").exists() == (fault == "none")
