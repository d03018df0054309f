"""Whether a training's weights and moments are still numbers: looked at before they are written.

What is no number (NaN, infinite) in a loss or gradient makes all weights so at the next step or two, and checkpoints written
from then on would push the good ones out. Each step's loss and gradient are looked at in divergence.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from qaz_llm.errors import WorkError
from qaz_llm.model.finite import LARGEST_WEIGHT, count_bad
from qaz_llm.train.ranks.distributed import any_process
from qaz_llm.train.ranks.sharding import own_part
from qaz_llm.train.saving import checkpoint as checkpoints


def check_weights(model: Any, optimizer: Any, *, step: int, folder: Path) -> None:
    """Raises WorkError on all processes where a weight or a moment is no number on any of them.

    Looked at is what this process holds: the weights, those the optimizer works on (of DeepSpeed its flat parts in
    float32, which the weights are rounded from), and its moments.
    """
    counts = {
        "weights": count_bad(chain(_own_tensors(model.parameters()), _masters(optimizer)), limit=LARGEST_WEIGHT),
        "moments of the optimizer": count_bad(_moments(optimizer)),
    }
    found = {name: count for name, count in counts.items() if count}
    if any_process(bool(found)):
        raise diverged(describe_bad(found), step, folder)


def describe_bad(found: Mapping[str, int]) -> str:
    """In words what is no number, by its kind; empty where that is on another process."""
    shown = ", ".join(f"{count:,} {name}" for name, count in found.items()) or "on another process"
    return f"not numbers: {shown}"


def diverged(what: str, step: int, folder: Path) -> WorkError:
    newest = checkpoints.newest_complete(folder)
    good = f"the newest good checkpoint is {newest.path}" if newest else "there is no checkpoint before it"
    return WorkError(
        f"training has diverged at step {step} ({what}); nothing of this step was written, {good}",
        hint="lower lr, raise warmup_steps, or look at the data of the last steps, in a new run_dir"
        + ("; model.checkpoint may name the checkpoint" if newest and (newest.path / "config.json").is_file() else ""),
    )


def _own_tensors(parameters: Iterable[Any]) -> Iterator[Any]:
    """What this process holds of each trained parameter: under ZeRO-3 its part, which `ds_tensor` is, and under FSDP2."""
    return (own_part(getattr(p, "ds_tensor", p).detach()) for p in parameters if p.requires_grad)


def _masters(optimizer: Any) -> Iterator[Any]:
    """The tensors that the optimizer itself works on; DeepSpeed's are not the model's."""
    groups = getattr(optimizer, "param_groups", None) or ()
    return (own_part(parameter.detach()) for group in groups for parameter in group["params"])


def _moments(optimizer: Any) -> Iterator[Any]:
    import torch

    for state in dict(getattr(optimizer, "state", None) or {}).values():
        values = (own_part(value) for value in state.values() if isinstance(value, torch.Tensor))
        yield from (v if type(v) is torch.Tensor else v.dequantize() for v in values)  # torchao's 8 bits
