"""Scaling on paper: rings gone through by hand, times by arithmetic, and what is recommended."""

from __future__ import annotations

from pathlib import Path

import pytest

from qaz_llm.cluster.links import HOP_S, REACHED_FRAC, Network, find_network
from qaz_llm.cluster.machines import describe_gpus
from qaz_llm.config import load_config
from qaz_llm.errors import ConfigError
from qaz_llm.train.config import TrainConfig
from qaz_llm.train.plan import make_plan
from qaz_llm.train.plan.communication import Transfer, count_transfers
from qaz_llm.train.plan.describe_scaling import HEADERS, scaling_lines, scaling_rows
from qaz_llm.train.plan.scaling import Row, Scaling, make_scaling
from qaz_llm.train.plan.sharing import SHARINGS

ROOT = Path(__file__).parents[4]
FAST = Network("x", gpu_gb_s=100.0, node_gb_s=50.0, source="made up")


def scaling(*overrides: str, network: Network = FAST, counts: tuple[int, ...] = (1, 8, 64)) -> Scaling:
    config = load_config(TrainConfig, ROOT / "configs/train/tiny.yaml", ["max_steps=1", "precision=bf16", *overrides])
    machine = describe_gpus("h200")
    plan = make_plan(config, machine.environment, machine=machine, is_draft=True)
    return make_scaling(plan, network, asked=config, counts=counts)


def ring(members: int, parts: list[list[int]], *, reduces: bool, gathers: bool) -> tuple[list[list[int]], int]:
    """A ring gone through step by step over one number a chunk: what each holds at the end, and chunks that one sends."""
    held = [list(own) for own in parts]
    sent = 0
    for is_on, adds, lag in ((reduces, True, 0), (gathers, False, 1)):
        for step in range(members - 1 if is_on else 0):
            chunks = [(rank - step + lag) % members for rank in range(members)]
            moved = [held[rank][chunks[rank]] for rank in range(members)]
            for rank in range(members):
                to = (rank + 1) % members
                held[to][chunks[rank]] = held[to][chunks[rank]] + moved[rank] if adds else moved[rank]
            sent += 1
    return held, sent


@pytest.mark.parametrize("members", [2, 3, 4, 8])
def test_wire_bytes_are_those_of_a_ring(members: int) -> None:
    parts = [[10 * rank + chunk for chunk in range(members)] for rank in range(members)]
    sums = [sum(column) for column in zip(*parts, strict=True)]
    held, sent = ring(members, parts, reduces=True, gathers=True)
    assert held == [sums] * members  # the ring does what an all-reduce does
    size = 800.0
    assert Transfer("all_reduce", "", size, 1, "passes").wire_bytes(members) == pytest.approx(sent * size / members)
    _, sent = ring(members, parts, reduces=True, gathers=False)
    assert Transfer("reduce_scatter", "", size, 1, "passes").wire_bytes(members) == pytest.approx(sent * size / members)


def row(found: Scaling, gpus: int, way: str) -> Row:
    return next(row for row in found.of(gpus) if row.way == way)


def test_one_gpu_sends_nothing() -> None:
    (alone,) = scaling().of(1)
    assert (alone.wire_bytes, alone.network_s, alone.efficiency, alone.transfers) == (0, 0, 1, ())


def test_ddp_by_hand() -> None:
    found = scaling("grad_accum_steps=4")
    params = found.plan.parameters
    eight, many = row(found, 8, "none"), row(found, 64, "none")
    assert eight.wire_bytes == pytest.approx(2 * 7 / 8 * 4 * params)
    assert eight.network_s == pytest.approx(eight.wire_bytes / (REACHED_FRAC * 100e9) + 2 * 7 * HOP_S)
    assert many.network_s == pytest.approx(2 * 63 / 64 * 4 * params / (REACHED_FRAC * 50e9) + 2 * 63 * HOP_S)
    assert eight.tokens_per_step == 8 * 128 * 8 * 4
    assert eight.exposed_s == pytest.approx(max(eight.network_s - 2 / 3 * eight.compute_s / 4, 0))
    assert eight.efficiency_apart == pytest.approx(eight.compute_s / (eight.compute_s + eight.network_s))


def test_sharing_weights_sends_three_times_as_much_for_each_micro_batch() -> None:
    """Per micro-batch, in float32: two gathers and one reduce-scatter, against half of an all-reduce each."""
    for times in (1, 4):
        found = scaling(f"grad_accum_steps={times}", "precision=fp32")
        ddp, fsdp = row(found, 8, "none"), row(found, 8, "fsdp2")
        assert fsdp.wire_bytes == pytest.approx(1.5 * times * ddp.wire_bytes)


def test_shared_in_nodes_little_goes_between_them() -> None:
    large = ("model.architecture.hidden_size=1024", "grad_accum_steps=4")  # bytes count, not hops
    found = scaling(*large, network=Network("slow", 100.0, 1.0, "made up"))
    flat, hybrid = row(found, 64, "fsdp2"), row(found, 64, "hybrid")
    # flat: 4 × (2 + 2 + 4) bytes a parameter over each node's edge; hybrid: 2 × 7 / 8 × 4, once
    assert hybrid.network_s < flat.network_s / 3 and not hybrid.is_offered
    assert found.best(64) is not hybrid


def test_what_fits_and_is_fastest_is_recommended() -> None:
    found = scaling()
    assert found.best(8) is row(found, 8, "none")  # all fit, and nothing is faster than what shares nothing
    assert any(line.startswith("8 GPUs: DDP") for line in scaling_lines(found))
    table = scaling_rows(found)
    assert all(len(cells) == len(HEADERS) for cells in table) and sum("* " in cells[1] for cells in table) == 3
    assert found.to_dict()["recommended"] == {1: "none", 8: "none", 64: "none"}
    assert found.to_dict()["is_a_model_not_a_measurement"] is True


def test_seventy_billion_do_not_fit_eight_gpus_but_sixty_four() -> None:
    shape = f"model.checkpoint={ROOT / 'configs/models/llama-3.1-70b'}"
    config = load_config(TrainConfig, ROOT / "configs/train/cpt_70b_full.yaml", [shape, "model.tokenizer=null"])
    machine = describe_gpus("h200")
    plan = make_plan(config, machine.environment, machine=machine, is_draft=True)
    assert plan.parameters == 70_553_706_496  # as published
    found = make_scaling(plan, find_network("infiniband"), asked=config, counts=(8, 64))
    assert found.best(8) is None and any(line.startswith("8 GPUs: nothing fits") for line in scaling_lines(found))
    best = found.best(64)
    assert best is not None and best.way in ("zero3", "fsdp2") and best.fits
    assert 16 * plan.parameters / 64 < best.memory_bytes < 141e9  # weights, gradients and moments are in it
    assert not row(found, 64, "none").fits


def test_alone_there_are_no_transfers_and_unknown_networks_are_refused() -> None:
    found = scaling()
    layout = found.plan.layout
    assert count_transfers(found.plan.config, found.plan.counted, layout) == () and layout.sharing == SHARINGS["none"]
    with pytest.raises(ConfigError, match="--network token-ring: not in the table"):
        find_network("token-ring")
    with pytest.raises(ConfigError, match="12 GPUs"):
        scaling(counts=(12,))
