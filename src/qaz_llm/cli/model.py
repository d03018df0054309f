"""`qaz export` and `qaz chat`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import Attn, TrustRemoteCode


def export(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A run, a model, or a folder with a LoRA adapter.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the Hugging Face folder goes.")],
    base: Annotated[
        str | None, typer.Option(metavar="DIR_OR_HUB_ID", help="The adapter's base, if it names none.")
    ] = None,
    trust_remote_code: TrustRemoteCode = False,
    rename_weights: Annotated[
        bool, typer.Option("--rename-weights", help="Read weights saved under a wrapper's names, as _orig_mod.* is.")
    ] = False,
) -> None:
    """Write a model as one Hugging Face folder: adapter merged, safetensors, tokenizer, chat template, model card."""
    from qaz_llm.io import check_replaceable
    from qaz_llm.model.export import export_model

    check_replaceable(out, marker="config.json")
    made = export_model(source, out, base=base, trust_remote_code=trust_remote_code, rename_weights=rename_weights)
    typer.echo(made)


def chat(
    model: Annotated[str, typer.Argument(metavar="DIR_OR_HUB_ID")],
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 128,
    attn: Attn = "auto",
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Talk to a model; an empty line ends it."""
    from qaz_llm.model.chat import chat_session

    reply = chat_session(
        model, max_new_tokens=max_new_tokens, attn_implementation=attn, trust_remote_code=trust_remote_code
    )
    with contextlib.suppress(EOFError):  # Ctrl-D ends it as an empty line does
        while question := input("› ").strip():
            typer.echo(reply(question))
