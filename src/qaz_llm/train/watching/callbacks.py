"""What looks at a training between its steps, put together for one sitting."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.machines import peak_flops
from qaz_llm.train.batches.loss_probe import LossProbe, TokenLosses
from qaz_llm.train.batches.packing_probe import PackingProbe
from qaz_llm.train.loop.stopping import BreakableCallback
from qaz_llm.train.metrics import EVALS_FILE, METRICS_FILE, read_metrics
from qaz_llm.train.watching.early_loss import EarlyLoss
from qaz_llm.train.watching.evaluation import EvalCallback
from qaz_llm.train.watching.forgetting import watched_names
from qaz_llm.train.watching.live import live_training
from qaz_llm.train.watching.metrics_callback import Counts, Listener, MetricsCallback
from qaz_llm.train.watching.samples import SampleCallback, prompts_of
from qaz_llm.train.watching.trackers import open_trackers, run_id, telling

if TYPE_CHECKING:
    from qaz_llm.cluster.stopping import Stop
    from qaz_llm.train.batches.collate import Collator
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.ranks.heartbeat import Heartbeat
    from qaz_llm.train.start.prepare import PreparedRun
    from qaz_llm.train.watching.watch import Watch


def watching_callbacks(
    plan: TrainPlan,
    run: PreparedRun,
    collator: Collator,
    watch: Watch,
    held: ExitStack,
    flag: Stop,
    beat: Heartbeat,
    *,
    done_steps: int,
    losses: TokenLosses | None,
) -> list[Any]:
    """Trainer's callbacks, in the order they look; lines and trackers stay open while `held` does."""
    config = plan.config
    live = held.enter_context(live_training(run.steps, done_steps))
    probe = PackingProbe(collator, run.rows, micro_batch_size=config.micro_batch_size)
    listeners = [watch.tell_status, live.tell, EarlyLoss().tell, *_tracker_listeners(plan, run, done_steps, held)]
    metrics = MetricsCallback(config.run_dir / METRICS_FILE, _counts(plan, run, done_steps), watch, listeners)
    callbacks: list[Any] = [probe, metrics, live]
    if losses is not None:
        callbacks.insert(1, LossProbe(losses, collator, run.rows, micro_batch_size=config.micro_batch_size))
    if watch.sight.on_eval is not None:
        every_steps = config.eval_every_steps or run.steps
        evaluation = EvalCallback(watch, watch.sight.on_eval, run.tokenizer, every_steps, watch.sight.texts)
        path = config.run_dir / EVALS_FILE
        compares = bool(watched_names(config, tuple(watch.sight.heldout)))
        callbacks.append(
            BreakableCallback(evaluation, flag, beat, path=path, every_steps=every_steps, compares=compares)
        )
    if config.watch.samples_every_steps is not None:
        prompts, chat = prompts_of(config.watch, watch.sight.heldout), config.is_chat
        callbacks.append(SampleCallback(watch, run.tokenizer, prompts, config.watch.samples_every_steps, chat))
    return callbacks


def _tracker_listeners(plan: TrainPlan, run: PreparedRun, done_steps: int, held: ExitStack) -> list[Listener]:
    if not plan.environment.is_main or not plan.config.watch.report_to:
        return []
    trackers = held.enter_context(
        open_trackers(plan.config, run_id=run_id(plan.config, run.identity), first_step=done_steps)
    )
    return [telling(tracker) for tracker in trackers]


def _counts(plan: TrainPlan, run: PreparedRun, done_steps: int) -> Counts:
    config, row_tokens_R = plan.config, run.rows.row_tokens_R
    before = read_metrics(config.run_dir / METRICS_FILE)

    def tokens_of_step(step: int) -> int:
        return int(row_tokens_R[run.sampler.rows_of_step(step, plan.rows_per_step)].sum())

    return Counts(
        tokens_of_step=tokens_of_step,
        tokens_before=sum(tokens_of_step(step) for step in range(1, done_steps + 1)),
        seconds_before=before[-1]["seconds"] if before else 0.0,
        flops_per_token=plan.flops_per_token,
        peak_flops=peak_flops(plan.environment.device_name, config.precision) if plan.device == "cuda" else None,
    )
