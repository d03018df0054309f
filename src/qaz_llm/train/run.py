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
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.cluster.preemption import PreemptedError, StopFlag, stop_on_signal
from qaz_llm.cluster.preflight import preflight
from qaz_llm.errors import CheckpointError, ConfigError, InputError
from qaz_llm.io import make_dir, only_one, read_json, write_json
from qaz_llm.progress import format_duration, get_logger, log_to_file, progress
from qaz_llm.train import checkpoint as checkpoints
from qaz_llm.train.distributed import on_main, start_process_group, stop_process_group
from qaz_llm.train.isolation import isolated
from qaz_llm.train.metrics import METRICS_FILE, peak_flops, read_metrics, truncate_metrics
from qaz_llm.train.plan import TrainPlan
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
        WorkError: the loss is no longer a number.
    """
    with isolated(plan.environment) as ignored:
        return _train_among_others(plan, on_eval, ignored)


def _train_among_others(plan: TrainPlan, on_eval: OnEval | None, ignored: Sequence[str]) -> TrainResult:
    """`train` once the environment is its own: meet the other processes, work, part from them."""
    config = plan.config
    on_cpu = plan.device == "cpu"
    started_before = _quiet_libraries(on_cpu=on_cpu, with_deepspeed=plan.deepspeed_path is not None)
    make_files_first(plan)
    start_process_group(
        plan.environment,
        on_cpu=on_cpu,
        sharded=plan.deepspeed_path is not None or uses_fsdp2(config),
        timeout_minutes=config.distributed.timeout_minutes,
    )
    stopped: PreemptedError | None = None
    try:
        on_main(lambda: preflight(config.run_dir, needed_bytes=plan.disk_bytes))
        with ExitStack() as held:
            on_main(lambda: held.enter_context(only_one(config.run_dir)))
            held.enter_context(log_to_file(config.run_dir / "train.log"))
            if ignored:
                _logger.warning("environment variables ignored, the config decides: %s", ", ".join(ignored))
            flag = held.enter_context(stop_on_signal())
            return _train(plan, flag, on_eval)
    except PreemptedError as error:
        # Raised anew below: the traceback's frames hold the model, which is to be gone before the process group is.
        stopped = PreemptedError(error.message, hint=error.hint)
    except KeyboardInterrupt:
        newest = checkpoints.newest_complete(config.run_dir / "checkpoints")
        where = f"from step {newest.step}" if newest else "from the start"
        _logger.warning("interrupted; the same command goes on %s", where)
        raise
    finally:
        if not started_before:
            stop_process_group(lasting=uses_fsdp2(config) and plan.environment.world_size > 1)
    raise stopped


def _train(plan: TrainPlan, flag: StopFlag, on_eval: OnEval | None) -> TrainResult:
    from qaz_llm.train.prepare import describe_data, open_prepared, prepare_files, write_run_facts

    if plan.config.eval_every_steps is not None and on_eval is None:
        raise ConfigError(
            f"eval_every_steps is {plan.config.eval_every_steps}, and there is nothing to evaluate on",
            hint="name held-out text, heldout={kk: FILE}, or leave eval_every_steps out",
        )
    for line in plan.describe().splitlines():
        _logger.info(line)
    if not plan.fits:
        _logger.warning("the estimate says that this does not fit; trying all the same")
    run = open_prepared(plan, on_main(lambda: prepare_files(plan)))
    done = _completed(plan, run)
    if done is not None:
        _logger.info("complete: %d steps are done, the model is in %s; nothing to do", done.steps, done.model_dir)
        return done
    resumed = _checkpoint_to_resume(plan, run)
    on_main(lambda: write_run_facts(plan, run))
    for line in describe_data(plan, run):
        _logger.info(line)
    if flag.signal_name is not None and resumed is None:
        raise PreemptedError(f"told to stop ({flag.signal_name}) before the first step", hint="start again")
    trainer = _run_trainer(plan, run, resumed, flag, on_eval)
    return _finish(plan, run, trainer, resumed)


def _completed(plan: TrainPlan, run: PreparedRun) -> TrainResult | None:
    """The result of a run that is done. Raises CheckpointError where it is another run's."""
    marker = plan.config.run_dir / COMPLETE_FILE
    if not marker.is_file():
        return None
    facts = read_json(marker)
    checkpoints.check_same_run(run.identity, facts["identity"], where=plan.config.run_dir)
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


def _checkpoint_to_resume(plan: TrainPlan, run: PreparedRun) -> checkpoints.Checkpoint | None:
    """The newest whole checkpoint, if it is this run's; brings metrics.jsonl back to its step."""
    config = plan.config
    newest = checkpoints.newest_complete(config.run_dir / "checkpoints")
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


def _run_trainer(
    plan: TrainPlan, run: PreparedRun, resumed: checkpoints.Checkpoint | None, flag: StopFlag, on_eval: OnEval | None
) -> PackedTrainer:
    from qaz_llm.rows.dataset import pad_id_of
    from qaz_llm.train.arguments import training_arguments
    from qaz_llm.train.callbacks import StopCallback
    from qaz_llm.train.collate import Collator, needs_lengths
    from qaz_llm.train.sharded_trainer import ShardedTrainer
    from qaz_llm.train.sharding import shard
    from qaz_llm.train.start_model import make_model_to_train
    from qaz_llm.train.trainer import PackedTrainer
    from qaz_llm.train.universal import start_point
    from qaz_llm.train.warm_rows import warm_rows

    config = plan.config
    start = start_point(plan, resumed)
    model, new_tokens = make_model_to_train(plan, run)
    done_steps = resumed.step if resumed else 0
    collator = Collator(
        pad_id_of(run.tokenizer),
        packs=config.packing == "on",
        flash=needs_lengths(model.config._attn_implementation),
    )
    stop = StopCallback(flag)
    with ExitStack() as stack:
        advance = stack.enter_context(progress("training", total=run.steps, unit="steps", done=done_steps))
        callbacks = _callbacks(plan, run, collator, advance, done_steps, on_eval)
        make_dir(config.run_dir / "checkpoints")
        trainer = (ShardedTrainer if uses_fsdp2(config) else PackedTrainer)(
            shard(model, config, plan.device),
            training_arguments(
                config,
                total_steps=run.steps,
                on_cpu=plan.device == "cpu",
                world_size=plan.environment.world_size,
                deepspeed=start.deepspeed,
            ),
            config=config,
            rows=run.rows,
            sampler=run.sampler,
            collator=collator,
            identity=run.identity,
            callbacks=[*start.callbacks, *callbacks, *warm_rows(model, new_tokens, config), stop],
        )
        started = time.monotonic()
        trainer.train(resume_from_checkpoint=start.folder)
    if stop.stopped_at is not None and stop.stopped_at < run.steps:
        raise PreemptedError(
            f"told to stop; step {stop.stopped_at} of {run.steps} is saved in {config.run_dir / 'checkpoints'}",
            hint="the same command goes on from there",
        )
    _logger.info("trained steps %d to %d in %s", done_steps + 1, run.steps, format_duration(time.monotonic() - started))
    return trainer


def _callbacks(
    plan: TrainPlan,
    run: PreparedRun,
    collator: Collator,
    advance: Callable[[float], None],
    done_steps: int,
    on_eval: OnEval | None,
) -> list[Any]:
    """What looks at the training between its steps, in the order it does."""
    from qaz_llm.train.callbacks import EvalCallback, ProgressCallback
    from qaz_llm.train.packing_probe import PackingProbe

    config = plan.config
    probe = PackingProbe(collator, run.rows, micro_batch_size=config.micro_batch_size)
    callbacks: list[Any] = [probe, _metrics(plan, run, done_steps), ProgressCallback(advance)]
    if on_eval is not None:
        path = config.run_dir / EVALS_FILE
        callbacks.append(EvalCallback(on_eval, run.tokenizer, path, config.eval_every_steps or run.steps))
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
