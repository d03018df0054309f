"""`qaz config`: configs checked, shown, described."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qaz_llm.cli.options import AsJson, ConfigPath, Overrides
from qaz_llm.cli.printing import print_json
from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from qaz_llm.config import StrictModel

Kind = Annotated[str | None, typer.Option(help="run, data, train, eval, source or mix; by default told by the keys.")]

config_app = typer.Typer(no_args_is_help=True, help="Check and show configs.")


@config_app.command("check")
def config_check(
    config: ConfigPath,
    overrides: Overrides = None,
    kind: Kind = None,
) -> None:
    """Check a config without doing any work."""
    _name, settings = load_any(config, overrides or [], kind)
    typer.echo(f"{config}: a valid {_name} config ({type(settings).__name__})")


@config_app.command("show")
def config_show(
    config: ConfigPath,
    overrides: Overrides = None,
    kind: Kind = None,
    as_json: AsJson = False,
) -> None:
    """Print a config with its bases, overrides and defaults written out."""
    from qaz_llm.config import dump_yaml
    from qaz_llm.io.secrets import SECRET, safe_values
    from qaz_llm.labels.names import safe_lines

    _name, settings = load_any(config, overrides or [], kind)
    values = settings.to_dict()
    shown = safe_values(values, by_name=True)
    if as_json:
        print_json(shown)
    else:
        typer.echo(safe_lines(dump_yaml(shown)), nl=False)
    if shown != values:
        typer.echo(f"<{SECRET}> stands for what lets somebody in; what is printed is no config to work with", err=True)


@config_app.command("schema")
def config_schema(kind: Annotated[str, typer.Argument(help="run, data, train, eval, source or mix")]) -> None:
    """Print the JSON schema that lets an editor complete and check a config."""
    kinds = config_kinds()
    if kind not in kinds:
        raise InputError(f"{kind}: no such kind of config", hint=f"the kinds are: {', '.join(kinds)}")
    print_json(kinds[kind].model_json_schema())


@config_app.command("reference")
def config_reference(
    kind: Annotated[str | None, typer.Argument(help="run, data, train, eval, source or mix")] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="Write the pages of all kinds there.")] = None,
) -> None:
    """Print what every key of a kind of config does, as Markdown."""
    from qaz_llm.io import check_writable, write_text
    from qaz_llm.report.reference import pages

    made = pages(config_kinds())
    if kind is not None and kind not in made:
        raise InputError(f"{kind}: no such kind of config", hint=f"the kinds are: {', '.join(made)}")
    if out is not None:
        check_writable(out)
    chosen = made if kind is None else {kind: made[kind]}
    for name, page in chosen.items():
        if out is not None:
            write_text(out / f"{name}.md", page)
            typer.echo(out / f"{name}.md")
        else:
            typer.echo(page)


def config_kinds() -> dict[str, type[StrictModel]]:
    """The models of all kinds of config, by name."""
    from qaz_llm.data.config import DataConfig, MixConfig, SourceConfig
    from qaz_llm.evals.config import EvalConfig
    from qaz_llm.pipeline.config import RunConfig
    from qaz_llm.train.config import TrainConfig

    return {
        "run": RunConfig,
        "data": DataConfig,
        "train": TrainConfig,
        "eval": EvalConfig,
        "source": SourceConfig,
        "mix": MixConfig,
    }


def load_any(path: Path, overrides: list[str], kind: str | None) -> tuple[str, StrictModel]:
    """Load a config of a kind that is named, or that shares the most top-level keys with it."""
    from qaz_llm.config import likeliest_kind, read_raw, validate

    kinds = config_kinds()
    raw = read_raw(path, overrides)
    if kind is None:
        kind = likeliest_kind(raw, kinds)
    elif kind not in kinds:
        raise InputError(f"--kind {kind}: no such kind of config", hint=f"the kinds are: {', '.join(kinds)}")
    return kind, validate(kinds[kind], raw, str(path))
