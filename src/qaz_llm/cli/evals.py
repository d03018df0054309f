"""`qaz eval`: models scored and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.bridge import bridge_read, bridge_write
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
    server: Annotated[
        str | None, typer.Option(metavar="URL", help="An OpenAI-compatible server that knows --model by its name.")
    ] = None,
    overrides: Overrides = None,
    config: Annotated[Path | None, typer.Option(help="An eval config for all else.")] = None,
    share: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only every N-th task, from number I (from 0); for job arrays.")
    ] = None,
    merge_only: Annotated[
        bool, typer.Option(help="Put the answers of all shares together, and fail where one is missing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Score a model on a suite in kk, ru and en."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import config_from_values, load_config
    from qaz_llm.data.share import Share
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.evals.part import Part
    from qaz_llm.evals.spread import run_spread

    if suite is None and not tasks and config is None:
        raise InputError("nothing to score", hint="name a suite (--suite demo) or a task file (--tasks my.yaml)")
    given = {
        "suite": suite or ("own" if tasks else None),
        "tasks": tasks or None,
        "server": {"url": server} if server else None,
    }
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
        result = run_spread(settings, part=Part(Share.parse(share) if share is not None else None, merge_only))
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
    from qaz_llm.evals.listing import list_tasks, task_line

    rows = list_tasks(root)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['name']}: {row['description']}")
        typer.echo(f"  {task_line(row)}")


@eval_app.command("compare")
def eval_compare(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR DIR …", help="The `out` of two evaluations or more.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where comparison.json and report.html go.")],
    base: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The one that all others are held against; else the first.")
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="A part of the setting that may differ, for instance start_token; the page says so."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What changed between evaluations, item by item: gains on kk, gaps between languages, what ru and en lost."""
    from qaz_llm.evals.comparing.compare import compare

    values = compare(folders, out, base=base, allowed=allow or ())
    if as_json:
        print_json(values)
        return
    for warning in values["warnings"]:
        typer.echo(f"note: {warning}", err=True)
    typer.echo(out / "report.html")


@eval_app.command("judge")
def eval_judge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of an evaluation with a task of kind open.")],
    model: Annotated[
        list[str], typer.Option(metavar="NAME", help="A judge that the server knows; twice for two judges.")
    ],
    server: Annotated[str, typer.Option(metavar="URL", help="An OpenAI-compatible server.")],
    criterion: Annotated[str, typer.Option(help="What is judged: safety or quality.")] = "safety",
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Have a language model judge written answers; every prompt, verdict, disagreement and cost is kept."""
    from qaz_llm.config import config_from_values
    from qaz_llm.evals.judge.describe import describe
    from qaz_llm.evals.judge.judging import JudgeConfig, judge_run

    values = {"criterion": criterion, "judges": model, "server": {"url": server}}
    found = judge_run(folder, config_from_values(JudgeConfig, values, where="command line", overrides=overrides or ()))
    if as_json:
        print_json(found)
    else:
        typer.echo(describe(found))


@eval_app.command("leaderboard")
def eval_leaderboard(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR …", help="Folders that hold outputs of `qaz eval run`.")
    ],
    tasks: Annotated[
        list[str] | None, typer.Option("--task", metavar="NAME", help="Only this task; may be given several times.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where leaderboard.json and report.html go; else it is only printed."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Past evaluations ranked by task and language, with who cannot be told from the first."""
    from qaz_llm.evals.comparing.leaderboard import leaderboard
    from qaz_llm.evals.report.leaderboard import markdown_of_leaderboard

    values = leaderboard(folders, tasks=tasks or (), out=out)
    if as_json:
        print_json(values)
    else:
        typer.echo(markdown_of_leaderboard(values) if out is None else out / "report.html")


@eval_app.command("report")
def eval_report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of `qaz eval run`.")]) -> None:
    """Write the report of an evaluation again."""
    from qaz_llm.evals.report import write_report

    typer.echo(write_report(folder))


eval_app.command("bridge")(bridge_write)
eval_app.command("bridge-read")(bridge_read)
