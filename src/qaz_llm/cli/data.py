"""`qaz data`: corpora built, shown, mixed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json

data_app = typer.Typer(no_args_is_help=True, help="Build a corpus, and look at what was kept and dropped.")


@data_app.command("build")
def data_build(
    config: ConfigPath,
    overrides: Overrides = None,
    dry_run: DryRun = False,
    share: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only clean part I (from 0) of N; for job arrays.")
    ] = None,
    merge_only: Annotated[bool, typer.Option(help="Fail where a part has not been cleaned by then.")] = False,
    as_json: AsJson = False,
) -> None:
    """Read, repair, identify, filter, deduplicate and protect; writes shards, manifest, report and card to `out`."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import load_config

    with stopped_by_signals(lambda name: f"stopped by {name} before anything was read; run the same command again"):
        from qaz_llm.data.build import Share, build  # takes a second
        from qaz_llm.data.config import DataConfig

        result = build(
            load_config(DataConfig, config, overrides or ()),
            dry_run=dry_run,
            share=Share.parse(share) if share is not None else None,
            merge_only=merge_only,
        )
    if as_json:
        print_json(result.to_dict())
    else:
        typer.echo(result.describe())


@data_app.command("mix")
def data_mix(config: ConfigPath, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """What a mix takes of a corpus: tokens, passes and share per language and source; nothing is written."""
    from qaz_llm.config import load_config
    from qaz_llm.data.config import MixConfig
    from qaz_llm.data.mixing.corpus_mix import describe_mix

    mix = describe_mix(load_config(MixConfig, config, overrides or ()))
    if as_json:
        print_json(mix.to_dict())
    else:
        typer.echo("\n".join(mix.lines()))


@data_app.command("report")
def data_report(folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of a build.")]) -> None:
    """Write the report of a build again."""
    from qaz_llm.data.report import write_report

    typer.echo(write_report(folder))


@data_app.command("show")
def data_show(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The `out` of a build.")],
    dropped: Annotated[bool, typer.Option(help="Show dropped documents instead of kept ones.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only documents dropped for this reason.")] = None,
    language: Annotated[str | None, typer.Option(help="Only documents in this language.")] = None,
    source: Annotated[str | None, typer.Option(help="Only documents of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Page through the documents of a build."""
    from qaz_llm.data.show import show_documents

    rows = show_documents(
        folder,
        dropped=dropped or reason is not None,
        reason=reason,
        language=language,
        source=source,
        limit=limit,
        offset=offset,
    )
    for row in rows:
        if as_json:
            typer.echo(json.dumps(row, ensure_ascii=False))
        else:
            typer.secho("  ".join(f"{k}={v}" for k, v in row.items() if k not in {"text", "meta"}), bold=True)
            typer.echo(f"{row.get('text', '')}\n")
