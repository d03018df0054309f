"""`qaz fetch`: what a config needs of the hub, into one folder."""

from __future__ import annotations

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
        _verify(verify, config, as_json)
        return
    if config is None:
        raise InputError("nothing to fetch", hint="name a config: qaz fetch configs/train/cpt_8b_lora.yaml --out DIR")
    from qaz_llm.fetch.bring import bring, check_room, find, missing_bytes
    from qaz_llm.fetch.needs import needs_of
    from qaz_llm.io import hub_home

    folder = out or hub_home()
    needs = needs_of(load_any(config, overrides or [], kind)[1])
    found = find(needs, folder) if needs else ()
    missing = missing_bytes(found, folder)
    if not as_json:
        _print_found(found, missing, folder)
    check_room(folder, missing)
    if dry_run:
        if as_json:
            print_json({"out": str(folder), "missing_bytes": missing, "repositories": [one.to_dict() for one in found]})
        return
    manifest = bring(found, folder)
    packed: Path | None = None
    if bundle:
        from qaz_llm.fetch.bundle import add_bundle, pack

        packed = pack(folder, add_bundle(folder, manifest, extras=extra or ()))
    if as_json:
        repositories = [one.to_dict() for one in found]
        print_json({"out": str(folder), "bundle": str(packed) if packed else None, "repositories": repositories})
        return
    typer.echo(f"whole, by the hub's hashes; in the jobs: export HF_HOME={folder}")
    if packed is not None:
        typer.echo(f"bundle: {packed}")


def _print_found(found: Sequence[Found], missing: int, folder: Path) -> None:
    from qaz_llm.fetch.bring import in_bytes

    if not found:
        typer.echo("the config names nothing that lies on the hub")
        return
    rows = [
        [one.need.repo, one.need.type, in_bytes(one.size), str(len(one.files)), one.licence, one.commit[:12], ", ".join(one.need.why)]
        for one in found
    ]  # fmt: skip
    print_table(["repository", "type", "size", "files", "licence", "commit", "for"], rows)
    total = sum(one.size for one in found)
    typer.echo(f"{in_bytes(total)} in all, {in_bytes(missing)} to be downloaded into {folder}")


def _verify(folder: Path, config: Path | None, as_json: bool) -> None:
    from qaz_llm.fetch.folder import damage_of_folder

    if config is not None:
        raise InputError(f"--verify reads the folder alone, and {config} was named too", hint="leave the config out")
    count, damage = damage_of_folder(folder)
    if as_json:
        print_json({"folder": str(folder), "files": count, "damage": damage})
    if damage:
        shown = "\n".join(f"  {line}" for line in damage[:20]) + ("\n  …" if len(damage) > 20 else "")
        raise DataError(
            f"{folder}: {len(damage)} of {count} files are not as they were fetched\n{shown}",
            hint="carry them again, or fetch again into the folder they came from",
        )
    if not as_json:
        typer.echo(f"{folder}: {count} files, each as it was fetched")
