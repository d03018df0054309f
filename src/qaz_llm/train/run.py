"""`qaz train`: a plan carried out, or carried on where it was interrupted.

run_dir/
  config.yaml run.json        what was asked for, and what it ran on
  tokenizer/ packed/          made once
  metrics.jsonl evals.jsonl   one row per logged step; one per evaluation
  checkpoints/step-<n>/       to go on from
  adapter/                    LoRA only: the adapter by itself
  model/                      the result, adapter merged
  complete.json               written last: the run is done
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.cluster.preflight import preflight
from qaz_llm.cluster.stopping import Stop, Told, stopped_by_signals
from qaz_llm.errors import CheckpointError, ConfigError, DataError, InputError
from qaz_llm.io import make_dir, only_one, read_json, write_json
from qaz_llm.progress import format_duration, get_logger, log_to_file, progress
from qaz_llm.train import checkpoint as checkpoints
from qaz_llm.train.distributed import on_main, start_process_group, stop_process_group
from qaz_llm.train.heartbeat import Heartbeat, heartbeat
from qaz_llm.train.isolation import isolated
from qaz_llm.train.loading import with_older_ones
from qaz_llm.train.metrics import METRICS_FILE, peak_flops, read_metrics, truncate_metrics
from qaz_llm.train.plan import TrainPlan
from qaz_llm.train.schedule import warm_up_line
from qaz_llm.train.sharding import uses_fsdp2
from qaz_llm.train.waiting import make_files_first

if TYPE_CHECKING:
    from qaz_llm.train.callbacks import MetricsCallback, OnEval
    from qaz_llm.train.collate import Collator
    from qaz_llm.train.prepare import PreparedRun
    from qaz_llm.train.trainer import PackedTrainer

_logger = get_logger("train")

COMPLETE_FILE = "complete.json"
EVALS_FILE = "evals.jsonl"


@dataclass(frozen=True)
class TrainResult:
    """What a run made. `seconds` and `tokens` are of all its sittings; `status` says what this call did."""

    model_dir: Path
    steps: int
    tokens: int
    final_loss: float
    seconds: float
    metrics_path: Path
    status: Literal["trained", "resumed", "complete"]


def train(plan: TrainPlan, *, on_eval: OnEval | None = None) -> TrainResult:
    """Train until the last step of the plan, going on from the newest whole checkpoint in its run_dir.

    Args:
        on_eval: called as `on_eval(model, tokenizer, step)` on every rank each `eval_every_steps` and at the end;
            what it returns goes into evals.jsonl.

    Raises:
        InputError: run_dir cannot be written, the disk is too small, or it holds a run and `resume` is false.
        CheckpointError: run_dir belongs to a run with another config or other data; the keys are named.
        PreemptedError: told to stop by SIGTERM or SIGUSR1; a checkpoint was saved, the same command goes on from it.
        ConfigError: `eval_every_steps` with nothing to evaluate on; or documents of a batch would see each other; what works is named.
        DivergedError: a step was no good, and `on_divergence` does not go on past it, or no longer.
    """
    from qaz_llm.train.stopping import what_is_saved

    shared = plan.config.distributed
    with (
        stopped_by_signals(partial(what_is_saved, plan.config.run_dir)) as flag,
        isolated(plan.environment) as ignored,
        heartbeat(
            plan.config.run_dir,
            plan.environment,
            silent_rank_s=shared.silent_rank_s,
            timeout_s=60 * shared.timeout_minutes,
        ) as beat,
    ):
        return _train_among_others(plan, flag, beat, on_eval, ignored)


def _train_among_others(
    plan: TrainPlan, flag: Stop, beat: Heartbeat, on_eval: OnEval | None, ignored: Sequence[str]
) -> TrainResult:
    """`train` once the environment is its own: meet the other processes, work, part from them."""
    config = plan.config
    on_cpu = plan.device == "cpu"
    started_before = _quiet_libraries(on_cpu=on_cpu, with_deepspeed=plan.deepspeed_path is not None)
    make_files_first(plan)
    stopped: PreemptedError | None = None
    try:
        start_process_group(
            plan.environment,
            on_cpu=on_cpu,
            sharded=plan.deepspeed_path is not None or uses_fsdp2(config),
            timeout_minutes=config.distributed.timeout_minutes,
        )
        beat.met()
        on_main(lambda: preflight(config.run_dir, needed_bytes=plan.disk_bytes))
        with ExitStack() as held:
            on_main(lambda: held.enter_context(only_one(config.run_dir)))
            held.enter_context(log_to_file(config.run_dir / "train.log"))
            if ignored:
                _logger.warning("environment variables ignored, the config decides: %s", ", ".join(ignored))
            return _train(plan, flag, beat, on_eval)
    except PreemptedError as error:
        # Raised anew below: the traceback's frames hold the model, which is to be gone before the process group is.
        stopped = PreemptedError(error.message, hint=error.hint)
    except Told:
        raise
    except Exception as error:
        flag.hold()  # a launcher ends the processes that are left by a signal: they are to say first whom they follow
        if (explained := beat.explained(error)) is error:
            raise
        raise explained from None
    except KeyboardInterrupt:
        newest = checkpoints.newest_complete(config.run_dir / "checkpoints")
        where = f"from step {newest.step}" if newest else "from the start"
        _logger.warning("interrupted; the same command goes on %s", where)
        raise
    finally:
        if not started_before:
            stop_process_group()
    raise stopped


def _train(plan: TrainPlan, flag: Stop, beat: Heartbeat, on_eval: OnEval | None) -> TrainResult:
    from qaz_llm.train.divergence import DivergedError
    from qaz_llm.train.prepare import describe_data, open_prepared, prepare_files, write_run_facts
    from qaz_llm.train.rollback import clear_up, given_up, may_roll_back, roll_back

    if plan.config.eval_every_steps is not None and on_eval is None:
        raise ConfigError(
            f"eval_every_steps is {plan.config.eval_every_steps}, and there is nothing to evaluate on",
            hint="name held-out text, heldout={kk: FILE}, or leave eval_every_steps out",
        )
    for line in plan.describe().splitlines():
        _logger.info(line)
    if not plan.fits:
        _logger.warning("the estimate says that this does not fit; trying all the same")
    files = on_main(lambda: prepare_files(plan))
    run = open_prepared(plan, files)
    if (warm_up := warm_up_line(plan.config, run.steps)) is not None:
        _logger.warning(warm_up)
    done = _completed(plan, run)
    if done is not None:
        _logger.info("complete: %d steps are done, the model is in %s; nothing to do", done.steps, done.model_dir)
        return done
    while True:
        resumed = _checkpoint_to_resume(plan, run)
        on_main(partial(write_run_facts, plan, run))
        for line in describe_data(plan, run):
            _logger.info(line)
        try:
            trainer = with_older_ones(
                partial(_run_trainer, plan, run, flag, beat, on_eval),
                resumed,
                partial(_next_older, plan, run),
            )
            return _finish(plan, run, trainer, resumed)
        except DivergedError as error:
            flag.let_go()
            if not on_main(partial(may_roll_back, plan)):
                raise given_up(plan, error) from None
            verdict = error.verdict
        on_main(partial(roll_back, plan, run, verdict))
        clear_up()
        run = open_prepared(plan, files)


def _completed(plan: TrainPlan, run: PreparedRun) -> TrainResult | None:
    """The result of a run that is done. Raises CheckpointError where it is another run's."""
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
    if facts["steps"] < run.steps:
        return None  # a constant schedule may go further
    return TrainResult(
        plan.config.run_dir / "model",
        facts["steps"],
        facts["tokens"],
        facts["final_loss"],
        facts["seconds"],
        plan.config.run_dir / METRICS_FILE,
        "complete",
    )


def _checkpoint_to_resume(
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
    last_step = newest.step if newest else 0
    for name in (METRICS_FILE, EVALS_FILE):
        on_main(partial(truncate_metrics, config.run_dir / name, last_step=last_step))
    return newest


def _next_older(plan: TrainPlan, run: PreparedRun, failed: Mapping[Path, str]) -> checkpoints.Checkpoint | None:
    return _checkpoint_to_resume(plan, run, without=failed)


def _run_trainer(
    plan: TrainPlan,
    run: PreparedRun,
    flag: Stop,
    beat: Heartbeat,
    on_eval: OnEval | None,
    resumed: checkpoints.Checkpoint | None,
    loaded: Callable[[], None],
) -> PackedTrainer:
    from qaz_llm.rows.dataset import pad_id_of
    from qaz_llm.train.arguments import training_arguments
    from qaz_llm.train.collate import Collator, needs_lengths
    from qaz_llm.train.over import training_over
    from qaz_llm.train.pull import pull_to_base
    from qaz_llm.train.rollback import keep_bad_rows, make_watch
    from qaz_llm.train.saving import saves_beside
    from qaz_llm.train.sharding import shard
    from qaz_llm.train.start_model import make_model_to_train
    from qaz_llm.train.stopping import StopCallback
    from qaz_llm.train.universal import start_point
    from qaz_llm.train.warm_rows import warm_rows

    config = plan.config
    beat.mark("loading the model", is_long=True)
    start = start_point(plan, resumed)
    model, new_tokens = make_model_to_train(plan, run)
    done_steps = resumed.step if resumed else 0
    collator = Collator(
        pad_id_of(run.tokenizer),
        packs=config.packing == "on",
        flash=needs_lengths(model.config._attn_implementation),
    )
    trainer_class, rows, collate = training_over(plan, run.rows, model, collator, flag)
    watch = make_watch(plan, run, flag)
    stop = StopCallback(flag, watch)
    with ExitStack() as stack:
        advance = stack.enter_context(progress("training", total=run.steps, unit="steps", done=done_steps))
        callbacks = _callbacks(plan, run, collator, advance, done_steps, flag, beat, on_eval)
        make_dir(config.run_dir / "checkpoints")
        trainer = trainer_class(
            shard(model, config, plan.device),
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
            callbacks=[
                *start.callbacks, *callbacks, *warm_rows(model, new_tokens, config), *pull_to_base(model, config), stop,
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
    _logger.info("trained steps %d to %d in %s", done_steps + 1, run.steps, format_duration(time.monotonic() - started))
    return trainer


def _callbacks(
    plan: TrainPlan,
    run: PreparedRun,
    collator: Collator,
    advance: Callable[[float], None],
    done_steps: int,
    flag: Stop,
    beat: Heartbeat,
    on_eval: OnEval | None,
) -> list[Any]:
    """What looks at the training between its steps, in the order it does."""
    from qaz_llm.train.callbacks import EvalCallback, ProgressCallback
    from qaz_llm.train.packing_probe import PackingProbe
    from qaz_llm.train.stopping import BreakableCallback

    config = plan.config
    probe = PackingProbe(collator, run.rows, micro_batch_size=config.micro_batch_size)
    callbacks: list[Any] = [probe, _metrics(plan, run, done_steps), ProgressCallback(advance)]
    if on_eval is not None:
        path, every = config.run_dir / EVALS_FILE, config.eval_every_steps or run.steps
        evaluation = EvalCallback(on_eval, run.tokenizer, path, every)
        callbacks.append(BreakableCallback(evaluation, flag, beat, path=path, every_steps=every))
    return callbacks


def _metrics(plan: TrainPlan, run: PreparedRun, done_steps: int) -> MetricsCallback:
    from qaz_llm.train.callbacks import MetricsCallback

    row_tokens_R = run.rows.row_tokens_R
    path = plan.config.run_dir / METRICS_FILE
    before = read_metrics(path)

    def tokens_of_step(step: int) -> int:
        return int(row_tokens_R[run.sampler.rows_of_step(step, plan.rows_per_step)].sum())

    return MetricsCallback(
        path,
        tokens_of_step=tokens_of_step,
        tokens_before=sum(tokens_of_step(step) for step in range(1, done_steps + 1)),
        seconds_before=before[-1]["seconds"] if before else 0.0,
        flops_per_token=plan.flops_per_token,
        peak_flops=peak_flops(plan.environment.device_name) if plan.device == "cuda" else None,
    )


def _finish(
    plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer, resumed: checkpoints.Checkpoint | None
) -> TrainResult:
    """Write the model, then the marker that says the run is done."""
    from qaz_llm.train.save import save_result

    config = plan.config
    trainer.beat.mark("writing the model", is_long=True)
    trainer.check_weights()
    save_result(plan, run, trainer)
    last = (read_metrics(config.run_dir / METRICS_FILE) or [{"loss": float("nan"), "tokens": 0, "seconds": 0.0}])[-1]
    facts = {
        "steps": run.steps,
        "tokens": last["tokens"],
        "final_loss": last["loss"],
        "seconds": last["seconds"],
        "identity": run.identity,
    }
    on_main(lambda: write_json(config.run_dir / COMPLETE_FILE, facts))
    _logger.info(
        "done: %d steps, %s tokens, loss %.4f, %s of training",
        run.steps, f"{last['tokens']:,}", last["loss"], format_duration(last["seconds"]),
    )  # fmt: skip
    return TrainResult(
        config.run_dir / "model",
        run.steps,
        last["tokens"],
        last["loss"],
        last["seconds"],
        config.run_dir / METRICS_FILE,
        "resumed" if resumed else "trained",
    )


def _quiet_libraries(*, on_cpu: bool, with_deepspeed: bool) -> bool:
    """Keep the libraries' own lines out of ours. Returns whether a process group was there before."""
    import torch.distributed as dist
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"(torch|transformers|peft|accelerate)\.")
    os.environ["DS_ACCELERATOR"] = "cpu" if on_cpu else "cuda"  # else DeepSpeed looks for one, aloud
    if find_spec("deepspeed") is not None:  # accelerate imports it in any case, and that sets its own level
        import deepspeed.utils

        deepspeed.utils.logger.setLevel(logging.ERROR)
    if with_deepspeed:
        skip_slow_builds()
    return dist.is_available() and dist.is_initialized()


def skip_slow_builds() -> None:
    """Keep DeepSpeed from compiling its shared-memory collectives on a CPU: three minutes, and the losses are the same."""
    import deepspeed.ops

    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
