"""`qaz eval`: models scored and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson, Overrides
from qaz_llm.cli.printing import print_json
from qaz_llm.errors import InputError
from qaz_llm.progress import is_main_process

eval_app = typer.Typer(no_args_is_help=True, help="Score models in kk, ru and en, and compare them.")


@eval_app.command("run")
def eval_run(
    model: Annotated[str, typer.Option(metavar="DIR_OR_HUB_ID", help="A causal language model.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where items.jsonl, parity.json and report.html go.")],
    suite: Annotated[str | None, typer.Option(help="A set of tasks; `qaz eval tasks` lists them.")] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|NAME", help="A task file or folder of your own, or a task by name."),
    ] = None,
    overrides: Overrides = None,
    config: Annotated[Path | None, typer.Option(help="An eval config for all else.")] = None,
    as_json: AsJson = False,
) -> None:
    """Score a model on a suite in kk, ru and en."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import config_from_values, load_config
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.evals.spread import run_spread

    if suite is None and not tasks and config is None:
        raise InputError("nothing to score", hint="name a suite (--suite demo) or a task file (--tasks my.yaml)")
    given = {"suite": suite or ("own" if tasks else None), "tasks": tasks or None}
    named = {"model": model, "out": str(out), **{key: value for key, value in given.items() if value is not None}}
    if config is None:
        settings = config_from_values(EvalConfig, named, where="command line", overrides=overrides or ())
    else:
        settings = load_config(
            EvalConfig, config, [*(f"{k}={json.dumps(v)}" for k, v in named.items()), *(overrides or ())]
        )
    with stopped_by_signals(
        lambda name: f"stopped by {name}: what was answered stays in {out / 'answers'}; the same command asks the rest"
    ):
        result = run_spread(settings)
    if not is_main_process():
        return
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(result.describe())


@eval_app.command("tasks")
def eval_tasks(
    root: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder with data, else $QAZ_CORPUS_DIR.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The tasks that ship with the package, the suites they are in, and whether their data is at hand."""
    from qaz_llm.evals.listing import list_tasks

    rows = list_tasks(root)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        there = "" if row["has_data"] else ", data not at hand"
        typer.echo(f"{row['name']}: {row['description']}")
        typer.echo(
            f"  {', '.join(row['languages'])}; {row['kind']}, {row['metric']}; {row['licence']}; "
            f"suites {', '.join(row['suites'])}{there}"
        )


@eval_app.command("compare")
def eval_compare(
    base: Annotated[Path, typer.Argument(metavar="BASE_DIR", help="The `out` of the model before adaptation.")],
    adapted: Annotated[Path, typer.Argument(metavar="ADAPTED_DIR", help="The `out` of the model after it.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where comparison.json and report.html go.")],
) -> None:
    """What adaptation changed, item by item: gains on kk, forgetting on ru and en."""
    from qaz_llm.evals.compare import compare

    compare(base, adapted, out)
    typer.echo(out / "report.html")


@eval_app.command("report")
def eval_report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of `qaz eval run`.")]) -> None:
    """Write the report of an evaluation again."""
    from qaz_llm.evals.report import write_report

    typer.echo(write_report(folder))
