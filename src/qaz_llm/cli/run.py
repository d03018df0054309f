"""`qaz run`: the whole job."""

from __future__ import annotations

from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_stages
from qaz_llm.progress import is_main_process


def run(
    config: ConfigPath,
    overrides: Overrides = None,
    first: Annotated[str | None, typer.Option("--from", metavar="STAGE", help="Start at this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", metavar="STAGE", help="End after this stage.")] = None,
    force: Annotated[
        list[str] | None, typer.Option(metavar="STAGE", help="Run this stage even if nothing changed.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """The main job: corpus, tokenizer, training, evaluation, report; unchanged stages are skipped."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import load_config
    from qaz_llm.pipeline.config import RunConfig
    from qaz_llm.pipeline.run import plan_job, run_job, what_is_saved

    settings = load_config(RunConfig, config, overrides or ())
    if dry_run:
        planned = plan_job(settings, first=first, last=last, forced=force or ())
        if as_json:
            print_json([vars(stage) for stage in planned])
        else:
            print_stages([vars(stage) for stage in planned])
        return
    with stopped_by_signals(lambda name: what_is_saved(settings.run_dir, name)):
        result = run_job(settings, first=first, last=last, forced=force or ())
    if not is_main_process():
        return
    if as_json:
        print_json(result.to_dict())
    elif result.report is not None:
        typer.echo(f"report: {result.report}")
        typer.echo(f"model:  {result.model}")
