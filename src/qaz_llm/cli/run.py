"""`qaz run`: the whole job."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_stages
from qaz_llm.errors import InputError
from qaz_llm.progress import is_main_process


def run(
    config: ConfigPath,
    overrides: Overrides = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Start at this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="End after this stage.")] = None,
    only: Annotated[str | None, typer.Option(metavar="STAGE", help="This stage alone: --from and --until it.")] = None,
    share: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="With --only: before that stage, part I (from 0) of N of its work; `array/N` in a Slurm array.",
        ),
    ] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Run this stage even if nothing changed.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The main job: corpus, tokenizer, training, evaluation, report; unchanged stages are skipped."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import load_config
    from qaz_llm.data.share import Share
    from qaz_llm.pipeline.chain.log import noted_in_chain
    from qaz_llm.pipeline.config import RunConfig
    from qaz_llm.pipeline.run import plan_job, run_job, run_share, what_is_saved
    from qaz_llm.train.start.others import telling_first

    if only is not None:
        _check_alone(first=first, last=last, dry_run=dry_run, share=share)
        first = last = only
    elif share is not None:
        raise InputError("--share needs --only", hint="for instance --only corpus --share 0/16")
    if share is not None and only is not None:
        with noted_in_chain():
            settings = load_config(RunConfig, config, overrides or ())
            with stopped_by_signals(lambda name: what_is_saved(settings.run_dir, name)):
                made = run_share(settings, only, Share.parse(_of_array(share)))
        if is_main_process():
            typer.echo(made)
        return
    if dry_run:
        settings = load_config(RunConfig, config, overrides or ())
        planned = plan_job(settings, first=first, last=last, forced=force or ())
        if as_json:
            print_json([vars(stage) for stage in planned])
        else:
            print_stages([vars(stage) for stage in planned])
        return
    with noted_in_chain():
        with telling_first():
            settings = load_config(RunConfig, config, overrides or ())
        with stopped_by_signals(lambda name: what_is_saved(settings.run_dir, name)):
            result = run_job(settings, first=first, last=last, forced=force or ())
    if not is_main_process():
        return
    if as_json:
        print_json(result.to_dict())
    elif result.report is not None:
        typer.echo(f"report: {result.report}")
        typer.echo(f"model:  {result.model}")


def _check_alone(*, first: str | None, last: str | None, dry_run: bool, share: str | None) -> None:
    """Raise InputError where --only or --share stands beside an option that says something else."""
    if first is not None or last is not None:
        raise InputError("--only stands in place of --from and --until", hint="leave them out")
    if dry_run and share is not None:
        raise InputError("--dry-run says what stages do, not shares", hint="leave --share out")


def _of_array(share: str) -> str:
    """`3/8` of `array/8` in the job with number 3 of a Slurm array."""
    number = os.environ.get("SLURM_ARRAY_TASK_ID")
    if share.startswith("array/") and number is None:
        raise InputError(f"--share {share}: this is no job of a Slurm array", hint="give a number, as in --share 0/8")
    return share.replace("array", number or "", 1) if share.startswith("array/") else share
