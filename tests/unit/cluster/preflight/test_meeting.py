"""Processes that meet over a store, as threads; those that do not come are named."""

from __future__ import annotations

import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qaz_llm.cluster.environment import Environment, free_port
from qaz_llm.cluster.nodelist import expand_nodelist
from qaz_llm.cluster.preemption import LostError
from qaz_llm.cluster.preflight.config import PreflightConfig
from qaz_llm.cluster.preflight.facts import DiskFacts, NodeFacts
from qaz_llm.cluster.preflight.meeting import FollowedError, Meeting, open_meeting, tell_first, where_absent
from qaz_llm.cluster.preflight.nodes import Look, look_at_nodes
from qaz_llm.cluster.preflight.verdict import BadNodeError, DifferentProcessesError
from qaz_llm.errors import InputError, NoGpuError, QazError, WorkError

WAIT_S = 20.0
LOST_S = 0.3


def run(
    tmp_path: Path,
    *,
    nodes: int = 2,
    absent: tuple[int, ...] = (),
    wait_s: float = WAIT_S,
    bad: dict[str, dict[str, Any]] | None = None,
    config: tuple[str, ...] = ("c",),
    blind: tuple[int, ...] | None = None,
    looks: bool = True,
    others_look: bool | None = None,
    others_count: int | None = None,
) -> list[QazError | None]:
    """What each of so many nodes, of one process each, ends with. `bad`: facts of a node; `config`: fingerprints in turn.

    `blind`: ranks that were asked for a GPU and see none, which others do. `looks`: preflight.nodes.
    `others_look`, `others_count`: preflight.nodes and the number of processes, as all but the first have them.
    """
    from torch.distributed import HashStore

    store = HashStore()

    def one(rank: int) -> QazError | None:
        here = Environment(world_size=nodes, rank=rank, local_world_size=1, launcher="slurm", node=f"n{rank}")
        look = Look(
            PreflightConfig(wait_s=wait_s), {"run_dir": tmp_path / "run"}, {"config": config[rank % len(config)]}
        )
        look = replace(look, record=tmp_path / "run", config=PreflightConfig(wait_s=wait_s, nodes=looks))
        if rank and others_look is not None:
            look = replace(look, config=PreflightConfig(wait_s=wait_s, nodes=others_look))
        if rank and others_count is not None:
            here = replace(here, world_size=others_count)
        if blind is not None:
            here = replace(here, device="cpu" if rank in blind else "cuda")
            look = replace(look, lacking=NoGpuError("no GPU here", hint="use cpu") if rank in blind else None)

        def gather(
            environment: Environment, folders: dict[str, Path], *, keeps_to_cpu: bool, **known: Any
        ) -> NodeFacts:
            assert not keeps_to_cpu
            disks = tuple(DiskFacts(what, str(folder)) for what, folder in folders.items())
            facts = NodeFacts(node=environment.node, host=environment.host, disks=disks, **known)
            return replace(facts, **(bad or {}).get(facts.node, {}))

        try:
            look_at_nodes(Meeting(store, here, wait_s=wait_s), here, look, gather=gather)
        except QazError as error:
            return error
        return None

    there = [rank for rank in range(nodes) if rank not in absent]
    with ThreadPoolExecutor(len(there)) as pool:
        return list(pool.map(one, there))


def test_good_nodes_go_on(tmp_path: Path) -> None:
    assert run(tmp_path, nodes=4) == [None] * 4
    written = json.loads((tmp_path / "run" / "preflight.json").read_text())
    assert [node["node"] for node in written["nodes"]] == ["n0", "n1", "n2", "n3"] and written["findings"] == []
    assert [node["disks"][0]["is_shared"] for node in written["nodes"]] == [True] * 4
    assert not list((tmp_path / "run").glob(".preflight-*"))


def test_a_bad_node_ends_all_and_is_written_for_the_batch_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    bad = {"n1": {"expected_gpus": 8, "visible_gpus": 7}}
    for _ in range(2):  # a second start that was given the node again names it once
        first, second = run(tmp_path, bad=bad)
        assert isinstance(first, BadNodeError) and first.exit_code == 69
        assert "n1: 7 GPUs seen, 8 expected" in str(first)
        assert isinstance(second, FollowedError) and second.exit_code == 69
    assert (tmp_path / "state" / "bad-nodes").read_text() == "n1\t7 GPUs seen, 8 expected\n"


def test_without_a_batch_script_the_message_says_what_to_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QAZ_JOB_STATE", raising=False)
    first, _ = run(tmp_path, bad={"n1": {"shm_free_bytes": 0}})
    assert "--exclude=n1" in str(first)


def test_where_most_nodes_are_bad_none_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    bad = {f"n{n}": {"hangs": "nvidia-smi gave no answer for 20 s"} for n in range(1, 4)}
    first, *_ = run(tmp_path, nodes=4, bad=bad)
    assert type(first) is WorkError and first.exit_code == 1 and "it is not one of them" in str(first)
    assert not list((tmp_path / "state").iterdir())


def no_disk(path: Path, error: str = "permission denied", **known: Any) -> dict[str, Any]:
    return {"disks": (DiskFacts("run_dir", str(path / "run"), error=f"{path / 'run'}: {error}", **known),)}


@pytest.mark.parametrize("nodes", [1, 2, 3, 4])
def test_a_folder_that_no_node_can_write_is_the_user_s_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nodes: int
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    first, *others = run(tmp_path, nodes=nodes, bad={f"n{n}": no_disk(tmp_path) for n in range(nodes)})
    assert isinstance(first, InputError) and first.exit_code == 2
    assert f"run_dir {tmp_path / 'run'}: permission denied" in str(first) and "run_dir that can be written" in str(
        first
    )
    assert [other.exit_code for other in others if other is not None] == [2] * (nodes - 1)
    assert not list((tmp_path / "state").iterdir())


@pytest.mark.parametrize("nodes", [2, 3])
def test_a_folder_that_one_node_cannot_write_is_that_node_s_fault(tmp_path: Path, nodes: int) -> None:
    first, *_ = run(tmp_path, nodes=nodes, bad={"n1": no_disk(tmp_path)})
    assert isinstance(first, BadNodeError) and "n1: run_dir" in str(first)


def test_a_full_disk_of_the_node_s_own_is_its_fault_though_it_is_alone(tmp_path: Path) -> None:
    first, *_ = run(tmp_path, nodes=1, bad={"n0": no_disk(tmp_path, "the disk is full", is_of_node=True)})
    assert isinstance(first, BadNodeError) and first.exit_code == 69


def test_a_node_s_own_fault_beside_the_user_s_is_said_and_names_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    bad = {f"n{n}": no_disk(tmp_path) for n in range(2)}
    first, _ = run(tmp_path, bad={**bad, "n1": {**bad["n1"], "hangs": "nvidia-smi gave no answer for 20 s"}})
    assert isinstance(first, InputError) and "n1: nvidia-smi gave no answer" in str(first)
    assert not list((tmp_path / "state").iterdir())


def test_a_second_job_leaves_what_the_first_one_found(tmp_path: Path) -> None:
    run(tmp_path, bad={"n1": {"hangs": "nvidia-smi gave no answer for 20 s"}})
    run(tmp_path)
    newest = json.loads((tmp_path / "run" / "preflight.json").read_text())
    (kept,) = (tmp_path / "run").glob("preflight-*.json")
    earlier = json.loads(kept.read_text())
    assert newest["findings"] == [] and kept.name == f"preflight-{earlier['time']}.json"
    assert [finding["node"] for finding in earlier["findings"]] == ["n1"] and earlier["time"] < newest["time"]


def test_another_config_on_one_node_is_the_user_s_fault(tmp_path: Path) -> None:
    first, second = run(tmp_path, config=("c", "d"))
    assert isinstance(first, DifferentProcessesError) and first.exit_code == 2
    assert "config: rank 1 on n1 has not as rank 0 on n0 (d, not c)" in str(first)
    assert second is not None and second.exit_code == 2


def test_a_process_that_never_comes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NODELIST", "n[0-2]")
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    first, second = run(tmp_path, nodes=3, absent=(2,), wait_s=LOST_S)
    assert isinstance(first, BadNodeError) and "n2: rank 2 did not come within 0 s" in str(first)
    assert isinstance(second, FollowedError)
    assert (tmp_path / "state" / "bad-nodes").read_text().startswith("n2\t")


@pytest.mark.parametrize("looks", [True, False])
@pytest.mark.parametrize("blind", [0, 1, 2])
def test_a_node_that_lacks_a_gpu_for_what_all_were_asked_comes_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blind: int, looks: bool
) -> None:
    """Its config is another one, as it could not be settled there, and the others' is not to blame."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    configs = tuple("as asked" if rank == blind else "settled" for rank in range(3))
    found = run(tmp_path, nodes=3, blind=(blind,), config=configs, looks=looks)
    assert [error.exit_code for error in found if error is not None] == [69] * 3
    seeing = 1 if blind == 0 else 0
    what = f"torch sees no GPU in rank {blind}, and one in rank {seeing} on n{seeing}"
    assert isinstance(found[0], BadNodeError) and f"n{blind}: {what}" in str(found[0])
    assert (tmp_path / "state" / "bad-nodes").read_text() == f"n{blind}\t{what}\n"


@pytest.mark.parametrize("looks", [True, False])
def test_where_no_node_has_a_gpu_the_user_asked_for_too_much(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: bool
) -> None:
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    first, second = run(tmp_path, blind=(0, 1), looks=looks)
    assert isinstance(first, InputError) and str(first).count("no GPU here") == 1 and "use cpu" in str(first)
    assert isinstance(second, FollowedError) and second.exit_code == 2 and str(second) == str(first)
    assert not list((tmp_path / "state").iterdir())


def test_nodes_that_are_not_to_be_looked_at_are_not(tmp_path: Path) -> None:
    bad = {"n1": {"hangs": "nvidia-smi gave no answer for 20 s"}}
    assert run(tmp_path, bad=bad, looks=False) == [None, None]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("looks", [True, False])
def test_processes_of_which_some_leave_the_look_out_do_not_go_on(tmp_path: Path, looks: bool) -> None:
    """One would measure, and the other not: each would wait for the other."""
    first, second = run(tmp_path, looks=looks, others_look=not looks)
    assert isinstance(first, DifferentProcessesError) and "preflight.nodes: rank 1 on n1 has not" in str(first)
    assert isinstance(second, FollowedError) and second.exit_code == 2


@pytest.mark.parametrize("looks", [True, False])
def test_processes_that_count_themselves_otherwise_do_not_go_on(tmp_path: Path, looks: bool) -> None:
    first, second = run(tmp_path, looks=looks, others_count=3)
    assert isinstance(first, DifferentProcessesError) and "number of processes: rank 1 on n1 has not" in str(first)
    assert "(3, not 2)" in str(first) and isinstance(second, FollowedError)


def test_a_lost_first_process_is_said(tmp_path: Path) -> None:
    (alone,) = run(tmp_path, nodes=2, absent=(0,), wait_s=LOST_S)
    assert type(alone) is LostError and "the first process, at 127.0.0.1:29500, has said nothing" in str(alone)


def test_who_ends_before_it_comes_ends_all_and_its_node_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the store that the first process serves, as plain processes do."""
    (tmp_path / "state").mkdir()
    monkeypatch.setenv("QAZ_JOB_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("TORCHELASTIC_USE_AGENT_STORE", raising=False)
    port, mistake = free_port(), InputError("no such config file", hint="give a path")

    def one(rank: int) -> QazError | None:
        here = Environment(world_size=3, rank=rank, launcher="slurm", node=f"n{rank}", master_port=port)
        if rank == 2:
            tell_first(here, mistake)
            return mistake
        try:
            meeting = open_meeting(here, wait_s=WAIT_S)
            look_at_nodes(meeting, here, Look(PreflightConfig(wait_s=WAIT_S), {}, {}))
        except QazError as error:
            return error
        return None

    with ThreadPoolExecutor(3) as pool:
        first, second, _ = pool.map(one, range(3))
    assert str(first) == f"rank 2 on n2: {mistake}" == str(second)
    assert isinstance(first, FollowedError) and isinstance(second, FollowedError)
    assert first.exit_code == second.exit_code == 2 and not list((tmp_path / "state").iterdir())


def test_the_first_process_stays_until_the_others_know_why_it_ends() -> None:
    """It may serve the store, which goes with it."""
    from torch.distributed import HashStore

    store = HashStore()
    first, second = (Meeting(store, Environment(world_size=3, rank=rank), wait_s=WAIT_S) for rank in range(2))
    second.give("came", "n1")  # and rank 2 has not
    with ThreadPoolExecutor(1) as pool:
        heard = pool.submit(second.hear, "go")
        first.end(InputError("a mistake"))
        assert store.check(["heard/1"])
        assert isinstance(heard.exception(), FollowedError)


def test_a_meeting_place_where_nobody_is_takes_no_torch_to_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's own wait hears no signal, and ends with a page of frames."""
    import torch.distributed

    monkeypatch.setattr(torch.distributed, "TCPStore", None)
    here = Environment(world_size=2, rank=1, master_port=free_port())
    with pytest.raises(
        LostError, match=r"the first process \(rank 0\) was not there within 0 s \(Connection refused\)"
    ):
        open_meeting(here, wait_s=LOST_S)


def test_where_the_absent_are() -> None:
    came = {0: "a", 1: "a", 2: "b"}
    assert where_absent([3, 4, 5, 6], came, ["a", "b", "c"], 2) == {3: "b", 4: "c", 5: "c"}
    assert where_absent([3, 4], came, [], 2) == {3: "b"}


NODELISTS = {
    "n1": ["n1"],
    "n[1-3,7],login": ["n1", "n2", "n3", "n7", "login"],
    "gpu[008-011]": ["gpu008", "gpu009", "gpu010", "gpu011"],
    "r[1-2]n[01-02]": ["r1n01", "r1n02", "r2n01", "r2n02"],
    "": [],
}


@pytest.mark.parametrize("spelling", list(NODELISTS))
def test_slurm_s_short_spelling(spelling: str) -> None:
    assert expand_nodelist(spelling) == NODELISTS[spelling]


@pytest.mark.parametrize("spelling", [name for name in NODELISTS if name])
def test_slurm_spells_it_out_the_same(spelling: str) -> None:
    if shutil.which("scontrol") is None:
        pytest.skip("no scontrol here to compare with")
    done = subprocess.run(["scontrol", "show", "hostnames", spelling], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("scontrol has no cluster to ask")
    assert expand_nodelist(spelling) == done.stdout.split()
