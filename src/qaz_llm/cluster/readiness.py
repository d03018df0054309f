"""What this machine can do, what it lacks, and what to type: the verdict of `qaz doctor`.

    demo       the whole way on embedded text            memory, disk, packages, the configs of a clone
    cpu        a small model on real text                that, more memory, and text to train on
    gpu        the same on a GPU                         a GPU that torch sees
    cluster    jobs by sbatch                            Slurm, and slurm/site.env

`read_facts` looks at the machine; `verdict` is arithmetic over what it found, the same for a machine that is described.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from qaz_llm.cluster.environment import Environment, read_environment
from qaz_llm.cluster.preflight.facts import NodeFacts
from qaz_llm.cluster.preflight.gather import gather_facts
from qaz_llm.cluster.preflight.signs import VISIBLE, Signs, read_signs
from qaz_llm.cluster.preflight.unseen import driver_silence, torch_with_cuda, why_unseen
from qaz_llm.errors import ConfigError
from qaz_llm.installed import install_command, missing_extras, missing_packages, source_tree
from qaz_llm.io.paths import CORPUS_DIR_VARIABLE

GIB = 2**30
DEMO_MEMORY_BYTES = 3 * GIB
"""The demo's processes took 1.2 GiB; the rest is for the machine beside them."""
DEMO_DISK_BYTES = 1 * GIB
"""A run of the demo leaves 0.1 GiB; what is cached and compiled comes beside it."""
CPU_MEMORY_BYTES = 8 * GIB
"""SmolLM2-135M with its states in float32 is some 2.2 GiB, a corpus build and the activations come beside it."""
CPU_DISK_BYTES = 10 * GIB
SITE = Path("slurm/site.env")


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found. `environment` is None where torch cannot be imported, and `torch_problem` says why."""

    environment: Environment | None
    torch_problem: str = ""
    missing: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    clone: Path | None = None
    """The folder with configs/ and slurm/: the current one, or that of an installation that can be edited."""
    is_writable: bool = True
    free_bytes: int = 0
    corpus: Path | None = None
    source: Path | None = None
    """The checkout that is installed here, as `installed.source_tree` finds it; None of a wheel."""
    node: NodeFacts | None = None
    """What driver and kernel say of GPUs that torch does not see; None where it sees them, or nothing says that there are any."""
    hidden_by: str | None = None
    """What hides GPUs from torch on purpose."""
    has_slurm: bool = False
    has_site: bool = False


@dataclass(frozen=True, slots=True)
class Ability:
    """One thing this machine can do, or why it cannot; `to_type` begins it, or brings what is missing. None: nothing helps here."""

    name: str
    what: str
    can: bool
    because: str
    to_type: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """All of it; `to_type` is what to do first, None where only another machine helps."""

    abilities: tuple[Ability, ...]
    summary: str
    to_type: str | None

    @property
    def is_ready(self) -> bool:
        """Whether at least the demo can be run as this machine stands."""
        return self.abilities[0].can


def read_facts() -> Facts:
    """Look at this machine: no network is asked, nothing is written."""
    problem, environment = "", None
    try:
        environment = read_environment()
    except (ImportError, OSError) as error:  # a library of torch that is not there is an OSError
        problem = f"{type(error).__name__}: {str(error).partition(chr(10))[0][:200]}"
    except ConfigError as error:
        problem = error.message
    here = Path.cwd()
    corpus = os.environ.get(CORPUS_DIR_VARIABLE)
    clone = _clone(here)
    signs = read_signs()
    return Facts(
        environment=environment,
        torch_problem=problem,
        missing=missing_packages(),
        extras=missing_extras(),
        clone=clone,
        is_writable=os.access(here, os.W_OK),
        free_bytes=shutil.disk_usage(here).free,
        corpus=Path(corpus) if corpus and Path(corpus).is_dir() else None,
        source=source_tree(),
        node=_unseen_gpus(environment, signs),
        hidden_by=signs.hidden_by,
        has_slurm=shutil.which("sbatch") is not None,
        has_site=clone is not None and (clone / SITE).is_file(),
    )


def _unseen_gpus(environment: Environment | None, signs: Signs) -> NodeFacts | None:
    """The driver is asked only where torch sees nothing: one that hangs takes its time to say so."""
    is_expected = signs.expected()[0] > 0 and signs.hidden_by is None
    if environment is None or environment.device != "cpu" or not is_expected:
        return None
    return gather_facts(environment, {}, signs=signs)


def verdict(facts: Facts) -> Verdict:
    """What can be done with what was found, in the order of the table above."""
    abilities = (_demo(facts), _cpu(facts), _gpu(facts), _cluster(facts))
    can = [one.what for one in abilities if one.can]
    first = abilities[0]
    summary = f"this machine can {'; '.join(can)}" if can else f"this machine cannot {first.what}: {first.because}"
    return Verdict(abilities, summary, first.to_type)


def _demo(facts: Facts) -> Ability:
    lack = next(_lacks(facts, DEMO_MEMORY_BYTES, DEMO_DISK_BYTES), None)
    name, what = "demo", "go the whole way on embedded text"
    if lack is not None:
        return Ability(name, what, False, *lack)
    return Ability(name, what, True, _machine(facts), f"qaz run {_config(facts, 'demo')} run_dir=runs/demo")


def _cpu(facts: Facts) -> Ability:
    lack = next(_lacks(facts, CPU_MEMORY_BYTES, CPU_DISK_BYTES), None)
    name, what = "cpu", "adapt a small model to real text on its CPU"
    if lack is not None:
        return Ability(name, what, False, *lack)
    run = f"qaz run {_config(facts, 'real_small')}"
    if facts.corpus is None:
        because = f"{_machine(facts)}; {CORPUS_DIR_VARIABLE} names no folder of text (docs/data-sources.md)"
        return Ability(name, what, True, because, f"{CORPUS_DIR_VARIABLE}=DIR {run}")
    return Ability(name, what, True, f"{_machine(facts)}; text in {facts.corpus}", run)


def _gpu(facts: Facts) -> Ability:
    name, what = "gpu", "do so on its GPU"
    environment = facts.environment
    if environment is not None and environment.device == "cuda":
        found = f"{environment.device_name}, {environment.gpu_memory_bytes / GIB:.0f} GiB"
        return Ability(name, what, True, found, f"qaz run {_config(facts, 'real_small_gpu')}")
    if environment is None:
        return Ability(name, what, False, f"torch cannot be used ({facts.torch_problem})", _setup(facts))
    if facts.hidden_by is not None:
        return Ability(
            name, what, False, f"GPUs, if there are any, are hidden by {facts.hidden_by}", f"unset {VISIBLE}"
        )
    if facts.node is not None and facts.node.has_driver:
        return Ability(name, what, False, *_why_no_gpu(facts.node))
    plan = f"qaz plan {_config(facts, 'train/cpt_8b_lora')} --gpu h200    # what it would take on one"
    shown = f", though a GPU is there by {facts.node.expected_by}" if facts.node is not None else ""
    return Ability(name, what, False, f"no NVIDIA driver was found{shown}", plan)


def _why_no_gpu(node: NodeFacts) -> tuple[str, str | None]:
    """A driver that does not answer comes first: no build of torch would see anything by it."""
    unseen, silent = why_unseen(node), driver_silence(node)
    if silent is None:
        return f"an NVIDIA driver is there, and torch sees no GPU: {unseen.why}", unseen.to_type
    return (silent if silent == unseen.why else f"{silent}; {unseen.why}"), _ASK_DRIVER


_ASK_DRIVER = "nvidia-smi    # has to list the GPUs first: load or install the driver again, or restart the machine"


def _cluster(facts: Facts) -> Ability:
    name, what = "cluster", "start jobs on its cluster"
    if not facts.has_slurm:
        return Ability(name, what, False, "no sbatch was found: this is no node of a Slurm cluster", None)
    if facts.clone is None:
        return Ability(name, what, False, *_NO_CLONE)
    if not facts.has_site:
        because = "sbatch is there; slurm/site.env, which says what this cluster needs, is not"
        return Ability(name, what, False, because, f"cp {_path(facts, SITE)}.example {_path(facts, SITE)}")
    job = f"sbatch {_path(facts, Path('slurm/pipeline.sh'))} {_config(facts, 'real_small_gpu')}"
    return Ability(name, what, True, "sbatch and slurm/site.env are there", job)


_NO_CLONE = ("the configs are not below this folder", "cd DIR    # the folder that git clone made")


def _lacks(facts: Facts, memory_bytes: int, disk_bytes: int) -> Iterator[tuple[str, str | None]]:
    """What stands in the way, with what brings it, the first first."""
    setup = _setup(facts)
    if facts.missing:
        more = f" and {len(facts.missing) - 3} more" if len(facts.missing) > 3 else ""
        yield f"packages are missing: {', '.join(facts.missing[:3])}{more}", setup
    if facts.environment is None:
        yield f"torch cannot be used ({facts.torch_problem})", setup
    elif 0 < facts.environment.memory_bytes < memory_bytes:
        found = facts.environment.memory_bytes / GIB
        yield f"{found:.1f} GiB of memory, {memory_bytes // GIB} are needed", None
    if not facts.is_writable:
        yield "nothing can be written in this folder", "cd DIR    # a folder of your own"
    if facts.free_bytes < disk_bytes:
        yield f"{facts.free_bytes / GIB:.1f} GiB of disk are free, {disk_bytes // GIB} are needed", None
    if facts.clone is None:
        yield _NO_CLONE


def _setup(facts: Facts) -> str:
    """What brings the packages, by how this one is installed."""
    if facts.source is not None and (facts.source / "Makefile").is_file():
        return "make setup" if facts.source == Path.cwd() else f"make -C {facts.source} setup"
    if facts.missing:
        return install_command(facts.missing, source=facts.source)
    return torch_with_cuda(_version_of_torch())


def _machine(facts: Facts) -> str:
    assert facts.environment is not None
    memory = facts.environment.memory_bytes
    said = f", {memory / GIB:.0f} GiB of memory" if memory else ""
    return f"{facts.environment.cpus} CPUs{said}, {facts.free_bytes / GIB:.0f} GiB of disk free"


def _config(facts: Facts, name: str) -> Path:
    return _path(facts, Path("configs") / f"{name}.yaml")


def _path(facts: Facts, path: Path) -> Path:
    """A file of the clone as it is typed here."""
    return path if facts.clone is None or facts.clone == Path.cwd() else facts.clone / path


def _clone(here: Path) -> Path | None:
    for folder in (here, Path(__file__).resolve().parents[3]):
        if (folder / "configs" / "demo.yaml").is_file():
            return folder
    return None


def _version_of_torch() -> str:
    try:
        return version("torch")
    except PackageNotFoundError:
        return "?"
