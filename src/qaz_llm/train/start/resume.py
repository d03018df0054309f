"""What an earlier sitting left behind: a result that is done, or the checkpoint to go on from."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.errors import CheckpointError, DataError, InputError
from qaz_llm.io import damage_of, read_json
from qaz_llm.progress import get_logger
from qaz_llm.train.metrics import KEPT_IN_STEP, METRICS_FILE, truncate_metrics
from qaz_llm.train.plan import TrainPlan
from qaz_llm.train.ranks.distributed import on_main
from qaz_llm.train.saving import checkpoint as checkpoints

if TYPE_CHECKING:
    from qaz_llm.train.start.prepare import PreparedRun

_logger = get_logger("train")

COMPLETE_FILE = "complete.json"


@dataclass(frozen=True)
class TrainResult:
    """What a run made. `seconds` and `tokens` are of all its sittings; `status` says what this call did."""

    model_dir: Path
    steps: int
    tokens: int
    final_loss: float
    seconds: float
    metrics_path: Path
    status: Literal["trained", "resumed", "complete", "trial"]


def completed(plan: TrainPlan, run: PreparedRun) -> TrainResult | None:
    """The result of a run that is done. Raises OtherRunError where it is another run's."""
    from qaz_llm.train.watching.best import why_ended

    marker = plan.config.run_dir / COMPLETE_FILE
    if not marker.is_file():
        return None
    try:
        facts = read_json(marker)
        identity = facts["identity"]
    except (DataError, InputError, KeyError, TypeError):
        _logger.warning("%s: damaged; the end of the run is done again", marker)
        return None
    checkpoints.check_same_run(run.identity, identity, where=plan.config.run_dir)
    if (problem := _damage_of_model(plan.config.run_dir / "model", facts)) is not None:
        _logger.warning("%s: damaged, %s; the end of the run is done again", plan.config.run_dir / "model", problem)
        return None
    if facts["steps"] < run.steps and why_ended(plan.config.run_dir, plan.config.watch) is None:
        return None  # a constant schedule may go further
    if facts.get("final_model", "last") != plan.config.watch.final_model:
        return None  # the other model is to be made, of a checkpoint that is there
    return TrainResult(
        plan.config.run_dir / "model",
        facts["steps"],
        facts["tokens"],
        facts["final_loss"],
        facts["seconds"],
        plan.config.run_dir / METRICS_FILE,
        "complete",
    )


def _damage_of_model(folder: Path, facts: Mapping[str, Any]) -> str | None:
    """Whether a file of the result is gone, or its weights are not what was written; people may change its texts."""
    files: Mapping[str, Any] = facts.get("files", {})
    missing = next((f"{name} is missing" for name in files if not (folder / name).is_file()), None)
    weights = {name: of for name, of in files.items() if name.endswith(".safetensors")}
    return missing or damage_of(folder, weights)


def checkpoint_to_resume(
    plan: TrainPlan, run: PreparedRun, *, without: Collection[Path] = ()
) -> checkpoints.Checkpoint | None:
    """The newest whole checkpoint, if it is this run's; brings metrics.jsonl back to its step."""
    config = plan.config
    newest = checkpoints.newest_verified(config.run_dir / "checkpoints", without=without)
    if newest is not None and not config.resume:
        raise InputError(
            f"{config.run_dir}: holds a run at step {newest.step}, and resume is false",
            hint="choose another run_dir, or leave resume at true",
        )
    if newest is not None:
        checkpoints.check_same_run(run.identity, newest.identity, where=newest.path)
        if newest.step > run.steps:
            raise CheckpointError(
                f"{newest.path}: is past the {run.steps} steps asked for",
                hint=f"ask for max_steps={newest.step} or more, or choose another run_dir",
            )
        _logger.info("resuming from %s", newest.path)
    if newest is None and without:
        return None  # there are checkpoints, and none can be loaded: no row is forgotten
    last_step = newest.step if newest else 0
    for name in KEPT_IN_STEP:
        on_main(partial(truncate_metrics, config.run_dir / name, last_step=last_step))
    return newest


def next_older(plan: TrainPlan, run: PreparedRun, failed: Mapping[Path, str]) -> checkpoints.Checkpoint | None:
    """The newest one that has not failed to load."""
    return checkpoint_to_resume(plan, run, without=failed)
