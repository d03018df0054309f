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
    from qaz_llm.pipeline.chain.state import chain_state, describe_chain
    from qaz_llm.pipeline.status import describe_status, find_status
    from qaz_llm.train.status import STATUS_FILE

    chain = chain_state(run_dir)
    has_begun = not chain or (run_dir / STATUS_FILE).exists()
    found = find_status(run_dir) if has_begun else {}
    if as_json:
        print_json({**found, "chain": chain} if chain else found)
        return
    if has_begun:
        typer.echo("\n".join(describe_status(found)))
    if chain:
        typer.echo("\n".join(["chain of jobs:", *describe_chain(chain)]))
