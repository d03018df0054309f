"""The other processes of a training: met before anything is made or loaded, and their nodes looked at; asked whether they train the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.findings import joined
from qaz_llm.cluster.preflight.room import nearest_existing
from qaz_llm.cluster.preflight.verdict import DifferentProcessesError
from qaz_llm.errors import ConfigError, NoGpuError, QazError
from qaz_llm.io import fingerprint_value
from qaz_llm.train.config import DistributedConfig

if TYPE_CHECKING:
    from qaz_llm.cluster.environment import Environment
    from qaz_llm.cluster.preflight.meeting import Meeting
    from qaz_llm.cluster.preflight.nodes import Look
    from qaz_llm.train.config import TrainConfig
    from qaz_llm.train.plan import TrainPlan
    from qaz_llm.train.start.prepare import PreparedRun


def meet_others(plan: TrainPlan) -> Meeting | None:
    """Meet all processes, and look at their nodes; None for one that is alone, whose own node is looked at, or that has met the
    others before.

    Raises as `cluster.preflight.nodes.look_at_nodes` and `cluster.preflight.meeting.open_meeting`.
    """
    import torch.distributed as dist

    if dist.is_initialized():
        return None
    if plan.environment.world_size == 1:
        from qaz_llm.cluster.preflight.alone import check_this_node

        check_this_node(_as_trained(plan), look_at(plan.config))
        return None
    return meet(_as_trained(plan), look_at(plan.config))


def plan_beside_others(config: TrainConfig, environment: Environment) -> TrainPlan:
    """`make_plan` for a training that follows. A process that lacks a GPU for it tells the others, who would wait for it, and all end
    by what they have in common: its node is named where others have their GPUs, and it is the config's fault where none has.

    Raises as `make_plan` and `meet_others`.
    """
    from qaz_llm.train.plan import make_plan

    try:
        with telling_first(but=NoGpuError):
            return make_plan(config, environment)
    except NoGpuError as error:
        if environment.world_size > 1 and environment.device == "cpu" and config.device != "cpu":
            meet(environment, replace(look_at(config), lacking=error))
        raise


@contextmanager
def telling_first(*, but: type[QazError] = PreemptedError) -> Iterator[None]:
    """Around what each process does before all meet: the first one is told the error of another, and ends by it, and so do all. It
    would wait for that one, and take its node for a bad one. Errors of the kind `but` are not told.

    What all processes meet alike the first says itself, at once. Where it ends by an error of its own the launcher ends the others.
    """
    from qaz_llm.cluster.environment import launched_processes, read_environment
    from qaz_llm.cluster.preflight.meeting import tell_first

    try:
        yield
    except QazError as error:
        if not isinstance(error, but | PreemptedError):
            with suppress(ConfigError):  # the launcher's variables contradict each other: there is no first one
                if launched_processes() > 1:
                    tell_first(read_environment(), error)
        raise


def meet(environment: Environment, look: Look) -> Meeting:
    """Meet all processes, and look at their nodes. Raises as `meet_others`."""
    from qaz_llm.cluster.preflight.meeting import open_meeting
    from qaz_llm.cluster.preflight.nodes import look_at_nodes

    meeting = open_meeting(environment, wait_s=look.config.wait_s)
    look_at_nodes(meeting, environment, look)
    return meeting


def measure_others(meeting: Meeting | None, plan: TrainPlan) -> None:
    """Measure how fast all processes compute and talk, once they have a process group. Raises as `measure_nodes`."""
    if meeting is None:
        return
    from qaz_llm.cluster.preflight.nodes import measure_nodes

    measure_nodes(meeting, _as_trained(plan), look_at(plan.config))


def examine(environment: Environment, look: Look) -> None:
    """Look at all nodes and measure them, as before a training, without one. Raises as `meet_others` and `measure_others`."""
    from qaz_llm.cluster.preflight.nodes import measure_nodes
    from qaz_llm.train.ranks.distributed import start_process_group, stop_process_group

    environment = replace(environment, device="cpu") if look.keeps_to_cpu else environment
    meeting = meet(environment, look)
    on_cpu, minutes = environment.device == "cpu", DistributedConfig().timeout_minutes
    start_process_group(environment, on_cpu=on_cpu, sharded=False, timeout_minutes=minutes, store=meeting.store)
    try:
        measure_nodes(meeting, environment, look)
    finally:
        stop_process_group()


def look_of(path: Path | None) -> Look:
    """What the training of a config would be looked at by, but without making a folder or a record; without a config by the limits' defaults.

    Raises ConfigError as `load_config`.
    """
    from qaz_llm.cluster.preflight.nodes import Look

    if path is None:
        return Look(PreflightConfig(), {}, {})
    from qaz_llm.config import load_config
    from qaz_llm.train.config import TrainConfig

    look = look_at(load_config(TrainConfig, path, ()))
    folders = {what: nearest_existing(folder) for what, folder in look.folders.items()}
    return replace(look, folders=folders, record=None)


def look_at(config: TrainConfig) -> Look:
    """What a training is to be looked at by."""
    from qaz_llm.cluster.preflight.nodes import Look

    cache = config.data.cache_dir
    folders = {"run_dir": config.run_dir, **({"data.cache_dir": cache} if cache is not None else {})}
    told = {"config": fingerprint_value(config.to_dict()), "device": config.device}
    return Look(config.preflight, folders, told, record=config.run_dir, keeps_to_cpu=config.device == "cpu")


def _as_trained(plan: TrainPlan) -> Environment:
    """On a machine with GPUs a training may be told to keep to its CPU: then its GPUs are not asked after."""
    return replace(plan.environment, device="cuda" if plan.device == "cuda" else "cpu")


def check_same_run(run: PreparedRun) -> None:
    """All processes train the same: rows, tokenizer, weights to begin with, and config, by their fingerprints.

    Raises DifferentProcessesError on all of them, with the names of what differs and with whom.
    """
    from qaz_llm.train.ranks.distributed import everyone

    identities = everyone(run.identity)
    differing = {rank: _differing(identities[0], other) for rank, other in enumerate(identities)}
    wrong = {rank: names for rank, names in differing.items() if names}
    if wrong:
        names = joined(sorted({name for found in wrong.values() for name in found}))
        who = joined([str(rank) for rank in wrong])
        raise DifferentProcessesError(
            f"rank {who}: not the same as the first process in {names}",
            hint="rows, tokenizer and model have to lie on a disk that all nodes see, or be the same on each",
        )


def _differing(first: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    return [name for name in {**first, **other} if first.get(name) != other.get(name)]
