"""`qaz export` and `qaz chat`."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Annotated

import typer


def export(
    source: Annotated[Path, typer.Argument(metavar="DIR", help="A run, a model, or a folder with a LoRA adapter.")],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the Hugging Face folder goes.")],
    base: Annotated[
        str | None, typer.Option(metavar="DIR_OR_HUB_ID", help="The adapter's base, if it names none.")
    ] = None,
) -> None:
    """Write a model as one Hugging Face folder: adapter merged, safetensors, tokenizer, chat template, model card."""
    from qaz_llm.io import check_replaceable
    from qaz_llm.model.export import export_model

    check_replaceable(out, marker="config.json")
    typer.echo(export_model(source, out, base=base))


def chat(
    model: Annotated[str, typer.Argument(metavar="DIR_OR_HUB_ID")],
    max_new_tokens: Annotated[int, typer.Option(min=1)] = 128,
) -> None:
    """Talk to a model; an empty line ends it."""
    from qaz_llm.model.chat import chat_session

    reply = chat_session(model, max_new_tokens=max_new_tokens)
    with contextlib.suppress(EOFError):  # Ctrl-D ends it as an empty line does
        while question := input("› ").strip():
            typer.echo(reply(question))
