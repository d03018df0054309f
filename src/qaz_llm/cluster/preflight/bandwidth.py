"""How fast each process computes, all of them reduce, and each pair of places talks, measured on the process group.

    all-reduce    bus bandwidth 2(n−1)/n × bytes / s, as nccl-tests gives it (its PERFORMANCE.md): what each process's link carries
    pairs         inside each node every two processes, then of every two nodes their first processes; bytes / s each way

Pairs are measured in rounds in which everybody has one partner (the circle method of round-robin tournaments), so that n
places take n − 1 rounds. Before a pair is timed the two exchange one number: a partner that comes late is not a slow one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from qaz_llm.cluster.environment import Environment
from qaz_llm.cluster.preflight.rates import RankRates

ALL_REDUCE_BYTES = {"cpu": 4 << 20, "cuda": 256 << 20}
PAIR_BYTES = {"cpu": 1 << 20, "cuda": 64 << 20}
MATRIX = {"cpu": 512, "cuda": 8192}
TRIES = 3


def measure(environment: Environment, *, device: str) -> RankRates:
    """What this process measures; called on all of them at once, after the process group was made."""
    here = environment.rank // environment.local_world_size
    return RankRates(
        rank=environment.rank,
        node=environment.node,
        node_number=here,
        flops=_compute(device),
        all_reduce_bytes_s=_all_reduce(environment.world_size, device),
        pairs=_pairs(environment, device),
    )


def rounds_of(members: Sequence[int]) -> list[list[tuple[int, int]]]:
    """Rounds in which each two members meet once, and nobody twice in a round.

    >>> rounds_of([0, 1, 2])
    [[(1, 2)], [(0, 2)], [(0, 1)]]
    """
    seats: list[int | None] = [*members, *([None] if len(members) % 2 else [])]
    rounds = []
    for _ in range(len(seats) - 1):
        half = len(seats) // 2
        pairs = zip(seats[:half], reversed(seats[half:]), strict=True)
        rounds.append([(min(a, b), max(a, b)) for a, b in pairs if a is not None and b is not None])
        seats = [seats[0], seats[-1], *seats[1:-1]]
    return rounds


def _pairs(environment: Environment, device: str) -> dict[int, float]:
    """With each partner of this process."""
    per_node = environment.local_world_size
    first = environment.rank - environment.local_rank
    inside = range(first, min(first + per_node, environment.world_size))
    heads = range(0, environment.world_size, per_node)
    rates: dict[int, float] = {}
    for members in (inside, heads):
        if environment.rank not in members:
            continue
        for pairs in rounds_of(members):
            partner = next((a + b - environment.rank for a, b in pairs if environment.rank in (a, b)), None)
            if partner is not None:
                rates[partner] = _exchange(partner, device)
    return rates


def _exchange(partner: int, device: str) -> float:
    import torch

    numbers = PAIR_BYTES[device] // 4
    given, taken = (torch.zeros(numbers, device=device) for _ in range(2))
    best_s = float("inf")
    for _ in range(TRIES):
        _swap(given[:1], taken[:1], partner)
        _wait(device)
        started = time.perf_counter()
        _swap(given, taken, partner)
        _wait(device)
        best_s = min(best_s, time.perf_counter() - started)
    return PAIR_BYTES[device] / best_s


def _swap(given: Any, taken: Any, partner: int) -> None:
    import torch.distributed as dist

    works = dist.batch_isend_irecv([dist.P2POp(dist.isend, given, partner), dist.P2POp(dist.irecv, taken, partner)])
    for work in works:
        work.wait()


def _all_reduce(world_size: int, device: str) -> float:
    import torch
    import torch.distributed as dist

    values = torch.zeros(ALL_REDUCE_BYTES[device] // 4, device=device)
    best_s = float("inf")
    for _ in range(1 + TRIES):  # the first one makes the connections
        dist.barrier()
        _wait(device)
        started = time.perf_counter()
        dist.all_reduce(values)
        _wait(device)
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * (world_size - 1) / world_size * ALL_REDUCE_BYTES[device] / best_s


def _compute(device: str) -> float:
    """FLOP/s of a product of square matrices, in the type that is trained in."""
    import torch

    size = MATRIX[device]
    half = torch.bfloat16 if device == "cuda" else torch.float32
    factor = torch.ones(size, size, device=device, dtype=half)
    best_s = float("inf")
    for _ in range(1 + TRIES):
        _wait(device)
        started = time.perf_counter()
        torch.mm(factor, factor)
        _wait(device)
        best_s = min(best_s, time.perf_counter() - started)
    return 2 * size**3 / best_s


def _wait(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
