"""`qaz status`: what a run is doing, for another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json


def status(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The run_dir of `qaz train` or `qaz run`.")],
    as_json: AsJson = False,
) -> None:
    """What a run is doing: state, step, loss, rate, time left, restarts and why."""
    from qaz_llm.pipeline.status import describe, look_at

    found = look_at(run_dir)
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(describe(found)))
