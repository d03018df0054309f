"""`qaz merge`."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qaz_llm.cli.options import AsJson, TrustRemoteCode
from qaz_llm.cli.printing import print_json, print_table
from qaz_llm.errors import InputError

if TYPE_CHECKING:
    from qaz_llm.pipeline.merge import MergeRequest

KEEP_WITHIN = 0.05


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
        float | None,
        typer.Option(
            min=0.0, help="With --heldout: how much worse the other texts may get (0.05, a twentieth, unless given)."
        ),
    ] = None,
    as_json: AsJson = False,
    trust_remote_code: TrustRemoteCode = False,
) -> None:
    """Put models of one base together without training: averages, task vectors, an instruct residual, layers put back.

    qaz merge ADAPTED OUT --add INSTRUCT=0.7 --ref BASE                     what instructions changed, onto the adapted model

    qaz merge ADAPTED OUT --add BASE --heldout kk=kk.txt --heldout en=en.txt   as far back to BASE as English needs
    """
    from qaz_llm.pipeline.merge import MergeRequest, merge_models

    if keep_within is not None and not heldout:
        raise InputError(
            "--keep-within is of the search, which goes by --heldout, and that is not given",
            hint="give the texts, --heldout NAME=FILE, or leave --keep-within out",
        )
    request = MergeRequest(
        _model_in("MODEL", onto),
        tuple(_weighted(word) for word in add or ()),
        ref if ref is None else _model_in("--ref", ref),
        tuple(revert or ()),
        tuple(_named(word) for word in heldout or ()),
        KEEP_WITHIN if keep_within is None else keep_within,
        trust_remote_code,
    )
    _check_out(out, [onto, *(name for name, _ in request.adds), *([ref] if ref else [])])
    _check_heldout(request)
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
    typer.echo(f"{made.out}: scale {made.scale:g}, {made.dtype}")


def _check_out(out: Path, models: Sequence[str]) -> None:
    """Raise InputError where the result would take the place of a model that goes into it, or of anything else, or cannot be written."""
    from qaz_llm.io import check_writable

    place = out.expanduser().resolve()
    for name in models:
        model = Path(name).expanduser().resolve()
        if model.is_dir() and (model == place or model in place.parents or place in model.parents):
            raise InputError(f"{out}: is, holds or lies in {name}, which goes into it", hint="name a new folder")
    if os.path.lexists(out) and not (out.is_dir() and not any(out.iterdir())):
        raise InputError(
            f"{out}: there is something already, which would be lost", hint="name a new or an empty folder"
        )
    check_writable(out.absolute().parent)


def _check_heldout(request: MergeRequest) -> None:
    """Raise InputError where a held-out text would be left out of the search, or there is nothing to search."""

    names = [name for name, _ in request.heldout]
    if twice := [name for name in names if names.count(name) > 1]:
        raise InputError(f"--heldout {twice[0]}: two texts of this name", hint="give each a name of its own")
    if names and not request.adds:
        raise InputError(
            "--heldout searches how much to --add, and nothing is added", hint="leave --heldout out, or --add a model"
        )


def _weighted(word: str) -> tuple[str, float]:
    """`MODEL=0.5` or `MODEL`; a path may hold an equals sign of its own."""

    name, mark, number = word.rpartition("=")
    if not mark or Path(word).exists():
        return _model_in("--add", word), 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise InputError(f"--add {word}: {number} is no number to weigh with", hint="for instance --add MODEL=0.5")
    return _model_in("--add", name, given=word), weight


def _model_in(option: str, name: str, *, given: str | None = None) -> str:
    """A name of a model. Raises InputError where it is empty: of a path that would be the current folder."""
    if not name.strip():
        raise InputError(
            f"{option} {given or repr(name)}: names no model", hint="a folder or a hub's name, as --add MODEL=0.5"
        )
    return name


def _named(word: str) -> tuple[str, str]:

    name, mark, path = word.partition("=")
    if not (name and mark and path):
        raise InputError(f"--heldout {word}: no NAME=FILE", hint="for instance --heldout kk=sentences.txt")
    return name, path
