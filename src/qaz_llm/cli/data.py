"""`qaz data`: corpora built, shown, mixed, turned into rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from qaz_llm.cli.options import AsJson, ConfigPath, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_row

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
        from qaz_llm.data.build import build  # takes a second
        from qaz_llm.data.config import DataConfig
        from qaz_llm.data.share import Share

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


@data_app.command("tokenize")
def data_tokenize(
    config: ConfigPath,
    overrides: Overrides = None,
    share: Annotated[
        str | None, typer.Option(metavar="I/N", help="Only make part I (from 0) of N; for job arrays.")
    ] = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Turn the text of a training config into packed rows on disk; `qaz train` takes what is there. Goes on where it stopped."""
    from qaz_llm.cluster.stopping import stopped_by_signals
    from qaz_llm.config import load_config

    with stopped_by_signals(lambda name: f"stopped by {name} before anything was read; run the same command again"):
        from qaz_llm.data.share import Share
        from qaz_llm.train.config import TrainConfig
        from qaz_llm.train.start.tokenize import tokenize  # takes seconds

        settings = load_config(TrainConfig, config, overrides or ())
        result = tokenize(settings, share=Share.parse(share) if share is not None else None, dry_run=dry_run)
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
    id_: Annotated[
        str | None, typer.Option("--id", help="The whole way of the one with this id, or the end of it.")
    ] = None,
    url: Annotated[str | None, typer.Option(help="The whole way of what came from this address.")] = None,
    find: Annotated[str | None, typer.Option(metavar="TEXT", help="What holds this text, kept or dropped.")] = None,
    dropped: Annotated[bool, typer.Option(help="Only what was dropped, in place of what is kept.")] = False,
    reason: Annotated[str | None, typer.Option(help="Only what was dropped for this reason.")] = None,
    language: Annotated[str | None, typer.Option(help="Only what is in this language.")] = None,
    source: Annotated[str | None, typer.Option(help="Only what is of this source.")] = None,
    limit: Annotated[int, typer.Option(min=1)] = 10,
    offset: Annotated[int, typer.Option(min=0)] = 0,
    as_json: AsJson = False,
) -> None:
    """Page through the documents and conversations of a build, or follow one: what each step did, measured and decided."""
    from qaz_llm.data.show import show_documents, show_found
    from qaz_llm.labels.names import safe_lines

    if id_ is None and url is None and find is None:
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
            print_row(row) if as_json else typer.echo(_page_of(row))
        return
    shown = show_found(
        folder,
        id_=id_,
        url=url,
        find=find,
        dropped=dropped,
        reason=reason,
        language=language,
        source=source,
        limit=limit,
        offset=offset,
    )
    if as_json:
        print_json(shown.traces)
    else:
        typer.echo(safe_lines("\n".join(shown.lines())))


def _page_of(row: Mapping[str, Any]) -> str:
    """One row: its facts on a line, then its text or turns."""
    from qaz_llm.labels.names import safe_lines

    facts = "  ".join(f"{key}={value}" for key, value in row.items() if key not in {"text", "meta", "messages"})
    turns = [f"{message['role']}: {message['content']}" for message in row.get("messages", ())]
    return f"{typer.style(safe_lines(facts), bold=True)}\n{safe_lines(row.get('text') or chr(10).join(turns))}\n"
