"""Why torch sees none of a node's GPUs, and what to type: asked by the look at the nodes, and by `qaz doctor`."""

from __future__ import annotations

from dataclasses import dataclass

from qaz_llm.cluster.preflight.facts import NodeFacts

TO_CPU = "to keep to CPUs: device=cpu in the config, or CUDA_VISIBLE_DEVICES=''"
_MISSING = "no nvidia-smi"
"""What `cluster.asking` answers for a program that is not installed."""


@dataclass(frozen=True, slots=True)
class Unseen:
    """`why`; `cause`: what all nodes have in common by it, empty where it is of this one; `to_type`: a command that mends it here,
    None where none does; `hint`: what to do, in words."""

    why: str
    cause: str = ""
    to_type: str | None = None
    hint: str = TO_CPU


def why_unseen(node: NodeFacts) -> Unseen:
    """By the facts of a node on which torch sees no GPU, though something says that it has some."""
    silent = driver_silence(node)
    if node.torch_cuda is None:
        fix = torch_with_cuda(node.torch)
        return Unseen(f"torch {node.torch} is built for CPUs", "torch", fix, f"{fix}; {TO_CPU}")
    if not node.has_driver:
        why = "no NVIDIA driver is to be seen, neither nvidia-smi nor /dev/nvidia*"
        return Unseen(why, "driver", None, f"a container is given it by apptainer --nv, docker --gpus all; {TO_CPU}")
    if node.in_slurm and not node.is_given:
        to_type = "srun --gpus-per-node=1 qaz doctor"
        return Unseen("Slurm gave this job none", "given", to_type, f"ask for them: --gpus-per-node=N; {TO_CPU}")
    if is_too_old(node):
        knows = f"it knows CUDA {node.driver_cuda}, torch was built with {node.torch_cuda}"
        return Unseen(f"the driver is older than torch's CUDA: {knows}", "unseen by the driver")
    if silent is not None:
        return Unseen(silent)
    return Unseen(node.driver_says or f"nvidia-smi shows {len(node.gpus)}, CUDA does not start")


def driver_silence(node: NodeFacts) -> str | None:
    """What an installed driver says in place of showing its GPUs; None where it shows them, or has no nvidia-smi to ask by.

    `nvidia-smi` that ends with `No devices were found` has reached the driver; any other failure, and no answer, is a driver that
    does not answer.
    """
    said = node.hangs or node.driver_says
    if not said or said == _MISSING:
        return None
    return f"the NVIDIA driver {'sees no GPU' if 'no devices' in said.lower() else 'does not answer'}: {said}"


def torch_with_cuda(version: str) -> str:
    """What brings a build for GPUs of the same release, with its CUDA libraries, and leaves all else as it is.

    Over a build for CPUs pip would find the release installed, and --force-reinstall would take other versions of all that torch
    needs; --no-deps would leave its libraries out.
    """
    return f'pip uninstall --yes torch && pip install "torch=={version.partition("+")[0]}"'


def is_too_old(node: NodeFacts) -> bool:
    """The driver's CUDA is of an earlier major version than torch's (CUDA Compatibility, NVIDIA)."""
    if node.driver_cuda is None or node.torch_cuda is None:
        return False
    return _major(node.driver_cuda) < _major(node.torch_cuda)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
