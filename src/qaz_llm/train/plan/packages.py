"""What a training needs to be installed: here, or on a machine that is described, where it is taken to be and that is said."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from qaz_llm.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qaz_llm.train.config import TrainConfig, TrainSettings


def assumed_packages(config: TrainConfig) -> str:
    """The note of a plan for a described machine: nothing of this one's packages decides it."""
    names = list(dict.fromkeys(_needed(config)))
    missing = [name for name in names if find_spec(name) is None]
    taken = f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} taken to be installed there" if names else ""
    here = f" ({', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not here)" if missing else ""
    fp8 = "; kernels.fp8: that its GPU has compute capability 8.9 is not checked" if config.kernels.fp8 != "off" else ""
    return f"packages of the described machine: {taken or 'none beside the project are needed'}{here}{fp8}"


def _needed(config: TrainConfig) -> Iterator[str]:
    """By a config that is settled."""
    if config.kernels.compile == "on":
        yield "triton"
    if config.kernels.fp8 != "off":
        yield "torchao"
    if config.adapter.quantised:
        yield "bitsandbytes"
    if config.optimizer.states != "fp32":
        yield config.optimizer.states.removesuffix("_8bit")
    if config.model.attn_implementation == "flash_attention_3":
        yield "flash_attn_interface"
    if config.model.attn_implementation == "flash_attention_2":
        yield "flash_attn"


def check_packages(settings: TrainSettings, *, looks_here: bool = True) -> None:
    """Raises ConfigError where a package that the optimizer needs is not installed, or torch has no Muon.

    `looks_here`: False for a machine that is described.
    """
    states = settings.optimizer.states
    package = states.removesuffix("_8bit")
    if looks_here and states != "fp32" and find_spec(package) is None:
        raise ConfigError(
            f"optimizer.states {states} needs the package {package}, which is not installed",
            hint=f"pip install {package}, or optimizer.states=fp32",
        )
    if settings.optimizer.type == "muon":
        _check_muon()


def _check_muon() -> None:
    import torch

    if not hasattr(torch.optim, "Muon"):
        raise ConfigError(
            f"optimizer.type muon needs torch.optim.Muon, which torch {torch.__version__} has not",
            hint="torch 2.9 and later have it; or optimizer.type=adamw",
        )
