"""Going on with another number of processes.

ZeRO writes what each process holds, to be read back by as many. DeepSpeed's universal form holds each tensor whole, and any
number may read its part of it, so a checkpoint of another number is converted before it is resumed from:

    checkpoints/step-<n>/                   as it was verified, untouched
    checkpoints/.universal/                 for the time of loading: made anew at each such resume, removed afterwards
        global_step<n>/zero/<tensor>/       weight and moments, whole
        trainer_state.json …                copied

Checkpoints of DDP are whole and those of FSDP2 are put together by torch: they need none of it. With any of them the rows
of a step stay the same, since identity holds rows_per_step; random numbers (dropout) go on from each process's seed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback

from qaz_llm.errors import CheckpointError, WriteError
from qaz_llm.io import read_json
from qaz_llm.progress import get_logger
from qaz_llm.train.ranks.distributed import barrier, on_main

if TYPE_CHECKING:
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.saving.checkpoint import Checkpoint

_logger = get_logger("train")

UNIVERSAL_FOLDER = ".universal"


@dataclass(frozen=True)
class StartPoint:
    """Where the Trainer resumes from (None: nowhere), with which DeepSpeed config, and what watches the loading."""

    folder: str | None
    deepspeed: str | dict[str, Any] | None
    callbacks: tuple[TrainerCallback, ...] = ()


def start_point(plan: TrainPlan, resumed: Checkpoint | None) -> StartPoint:
    """The checkpoint itself, or, where ZeRO wrote it by another number of processes, its universal form.

    Raises:
        CheckpointError: DeepSpeed cannot convert it.
        WriteError: no room for it.
    """
    deepspeed = str(plan.deepspeed_path) if plan.deepspeed_path else None
    folder = plan.config.run_dir / "checkpoints" / UNIVERSAL_FOLDER
    on_main(lambda: shutil.rmtree(folder, ignore_errors=True))  # of a start that ended while it loaded
    if resumed is None:
        return StartPoint(None, deepspeed)
    now = plan.environment.world_size
    if resumed.world_size == now:
        return StartPoint(str(resumed.path), deepspeed)
    _logger.warning(
        "%s is of %d process%s, going on with %d%s", resumed.path, resumed.world_size,
        "es" if resumed.world_size > 1 else "", now, _dropout_note(plan),
    )  # fmt: skip
    if not plan.zero_stage:
        return StartPoint(str(resumed.path), deepspeed)
    assert plan.deepspeed_path is not None
    on_main(lambda: _convert(resumed.path, folder))
    values = read_json(plan.deepspeed_path)
    universal = {**values, "checkpoint": {**values.get("checkpoint", {}), "load_universal": True}}
    return StartPoint(str(folder), universal, (_AfterLoading(folder),))


def _dropout_note(plan: TrainPlan) -> str:
    adapter = plan.config.adapter
    drops = adapter.type == "lora" and adapter.dropout > 0
    return "; dropout goes on with other random numbers than an uninterrupted run's" if drops else ""


def _convert(checkpoint: Path, folder: Path) -> None:
    """Write the universal form of a checkpoint into `folder`. By a process of its own: DeepSpeed's script prints, forks and
    keeps what it loaded."""
    (source,) = checkpoint.glob("global_step*")
    folder.mkdir(parents=True)
    for file in checkpoint.iterdir():
        if file.is_file() and file.suffix != ".safetensors":  # the weights come from the tensors
            shutil.copy2(file, folder / file.name)
    _logger.info("converting %s into DeepSpeed's universal form", checkpoint)
    workers = str(max(1, min(4, (os.cpu_count() or 1) // 2)))
    command = [sys.executable, "-m", "deepspeed.checkpoint.ds_to_universal", "--inject_missing_state"]
    command += ["--input_folder", str(source), "--output_folder", str(folder / source.name)]
    command += ["--num_extract_workers", workers, "--num_merge_workers", workers]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        if "No space left" in done.stderr:
            raise WriteError(
                f"{folder}: no room for the universal form of {checkpoint} ({last})",
                hint="it takes as much again as the checkpoint; free some space, or go on with as many processes as wrote it",
            )
        raise CheckpointError(
            f"{checkpoint}: DeepSpeed could not convert it for another number of processes: {last}",
            hint="go on with as many processes as wrote it",
        )
    _keep_what_groups_share(folder / source.name / "zero" / "optimizer_state.pt")


def _keep_what_groups_share(file: Path) -> None:
    """Leave out of ZeRO-3's state what parameter groups do not have in common (weight decay: biases and norms have none).

    DeepSpeed gives what it finds for the first group to all of them (`load_hp_checkpoint_state_from_checkpoint_dir_stage3`);
    what it does not find stays as the config made it.
    """
    import torch

    state = torch.load(file, weights_only=False, map_location="cpu")  # written a moment ago, by us
    inner = state.get("optimizer_state_dict")
    if inner is None:  # ZeRO-2 loads group by group
        return
    first, *others = inner["param_groups"]
    shared = {k: v for k, v in first.items() if k == "params" or all(group.get(k) == v for group in others)}
    inner["param_groups"] = [shared, *others]
    torch.save(state, file)


class _AfterLoading(TrainerCallback):  # type: ignore[misc]  # transformers is not typed
    """Removes the universal form once it is loaded, and parts what DeepSpeed gave to all groups alike.

    Each group gets the learning rate of the schedule. Each gets a count of steps of its own: ZeRO-3's loader lets all share
    one tensor, which a step of Adam would then count up once for each of them.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_begin(
        self, args: Any, state: Any, control: Any, *, optimizer: Any, lr_scheduler: Any, **_: Any
    ) -> None:
        for group, lr in zip(optimizer.param_groups, lr_scheduler.get_last_lr(), strict=True):
            group["lr"] = lr
        for moments in optimizer.state.values():
            if "step" in moments:
                moments["step"] = deepcopy(moments["step"])
        barrier()
        on_main(lambda: shutil.rmtree(self.folder, ignore_errors=True))
