"""`qaz fetch`: what a config needs of the hub, into one folder."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qaz_llm.cli.config import Kind, load_any
from qaz_llm.cli.options import AsJson, DryRun, Overrides
from qaz_llm.cli.printing import print_json, print_table
from qaz_llm.errors import DataError, InputError

if TYPE_CHECKING:
    from qaz_llm.fetch.look import Found
    from qaz_llm.fetch.needs import Need

MAX_SHOWN = 20


def fetch(
    config: Annotated[Path | None, typer.Argument(metavar="CONFIG", help="A config of any kind.")] = None,
    overrides: Overrides = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where it goes; HF_HOME of the jobs. By default HF_HOME here.")
    ] = None,
    bundle: Annotated[bool, typer.Option(help="Pack it, the packages and the project into DIR.tar.")] = False,
    extra: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="With --bundle: packages of this extra too, such as gpu.")
    ] = None,
    verify: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Compare a folder, once carried, with its manifest; no network.")
    ] = None,
    kind: Kind = None,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Bring models, tokenizers and data sets that a config needs, for machines without a network (docs/air-gap.md)."""
    if verify is not None:
        given = {
            str(config): config is not None, " ".join(overrides or []): bool(overrides), "--out": out is not None,
            "--bundle": bundle, "--extra": bool(extra), "--kind": kind is not None, "--dry-run": dry_run,
        }  # fmt: skip
        _verify(verify, [name for name, is_given in given.items() if is_given], as_json)
        return
    if config is None:
        raise InputError("nothing to fetch", hint="name a config: qaz fetch configs/train/cpt_8b_lora.yaml --out DIR")
    if extra and not bundle:
        raise InputError(
            f"--extra {', '.join(extra)}: names packages of a bundle, and none is asked for", hint="add --bundle"
        )
    from qaz_llm.fetch.needs import needs_of
    from qaz_llm.io import hub_home

    needs = needs_of(load_any(config, overrides or [], kind)[1])
    _fetch(needs, out or hub_home(), extra or () if bundle else None, dry_run, as_json)


def _fetch(needs: Sequence[Need], folder: Path, extras: Sequence[str] | None, dry_run: bool, as_json: bool) -> None:
    """Look, say, bring. `extras`: of the bundle; None where none is asked for."""
    from qaz_llm.fetch.bring import bring, check_room, find, missing_bytes
    from qaz_llm.fetch.bundle import add_bundle, check_extras, pack, project_root, tar_of
    from qaz_llm.fetch.folder import Manifest

    if extras is not None:
        check_extras(extras, project_root())
    found = find(needs, folder) if needs else ()
    missing = missing_bytes(found, folder)
    packed = tar_of(folder) if extras is not None else None
    if not as_json:
        _print_found(found, missing, folder)
        if packed is not None and dry_run:
            typer.echo(f"with the packages and the project, whose sizes are not known before, into {packed}")
    check_room(folder, missing)
    if not dry_run:
        manifest = bring(found, folder) if found else Manifest("")
        if extras is not None:
            pack(folder, add_bundle(folder, manifest, extras=extras))
    if as_json:
        facts = {"missing_bytes": missing} if dry_run else {}
        repositories = [one.to_dict() for one in found]
        print_json({"out": str(folder), "bundle": packed and str(packed), **facts, "repositories": repositories})
    elif not dry_run:
        if found:
            typer.echo(f"whole, by the hub's hashes; in the jobs: export HF_HOME={shlex.quote(str(folder))}")
        if packed is not None:
            typer.echo(f"bundle: {packed}")


def _print_found(found: Sequence[Found], missing: int, folder: Path) -> None:
    from qaz_llm.fetch.bring import in_bytes

    if not found:
        typer.echo(f"the config names nothing that lies on the hub: nothing to fetch into {folder}")
        return
    rows = [
        [one.need.repo, one.need.type, in_bytes(one.size), str(len(one.files)), one.licence, one.commit[:12], ", ".join(one.need.why)]
        for one in found
    ]  # fmt: skip
    print_table(["repository", "type", "size", "files", "licence", "commit", "for"], rows)
    total = sum(one.size for one in found)
    typer.echo(f"{in_bytes(total)} in all, {in_bytes(missing)} to be downloaded into {folder}")


def _verify(folder: Path, given: Sequence[str], as_json: bool) -> None:
    from qaz_llm.fetch.folder import MANIFEST
    from qaz_llm.fetch.verify import verify_folder

    if given:
        raise InputError(
            f"--verify reads the folder alone, and {', '.join(given)} was given too",
            hint=f"qaz fetch --verify {shlex.quote(str(folder))}",
        )
    seen = verify_folder(folder)
    if as_json:
        print_json(
            {"folder": str(folder), "files": seen.files, "damage": list(seen.damage), "others": dict(seen.others)}
        )
    elif seen.others:
        places = ", ".join(f"{place} ({count})" for place, count in list(seen.others.items())[:MAX_SHOWN])
        more = ", …" if len(seen.others) > MAX_SHOWN else ""
        typer.echo(
            f"{folder}: {sum(seen.others.values()):,} other files lie there, which {MANIFEST} does not name and nothing "
            f"that was fetched is read with: {places}{more}"
        )
    if seen.damage:
        shown = "\n".join(f"  {line}" for line in seen.damage[:MAX_SHOWN])
        more = "\n  …" if len(seen.damage) > MAX_SHOWN else ""
        raise DataError(
            f"{folder}: {len(seen.damage)} things are not as they were fetched, of {seen.files} files in {MANIFEST}\n{shown}{more}",
            hint="carry them again, or fetch again into the folder they came from; what nobody fetched is to be removed",
        )
    if not as_json:
        typer.echo(f"{folder}: {seen.files} files, each as it was fetched")
