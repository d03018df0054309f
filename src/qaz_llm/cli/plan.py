"""`qaz plan`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qaz_llm.cli.options import AsJson, Overrides
from qaz_llm.cli.printing import print_json, print_plan_of_training, print_table
from qaz_llm.errors import ConfigError

if TYPE_CHECKING:
    from qaz_llm.cluster.machines import Machine
    from qaz_llm.train.config import TrainConfig

ConfigOrModel = Annotated[
    Path, typer.Argument(metavar="CONFIG", help="A YAML config, or a model folder (or its config.json).")
]
GpuName = Annotated[
    str | None,
    typer.Option("--gpu", metavar="NAME", help="Plan for this GPU: b200, h200, h100, h100-pcie, a100-80, l40s …"),
]
NumGpus = Annotated[int | None, typer.Option("--gpus", min=1, help="GPUs in all; 1 unless given.")]
NumNodes = Annotated[int | None, typer.Option("--nodes", min=1, help="Nodes that they stand in; 1 unless given.")]
SiteFile = Annotated[
    Path | None,
    typer.Option("--site", metavar="FILE", help="A YAML file: gpu, gpus, nodes, price_per_gpu_hour, currency …"),
]


Scaled = Annotated[
    bool,
    typer.Option(
        "--scaling", help="On 1, 8, 64 and 512 GPUs, each way to share: memory, traffic, efficiency; a model."
    ),
]
NETWORK = "infiniband"
NetworkName = Annotated[
    str | None,
    typer.Option(
        "--network", metavar="NAME", help="With --scaling: infiniband (unless given), ethernet-400, ethernet-100."
    ),
]


def plan(
    config: ConfigOrModel,
    overrides: Overrides = None,
    gpu: GpuName = None,
    gpus: NumGpus = None,
    nodes: NumNodes = None,
    site: SiteFile = None,
    scaling: Scaled = False,
    network: NetworkName = None,
    as_json: AsJson = False,
) -> None:
    """Memory, time, cost and disk of a training, without starting it, for this machine or one that is described. Exit 1
    where it does not fit."""
    from qaz_llm.cluster.environment import read_environment
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.watching.checks import check_watching

    if scaling:
        _check_scaling(nodes=nodes, site=site)
        settings, notes = _read(config, list(overrides or ()))
        _print_scaling(settings, notes, gpu, gpus, network or NETWORK, as_json)
        return
    if network is not None:
        raise ConfigError(
            "--network is for --scaling: a plan reckons no time for the network", hint="add --scaling, or leave it out"
        )
    machine = _machine(gpu, gpus, nodes, site)
    settings, notes = _read(config, list(overrides or ()))
    names = _heldout_names(settings)
    check_watching(settings, has_eval=names is not None, names=names or ())
    made = make_plan(settings, machine.environment if machine else read_environment(), machine=machine, is_draft=True)
    made = replace(made, notes=(*notes, *made.notes))
    if machine is None and not as_json:
        typer.echo("planned for this machine; for another: --gpu h200 --gpus 8 --nodes 1, or --site FILE")
    print_plan_of_training(made, as_json)
    if not made.fits:
        raise typer.Exit(1)


def _check_scaling(*, nodes: int | None, site: Path | None) -> None:
    """Raise ConfigError for an option that --scaling has no use for."""
    given = [name for name, value in (("--nodes", nodes), ("--site", site)) if value is not None]
    if given:
        raise ConfigError(
            f"--scaling takes no {' and no '.join(given)}: it plans 1, 8, 64 and 512 GPUs of the table, 8 to a node",
            hint="--gpu NAME says which, --gpus N another number of them, for instance --scaling --gpu h100 --gpus 16",
        )


def _print_scaling(
    settings: TrainConfig, notes: Sequence[str], gpu: str | None, gpus: int | None, network: str, as_json: bool
) -> None:
    from qaz_llm.cluster.links import find_network
    from qaz_llm.cluster.machines import describe_gpus
    from qaz_llm.train.plan import make_plan
    from qaz_llm.train.plan.describe_scaling import HEADERS, scaling_lines, scaling_rows
    from qaz_llm.train.plan.scaling import COUNTS, make_scaling

    machine = describe_gpus(gpu or "h200")
    made = make_plan(settings, machine.environment, machine=machine, is_draft=True)
    made = replace(made, notes=(*notes, *made.notes))
    counts = COUNTS if gpus is None else (gpus,)
    found = make_scaling(made, find_network(network), asked=settings, counts=counts)
    if as_json:
        print_json(found.to_dict())
        return
    print_table(list(HEADERS), scaling_rows(found))
    typer.echo("\n".join([*scaling_lines(found), *(f"note: {note}" for note in made.notes)]))


def _heldout_names(settings: TrainConfig) -> tuple[str, ...] | None:
    """The texts that are looked at on the way; None where there are none, and nothing of evaluation is imported."""
    if not settings.heldout:
        return None
    from qaz_llm.pipeline.watch import watch_files

    return tuple(watch_files(settings.heldout).texts)


def _machine(gpu: str | None, gpus: int | None, nodes: int | None, site: Path | None) -> Machine | None:
    from qaz_llm.cluster.machines import describe_gpus, read_site

    if gpu is not None and site is not None:
        raise ConfigError("--gpu and --site both say what the GPU is", hint="leave one of them out")
    if site is not None:
        return read_site(site, gpus=gpus, nodes=nodes)
    if gpu is not None:
        return describe_gpus(gpu, gpus=gpus or 1, nodes=nodes or 1)
    if gpus is not None or nodes is not None:
        raise ConfigError("--gpus and --nodes need --gpu NAME or --site FILE", hint="for instance --gpu h200")
    return None


def _read(path: Path, overrides: list[str]) -> tuple[TrainConfig, list[str]]:
    """A training config; of a model folder one with the defaults for going on from it, and what was changed in these, in words."""
    from qaz_llm.config import config_from_values, load_config
    from qaz_llm.model.folder import check_model_folder
    from qaz_llm.train.config import TrainConfig

    folder = path.parent if path.name == "config.json" else path
    if not folder.is_dir() or (folder is not path and not path.is_file()):
        return load_config(TrainConfig, path, overrides), []
    check_model_folder(folder, needs_weights=False)
    values = {
        "run_dir": "out/plan",
        "method": "cpt",
        "model": {"checkpoint": str(folder)},
        "data": {"mix": [{"name": "text", "path": "text"}]},
        "precision": "bf16",
    }
    return _with_rows_that_fit(config_from_values(TrainConfig, values, where=str(path), overrides=overrides))


def _with_rows_that_fit(config: TrainConfig) -> tuple[TrainConfig, list[str]]:
    """With a shorter seq_len where the default is longer than what the model can hold; one that was given stays."""
    from qaz_llm.model.load import load_config_of

    if "seq_len" in config.model_fields_set:
        return config, []
    model = config.model
    found = load_config_of(str(model.checkpoint), trust_remote_code=model.trust_remote_code, needs_weights=False)
    longest = getattr(found, "max_position_embeddings", None)
    if longest is None or longest >= config.seq_len:
        return config, []
    note = f"seq_len {longest}: the model has no more positions than that, the default is {config.seq_len}"
    return config.model_copy(update={"seq_len": longest}), [note]
