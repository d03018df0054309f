"""What nodes are looked at by: `qaz doctor --nodes --config` by a training's config or that of a whole run, told apart by their keys;
`qaz run` by its own before any work."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from qaz_llm.cluster.environment import read_environment
from qaz_llm.cluster.preflight.room import nearest_existing
from qaz_llm.config import likeliest_kind, read_raw, validate
from qaz_llm.errors import ConfigError, NoGpuError
from qaz_llm.io import fingerprint_value
from qaz_llm.pipeline.config import RunConfig, training_stages
from qaz_llm.pipeline.job import check_inputs
from qaz_llm.pipeline.stages import Stage
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.start.others import look_of, meet, telling_first

if TYPE_CHECKING:
    from qaz_llm.cluster.preflight.nodes import Look


def look_of_config(path: Path | None) -> Look:
    """The look of the kind that shares more top-level keys with the file; without one by the limits' defaults.

    Raises ConfigError as `load_config`, and where the training stages of a run have limits of their own each.
    """
    if path is None:
        return look_of(None)
    raw = read_raw(path)
    if likeliest_kind(raw, {"train": TrainConfig, "run": RunConfig}) == "train":
        return look_of(path)
    return _look_of_run(validate(RunConfig, raw, str(path)), path)


def check_beside_others(config: RunConfig, stages: Sequence[Stage]) -> None:
    """`check_inputs` on each process of a run. Several that are to train on GPUs meet, and one that has none tells the others, who
    would work for hours and then wait for it.

    Raises as `check_inputs` and `train.start.others.meet`.
    """
    from qaz_llm.cluster.preflight.nodes import Look

    environment = read_environment()
    trained = [stage.name for stage in stages if stage.distributed]
    lacking: NoGpuError | None = None
    meets = bool(trained) and environment.world_size > 1 and config.device != "cpu"
    try:
        with telling_first(but=NoGpuError) if meets else nullcontext():
            check_inputs(config, stages)
    except NoGpuError as error:
        lacking = error
    if meets:
        limits = getattr(config, trained[0]).preflight
        meet(environment, Look(limits, {}, {"device": config.device}, lacking=lacking))
    if lacking is not None:
        raise lacking


def _look_of_run(config: RunConfig, path: Path) -> Look:
    from qaz_llm.cluster.preflight.nodes import Look

    stages = training_stages(config)
    limits = [getattr(config, name).preflight for name in stages]
    if any(one != limits[0] for one in limits):
        raise ConfigError(
            f"{path}: `preflight` differs between its stages {', '.join(stages)}, and one look has one set of limits",
            hint="give them the same, or look by a training config: qaz doctor --nodes --config TRAIN.yaml",
        )
    told = {"config": fingerprint_value(config.to_dict())}
    folders = {"run_dir": nearest_existing(config.run_dir)}
    return Look(limits[0], folders, told, keeps_to_cpu=config.device == "cpu")
