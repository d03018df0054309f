"""Where a process runs, told by what torchrun and srun say."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from qaz_llm.cluster.environment import Environment, export_variables, read_environment, tasks_on_node
from qaz_llm.cluster.preflight import preflight
from qaz_llm.errors import ConfigError, InputError

SRUN = {
    "SLURM_JOB_ID": "41234",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_NODEID": "1",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_STEP_TASKS_PER_NODE": "8(x2)",
    "SLURM_STEP_NODELIST": "gpu[003-004]",
}


def test_a_process_without_launcher_is_alone() -> None:
    environment = read_environment({})
    assert (environment.world_size, environment.rank, environment.launcher) == (1, 0, "alone")


def test_torchrun_variables_are_read() -> None:
    environment = read_environment(
        {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "h"}
    )
    assert (environment.rank, environment.local_rank, environment.num_nodes) == (3, 1, 2)
    assert environment.master_addr == "h" and not environment.is_main


def test_srun_variables_are_read() -> None:
    environment = read_environment(SRUN)
    assert (environment.rank, environment.world_size, environment.local_rank) == (9, 16, 1)
    assert (environment.local_world_size, environment.num_nodes, environment.launcher) == (8, 2, "slurm")
    assert environment.master_addr == "gpu003"
    assert environment.master_port == 29500 + 41234 % 20000


def test_a_batch_script_is_no_task_of_a_step() -> None:
    batch = {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "16", "SLURM_LOCALID": "0"}
    assert read_environment(batch).world_size == 1


@pytest.mark.parametrize(
    ("left", "lacking"),
    [
        ({"RANK": "3"}, "WORLD_SIZE"),
        ({"RANK": "0"}, "WORLD_SIZE"),
        ({"WORLD_SIZE": "4"}, "RANK"),
        ({"LOCAL_RANK": "0"}, "RANK and WORLD_SIZE"),
        ({"WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "h"}, "RANK"),
        ({"WORLD_SIZE": "16", "SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "SLURM_NTASKS": "16"}, "RANK"),
    ],
)
def test_a_part_of_a_launcher_s_variables_is_refused(left: dict[str, str], lacking: str) -> None:
    """Torch's env:// needs RANK and WORLD_SIZE; the last case is a batch script in which srun was forgotten."""
    with pytest.raises(ConfigError, match=f" and no {lacking}: this is no process of torchrun") as caught:
        read_environment(left)
    mine = [name for name in left if not name.startswith(("SLURM", "MASTER"))]
    assert str(caught.value.hint).endswith(f"unset {' '.join(sorted(mine, key=lambda name: name.startswith('LOCAL')))}")


def test_what_names_one_process_is_one() -> None:
    assert read_environment({"WORLD_SIZE": "1"}).launcher == "alone"
    assert read_environment({"MASTER_ADDR": "h", "MASTER_PORT": "29500"}).launcher == "alone"


def test_names_of_torchrun_in_a_step_agree_with_slurm_s() -> None:
    """slurm/task.sh exports RANK for the shell; sites export WORLD_SIZE and LOCAL_RANK."""
    for more in ({"RANK": "9"}, {"WORLD_SIZE": "16"}, {"LOCAL_RANK": "1"}):
        assert read_environment({**SRUN, **more}) == read_environment(SRUN)
    with pytest.raises(ConfigError, match="RANK is 0, and this task's step says 9"):
        read_environment({**SRUN, "RANK": "0"})
    with pytest.raises(ConfigError, match="WORLD_SIZE is 8, and this task's step says 16"):
        read_environment({**SRUN, "WORLD_SIZE": "8"})


def test_contradictions_are_refused() -> None:
    with pytest.raises(ConfigError, match="rank 5 of 4"):
        read_environment({"RANK": "5", "WORLD_SIZE": "4"})


@pytest.mark.parametrize(
    ("spelling", "node", "tasks"), [("8(x2),4", 2, 4), ("8(x2),4", 1, 8), ("1", 0, 1), ("2,3", 1, 3)]
)
def test_slurms_spelling_of_tasks_per_node(spelling: str, node: int, tasks: int) -> None:
    assert tasks_on_node(spelling, node) == tasks


def test_variables_are_exported_only_when_launched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    export_variables(Environment())
    assert os.environ == {}
    export_variables(Environment(world_size=2, rank=1, local_world_size=1, launcher="slurm", master_addr="n1"))
    assert os.environ["RANK"] == "1" and os.environ["MASTER_ADDR"] == "n1"


def test_preflight_asks_for_room_and_a_folder(tmp_path) -> None:
    preflight(tmp_path / "new", needed_bytes=1)
    with pytest.raises(InputError, match="GiB free"):
        preflight(tmp_path, needed_bytes=1 << 60)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        preflight(tmp_path / "file", needed_bytes=1)


@pytest.mark.parametrize("port", ["0", "70000", "-1", "x"])
def test_a_port_where_nobody_can_meet_is_refused(port: str) -> None:
    variables = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": port}
    with pytest.raises(ConfigError, match=r"MASTER_PORT is '.*', no port"):
        read_environment(variables)
    assert read_environment({**variables, "MASTER_PORT": "65535"}).master_port == 65535
    assert read_environment({"MASTER_PORT": port}).launcher == "alone"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere torch is always asked")
def test_torch_is_asked_where_a_driver_could_be_and_only_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oracle is torch itself: what is said without it is what it says."""
    torch = pytest.importorskip("torch")
    found = read_environment({})
    assert (found.device == "cuda") == torch.cuda.is_available()

    def opens(_name: str) -> None: ...

    def lacks(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    properties = SimpleNamespace(name="NVIDIA H200", total_memory=141 * 10**9)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _index: properties)
    monkeypatch.setattr("ctypes.CDLL", opens)
    seen = read_environment({})
    assert (seen.device, seen.device_name, seen.gpu_memory_bytes) == ("cuda", "NVIDIA H200", 141 * 10**9)
    if not Path("/dev/kfd").exists():
        monkeypatch.setattr("ctypes.CDLL", lacks)
        assert read_environment({}).device == "cpu"


@pytest.mark.parametrize("name", ["WORLD_SIZE", "RANK", "LOCAL_RANK"])
@pytest.mark.parametrize("value", ["x", "", "1.5"])
def test_a_launcher_s_variable_that_is_no_number_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is '{value}'"):
        read_environment({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"} | {name: value})
