"""Whether a training still has numbers: looked at after every step, and in all weights before they are written.

A loss or gradient that is no number (NaN, infinite) makes all weights so at the next step or two, and checkpoints
written from then on would push the good ones out. So the run ends at the step where it happens, and nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from qaz_llm.errors import WorkError
from qaz_llm.train import checkpoint as checkpoints
from qaz_llm.train.distributed import any_process


def check_step(loss: float, grad_norm: float | None, *, step: int, folder: Path) -> None:
    """Raises WorkError on all processes where the loss or the gradient of any of them is no number."""
    bad = {"loss": loss, "norm of the gradient": grad_norm if grad_norm is not None else 0.0}
    found = {name: value for name, value in bad.items() if not math.isfinite(value)}
    if any_process(bool(found)):
        shown = ", ".join(f"{name} {value}" for name, value in found.items()) or "on another process"
        raise _diverged(f"no longer a number: {shown}", step, folder)


def check_weights(model: Any, optimizer: Any, *, step: int, folder: Path) -> None:
    """Raises WorkError on all processes where a weight or a moment is no number on any of them."""
    counts = {
        "weights": _count_bad(_own_tensors(model.parameters())),
        "moments of the optimizer": _count_bad(_moments(optimizer)),
    }
    found = {name: count for name, count in counts.items() if count}
    if any_process(bool(found)):
        shown = ", ".join(f"{count:,} {name}" for name, count in found.items()) or "on another process"
        raise _diverged(f"not numbers: {shown}", step, folder)


def _diverged(what: str, step: int, folder: Path) -> WorkError:
    newest = checkpoints.newest_complete(folder)
    good = f"the newest good checkpoint is {newest.path}" if newest else "there is no checkpoint before it"
    return WorkError(
        f"training has diverged at step {step} ({what}); nothing of this step was written, {good}",
        hint="lower lr, raise warmup_steps, or look at the data of the last steps, in a new run_dir"
        + ("; model.checkpoint may name the checkpoint" if newest and (newest.path / "config.json").is_file() else ""),
    )


def _own_tensors(parameters: Iterable[Any]) -> Iterator[Any]:
    """What this process holds of each trained parameter: under ZeRO-3 its part, which `ds_tensor` is."""
    return (getattr(p, "ds_tensor", p).detach() for p in parameters if p.requires_grad)


def _moments(optimizer: Any) -> Iterator[Any]:
    import torch

    for state in dict(getattr(optimizer, "state", None) or {}).values():
        values = (value for value in state.values() if isinstance(value, torch.Tensor))
        yield from (
            value if type(value) is torch.Tensor else value.dequantize() for value in values
        )  # torchao's 8 bits


def _count_bad(tensors: Iterable[Any]) -> int:
    """How many values of floating-point tensors are not finite."""
    import torch

    return sum(int((~torch.isfinite(t)).sum()) for t in tensors if t.is_floating_point())
