"""A config on 1 to 512 GPUs, on paper: memory, what is sent, its time, efficiency, and which way to share is best. A model, no measurement.

    compute_s    FLOPs of a step's tokens on one GPU (recomputation in) / its assumed rate
    network_s    Σ over the collectives of a step: wire bytes / the slower of the two ways, and HOP_S for each step of its rings
    exposed_s    what of it nothing runs beside:
                   overlapped   beyond the passes (or, DDP, the last backward pass, LAST_BACKWARD_FRAC of one micro-batch);
                                all of what follows the update
                   not          all of it
    efficiency   compute_s / (compute_s + exposed_s)

A ring over several nodes has each GPU send its bytes over NVLink, and each node's edge carry as much as one GPU sends of each ring:
together the wire bytes of one process. So the ways are gpu_gb_s for one process's bytes, and node_gb_s for the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from qaz_llm.cluster.links import HOP_S, REACHED_FRAC, Network
from qaz_llm.config import StrictModel
from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan.communication import Transfer, count_transfers
from qaz_llm.train.plan.fit import fewest_checkpointed
from qaz_llm.train.plan.flops import count_flops
from qaz_llm.train.plan.memory import FITS_FRAC, Layout, count_memory
from qaz_llm.train.plan.record import TrainPlan
from qaz_llm.train.plan.sharing import SHARINGS

GPUS_PER_NODE = 8
COUNTS = (1, 8, 64, 512)
LAST_BACKWARD_FRAC = 2 / 3
"""Of a micro-batch's passes the backward one's share: it computes gradients of inputs and of weights."""

WAYS: Mapping[str, str] = {"none": "DDP", "zero2": "ZeRO-2", "zero3": "ZeRO-3", "fsdp2": "FSDP2"}
OVERRIDES: Mapping[str, str] = {
    "none": "distributed.deepspeed=null",
    "zero2": "distributed.deepspeed=configs/deepspeed/zero2.json",
    "zero3": "distributed.deepspeed=configs/deepspeed/zero3.json",
    "fsdp2": "distributed.backend=fsdp2 distributed.deepspeed=null",
}
HYBRID = "hybrid"
LITTLE_FRAC = 0.02
"""Ways whose efficiencies differ by less are level; the one that shares less is taken."""


@dataclass(frozen=True)
class Row:
    """A way to share on so many GPUs. `checkpointed` of the blocks are computed twice; `is_offered`: `qaz train` has it."""

    gpus: int
    way: str
    memory_bytes: int
    fits: bool
    checkpointed: int
    tokens_per_step: int
    transfers: tuple[Transfer, ...]
    wire_bytes: float
    compute_s: float
    network_s: float
    exposed_s: float
    is_offered: bool = True

    @property
    def efficiency(self) -> float:
        """With overlap."""
        return self.compute_s / (self.compute_s + self.exposed_s)

    @property
    def efficiency_apart(self) -> float:
        """Where nothing overlaps."""
        return self.compute_s / (self.compute_s + self.network_s)

    @property
    def tokens_per_s(self) -> float:
        return self.tokens_per_step / (self.compute_s + self.exposed_s)

    def to_dict(self) -> dict[str, Any]:
        names = ("efficiency", "efficiency_apart", "tokens_per_s")
        return asdict(self) | {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Scaling:
    """A config on several numbers of GPUs. `plan` is of one."""

    plan: TrainPlan
    network: Network
    rows: tuple[Row, ...]

    def of(self, gpus: int) -> list[Row]:
        return [row for row in self.rows if row.gpus == gpus]

    def best(self, gpus: int, *, offered: bool = True) -> Row | None:
        """The way to take: of those that fit the most tokens per second; the first of those that are level."""
        fitting = [row for row in self.of(gpus) if row.fits and (row.is_offered or not offered)]
        if not fitting:
            return None
        most = max(row.tokens_per_s for row in fitting)
        return next(row for row in fitting if row.tokens_per_s >= (1 - LITTLE_FRAC) * most)

    def smallest(self, gpus: int) -> Row:
        return min(self.of(gpus), key=lambda row: row.memory_bytes)

    def to_dict(self) -> dict[str, Any]:
        best = {
            gpus: found.way if (found := self.best(gpus)) else None for gpus in dict.fromkeys(r.gpus for r in self.rows)
        }
        return {
            "is_a_model_not_a_measurement": True,
            "network": asdict(self.network) | {"reached_frac": REACHED_FRAC, "hop_s": HOP_S},
            "parameters": self.plan.parameters,
            "trainable_parameters": self.plan.trainable_parameters,
            "flops_per_s": self.plan.speed.flops_per_s,
            "recommended": best,
            "rows": [row.to_dict() for row in self.rows],
        }


def make_scaling(plan: TrainPlan, network: Network, *, asked: StrictModel, counts: Sequence[int] = COUNTS) -> Scaling:
    """All ways on all numbers of GPUs, for the config of a plan of one GPU.

    Args:
        asked: the config as it was given: whether it leaves checkpointing to the plan.

    Raises:
        ConfigError: a number of GPUs that does not fill its nodes.
    """
    for gpus in counts:
        if gpus > GPUS_PER_NODE and gpus % GPUS_PER_NODE:
            raise ConfigError(
                f"{gpus} GPUs do not fill nodes of {GPUS_PER_NODE}", hint=f"for instance --gpus {2 * GPUS_PER_NODE}"
            )
    is_free = getattr(asked, "gradient_checkpointing", None) == "auto"
    return Scaling(plan, network, tuple(row for gpus in counts for row in _rows(plan, network, gpus, is_free)))


def _rows(plan: TrainPlan, network: Network, gpus: int, is_free: bool) -> Iterator[Row]:
    if gpus == 1:
        yield _row(plan, network, "none", gpus, is_free)
        return
    for way in WAYS:
        yield _row(plan, network, way, gpus, is_free)
    if gpus > GPUS_PER_NODE:
        yield _row(plan, network, HYBRID, gpus, is_free)


def _row(plan: TrainPlan, network: Network, way: str, gpus: int, is_free: bool) -> Row:
    config, counted = plan.config, plan.counted
    shared_by = min(gpus, GPUS_PER_NODE) if way == HYBRID else gpus
    sharing = SHARINGS["fsdp2" if way == HYBRID else way]
    layout = replace(plan.layout, sharing=sharing, world_size=shared_by)
    if is_free:
        layout = replace(layout, checkpointed=fewest_checkpointed(config, counted, layout, plan.available_bytes))
    size = count_memory(config, counted, layout).peak.total_bytes
    tokens = config.seq_len * layout.micro_batch_size * layout.grad_accum_steps
    compute_s = tokens * _flops(config, plan, layout) / plan.speed.flops_per_s
    timed = [(one, _seconds(one, network, shared_by)) for one in count_transfers(config, counted, layout)]
    if way == HYBRID:
        timed += [(one, _seconds_between(one, network, gpus)) for one in _between_nodes(plan)]
    return Row(
        gpus=gpus,
        way=way,
        memory_bytes=size,
        fits=size <= FITS_FRAC * plan.available_bytes,
        checkpointed=layout.checkpointed,
        tokens_per_step=tokens * gpus,
        transfers=tuple(one for one, _ in timed),
        wire_bytes=sum(_wire(one, way, gpus) for one, _ in timed),
        compute_s=compute_s,
        network_s=sum(seconds for _, seconds in timed),
        exposed_s=_exposed(timed, compute_s, layout.grad_accum_steps),
        is_offered=way != HYBRID,
    )


def _flops(config: TrainConfig, plan: TrainPlan, layout: Layout) -> float:
    """Of one token, with what is computed twice under this layout."""
    blocks = len(plan.counted.structure.blocks)
    counted = count_flops(
        plan.counted.structure,
        config.seq_len,
        trains_all=config.adapter.type == "full",
        input_gets_gradient=plan.counted.input_gets_gradient,
        checkpointed_frac=layout.checkpointed / max(blocks, 1),
    )
    return counted.hardware


def _between_nodes(plan: TrainPlan) -> tuple[Transfer, ...]:
    """Hybrid: beside the traffic in the node, each eighth of the gradients is reduced over the nodes, once a step."""
    share = 4.0 * plan.counted.trainable / GPUS_PER_NODE
    groups = len(plan.counted.structure.blocks) + 1
    return (Transfer("all_reduce", "shares of gradients over nodes", share, groups, "last backward"),)


def _seconds(one: Transfer, network: Network, gpus: int) -> float:
    """In one ring over all: the slower of NVLink and the nodes' edges."""
    slowest = network.gpu_gb_s if gpus <= GPUS_PER_NODE else min(network.gpu_gb_s, network.node_gb_s)
    return one.wire_bytes(gpus) / (REACHED_FRAC * slowest * 1e9) + _hops(one, gpus)


def _seconds_between(one: Transfer, network: Network, gpus: int) -> float:
    """In eight rings at once, each over one GPU of every node."""
    nodes = gpus // GPUS_PER_NODE
    return GPUS_PER_NODE * one.wire_bytes(nodes) / (REACHED_FRAC * network.node_gb_s * 1e9) + _hops(one, nodes)


def _hops(one: Transfer, members: int) -> float:
    passes = 2 if one.collective == "all_reduce" else 1
    return one.calls * passes * (members - 1) * HOP_S


def _wire(one: Transfer, way: str, gpus: int) -> float:
    if way != HYBRID:
        return one.wire_bytes(gpus)
    return one.wire_bytes(gpus // GPUS_PER_NODE if "over nodes" in one.what else GPUS_PER_NODE)


def _exposed(timed: Sequence[tuple[Transfer, float]], compute_s: float, micro_batches: int) -> float:
    """Seconds that nothing runs beside, where the engine overlaps what it can."""
    windows = {"passes": compute_s, "last backward": LAST_BACKWARD_FRAC * compute_s / micro_batches, "update": 0.0}
    by_phase = {phase: sum(seconds for one, seconds in timed if one.phase == phase) for phase in windows}
    return sum(max(seconds - windows[phase], 0.0) for phase, seconds in by_phase.items())
