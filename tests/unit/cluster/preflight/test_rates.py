"""Who is slow: clusters made up with a known culprit, and a brute-force count of rounds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import pytest

from qaz_llm.cluster.preflight.bandwidth import rounds_of
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.rates import Floors, RankRates, floors_of, judge_rates

FLOORS = Floors(all_reduce=2e9, in_node=50e9, between_nodes=2e9, slow_frac=0.5)


@pytest.mark.parametrize("count", range(1, 12))
def test_each_two_meet_once_and_nobody_twice_in_a_round(count: int) -> None:
    members = [3 * n + 1 for n in range(count)]
    rounds = rounds_of(members)
    assert len(rounds) <= (count if count % 2 else count - 1) or count == 1
    assert sorted(pair for pairs in rounds for pair in pairs) == sorted(combinations(members, 2))
    for pairs in rounds:
        assert len({member for pair in pairs for member in pair}) == 2 * len(pairs)


def cluster(
    nodes: int,
    per_node: int,
    *,
    flops: Callable[[int], float] = lambda rank: 700e12,
    link: Callable[[int, int], float] = lambda a, b: 40e9,
    inside: float = 300e9,
    reduce: float = 300e9,
) -> list[RankRates]:
    """`link` between two nodes by their numbers."""
    rates = []
    for rank in range(nodes * per_node):
        here = rank // per_node
        mates = range(here * per_node, (here + 1) * per_node)
        pairs = {other: inside for other in mates if other != rank}
        if rank % per_node == 0:
            pairs |= {other * per_node: link(here, other) for other in range(nodes) if other != here}
        rates.append(RankRates(rank, f"n{here}", here, flops(rank), reduce, pairs))
    return rates


def test_an_even_cluster_is_let_pass() -> None:
    assert judge_rates(cluster(4, 8), FLOORS) == []


def test_a_node_with_a_slow_cable_is_named() -> None:
    found = judge_rates(cluster(5, 2, link=lambda a, b: 9e9 if 3 in (a, b) else 40e9), FLOORS)
    assert [(f.kind, f.node) for f in found] == [("slow", "n3")]
    assert found[0].what == "exchanges at most 9 GB/s each way with n0, n1, n2, n4, less than 20"


def test_two_slow_nodes_are_both_named() -> None:
    found = judge_rates(cluster(8, 1, link=lambda a, b: 9e9 if {1, 6} & {a, b} else 40e9), FLOORS)
    assert sorted(f.node or "" for f in found) == ["n1", "n6"]


def test_one_slow_connection_blames_neither_end() -> None:
    found = judge_rates(cluster(4, 1, link=lambda a, b: 9e9 if {a, b} == {1, 2} else 40e9), FLOORS)
    assert [(f.node, f.kind) for f in found] == [(None, "slow")]
    assert "n1 and n2 exchange 9 GB/s" in found[0].what


def test_of_two_nodes_neither_is_blamed_for_their_connection() -> None:
    (found,) = judge_rates(cluster(2, 8, link=lambda a, b: 0.1e9), FLOORS)
    assert found.node is None and "which of the two it is cannot be told" in found.what


def test_a_gpu_that_computes_at_a_third_is_named_with_its_node() -> None:
    (found,) = judge_rates(cluster(2, 4, flops=lambda rank: 230e12 if rank == 6 else 700e12), FLOORS)
    assert found.node == "n1" and found.what == "rank 6 computes 230 TFLOP/s, the median is 700"


def test_a_pair_within_a_node_below_the_floor_is_named() -> None:
    rates = cluster(2, 2)
    rates[2].pairs[3] = 12e9  # type: ignore[index]
    (found,) = judge_rates(rates, FLOORS)
    assert found.node == "n1" and found.what.startswith("ranks 2 and 3 exchange 12 GB/s")


def test_a_slow_all_reduce_alone_blames_nobody() -> None:
    (found,) = judge_rates(cluster(2, 2, reduce=1e9), FLOORS)
    assert (found.kind, found.node) == ("slow", None) and "no node or pair stands out" in found.what
    found_with = judge_rates(cluster(4, 1, reduce=1e9, link=lambda a, b: 1e9 if 2 in (a, b) else 40e9), FLOORS)
    assert [(f.kind, f.node) for f in found_with] == [("slow", "n2"), ("note", None)]


def test_floors_are_by_device_unless_given() -> None:
    def floors(device: str, name: str, nodes: int = 1, **given: float) -> Floors:
        return floors_of(PreflightConfig(**given), device=device, device_name=name, num_nodes=nodes)  # type: ignore[arg-type]

    assert floors("cpu", "cpu") == Floors(0, 0, 0, 0)
    assert floors("cuda", "NVIDIA H200") == Floors(50e9, 50e9, 2e9, 0.5)
    assert floors("cuda", "NVIDIA H200", 2).all_reduce == 2e9
    for name in ("NVIDIA A100-PCIE-40GB", "NVIDIA RTX A1000", "NVIDIA H100 NVL", "NVIDIA H100 PCIe", "NVIDIA A100X"):
        assert floors("cuda", name).in_node == 2e9, name
    assert floors("cuda", "NVIDIA A100-SXM4-40GB").in_node == 50e9
    assert floors("cuda", "NVIDIA H200", all_reduce_gb_s=0, pair_gb_s=7.5, slow_frac=0) == Floors(0, 7.5e9, 7.5e9, 0)
    assert judge_rates(cluster(2, 1, link=lambda a, b: 1.0), floors("cpu", "cpu")) == []
