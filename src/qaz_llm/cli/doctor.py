"""`qaz doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json, print_table

if TYPE_CHECKING:
    from qaz_llm.cluster.readiness import Facts, Verdict


def doctor(as_json: AsJson = False) -> None:
    """What this machine has, what it can do, what is missing, and what to type next.

    Exit 1 where not even the demo can be run.
    """
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
    typer.echo()
    for extra, packages in facts.extras.items():
        what = f'-e "{facts.clone}[{extra}]"' if facts.clone is not None else f'"qaz-llm[{extra}]"'
        typer.echo(f"extra {extra}: {', '.join(packages)} not installed; if wanted: pip install {what}")
    typer.echo()
    for one in found.abilities:
        typer.echo(f"{'yes' if one.can else 'no ':4} {one.what}: {one.because}")
        if one.to_type is not None:
            typer.echo(f"       {one.to_type}")
    to_type = found.to_type or "nothing helps on this machine; on another one begin with qaz doctor"
    typer.echo(f"\nverdict: {found.summary}\ntype:    {to_type}")
