"""`qaz eval bridge` and `qaz eval bridge-read`: our tasks asked by lm-evaluation-harness."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import Overrides


def bridge_write(
    out: Annotated[Path, typer.Argument(metavar="OUT_DIR", help="The folder for lm_eval's --include_path.")],
    overrides: Overrides = None,
    suite: Annotated[str | None, typer.Option(help="A set of tasks; `qaz eval tasks` lists them.")] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE|NAME", help="A task file or folder of your own, or a task by name."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="DIR_OR_HUB_ID", help="Begin each context as we do with this model: with its start token."
        ),
    ] = None,
) -> None:
    """Write tasks for lm-evaluation-harness, which then asks the same bytes."""
    from qaz_llm.config import config_from_values
    from qaz_llm.evals.bridge.package import start_token_of, write_package
    from qaz_llm.evals.config import EvalSettings

    values = {"suite": suite or "own", **({"tasks": tasks} if tasks else {})}
    settings = config_from_values(EvalSettings, values, where="command line", overrides=overrides or ())
    parts = write_package(settings, out, start_token=start_token_of(model) if model else "")
    for part in parts:
        typer.echo(part.name)
    shown = json.dumps(model) if model else "MODEL"
    typer.echo(
        f"lm_eval run --model hf --model_args pretrained={shown} --include_path {out} --tasks qaz_{settings.suite}"
    )
    typer.echo(
        "  … --output_path RESULTS --log_samples; then: qaz eval bridge-read PACKAGE RESULTS --model NAME --out OUT"
    )


def bridge_read(
    package: Annotated[Path, typer.Argument(metavar="PACKAGE", help="The folder that `qaz eval bridge` wrote.")],
    results: Annotated[Path, typer.Argument(metavar="RESULTS", help="The --output_path of lm_eval --log_samples.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where items.jsonl, parity.json and report.html go.")],
    model: Annotated[str, typer.Option(metavar="NAME", help="What the model is called in the report.")],
) -> None:
    """Read what lm-evaluation-harness logged as an evaluation of ours, with its report."""
    from qaz_llm.evals.bridge.samples import import_samples

    parity = import_samples(package, results, out, model=model)
    for warning in parity["warnings"]:
        typer.echo(f"note: {warning}")
    typer.echo(out / "report.html")
