"""What is too slow, and whose fault it is: measured rates → findings. Pure.

A slow pair alone does not say which of the two is slow. With more than two places each has been paired with every other, so
the one that most of the slow pairs have in common is at fault, then of those that are left the next one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median, median_high
from typing import Any

from qaz_llm.cluster.machines import has_nvlink
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.findings import Finding, joined

NVLINK_GB_S, OTHER_GB_S = 50.0, 2.0
"""Floors among GPUs, a small part of what links give (NVLink 4: 450 GB/s each way; PCIe 4 ×16: 32; a 100 Gbit/s network:
12.5): beneath them something is broken, or a slower way was taken than the one that is there."""

SLOW_FRAC = 0.5

Pair = tuple[int, int]


@dataclass(frozen=True)
class RankRates:
    """What a process measured. `pairs`: bytes per second each way with other ranks; in the node, and between nodes."""

    rank: int
    node: str
    node_number: int
    flops: float
    all_reduce_bytes_s: float
    pairs: Mapping[int, float]


def rates_from_json(values: Mapping[str, Any]) -> RankRates:
    return RankRates(**{**values, "pairs": {int(rank): rate for rank, rate in values["pairs"].items()}})


@dataclass(frozen=True)
class Floors:
    """In bytes per second; 0: none. `slow_frac` of a median."""

    all_reduce: float
    in_node: float
    between_nodes: float
    slow_frac: float


def floors_of(config: PreflightConfig, *, device: str, device_name: str, num_nodes: int) -> Floors:
    """What the config asks for; what it leaves open by the device."""
    on_gpu = device == "cuda"
    linked = on_gpu and has_nvlink(device_name)
    in_node = (NVLINK_GB_S if linked else OTHER_GB_S) if on_gpu else 0.0
    between = OTHER_GB_S if on_gpu else 0.0
    chosen = config.pair_gb_s
    return Floors(
        all_reduce=1e9 * _given(config.all_reduce_gb_s, between if num_nodes > 1 else in_node),
        in_node=1e9 * _given(chosen, in_node),
        between_nodes=1e9 * _given(chosen, between),
        slow_frac=_given(config.slow_frac, SLOW_FRAC if on_gpu else 0.0),
    )


def _given(chosen: float | None, default: float) -> float:
    return default if chosen is None else chosen


def judge_rates(rates: Sequence[RankRates], floors: Floors) -> list[Finding]:
    """What is too slow; `rates` in the order of ranks."""
    found = [*_slow_to_compute(rates, floors), *_slow_in_nodes(rates, floors), *_slow_between(rates, floors)]
    slowest = min(rate.all_reduce_bytes_s for rate in rates)
    if slowest < floors.all_reduce:
        what = (
            f"all-reduce over {len(rates)} processes carries {slowest / 1e9:.3g} GB/s, "
            f"less than {floors.all_reduce / 1e9:.3g}"
        )
        found.append(
            Finding("note" if found else "slow", None, what + ("" if found else "; no node or pair stands out"))
        )
    return found


def _slow_to_compute(rates: Sequence[RankRates], floors: Floors) -> Iterator[Finding]:
    middle = median_high(rate.flops for rate in rates)
    for rate in rates:
        if rate.flops < floors.slow_frac * middle:
            what = f"rank {rate.rank} computes {rate.flops / 1e12:.3g} TFLOP/s, the median is {middle / 1e12:.3g}"
            yield Finding("slow", rate.node, what)


def _slow_in_nodes(rates: Sequence[RankRates], floors: Floors) -> Iterator[Finding]:
    inside = {pair: rate for pair, rate in pairs_of(rates).items() if _node(rates, pair[0]) == _node(rates, pair[1])}
    if not inside:
        return
    limit = max(floors.in_node, floors.slow_frac * median(inside.values()))
    for pair, rate in inside.items():
        if rate < limit:
            what = f"ranks {pair[0]} and {pair[1]} exchange {rate / 1e9:.3g} GB/s each way, less than {limit / 1e9:.3g}"
            yield Finding("slow", rates[pair[0]].node, what)


def _slow_between(rates: Sequence[RankRates], floors: Floors) -> Iterator[Finding]:
    across = {pair: rate for pair, rate in pairs_of(rates).items() if _node(rates, pair[0]) != _node(rates, pair[1])}
    if not across:
        return
    limit = max(floors.between_nodes, floors.slow_frac * median(across.values()))
    slow = {pair: rate for pair, rate in across.items() if rate < limit}
    blamed, left = blame(slow)
    for rank, pairs in blamed.items():
        others = joined([rates[other].node for pair in pairs for other in pair if other != rank], 4)
        most = max(slow[pair] for pair in pairs)
        what = f"exchanges at most {most / 1e9:.3g} GB/s each way with {others}, less than {limit / 1e9:.3g}"
        yield Finding("slow", rates[rank].node, what)
    for a, b in left:
        what = f"{rates[a].node} and {rates[b].node} exchange {slow[a, b] / 1e9:.3g} GB/s each way, less than {limit / 1e9:.3g}"
        yield Finding("slow", None, f"{what}; which of the two it is cannot be told")


def blame(slow: Mapping[Pair, float]) -> tuple[dict[int, list[Pair]], list[Pair]]:
    """Slow pairs → the members that they have in common, with their pairs, and pairs of which neither stands out.

    >>> blame({(0, 1): 1.0, (0, 2): 1.0, (3, 4): 1.0})
    ({0: [(0, 1), (0, 2)]}, [(3, 4)])
    """
    left = list(slow)
    blamed: dict[int, list[Pair]] = {}
    while left:
        counts = Counter(member for pair in left for member in pair)
        member, most = counts.most_common(1)[0]
        if most < 2:
            break
        blamed[member] = [pair for pair in left if member in pair]
        left = [pair for pair in left if member not in pair]
    return blamed, left


def pairs_of(rates: Sequence[RankRates]) -> dict[Pair, float]:
    """Each pair once, by what the slower of its two saw."""
    pairs: dict[Pair, float] = {}
    for rate in rates:
        for other, speed in rate.pairs.items():
            pair = (min(rate.rank, other), max(rate.rank, other))
            pairs[pair] = min(speed, pairs.get(pair, speed))
    return dict(sorted(pairs.items()))


def _node(rates: Sequence[RankRates], rank: int) -> int:
    return rates[rank].node_number


def describe_rates(rates: Sequence[RankRates]) -> str:
    """One line for the log."""
    pairs = pairs_of(rates)
    inside = [rate for (a, b), rate in pairs.items() if _node(rates, a) == _node(rates, b)]
    across = [rate for (a, b), rate in pairs.items() if _node(rates, a) != _node(rates, b)]
    parts = [
        f"all-reduce {min(rate.all_reduce_bytes_s for rate in rates) / 1e9:.3g} GB/s",
        *([f"pairs in a node {_range(inside, 1e9)} GB/s"] if inside else []),
        *([f"pairs of nodes {_range(across, 1e9)} GB/s"] if across else []),
        f"each process {_range([rate.flops for rate in rates], 1e12)} TFLOP/s",
    ]
    return f"measured over {len(rates)} processes: {', '.join(parts)}"


def _range(values: Sequence[float], unit: float) -> str:
    low, high = min(values) / unit, max(values) / unit
    return f"{low:.3g}" if f"{low:.3g}" == f"{high:.3g}" else f"{low:.3g} to {high:.3g}"
