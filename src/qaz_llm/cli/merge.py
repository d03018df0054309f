"""`qaz merge`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qaz_llm.cli.options import AsJson, TrustRemoteCode
from qaz_llm.cli.printing import print_json, print_table


def merge(
    onto: Annotated[
        str, typer.Argument(metavar="MODEL", help="What is added to, and what the result's vocabulary is.")
    ],
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Where the Hugging Face folder goes.")],
    add: Annotated[
        list[str] | None, typer.Option(metavar="MODEL[=WEIGHT]", help="Add WEIGHT (1) times its difference from --ref.")
    ] = None,
    ref: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Where differences are taken from; left out: the first model itself."),
    ] = None,
    revert: Annotated[
        list[str] | None, typer.Option(metavar="PART", help="Put a part back to --ref: 'layers 0-3', embeddings, mlp …")
    ] = None,
    heldout: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Search how much to add: lowest bits per byte of the first text."),
    ] = None,
    keep_within: Annotated[
        float, typer.Option(min=0.0, help="How much worse the other texts may get in the search (0.05: a twentieth).")
    ] = 0.05,
    as_json: AsJson = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put models of one base together without training: averages, task vectors, an instruct residual, layers put back.

    qaz merge ADAPTED OUT --add INSTRUCT=0.7 --ref BASE                     what instructions changed, onto the adapted model

    qaz merge ADAPTED OUT --add BASE --heldout kk=kk.txt --heldout en=en.txt   as far back to BASE as English needs
    """
    from qaz_llm.io import check_replaceable
    from qaz_llm.pipeline.merge import MergeRequest, merge_models

    check_replaceable(out, marker="config.json")
    request = MergeRequest(
        onto,
        tuple(_weighted(word) for word in add or ()),
        ref,
        tuple(revert or ()),
        tuple(_named(word) for word in heldout or ()),
        keep_within,
        trust_remote_code,
    )
    made = merge_models(request, out)
    if as_json:
        print_json(made.to_dict())
        return
    if made.tried:
        names = list(made.tried[0].bits)
        rows = [
            [f"{one.scale:.1f}", *(f"{one.bits[n]:.4f}" for n in names), "yes" if one.is_kept else "no"]
            for one in made.tried
        ]
        print_table(["scale", *names, "others kept"], rows)
    typer.echo(f"{made.out}: scale {made.scale:g}")


def _weighted(word: str) -> tuple[str, float]:
    """`MODEL=0.5` or `MODEL`; a path may hold an equals sign of its own."""
    from qaz_llm.errors import InputError

    name, mark, number = word.rpartition("=")
    if not mark:
        return word, 1.0
    try:
        return name, float(number)
    except ValueError:
        if Path(word).exists():
            return word, 1.0
        raise InputError(f"--add {word}: {number} is no number", hint="for instance --add MODEL=0.5") from None


def _named(word: str) -> tuple[str, str]:
    from qaz_llm.errors import InputError

    name, mark, path = word.partition("=")
    if not (name and mark and path):
        raise InputError(f"--heldout {word}: no NAME=FILE", hint="for instance --heldout kk=sentences.txt")
    return name, path
