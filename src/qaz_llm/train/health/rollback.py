"""What is done about a step that diverged: its rows are kept, and under `rollback` left out from the newest checkpoint on."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.progress import get_logger
from qaz_llm.train.health.diverged_rows import save_rows
from qaz_llm.train.health.divergence import DivergedError, StepWatch
from qaz_llm.train.health.history import Verdict
from qaz_llm.train.health.left_out import leave_out, read_left_out
from qaz_llm.train.saving import checkpoint as checkpoints
from qaz_llm.train.start.isolation import forget_earlier_trainings

if TYPE_CHECKING:
    from qaz_llm.cluster.stopping import Stop
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun

_logger = get_logger("train")


def make_watch(plan: TrainPlan, run: PreparedRun, flag: Stop) -> StepWatch:
    """The watch over the steps of one sitting."""
    config, limits = plan.config, plan.config.divergence
    if config.method == "dpo":  # losses of pairs are no nats per token, and are not held against a vocabulary
        limits = limits.model_copy(update={"max_loss": None})
    return StepWatch(
        policy=config.on_divergence,
        limits=limits,
        vocab_size=len(run.tokenizer),
        world_size=plan.environment.world_size,
        left_out=[entry["place"] for entry in read_left_out(config.run_dir)],
        was_told=lambda: flag.signal_name is not None,
    )


def keep_bad_rows(plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer) -> None:
    """From now on the rows of each bad step are written, by the first process."""

    def keep(verdict: Verdict) -> None:
        if not trainer.is_world_process_zero():
            return
        run_dir = plan.config.run_dir
        path = save_rows(run, trainer, step=verdict.step, rows_per_step=plan.rows_per_step, run_dir=run_dir)
        _logger.warning("the rows of step %d are kept in %s", verdict.step, path)

    trainer.watch.on_bad = keep


def may_roll_back(plan: TrainPlan) -> bool:
    """Whether the policy is to go back, and it has been done fewer times than it may be."""
    config = plan.config
    return config.on_divergence == "rollback" and len(read_left_out(config.run_dir)) < config.divergence.max_rollbacks


def roll_back(plan: TrainPlan, run: PreparedRun, verdict: Verdict) -> None:
    """Note down that the rows of a step are left out from now on, and say so. Called by the first process."""
    config = plan.config
    why = verdict.why(config.divergence, len(run.tokenizer))
    count = leave_out(config.run_dir, run.sampler, step=verdict.step, why=why)
    _logger.warning(
        "step %d has diverged (%s): back to %s without its rows, rollback %d of at most %d",
        verdict.step, why, _newest(config.run_dir), count, config.divergence.max_rollbacks,
    )  # fmt: skip


def clear_up() -> None:
    """Make room for the same training once more in this process."""
    forget_earlier_trainings()
    gc.collect()


def given_up(plan: TrainPlan, error: DivergedError) -> DivergedError:
    """The error that ends the run, with what is left and what to do."""
    config = plan.config
    tried = ""
    if config.on_divergence == "rollback":
        tried = f", after {len(read_left_out(config.run_dir))} rollbacks"
    newest = checkpoints.newest_complete(config.run_dir / "checkpoints")
    further = "" if tried else ", or go on past it with the same command and on_divergence=rollback"
    good = f"the newest good checkpoint is {newest.path}" if newest else "there is no checkpoint before it"
    return DivergedError(
        error.verdict,
        f"{error.message}{tried}; nothing of this step was written, {good}",
        hint=f"look at its rows in {_rows_file(config.run_dir, error.verdict.step)}; lower lr or raise warmup_steps in a "
        f"new run_dir{further}",
    )


def _rows_file(run_dir: Path, step: int) -> Path:
    return run_dir / "diverged" / f"step-{step}.jsonl"


def _newest(run_dir: Path) -> str:
    newest = checkpoints.newest_complete(run_dir / "checkpoints")
    return f"step {newest.step}" if newest else "the start"
