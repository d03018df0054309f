"""Whether processes would run the same, by facts made up."""

from __future__ import annotations

from dataclasses import replace

from qaz_llm.cluster.preflight.agreement import (
    check_agreement,
    check_clocks,
    check_devices,
    check_kinds,
    check_shared,
    check_unread,
)
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import DiskFacts, GpuFacts, NodeFacts, RankFacts
from qaz_llm.cluster.preflight.fault import settle

RANKS = [
    RankFacts(n, n % 2, f"n{n // 2}", f"n{n // 2}", n, "cuda", {"code": "a", "packages": "torch 2.13, peft 0.20"})
    for n in range(8)
]


def test_the_same_is_let_pass() -> None:
    assert list(check_agreement(RANKS)) == [] and list(check_devices(RANKS)) == []


def test_who_has_other_packages_is_named_with_which() -> None:
    other = replace(RANKS[5], fingerprints={"code": "a", "packages": "torch 2.12, peft 0.20"})
    (found,) = check_agreement([*RANKS[:5], other, *RANKS[6:]])
    assert found.what == "packages: rank 5 on n2 has not as rank 0 on n0 (torch 2.12, not torch 2.13)"
    assert found.kind == "different"


def test_many_are_counted() -> None:
    others = [replace(rank, fingerprints={"code": "b", "packages": "torch 2.13, peft 0.20"}) for rank in RANKS[1:]]
    (found,) = check_agreement([RANKS[0], *others])
    assert "rank 6 on n3 and 1 more have not as rank 0" in found.what


def test_a_node_without_gpus_among_others_is_bad() -> None:
    found = list(check_devices([*RANKS[:6], replace(RANKS[6], device="cpu"), replace(RANKS[7], device="cpu")]))
    assert [(f.kind, f.node) for f in found] == [("bad", "n3")]
    assert list(check_devices([replace(rank, device="cpu") for rank in RANKS])) == []


def test_the_processes_without_a_gpu_are_named_be_they_on_a_node_with_some() -> None:
    (found,) = check_devices([*RANKS[:5], replace(RANKS[5], device="cpu", lacks="no GPU"), *RANKS[6:]])
    assert (found.kind, found.node) == ("bad", "n2")
    assert found.what == "torch sees no GPU in rank 5, and one in rank 0 on n0"
    (first,) = check_devices([replace(rank, device="cpu") for rank in RANKS[:2]] + RANKS[2:])
    assert first.node == "n0" and first.what == "torch sees no GPU in ranks 0, 1, and one in rank 2 on n1"


def test_what_needs_a_gpu_where_none_has_one_is_what_was_asked_for() -> None:
    lacking = [replace(rank, device="cpu", lacks="cuda was asked for", hint="use auto") for rank in RANKS]
    (said,) = settle(list(check_devices(lacking)), [f"n{n}" for n in range(4)])
    assert (said.kind, said.node, said.hint) == ("input", None, "use auto")
    assert said.what == "cuda was asked for (on all 4 nodes: n0, n1, n2, n3)"
    dead = [NodeFacts(f"n{n}", "h", expected_gpus=8) for n in range(4)]  # which check_gpus_seen names, with the reason
    assert list(check_devices(lacking, dead)) == []


def test_a_config_is_compared_among_those_on_one_device() -> None:
    """What `auto` comes to differs between a GPU and a CPU, which is no fault of the config."""
    ranks = [
        replace(rank, device=device, fingerprints={"config": config, "device": "auto"})
        for rank, device, config in zip(RANKS, ["cuda", "cpu", "cuda", "cpu"], "abab", strict=False)
    ]
    assert list(check_agreement(ranks)) == []
    other = replace(ranks[3], fingerprints={"config": "c", "device": "auto"})
    (found,) = check_agreement([*ranks[:3], other])
    assert found.what == "config: rank 3 on n1 has not as rank 1 on n0 (c, not b)"
    told = replace(ranks[3], fingerprints={"config": "b", "device": "cpu"})
    (found,) = check_agreement([*ranks[:3], told])
    assert found.kind == "different" and found.what == "device: rank 3 on n1 has not as rank 0 on n0 (cpu, not auto)"


def test_the_rarer_kind_of_gpu_is_named() -> None:
    kinds = ["NVIDIA H200", "NVIDIA H100", "NVIDIA H200"]
    nodes = [NodeFacts(f"n{n}", "h", gpus=(GpuFacts(0, "u", name, "b"),)) for n, name in enumerate(kinds)]
    (found,) = check_kinds(nodes)
    assert found.node == "n1" and list(check_kinds(nodes[::2])) == []
    (even,) = check_kinds(nodes[:2])
    assert (even.kind, even.node) == ("input", None)
    assert even.what == "GPUs of several kinds: NVIDIA H200 on n0, NVIDIA H100 on n1"


def with_folder(*seen: bool | None) -> list[NodeFacts]:
    return [
        NodeFacts(
            f"n{n}",
            "h",
            disks=(DiskFacts("run_dir", "/d", is_shared=is_shared, error=None if is_shared is not None else "no"),),
        )
        for n, is_shared in enumerate(seen)
    ]


def test_a_folder_that_the_first_node_shares_with_some_is_the_others_fault() -> None:
    assert list(check_shared(with_folder(True, True, True))) == []
    found = list(check_shared(with_folder(True, True, False)))
    assert [(f.kind, f.node) for f in found] == [("bad", "n2")] and "another folder" in found[0].what


def test_a_folder_that_the_first_node_shares_with_none_is_the_path_s_fault() -> None:
    for seen in ((True, False), (True, False, False, False), (True, False, None)):
        (found,) = check_shared(with_folder(*seen))
        assert (found.kind, found.node) == ("input", None) and "what n0 writes there is not seen on n1" in found.what
    assert (
        list(check_shared(with_folder(True, None))) == []
    )  # that it cannot be written there is found by another check


def clocks(*ahead: float) -> list[tuple[str | None, str]]:
    nodes = [NodeFacts(f"n{n}", "h", clock_ahead_s=seconds) for n, seconds in enumerate(ahead)]
    return [(f.node, f.what) for f in check_clocks(nodes, PreflightConfig())]


def test_of_three_clocks_the_odd_one_is_named_be_it_the_first() -> None:
    assert clocks(0.0) == clocks(0.0, 9.0) == clocks(0.0, 3.0, -3.0) == []
    assert clocks(0.0, 0.5, -42.0) == [("n2", "its clock is 42.0 s behind most others'")]
    assert clocks(0.0, 42.0, 42.5) == [("n0", "its clock is 42.0 s behind most others'")]


def test_of_two_clocks_neither_is_named() -> None:
    ((node, what),) = clocks(0.0, -42.0)
    assert node is None and what.startswith("the clocks of n0 and n1 are 42.0 s apart")


def test_what_was_not_read_is_said_once_for_all_nodes() -> None:
    nodes = [NodeFacts(f"n{n}", "h", unread=("Xid errors: no dmesg",)) for n in range(9)]
    (found,) = check_unread(nodes)
    assert found.kind == "note" and "n0, n1, n2, n3, n4, n5 and 3 more: Xid errors: no dmesg" in found.what
