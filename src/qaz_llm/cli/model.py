"""`qaz chat`."""

from __future__ import annotations

import contextlib
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import Attn, TrustRemoteCode


def chat(
    model: Annotated[str, typer.Argument(metavar="DIR_OR_HUB_ID")],
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Longest answer.")] = 128,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="A system turn before the conversation.")] = None,
    temperature: Annotated[
        float, typer.Option(min=0, max=2, help="0 takes the likeliest token; above it answers differ.")
    ] = 0.0,
    seed: Annotated[int | None, typer.Option(min=0, help="With a temperature: the same answers again.")] = None,
    label_keys: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Put labels behind answers, with keys of `qaz label keys`.")
    ] = None,
    attn: Attn = "auto",
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Talk to a model, answers as they are made; /clear, /save FILE and /system TEXT between them, an empty line ends it.

    Ctrl-C ends an answer, between answers the conversation.
    """
    from qaz_llm.errors import InputError, WorkError
    from qaz_llm.labels.keys import open_keys
    from qaz_llm.labels.making import Labeller
    from qaz_llm.model.chat import chat_session
    from qaz_llm.model.chat_lines import HELP, ChatLines

    labeller = Labeller(open_keys(label_keys), model=Path(model).name) if label_keys is not None else None
    session = chat_session(
        model,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        system=system,
        attn_implementation=attn,
        trust_remote_code=trust_remote_code,
    )
    if seed is not None:
        from transformers import set_seed

        set_seed(seed)
    has_person = sys.stdin.isatty()
    if has_person:
        with contextlib.suppress(ImportError):  # without it a terminal's line has 4,095 bytes, and more is lost unsaid
            import readline  # noqa: F401
    label = labeller.label_of if labeller else None
    lines = ChatLines(session, partial(typer.echo, nl=False), label=label, goes_on=has_person)
    typer.echo(f"An AI answers, and may be wrong. {HELP}.", err=True)
    try:
        while lines.answer(input("› ")):
            pass
    except EOFError:  # Ctrl-D ends it as an empty line does
        pass
    except UnicodeDecodeError as error:
        raise InputError(f"standard input: not UTF-8 ({error})", hint="save what is piped in as UTF-8") from error
    except KeyboardInterrupt as error:
        raise WorkError("interrupted; what was said is gone where it was not saved with /save") from error
