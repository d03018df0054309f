"""`qaz doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table

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
    typer.Option("--config", metavar="CONFIG", help="A training config: its `preflight` limits, its folders."),
]


def doctor(nodes: Nodes = False, config: TrainingConfig = None, as_json: AsJson = False) -> None:
    """What this machine has, and whether everything needed is installed; with --nodes whether it is fit to train on."""
    if nodes or config is not None:
        _look_at_nodes(config, as_json)
        return
    from dataclasses import asdict

    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.provenance import package_versions

    facts: dict[str, Any] = {"environment": asdict(read_environment()), "packages": package_versions()}
    if as_json:
        print_json(facts)
    else:
        print_table(["what", "found"], [[k, str(v)] for part in facts.values() for k, v in part.items()])


def _look_at_nodes(config: Path | None, as_json: bool) -> None:
    from dataclasses import asdict

    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.cluster.preflight.alone import look_at_this_node, rows_of
    from qaz_llm.cluster.preflight.verdict import error_of
    from qaz_llm.train.start.others import examine, look_of

    environment, look = read_environment(), look_of(config)
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
