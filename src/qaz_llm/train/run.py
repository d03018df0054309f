"""`qaz train`: a plan carried out, or carried on where it was interrupted.

run_dir/
  config.yaml run.json        what was asked for, and what it ran on
  tokenizer/ packed/          made once
  metrics.jsonl evals.jsonl   one row per logged step; one per evaluation
  samples.jsonl status.json   what the model wrote meanwhile; what the run is doing, or how it ended
  checkpoints/step-<n>/       to go on from
  adapter/                    LoRA only: the adapter by itself
  model/                      the result, adapter merged
  complete.json               written last: the run is done
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qaz_llm.cluster.job import job_state
from qaz_llm.cluster.job_comment import job_comment
from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.cluster.preflight import preflight
from qaz_llm.cluster.restarts import read_restarts
from qaz_llm.cluster.stopping import Stop, Told, stopped_by_signals
from qaz_llm.errors import ConfigError
from qaz_llm.io import facts_of_files, only_one, write_json
from qaz_llm.progress import FILE_ONLY, format_duration, get_logger, log_to_file
from qaz_llm.train.loop.schedule import warm_up_line
from qaz_llm.train.metrics import METRICS_FILE, read_metrics
from qaz_llm.train.plan import TrainPlan, describe_plan
from qaz_llm.train.ranks.distributed import on_main, start_process_group, stop_process_group
from qaz_llm.train.ranks.heartbeat import Heartbeat, heartbeat
from qaz_llm.train.ranks.sharding import uses_fsdp2
from qaz_llm.train.saving import checkpoint as checkpoints
from qaz_llm.train.saving.loading import with_older_ones
from qaz_llm.train.start.isolation import isolated
from qaz_llm.train.start.libraries import import_trainer, left_out, quiet_libraries
from qaz_llm.train.start.others import check_same_run, measure_others, meet_others
from qaz_llm.train.start.resume import COMPLETE_FILE, TrainResult, checkpoint_to_resume, completed, next_older
from qaz_llm.train.start.waiting import make_files_first
from qaz_llm.train.status import STATUS_FILE, StatusFile, reported_status
from qaz_llm.train.watching.comment import comment_of

if TYPE_CHECKING:
    from qaz_llm.train.health.history import Verdict
    from qaz_llm.train.loop.trainer import PackedTrainer
    from qaz_llm.train.start.prepare import PreparedRun
    from qaz_llm.train.watching.texts import Fingerprints
    from qaz_llm.train.watching.watch import OnEval, Sight

_logger = get_logger("train")


def train(
    plan: TrainPlan,
    *,
    on_eval: OnEval | None = None,
    heldout: Mapping[str, Sequence[str]] | None = None,
    fingerprints: Fingerprints | None = None,
) -> TrainResult:
    """Train until the last step of the plan, going on from the newest whole checkpoint in its run_dir.

    Args:
        on_eval: called as `on_eval(model, tokenizer, step)` on every rank each `eval_every_steps` and at the end;
            what it returns goes into evals.jsonl.
        heldout: the texts it evaluates on, by name: samples continue their first words where the config gives no
            `watch.prompts`, and those that are in the training data too are counted in a warning.
        fingerprints: by the name of each number of `on_eval`, what it is measured on; left out: by `heldout`. Numbers of a name are
            compared over the steps, and between sittings, where its fingerprint is the same.

    Raises:
        InputError: run_dir cannot be written, the disk is too small, or it holds a run and `resume` is false.
        OtherRunError: run_dir belongs to a run with another config or other data; the keys are named.
        PreemptedError: told to stop by SIGTERM or SIGUSR1; a checkpoint was saved, the same command goes on from it.
        ConfigError: `eval_every_steps` with nothing to evaluate on, a tracker that is not installed; or documents of a batch would see each other; what works is named.
        BadNodeError: of several nodes some are not fit, or some processes did not come (docs/preflight.md).
        DivergedError: a step was no good, and `on_divergence` does not go on past it, or no longer.
    """
    from qaz_llm.train.loop.stopping import what_is_saved
    from qaz_llm.train.watching.texts import fingerprints_of
    from qaz_llm.train.watching.watch import Sight

    shared, texts = plan.config.distributed, fingerprints_of(heldout or {}) if fingerprints is None else fingerprints
    sight = Sight(on_eval, heldout or {}, texts)
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
        return _train_among_others(plan, flag, beat, sight, ignored)


def _train_among_others(
    plan: TrainPlan, flag: Stop, beat: Heartbeat, sight: Sight, ignored: Sequence[str]
) -> TrainResult:
    """`train` once the environment is its own: meet the other processes, work, part from them."""
    config = plan.config
    on_cpu = plan.device == "cpu"
    import_trainer()
    started_before = quiet_libraries(on_cpu=on_cpu, with_deepspeed=plan.deepspeed_path is not None)
    stopped: PreemptedError | None = None
    meeting = meet_others(plan)
    make_files_first(plan)
    try:
        start_process_group(
            plan.environment,
            on_cpu=on_cpu,
            sharded=plan.deepspeed_path is not None or uses_fsdp2(config),
            timeout_minutes=config.distributed.timeout_minutes,
            store=meeting.store if meeting is not None else None,
        )
        beat.met()
        on_main(lambda: preflight(config.run_dir, needed_bytes=plan.disk_bytes))
        with ExitStack() as held:
            if plan.deepspeed_path is None:  # accelerate would import it for a comparison
                held.enter_context(left_out("deepspeed"))
            on_main(lambda: held.enter_context(only_one(config.run_dir)))
            status = held.enter_context(_told_status(plan))
            held.enter_context(log_to_file(config.run_dir / "train.log"))
            if ignored:
                _logger.warning("environment variables ignored, the config decides: %s", ", ".join(ignored))
            beat.mark("measuring the nodes", is_long=True)
            measure_others(meeting, plan)
            return _train(plan, flag, beat, sight, status)
    except PreemptedError as error:
        # Raised anew below: the traceback's frames hold the model, which is to be gone before the process group is.
        stopped = PreemptedError(error.message, hint=error.hint)
    except Told:
        raise
    except Exception as error:
        flag.hold()  # a launcher ends the processes that are left by a signal: they are to say first whom they follow
        if (explained := beat.explained(error)) is error:
            raise
        with log_to_file(config.run_dir / "train.log"):
            _logger.error(str(explained), extra={FILE_ONLY: True})
        raise explained from None
    except KeyboardInterrupt:
        newest = checkpoints.newest_complete(config.run_dir / "checkpoints")
        where = f"from step {newest.step}" if newest else "from the start"
        _logger.warning("interrupted; the same command goes on %s", where)
        raise
    finally:
        if not started_before:
            stop_process_group(lasting=uses_fsdp2(config) and plan.environment.world_size > 1)
    raise stopped


@contextmanager
def _told_status(plan: TrainPlan) -> Iterator[StatusFile]:
    """status.json of the first process, and the comment of its Slurm job, while the block runs."""
    here = plan.environment
    restarts = [restart.to_dict() for restart in read_restarts(job_state())]
    with job_comment(here.job_id if here.is_main else None) as comment:
        path = plan.config.run_dir / STATUS_FILE if here.is_main else None
        facts = {"processes": here.world_size, "restarts": restarts}
        with reported_status(path, on_write=lambda values: comment.tell(comment_of(values)), **facts) as status:
            yield status


def _train(plan: TrainPlan, flag: Stop, beat: Heartbeat, sight: Sight, status: StatusFile) -> TrainResult:
    from qaz_llm.train.health.divergence import DivergedError
    from qaz_llm.train.health.rollback import clear_up, given_up, may_roll_back, roll_back
    from qaz_llm.train.start.prepare import open_prepared, prepare_files
    from qaz_llm.train.start.second_try import second_try
    from qaz_llm.train.watching.checks import check_watching

    check_watching(plan.config, has_eval=sight.on_eval is not None, names=tuple(sight.heldout))
    for line in describe_plan(plan).splitlines():
        _logger.info(line)
    if not plan.fits:
        _logger.warning("the estimate says that this does not fit; trying all the same")
    status.phase("preparing")
    files = on_main(lambda: prepare_files(plan))
    run = open_prepared(plan, files)
    check_same_run(run)
    if not plan.steps_are_exact and (warm_up := warm_up_line(plan.config, run.steps)) is not None:  # the plan guessed
        _logger.warning(warm_up)
    done = completed(plan, run)
    if done is not None:
        _logger.info("complete: %d steps are done, the model is in %s; nothing to do", done.steps, done.model_dir)
        return done
    status.set(steps=run.steps)
    status.begin()
    while True:
        try:
            return _sitting(plan, run, flag, beat, sight, status)
        except DivergedError as error:
            flag.let_go()
            if not on_main(partial(may_roll_back, plan)):
                raise given_up(plan, error) from None
            verdict: Verdict | None = error.verdict
        except (ConfigError, RuntimeError, ValueError, MemoryError) as error:
            plan, verdict = second_try(plan, error), None
            flag.let_go()
        if verdict is not None:
            on_main(partial(roll_back, plan, run, verdict))
        clear_up()
        run = open_prepared(plan, files)


def _sitting(
    plan: TrainPlan, run: PreparedRun, flag: Stop, beat: Heartbeat, sight: Sight, status: StatusFile
) -> TrainResult:
    """From the newest checkpoint that can be used to the model."""
    from qaz_llm.train.loop.sitting import run_trainer
    from qaz_llm.train.start.prepare import describe_data, write_run_facts
    from qaz_llm.train.watching.ending import ended_before
    from qaz_llm.train.watching.evaluation import shown_in_status
    from qaz_llm.train.watching.forgetting import stop_if_forgotten, watched_names
    from qaz_llm.train.watching.overlap import say_overlaps
    from qaz_llm.train.watching.texts import say_other_texts
    from qaz_llm.train.watching.watch import Watch

    resumed = checkpoint_to_resume(plan, run)
    status.set(step=resumed.step if resumed else 0)
    on_main(partial(write_run_facts, plan, run))
    for line in describe_data(plan, run):
        _logger.info(line)
    watched = watched_names(plan.config, tuple(sight.heldout))
    has_other_text = on_main(partial(say_other_texts, plan.config.run_dir, sight.texts, watched))
    if (resumed is None or has_other_text) and sight.heldout:
        on_main(lambda: say_overlaps(plan.config.run_dir, sight.heldout, run.tokenizer, run.rows.parts))
    watching = Watch.begin(plan, status, run.entries, sight)
    status.set(**on_main(partial(shown_in_status, plan.config.run_dir, plan.config.watch)))
    on_main(lambda: stop_if_forgotten(plan.config.run_dir, plan.config.watch.forgetting))
    run = ended_before(run, plan, resumed.step if resumed else 0, status)
    trainer = with_older_ones(
        partial(run_trainer, plan, run, flag, beat, watching), resumed, partial(next_older, plan, run)
    )
    on_main(lambda: stop_if_forgotten(plan.config.run_dir, plan.config.watch.forgetting))
    if plan.is_trial:
        return _result(plan.config.run_dir, run.steps, "trial")
    status.phase("exporting")
    return _finish(plan, ended_before(run, plan, trainer.state.global_step, status), trainer, resumed)


def _write_complete(run_dir: Path, facts: Mapping[str, Any]) -> None:
    """The marker of a run that is done, with the sizes and hashes of its model."""
    write_json(run_dir / COMPLETE_FILE, {**facts, "files": facts_of_files(run_dir / "model")})


def _finish(
    plan: TrainPlan, run: PreparedRun, trainer: PackedTrainer, resumed: checkpoints.Checkpoint | None
) -> TrainResult:
    """Write the model, then the marker that says the run is done."""
    from qaz_llm.train.saving.result import save_result
    from qaz_llm.train.watching.curve import say_curve
    from qaz_llm.train.watching.ending import to_final_weights
    from qaz_llm.train.watching.forgetting import say_forgetting

    config = plan.config
    trainer.beat.mark("writing the model", is_long=True)
    model_of_step = to_final_weights(trainer, config)
    trainer.check_weights()
    save_result(plan, run, trainer)
    result = _result(config.run_dir, run.steps, "resumed" if resumed else "trained")
    facts = {
        "steps": run.steps,
        "tokens": result.tokens,
        "final_loss": result.final_loss,
        "seconds": result.seconds,
        "final_model": config.watch.final_model,
        "model_of_step": model_of_step,
        "identity": run.identity,
    }
    on_main(partial(_write_complete, config.run_dir, facts))
    on_main(partial(say_curve, config.run_dir))
    on_main(partial(say_forgetting, config.run_dir, config.watch.forgetting))
    _logger.info(
        "done: %d steps, %s tokens, loss %.4f, %s of training",
        run.steps, f"{result.tokens:,}", result.final_loss, format_duration(result.seconds),
    )  # fmt: skip
    return result


def _result(run_dir: Path, steps: int, status: Literal["trained", "resumed", "trial"]) -> TrainResult:
    """By the last row of metrics."""
    last = (read_metrics(run_dir / METRICS_FILE) or [{"loss": float("nan"), "tokens": 0, "seconds": 0.0}])[-1]
    numbers = last["tokens"], last["loss"], last["seconds"]
    return TrainResult(run_dir / "model", steps, *numbers, run_dir / METRICS_FILE, status)
