"""Two processes, on two nodes by name, of which one is not fit: the run ends before any weights, and says which and why.

The bad node is made where a node is asked for its facts, or where it is measured; all else is what `qaz train` does.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WAIT_S = 300

SCRIPT = """
import os
from dataclasses import replace
from functools import partial
from qaz_llm.cli import main
from qaz_llm.cluster import environment as here
from qaz_llm.cluster.preflight import gather, nodes

node = f"n{{int(os.environ['RANK']) + 1}}"
if {gpus!r} is not None:  # where nodes pretend to have a GPU, or to have none
    gpu = ("cuda", "NVIDIA H200", 141 * 10**9) if node in {gpus!r} else ("cpu", "cpu", 0)
    here._read_device = lambda local_rank: gpu
    gather._torch_sees = lambda: (int(os.environ["LOCAL_WORLD_SIZE"]), ())

def asked(environment, folders, **known):
    facts = nodes.gather_facts(environment, folders, **known)
    return replace(facts, {facts}) if facts.node == "n2" else facts

def measured(environment, **known):
    rates = nodes_measure(environment, **known)
    return replace(rates, {rates}) if rates.node == "n2" else rates

nodes_measure, nodes.measure = nodes.measure, measured
nodes.look_at_nodes = partial(nodes.look_at_nodes, gather=asked)
main()
"""


TRAIN = ("train", str(ROOT / "configs/train/tiny.yaml"), "max_steps=1")


def train(
    tmp_path: Path,
    *,
    facts: str = "",
    rates: str = "",
    overrides: tuple[str, ...] = (),
    late: bool = False,
    gpus: tuple[str, ...] | None = None,
    command: tuple[str, ...] = TRAIN,
):
    """Exit codes and what was said, of both processes. `late`: the second one is never started. `gpus`: the nodes that see a GPU."""
    (tmp_path / "state").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "1"}
    shared |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "QAZ_JOB_STATE": str(tmp_path / "state")}
    shared |= {"LOCAL_RANK": "0", "SLURM_STEP_NODELIST": "n[1-2]"}
    arguments = [*command, f"run_dir={tmp_path / 'run'}", *overrides]
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT.format(facts=facts, rates=rates, gpus=gpus), *arguments],
            env=shared | {"RANK": str(rank), "SLURMD_NODENAME": f"n{rank + 1}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(1 if late else 2)
    ]
    try:
        said = [process.communicate(timeout=WAIT_S)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], said


def assert_ended_by(tmp_path: Path, codes: list[int], said: list[str], why: str) -> None:
    assert codes == [69] * len(codes), said
    assert f"n2: {why}" in said[0], said[0]
    assert not any("Traceback" in text or "fault of ours" in text for text in said)
    assert (tmp_path / "state" / "bad-nodes").read_text().startswith(f"n2\t{why}")
    assert not (tmp_path / "run" / "checkpoints").exists()
    if len(codes) == 2:
        assert said[1].count("error") <= 1  # none where the first process says it for all


@pytest.mark.slow
def test_a_node_that_has_lost_a_gpu(tmp_path: Path) -> None:
    codes, said = train(tmp_path, facts="expected_gpus=8, visible_gpus=7")
    assert_ended_by(tmp_path, codes, said, "7 GPUs seen, 8 expected")
    assert not (tmp_path / "run" / "packed").exists()  # nothing was made before
    findings = json.loads((tmp_path / "run" / "preflight.json").read_text())["findings"]
    assert [finding["node"] for finding in findings] == ["n2"]


@pytest.mark.slow
@pytest.mark.thorough
def test_a_node_that_computes_slowly(tmp_path: Path) -> None:
    codes, said = train(tmp_path, rates="flops=rates.flops / 1000", overrides=("preflight.slow_frac=0.1",))
    assert_ended_by(tmp_path, codes, said, "rank 1 computes")
    assert "error: 1 of 2 nodes is not fit" in said[0]


@pytest.mark.slow
def test_a_node_that_never_comes(tmp_path: Path) -> None:
    codes, said = train(tmp_path, overrides=("preflight.wait_s=3",), late=True)
    assert_ended_by(tmp_path, codes, said, "rank 1 did not come within 3 s")


@pytest.mark.slow
def test_good_nodes_train_and_their_look_is_written(tmp_path: Path) -> None:
    codes, said = train(tmp_path)
    assert codes == [0, 0], said
    written = json.loads((tmp_path / "run" / "preflight.json").read_text())
    assert [node["node"] for node in written["nodes"]] == ["n1", "n2"]
    assert [sorted(rate["pairs"]) for rate in written["rates"]] == [["1"], ["0"]]
    assert "measured over 2 processes" in (tmp_path / "run" / "train.log").read_text()


SEES_NONE = "torch sees no GPU in rank 1, and one in rank 0 on n1"


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cuda", pytest.param("auto", marks=pytest.mark.thorough)])
def test_a_node_that_sees_no_gpu_where_others_do(tmp_path: Path, device: str) -> None:
    codes, said = train(tmp_path, gpus=("n1",), overrides=(f"device={device}",))
    assert_ended_by(tmp_path, codes, said, SEES_NONE)


@pytest.mark.slow
def test_a_gpu_that_no_node_has_is_the_user_s_error_and_said_once(tmp_path: Path) -> None:
    codes, said = train(tmp_path, gpus=(), overrides=("device=cuda",))
    assert codes == [2, 2], said
    assert said[0].count("torch sees no GPU here (on all 2 nodes: n1, n2)") == 1 and "device=auto" in said[0]
    assert "error" not in said[1] and not list((tmp_path / "state").glob("bad-nodes"))


@pytest.mark.slow
def test_a_run_of_all_stages_finds_it_before_any_work(tmp_path: Path) -> None:
    command = ("run", str(ROOT / "configs/demo.yaml"))
    codes, said = train(tmp_path, gpus=("n1",), overrides=("device=cuda",), command=command)
    assert_ended_by(tmp_path, codes, said, SEES_NONE)
    assert not (tmp_path / "run" / "corpus").exists()


@pytest.mark.slow
def test_torchrun_ends_where_one_of_its_processes_sees_no_gpu(tmp_path: Path) -> None:
    """The first one, that judges, is the one without."""
    (tmp_path / "state").mkdir()
    script = tmp_path / "one.py"
    named = 'import os\nos.environ["SLURMD_NODENAME"] = f"n{int(os.environ[\'RANK\']) + 1}"\n'
    script.write_text(named + SCRIPT.format(facts="", rates="", gpus=("n2",)))
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*launcher, str(script), *TRAIN, f"run_dir={tmp_path / 'run'}", "device=cuda"],
        env=os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "QAZ_JOB_STATE": str(tmp_path / "state")},
        capture_output=True,
        text=True,
        timeout=WAIT_S,
        check=False,
    )
    why = "torch sees no GPU in rank 0, and one in rank 1 on n2"
    assert done.stderr.count(f"n1: {why}") == 1 and "exitcode  : 69" in done.stderr, done.stderr
    assert (tmp_path / "state" / "bad-nodes").read_text() == f"n1\t{why}\n"
    assert not (tmp_path / "run" / "packed").exists()
