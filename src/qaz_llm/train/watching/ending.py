"""How a run ends by its held-out numbers: earlier than its last step, or with the best checkpoint's weights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qaz_llm.errors import CheckpointError
from qaz_llm.progress import get_logger
from qaz_llm.rows.dataset import StepSampler
from qaz_llm.train.ranks.distributed import on_main
from qaz_llm.train.saving import checkpoint as checkpoints
from qaz_llm.train.watching.best import best_so_far, why_ended

if TYPE_CHECKING:
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun
    from qaz_llm.train.status import StatusFile

_logger = get_logger("train")


def ended_before(run: PreparedRun, plan: TrainPlan, step: int, status: StatusFile) -> PreparedRun:
    """The run as one of `step` steps, where its evaluations up to there have ended it, which is said; else as it was."""
    why = on_main(lambda: why_ended(plan.config.run_dir, plan.config.watch))
    if why is None or step >= run.steps:
        return run
    message = f"the run has ended at step {step:,} of {run.steps:,}: {why}"
    _logger.info(message)
    status.set(message=message, steps=step)
    sampler = StepSampler(run.sampler.rows, num_rows=step * plan.rows_per_step, seed=run.sampler.seed)
    return replace(run, steps=step, sampler=sampler)


def to_final_weights(trainer: PackedTrainer, config: TrainConfig) -> int:
    """Bring the trainer to the weights that the result is to have; the step they are of.

    Raises CheckpointError where the best checkpoint is not there or not whole.
    """
    last = int(trainer.state.global_step)
    best = on_main(lambda: best_so_far(config.run_dir, config.watch))
    if config.watch.final_model == "last" or best is None or best.step == last:
        return last
    path = config.run_dir / "checkpoints" / f"step-{best.step}"
    problem = on_main(lambda: checkpoints.problem_of(path))
    if problem is not None:
        raise CheckpointError(
            f"{path}, the {best.in_words()}: {problem}",
            hint="all steps are trained; watch.final_model=last makes the model of the last one",
        )
    _logger.info("the model is that of the %s", best.in_words())
    trainer.state.best_model_checkpoint = str(path)
    trainer._load_best_model()
    return best.step
