"""`qaz export`: a model as a folder, as GGUF, for vLLM, or on a hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qaz_llm.cli.options import AsJson, DryRun, TrustRemoteCode
from qaz_llm.cli.printing import print_json
from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from qaz_llm.model.hub import Push

Form = Literal["folder", "gguf", "vllm", "hub"]
Precision = Literal["auto", "f32", "f16", "bf16", "q8_0"]
MAX_LINES = 5_000
"""Of a file of texts to compare."""


def export(
    source: Annotated[
        Path, typer.Argument(metavar="RUN_OR_MODEL", help="A run, a model, or a folder with a LoRA adapter.")
    ],
    out: Annotated[
        str, typer.Argument(metavar="OUT", help="Where it goes: a folder, a .gguf file, or OWNER/NAME on a hub.")
    ],
    to: Annotated[
        Form, typer.Option("--to", help="folder: Hugging Face; gguf: llama.cpp; vllm: with launch file; hub: pushed.")
    ] = "folder",
    base: Annotated[
        str | None, typer.Option(metavar="DIR_OR_HUB_ID", help="The adapter's base, if it names none.")
    ] = None,
    precision: Annotated[
        Precision, typer.Option("--type", help="gguf: of the weights; auto keeps that of the folder.")
    ] = "auto",
    texts: Annotated[
        Path | None, typer.Option(metavar="FILE", help="gguf: lines of text whose token ids are compared, too.")
    ] = None,
    served_name: Annotated[
        str | None, typer.Option(metavar="NAME", help="vllm: what requests call the model; else the run's name.")
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="hub: for all to see; else private.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    trust_remote_code: TrustRemoteCode = False,
    rename_weights: Annotated[
        bool, typer.Option("--rename-weights", help="Read weights saved under a wrapper's names, as _orig_mod.* is.")
    ] = False,
) -> None:
    """Write a model as one Hugging Face folder, or with --to as GGUF, for vLLM, on a hub: adapter merged, all of it or nothing."""
    if dry_run and to != "hub":
        raise InputError(f"--dry-run --to {to}: only a push has one", hint="leave out --dry-run")
    match to:
        case "gguf":
            _gguf(source, Path(out), base, precision, texts, as_json)
        case "vllm":
            from qaz_llm.model.vllm import export_vllm

            typer.echo(export_vllm(source, Path(out), base=base, served_name=served_name))
        case "hub":
            _hub(source, out, base, private=not public, dry_run=dry_run, as_json=as_json)
        case "folder":
            from qaz_llm.io import check_replaceable
            from qaz_llm.model.export import export_model

            check_replaceable(Path(out), marker="config.json")
            made = export_model(
                source, Path(out), base=base, trust_remote_code=trust_remote_code, rename_weights=rename_weights
            )
            typer.echo(made)


def _gguf(source: Path, out: Path, base: str | None, precision: Precision, texts: Path | None, as_json: bool) -> None:
    from itertools import islice

    from qaz_llm.io import open_text
    from qaz_llm.model.gguf.export import export_gguf

    lines: list[str] = []
    if texts is not None:
        if not texts.is_file():
            raise InputError(f"--texts {texts}: no such file", hint="name a text file with one text a line")
        with open_text(texts) as opened:
            lines = [line.rstrip("\n") for line in islice(opened, MAX_LINES)]
    made = export_gguf(source, out, precision=precision, base=base, texts=lines)
    if as_json:
        print_json(
            {
                "path": str(made.path),
                "type": made.precision,
                "pre": made.pre,
                "checks": [{"passed": check.passed, "said": check.said} for check in made.checks],
            }
        )
        return
    for check in made.checks:
        typer.echo(f"{'not seen' if check.passed is None else 'ok      '}  {check.said}")
    typer.echo(f"{made.path}: {made.path.stat().st_size:,} bytes, {made.precision}, cut as {made.pre}")


def _hub(source: Path, repo_id: str, base: str | None, *, private: bool, dry_run: bool, as_json: bool) -> None:
    from qaz_llm.model.export import whole_folder
    from qaz_llm.model.hub import plan_push, push

    _check_finished(source)
    with whole_folder(source, base, near=source / "model") as folder:
        plan = plan_push(folder, repo_id, private=private)
        if dry_run:
            _show_push(plan, as_json)
            return
        address = push(folder, plan)
    typer.echo(f"{address}: {len(plan.files)} files, {plan.bytes:,} bytes")


def _check_finished(source: Path) -> None:
    """Raises InputError where the run that `source` is, or lies in, has not ended well."""
    from qaz_llm.pipeline.status import find_status
    from qaz_llm.train.status import STATUS_FILE

    for folder in (source, source.resolve().parent):
        if (folder / STATUS_FILE).is_file():
            state = find_status(folder)["state"]
            if state != "done":
                raise InputError(
                    f"{folder}: a run that is not finished ({state})",
                    hint=f"see `qaz status {folder}`; the same command goes on with it",
                )


def _show_push(plan: Push, as_json: bool) -> None:
    """What a dry run prints: every file with its hash, and how the card begins."""
    from dataclasses import asdict

    if as_json:
        print_json(asdict(plan))
        return
    typer.echo(f"{plan.repo_id}: {'private' if plan.private else 'PUBLIC'}, licence {plan.licence}; nothing was pushed")
    for file in plan.files:
        typer.echo(f"  {file.bytes:>15,}  {file.sha256}  {file.name}")
    typer.echo(f"  {plan.bytes:>15,}  bytes in {len(plan.files)} files")
    typer.echo("the card begins:")
    for line in plan.card:
        typer.echo(f"  {line}")
