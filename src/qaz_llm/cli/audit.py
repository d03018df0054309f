"""`qaz audit`: what a run was made of, in one folder for an auditor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson
from qaz_llm.cli.printing import print_json


def audit(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="The run_dir of `qaz run` or `qaz train`.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the folder goes.")],
    data: Annotated[
        list[Path] | None, typer.Option(metavar="DIR", help="A data build outside the run; repeatable.")
    ] = None,
    evaluations: Annotated[
        list[Path] | None, typer.Option("--eval", metavar="DIR", help="An evaluation outside the run; repeatable.")
    ] = None,
    label_root: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The certificate that labels of the model's texts lead to.")
    ] = None,
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Sign with this Ed25519 key (PEM); made where there is none.")
    ] = None,
    watts: Annotated[
        float | None, typer.Option(min=0.0, help="Power of one device for the energy estimate; else assumed.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Gather cards, licences, counts, evaluation, versions, hashes, SBOM and forms of a run into one folder for an auditor."""
    from dataclasses import asdict

    from qaz_llm.pipeline.audit.build import INDEX, build_audit
    from qaz_llm.pipeline.audit.words import ENGLISH

    made = build_audit(
        run_dir, out, data=data or (), evaluations=evaluations or (), label_root=label_root, key=sign, watts=watts
    )
    if as_json:
        print_json(asdict(made))
        return
    for part in made.missing:
        typer.echo(f"missing: {ENGLISH.missing[part]}")
    replaced = ", ".join(f"{kind} {number:,}" for kind, number in sorted(made.replaced.items())) or "nothing"
    typer.echo(f"replaced: {replaced}")
    typer.echo(
        f"{made.path / INDEX}: {made.files} files{', signed' if made.signed else ''}; no certificate of compliance"
    )
