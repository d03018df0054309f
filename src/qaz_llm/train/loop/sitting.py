"""One sitting of a training: the trainer put together and run, from a checkpoint or from the start."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.io import make_dir
from qaz_llm.progress import format_duration, get_logger
from qaz_llm.rows.dataset import pad_id_of
from qaz_llm.train.batches.collate import Collator
from qaz_llm.train.batches.loss_probe import TokenLosses
from qaz_llm.train.health.rollback import keep_bad_rows, make_watch
from qaz_llm.train.loop.over import training_over
from qaz_llm.train.loop.pull import pull_to_base
from qaz_llm.train.loop.stopping import StopCallback
from qaz_llm.train.loop.warm_rows import warm_rows
from qaz_llm.train.ranks.sharding import shard
from qaz_llm.train.saving.saver import saves_beside
from qaz_llm.train.saving.universal import start_point
from qaz_llm.train.start.arguments import training_arguments
from qaz_llm.train.start.model import make_model_to_train
from qaz_llm.train.watching.callbacks import watching_callbacks

if TYPE_CHECKING:
    from qaz_llm.cluster.stopping import Stop
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.ranks.heartbeat import Heartbeat
    from qaz_llm.train.saving.checkpoint import Checkpoint
    from qaz_llm.train.start.prepare import PreparedRun
    from qaz_llm.train.watching.watch import Watch

_logger = get_logger("train")


def run_trainer(
    plan: TrainPlan,
    run: PreparedRun,
    flag: Stop,
    beat: Heartbeat,
    watching: Watch,
    resumed: Checkpoint | None,
    loaded: Callable[[], None],
) -> PackedTrainer:
    """Train to the last step, or until told to stop. `loaded` is called once the checkpoint has been.

    Raises:
        PreemptedError: told to stop; the step is saved.
        DivergedError: as `on_divergence` says.
    """
    config = plan.config
    beat.mark("loading the model", is_long=True)
    start = start_point(plan, resumed)
    model, new_tokens = make_model_to_train(plan, run)
    done_steps = resumed.step if resumed else 0
    collator = Collator(
        pad_id_of(run.tokenizer),
        packs=config.packing == "on",
        attention=str(model.config._attn_implementation),
    )
    trainer_class, rows, collate = training_over(plan, run.rows, model, collator, flag)
    model = shard(model, config, plan.device)
    losses = None if config.method == "dpo" else TokenLosses(model, config.kernels.loss)
    watch = make_watch(plan, run, flag)
    stop = StopCallback(flag, watch, saves_last=not plan.is_trial)
    with ExitStack() as stack:
        callbacks = watching_callbacks(
            plan, run, collator, watching, stack, flag, beat, done_steps=done_steps, losses=losses
        )
        make_dir(config.run_dir / "checkpoints")
        trainer = trainer_class(
            model,
            training_arguments(
                config,
                total_steps=run.steps,
                on_cpu=plan.device == "cpu",
                world_size=plan.environment.world_size,
                deepspeed=start.deepspeed,
            ),
            config=config,
            rows=rows,
            sampler=run.sampler,
            collator=collate,
            identity=run.identity,
            saves_beside=saves_beside(plan),
            on_loaded=loaded,
            watch=watch,
            beat=beat,
            watching=watching,
            token_losses=losses,
            callbacks=[
                *start.callbacks,
                *callbacks,
                *warm_rows(model, new_tokens, config),
                *pull_to_base(model, config),
                stop,
            ],
        )
        keep_bad_rows(plan, run, trainer)
        started = time.monotonic()
        trainer.train(resume_from_checkpoint=start.folder)
    flag.let_go()
    if stop.stopped_at is not None:
        raise PreemptedError(
            f"told to stop; step {stop.stopped_at} of {run.steps} is saved in {config.run_dir / 'checkpoints'}",
            hint="the same command goes on from there",
        )
    flag.check()
    for line in watch.lines():
        _logger.warning(line)
    done, took = trainer.state.global_step, format_duration(time.monotonic() - started)
    if done > done_steps:
        _logger.info("trained steps %d to %d in %s%s", done_steps + 1, done, took, watching.clock.in_words())
    return trainer
