"""`qaz doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from qaz_llm.cluster.readiness import Facts, Verdict

Nodes = Annotated[
    bool,
    typer.Option(
        "--nodes",
        help="Look at this node as a training of several processes would; under srun or torchrun at all nodes, "
        "and measure them. Exit 69 where one is not fit.",
    ),
]
TrainingConfig = Annotated[
    Path | None,
    typer.Option("--config", metavar="CONFIG", help="A training or run config: its `preflight` limits, its folders."),
]


def doctor(nodes: Nodes = False, config: TrainingConfig = None, as_json: AsJson = False) -> None:
    """What this machine has, what it can do, what is missing, and what to type next; with --nodes whether it is fit to train on.

    Exit 1 where not even the demo can be run.
    """
    if nodes or config is not None:
        _look_at_nodes(config, as_json)
        return
    from dataclasses import asdict

    from qaz_llm.cluster.readiness import read_facts, verdict
    from qaz_llm.provenance import package_versions

    facts = read_facts()
    found = verdict(facts)
    environment = {} if facts.environment is None else asdict(facts.environment)
    if as_json:
        values: dict[str, Any] = {"environment": environment, "packages": package_versions(), **_shown(facts)}
        print_json({**values, **asdict(found), "ready": found.is_ready})
    else:
        rows = [[key, str(value)] for key, value in {**environment, **package_versions()}.items()]
        print_table(["what", "found"], rows)
        _print_verdict(facts, found)
    raise typer.Exit(0 if found.is_ready else 1)


def _shown(facts: Facts) -> dict[str, Any]:
    return {"missing": facts.missing, "missing_extras": facts.extras, "free_bytes": facts.free_bytes}


def _print_verdict(facts: Facts, found: Verdict) -> None:
    from qaz_llm.installed import install_command

    typer.echo()
    for extra, packages in facts.extras.items():
        to_type = install_command(packages, extra, source=facts.source)
        typer.echo(f"extra {extra}: {', '.join(packages)} not installed; if wanted: {to_type}")
    typer.echo()
    for one in found.abilities:
        typer.echo(f"{'yes' if one.can else 'no ':4} {one.what}: {one.because}")
        if one.to_type is not None:
            typer.echo(f"       {one.to_type}")
    to_type = found.to_type or "nothing helps on this machine; on another one begin with qaz doctor"
    typer.echo(f"\nverdict: {found.summary}\ntype:    {to_type}")


def _look_at_nodes(config: Path | None, as_json: bool) -> None:
    from dataclasses import asdict

    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.cluster.preflight.alone import look_at_this_node, rows_of
    from qaz_llm.cluster.preflight.verdict import error_of
    from qaz_llm.pipeline.looks import look_of_config
    from qaz_llm.train.start.others import examine

    environment, look = read_environment(), look_of_config(config)
    if environment.world_size > 1:
        examine(environment, look)
        return
    facts, findings = look_at_this_node(environment, look)
    if as_json:
        print_json({"node": asdict(facts), "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(["what", "found"], rows_of(facts, findings))
    if (error := error_of(findings, num_nodes=1, state=None)) is not None:
        raise error
