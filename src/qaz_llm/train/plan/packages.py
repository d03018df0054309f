"""What an optimizer needs to be installed."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from qaz_llm.errors import ConfigError

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainSettings


def check_packages(settings: TrainSettings) -> None:
    """Raises ConfigError where a package that the optimizer needs is not installed, or torch has no Muon."""
    states = settings.optimizer.states
    package = states.removesuffix("_8bit")
    if states != "fp32" and find_spec(package) is None:
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
