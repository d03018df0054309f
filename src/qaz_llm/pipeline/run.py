"""`qaz run`: build the stages of a config, and carry them out or say what they would do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qaz_llm.cluster.environment import export_variables, read_environment
from qaz_llm.config import dump_yaml
from qaz_llm.data.share import Share
from qaz_llm.errors import InputError
from qaz_llm.io import CORPUS_DIR_VARIABLE, check_no_file, check_writable, make_dir, only_one, write_json, write_text
from qaz_llm.pipeline.config import RunConfig
from qaz_llm.pipeline.job import check_inputs, make_stages
from qaz_llm.pipeline.layout import Layout
from qaz_llm.pipeline.looks import check_beside_others
from qaz_llm.pipeline.stages import STAGES_FOLDER, PlannedStage, Stage, StageResult, StageRunner, read_stage_manifests
from qaz_llm.progress import format_duration, get_logger, is_main_process, log_to_file
from qaz_llm.provenance import git_commit, package_versions
from qaz_llm.train.start.others import telling_first
from qaz_llm.train.status import STATUS_FILE, reported_status

_logger = get_logger("run")


@dataclass(frozen=True)
class RunResult:
    """What a run made; `report` and `model` are None where the stages that make them were not reached."""

    run_dir: Path
    stages: tuple[StageResult, ...]
    report: Path | None
    model: Path | None

    def to_dict(self) -> dict[str, Any]:
        return {
            "run_dir": str(self.run_dir),
            "report": str(self.report) if self.report else None,
            "model": str(self.model) if self.model else None,
            "stages": {stage.name: asdict(stage) for stage in self.stages},
        }


def plan_job(config: RunConfig, *, first: str | None, last: str | None, forced: Sequence[str]) -> list[PlannedStage]:
    """What `run_job` would do. Raises InputError for unknown stage names, missing input files, a file where run_dir is to be."""
    check_no_file(config.run_dir)
    runner = _runner(config, forced)
    selected = runner.select(first, last)
    check_own(config.run_dir, runner.stages)
    check_inputs(config, selected)
    return runner.plan(selected, forced)


def run_job(config: RunConfig, *, first: str | None, last: str | None, forced: Sequence[str]) -> RunResult:
    """Carry out the stages that are not up to date.

    Raises:
        InputError: unknown stage names, a run folder that cannot be written, missing input files.
        BadNodeError: of several nodes that are to train some are not fit.
        QazError: whatever a stage raises; what it had done is kept, and the next run goes on from there.
    """
    with telling_first():
        runner = _runner(config, forced)
        selected = runner.select(first, last)
        check_own(config.run_dir, runner.stages)
    environment = read_environment()
    if forced and environment.world_size > 1:
        raise InputError(
            "--force cannot be used by several processes: they would not agree on what is old",
            hint="force the stage in a run of one process, then start this one",
        )
    export_variables(environment)
    check_beside_others(config, selected)
    layout = Layout(config.run_dir)
    with ExitStack() as held:
        if is_main_process():
            check_writable(layout.run_dir)
            held.enter_context(only_one(layout.run_dir))
            _report_status(held, layout, runner, environment.world_size)
        return _run_selected(config, layout, runner, selected, forced)


def run_share(config: RunConfig, name: str, share: Share) -> str:
    """Make a share of what can be made before the stage `name`, beside others that make theirs; says what was made.

    Raises:
        InputError: no such stage, one that cannot be shared out, one before it that was not run; missing input files.
        QazError: whatever the work raises; what it had made is kept.
    """
    if not is_main_process():
        return f"share {share.index}/{share.count} is made by the first process"
    runner = _runner(config, ())
    (stage,) = runner.select(name, name)
    if stage.shared is None:
        able = ", ".join(one.name for one in runner.stages if one.shared is not None)
        raise InputError(f"--share: stage {name} is done by one job", hint=f"these can be shared out: {able}")
    check_own(config.run_dir, runner.stages)
    runner.check_ready((stage,))
    stage.inputs()
    check_writable(config.run_dir)
    make_dir(config.run_dir / STAGES_FOLDER)
    with only_one(config.run_dir, shared=True):
        if runner.look(stage) == "unchanged":
            return f"stage {name} is done already"
        return stage.shared.make(share)


def what_is_saved(run_dir: Path, signal_name: str) -> str:
    """The one line of a job that was told to stop outside a training, which says more."""
    done = ", ".join(read_stage_manifests(run_dir)) or "none yet"
    return f"stopped by {signal_name}: the stages that were done stay in {run_dir} ({done}); the same command goes on"


def _run_selected(
    config: RunConfig, layout: Layout, runner: StageRunner, selected: Sequence[Stage], forced: Sequence[str]
) -> RunResult:
    if is_main_process():
        write_text(layout.run_dir / "config.yaml", dump_yaml(config.to_dict()))
        write_json(
            layout.run_dir / "run.json",
            {
                "packages": package_versions(),
                "git_commit": git_commit(),
                "corpus_dir": None if config.data.root else os.environ.get(CORPUS_DIR_VARIABLE),
            },
        )
    with log_to_file(layout.run_dir / "run.log"):
        results = runner.run(selected, forced)
        total = format_duration(sum(result.seconds for result in results if result.status != "unchanged"))
        _logger.info("all stages are done; this run worked for %s", total)
    report = layout.report / "report.html"
    return RunResult(
        layout.run_dir,
        tuple(results),
        report if report.exists() else None,
        layout.model if layout.model.exists() else None,
    )


def _report_status(held: ExitStack, layout: Layout, runner: StageRunner, processes: int) -> None:
    """Keep status.json of the whole run while `held` is open: which stage it is at; a training's own has the steps."""
    status = held.enter_context(reported_status(layout.run_dir / STATUS_FILE, processes=processes))

    def on_stage(name: str, number: int, total: int) -> None:
        status.begin()
        status.set(at_once=True, phase=name, stage=number, stages=total)

    runner.on_stage = on_stage


def check_own(run_dir: Path, stages: Sequence[Stage]) -> None:
    """Raise InputError where the stages' folders hold files and no run made them: a fresh start would empty them."""
    if (run_dir / STAGES_FOLDER).is_dir():
        return
    for folder in (path for stage in stages for path in (stage.folder, *stage.also)):
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(
                f"{folder}: holds files that no run made, and a stage would replace them",
                hint="choose a run_dir of its own, for instance run_dir=runs/new",
            )


def _runner(config: RunConfig, forced: Sequence[str]) -> StageRunner:
    runner = StageRunner(config.run_dir, make_stages(config))
    for name in forced:
        runner.check_name("--force", name)
    return runner
