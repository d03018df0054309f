"""`qaz chat`."""

from __future__ import annotations

import contextlib
from typing import Annotated

import typer

from qaz_llm.cli.options import Attn, TrustRemoteCode


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
