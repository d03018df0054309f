"""`qaz doctor`."""

from __future__ import annotations

from typing import Any

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table


def doctor(as_json: AsJson = False) -> None:
    """What this machine has, and whether everything needed is installed."""
    from dataclasses import asdict

    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.provenance import package_versions

    facts: dict[str, Any] = {"environment": asdict(read_environment()), "packages": package_versions()}
    if as_json:
        print_json(facts)
    else:
        print_table(["what", "found"], [[k, str(v)] for part in facts.values() for k, v in part.items()])
