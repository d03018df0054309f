"""`qaz chain`: the main job as jobs of Slurm."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from qaz_llm.cli.options import ConfigPath, DryRun, Overrides
from qaz_llm.errors import InputError


def chain(
    config: ConfigPath,
    overrides: Overrides = None,
    array: Annotated[int, typer.Option(metavar="N", help="Jobs that clean the texts, and that make rows of them.")] = 8,
    sbatch: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=OPTIONS",
            help="sbatch's options for a size (data, tokenize, train, eval) or for one link; over QAZ_SBATCH_DATA and its like.",
        ),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Submit what is missing of a `qaz run` as jobs of Slurm, each after the one before; see slurm/chain.sh."""
    from qaz_llm.config import load_config
    from qaz_llm.pipeline.chain.slurm import size_options
    from qaz_llm.pipeline.chain.submit import Asked, submit_chain
    from qaz_llm.pipeline.config import RunConfig

    if array < 1:
        raise InputError(f"--array {array}: a number from 1 was expected", hint="1 makes no arrays of texts and rows")
    asked = Asked(config, tuple(overrides or ()), array, size_options(sbatch or (), os.environ))
    for line in submit_chain(load_config(RunConfig, config, overrides or ()), asked, dry_run=dry_run):
        typer.echo(line)
