"""Scaling on paper in lines that a person reads."""

from __future__ import annotations

from collections.abc import Iterator

from qaz_llm.cluster.links import HOP_S, REACHED_FRAC
from qaz_llm.train.plan.scaling import GPUS_PER_NODE, HYBRID, OVERRIDES, WAYS, Row, Scaling

HEADERS = (
    "GPUs",
    "way",
    "memory",
    "tokens a step",
    "sent per GPU",
    "compute",
    "network",
    "efficiency",
    "apart",
    "tokens/s",
)


def scaling_rows(scaling: Scaling) -> list[list[str]]:
    """One row a way; `*` at the one to take."""
    return [_cells(row, is_best=row is scaling.best(row.gpus)) for row in scaling.rows]


def _cells(row: Row, *, is_best: bool) -> list[str]:
    fits = "" if row.fits else " too much"
    twice = f", {row.checkpointed} twice" if row.checkpointed else ""
    return [
        str(row.gpus),
        ("* " if is_best else "  ") + _name(row.way),
        f"{row.memory_bytes / 1e9:,.0f} GB{fits}{twice}",
        f"{row.tokens_per_step:,}",
        f"{row.wire_bytes / 1e9:,.3g} GB",
        f"{row.compute_s:.3g} s",
        f"{row.network_s:.3g} s",
        f"{row.efficiency:.0%}",
        f"{row.efficiency_apart:.0%}",
        f"{row.tokens_per_s:,.0f}",
    ]


def _name(way: str) -> str:
    return "FSDP2 in nodes" if way == HYBRID else WAYS[way]


def scaling_lines(scaling: Scaling) -> Iterator[str]:
    """What the table rests on, and what to take."""
    plan, network = scaling.plan, scaling.network
    yield "a model, not a measurement (docs/scaling.md)"
    yield (
        f"{plan.parameters / 1e9:.3g} B parameters, {plan.trainable_parameters / 1e9:.3g} B trained; {plan.environment.device_name}, "
        f"{GPUS_PER_NODE} a node; {plan.speed.assumption}"
    )
    yield (
        f"{network.name}: {network.gpu_gb_s:g} GB/s each way per GPU in a node, {network.node_gb_s:g} between nodes per node ({network.source}); "
        f"{REACHED_FRAC:.0%} of it and {1e6 * HOP_S:g} µs for each step of a ring assumed"
    )
    yield (
        "compute and network: seconds of a step; efficiency: where transfers run beside passes; apart: where nothing does; "
        "twice: layers computed again"
    )
    for gpus in dict.fromkeys(row.gpus for row in scaling.rows):
        yield _advice(scaling, gpus)


def _advice(scaling: Scaling, gpus: int) -> str:
    best, any_way = scaling.best(gpus), scaling.best(gpus, offered=False)
    if best is None:
        least = scaling.smallest(gpus)
        return (
            f"{gpus} GPUs: nothing fits; the least is {least.memory_bytes / 1e9:,.0f} GB ({_name(least.way)}) of "
            f"{scaling.plan.available_bytes / 1e9:,.0f}; smaller micro_batch_size, or more GPUs"
        )
    advice = f"{gpus} GPUs: {_name(best.way)}" + (f" ({OVERRIDES[best.way]})" if gpus > 1 else "")
    if any_way is not None and any_way is not best:
        advice += f"; {_name(any_way.way)}, which qaz train has not, would bring {any_way.tokens_per_s / best.tokens_per_s:.2f} times as much"
    return advice
