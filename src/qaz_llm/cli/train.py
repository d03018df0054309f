"""`qaz train CONFIG` and `qaz train report RUN_DIR`."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_plan_of_training
from qaz_llm.errors import InputError
from qaz_llm.progress import is_main_process

if TYPE_CHECKING:
    from qaz_llm.pipeline.watch import HeldOut
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import TrainPlan

REPORT = "report"
TRAIN = " "
"""Name of the command that is meant where none is named; it shows as nothing in its help."""


class TrainGroup(TyperGroup):
    """`qaz train CONFIG` as it always was, and `qaz train report RUN_DIR` beside it.

    The first word decides: `report` is the command, anything else is the training's. A config named so is `./report`.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if not args or args[0] != REPORT:
            return super().parse_args(ctx, [TRAIN, *args])
        if Path(REPORT).is_file() and not any(Path(word).is_dir() for word in args[1:]):
            raise InputError(
                "`qaz train report` is a command, and a file named report lies here",
                hint="to train by that file: qaz train ./report; for the report of a run: qaz train report RUN_DIR",
            )
        return super().parse_args(ctx, args)


train_app = typer.Typer(
    cls=TrainGroup,
    help="Train a model by a config, and make the report of a run.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


@train_app.command(TRAIN)
def train(
    config: ConfigPath,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Train a few steps at rising learning rates, and suggest one.")
    ] = False,
) -> None:
    """Train a model; run again with the same arguments, it goes on where it stopped.

    What a run has done: qaz train report RUN_DIR. What it does now: qaz status RUN_DIR.
    """
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.run import train as train_model
    from qaz_llm.train.start.libraries import import_trainer
    from qaz_llm.train.start.others import plan_beside_others, telling_first

    if dry_run and find_lr:
        raise InputError("--dry-run trains nothing, and --find-lr trains a few steps", hint="leave one of them out")
    with nullcontext() if dry_run else telling_first():
        settings, watch = _settings(config, overrides)
    if not dry_run:
        import_trainer()  # before a plan of a checkpoint imports more of transformers than is used
    environment = read_environment()
    plan = make_plan(settings, environment) if dry_run else plan_beside_others(settings, environment)
    if dry_run:
        print_plan_of_training(plan, as_json)
        if not plan.fits:  # as `qaz plan` says it
            raise typer.Exit(1)
        return
    if find_lr:
        _find_lr(plan, watch, as_json)
        return
    result = train_model(plan, on_eval=watch, heldout=watch.texts if watch else None)
    if as_json and is_main_process():
        print_json(vars(result))


@train_app.command(REPORT)
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The run_dir of a training, done or not.")],
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="The HTML file; else RUN_DIR/report.html.")] = None,
) -> None:
    """Write what a training did as one HTML file: losses, held-out numbers, speed, restarts, samples, config, versions."""
    from qaz_llm.io import check_output_file
    from qaz_llm.train.report import write_report

    if out is not None:
        check_output_file(out)
    typer.echo(f"report: {write_report(run_dir, out or run_dir / 'report.html')}")


def _find_lr(plan: TrainPlan, watch: HeldOut | None, as_json: bool) -> None:
    from qaz_llm.cli.printing import print_range_test
    from qaz_llm.train.rate.range_test import find_lr

    found = find_lr(plan, on_eval=watch, heldout=watch.texts if watch else {})
    if is_main_process():
        print_json(found.to_dict()) if as_json else print_range_test(found)


def _settings(config: Path, overrides: Overrides) -> tuple[TrainConfig, HeldOut | None]:
    """The config, and its held-out texts; what it asks to watch is there."""
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.watching.checks import check_watching

    settings = load_config(TrainConfig, config, overrides or ())
    watch = _watch(settings)
    check_watching(settings, has_eval=watch is not None, names=tuple(watch.texts) if watch else ())
    return settings, watch


def _watch(settings: TrainConfig) -> HeldOut | None:
    """The held-out texts; None where there are none, and nothing of evaluation is imported."""
    if not settings.heldout:
        return None
    from qaz_llm.pipeline.watch import watch_files

    return watch_files(settings.heldout)
