"""status.json: what it says of a run that goes on, ended in each way, or is no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from qaz_llm.cluster.preemption import PreemptedError
from qaz_llm.errors import InputError, WorkError
from qaz_llm.pipeline.status import describe_status, find_status
from qaz_llm.train.status import SILENT_S, STATUS_FILE, StatusFile, read_status, reported_status


def change(run_dir: Path, **values: object) -> None:
    path = run_dir / STATUS_FILE
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (PreemptedError("told to stop"), "preempted"), (KeyboardInterrupt(), "interrupted"),
        (WorkError("diverged"), "failed"), (ZeroDivisionError("x"), "failed"),
    ],
)  # fmt: skip
def test_each_way_to_end(tmp_path: Path, error: BaseException, state: str) -> None:
    with pytest.raises(type(error)), reported_status(tmp_path / STATUS_FILE) as status:
        status.set(step=7)
        raise error
    found = read_status(tmp_path)
    assert (found["state"], found["step"]) == (state, 7)
    assert found["message"] == (str(error) or "KeyboardInterrupt")


def test_while_it_runs_and_when_it_is_done(tmp_path: Path) -> None:
    with reported_status(tmp_path / STATUS_FILE, processes=2) as status:
        status.phase("training")
        status.set(at_once=True, step=3, steps=9, loss=float("nan"))
        found = read_status(tmp_path)
        assert (found["state"], found["phase"], found["step"], found["loss"]) == ("running", "training", 3, None)
        assert (found["pid"], found["processes"]) == (os.getpid(), 2)
    assert read_status(tmp_path)["state"] == "done"


def test_it_is_written_at_most_so_often_but_at_once_for_a_new_phase(tmp_path: Path, monkeypatch) -> None:
    from qaz_llm.train import status as module

    now, written = 0.0, []
    monkeypatch.setattr(module.time, "monotonic", lambda: now)
    monkeypatch.setattr(module, "write_json", lambda _path, values: written.append(values["step"]))
    status = StatusFile(tmp_path / STATUS_FILE)
    for step in range(10):
        now = float(step)
        status.set(step=step)
    assert written == [0, 3, 6, 9]  # every 3 s
    status.phase("saving")
    assert written[-1] == 9 and len(written) == 5


def test_a_process_that_is_gone_is_seen_from_its_host(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    StatusFile(tmp_path / STATUS_FILE).phase("training")
    change(tmp_path, pid=ended.pid)
    found = read_status(tmp_path)
    assert found["state"] == "gone" and str(ended.pid) in found["why"]
    change(tmp_path, pid=os.getpid(), pid_start=1)  # the number was given to another process
    assert read_status(tmp_path)["state"] == "gone"


def test_a_zombie_is_no_running_process(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    StatusFile(tmp_path / STATUS_FILE).phase("training")
    from qaz_llm.train.status import start_of_process

    change(tmp_path, pid=child.pid, pid_start=start_of_process(child.pid))
    assert read_status(tmp_path)["state"] == "running"
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
    assert read_status(tmp_path)["state"] == "gone"
    child.communicate()


def test_another_host_is_judged_by_the_age_of_the_file(tmp_path: Path) -> None:
    StatusFile(tmp_path / STATUS_FILE).phase("training")
    change(tmp_path, host="elsewhere", pid=1)
    assert read_status(tmp_path)["state"] == "running"
    later = datetime.now(UTC) + timedelta(seconds=SILENT_S + 5)
    found = read_status(tmp_path, now=later)
    assert found["state"] == "silent" and "elsewhere" in found["why"]
    change(tmp_path, phase="corpus")  # which may take hours, and writes when it ends
    found = read_status(tmp_path, now=later)
    assert found["state"] == "running" and "may be long" in found["why"]


def test_restarts_and_why(tmp_path: Path) -> None:
    path = tmp_path / STATUS_FILE
    StatusFile(path).set(at_once=True, step=4)  # killed
    with pytest.raises(PreemptedError), reported_status(path) as status:
        status.set(step=8)
        raise PreemptedError("told to stop (SIGTERM)")
    with reported_status(path) as status:
        status.set(step=9)
    found = read_status(tmp_path)
    assert [(s["how"], s["step"]) for s in found["sittings"]] == [("killed", 4), ("preempted", 8)]
    lines = "\n".join(describe_status(find_status(tmp_path)))
    assert lines.startswith("done\n") and "preempted at step 8: told to stop (SIGTERM)" in lines


def test_a_run_that_is_done_stays_so_until_there_is_work(tmp_path: Path) -> None:
    path = tmp_path / STATUS_FILE
    with reported_status(path):
        pass
    before = path.read_bytes()
    with pytest.raises(WorkError), reported_status(path) as status:
        status.phase("preparing")
        raise WorkError("another run's folder")
    assert path.read_bytes() == before
    with reported_status(path) as status:
        status.begin()
        assert read_status(tmp_path)["state"] == "running"


def test_a_full_disk_does_not_end_the_run(tmp_path: Path, monkeypatch, caplog) -> None:
    from qaz_llm.train import status as module

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "write_json", full)
    with reported_status(tmp_path / STATUS_FILE) as status:
        status.set(at_once=True, step=1)
    assert not (tmp_path / STATUS_FILE).exists()


def test_a_job_shows_the_training_it_is_at(tmp_path: Path) -> None:
    StatusFile(tmp_path / STATUS_FILE).set(at_once=True, phase="cpt", stage=3, stages=6)
    (tmp_path / "cpt").mkdir()
    StatusFile(tmp_path / "cpt" / STATUS_FILE).set(at_once=True, phase="training", step=5, steps=10, loss=2.5)
    lines = "\n".join(describe_status(find_status(tmp_path)))
    assert lines.startswith("running: cpt (stage 3 of 6)")
    assert "stage cpt:" in lines and "step 5 of 10, loss 2.5000" in lines


def test_a_folder_without_a_run_and_a_torn_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no status\.json"):
        read_status(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_status(tmp_path / "none")
    for content in ('{"state": "run', "[1]", '{"state": "running", "pid": "x"}'):
        (tmp_path / STATUS_FILE).write_text(content)
        with pytest.raises(InputError, match=r"status\.json: damaged"):
            read_status(tmp_path)
    (tmp_path / STATUS_FILE).unlink()
    (tmp_path / STATUS_FILE).mkdir()
    with pytest.raises(InputError, match=r"status\.json: damaged"):
        read_status(tmp_path)


def test_jobs_restarts_and_slow_processes_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "81")
    restart = {"time": "10:00", "reason": "node failed", "progress": "step 40"}
    with pytest.raises(PreemptedError), reported_status(tmp_path / STATUS_FILE):
        raise PreemptedError("told to stop")
    told: list[object] = []
    with reported_status(tmp_path / STATUS_FILE, on_write=told.append, restarts=[restart]) as status:
        status.set(at_once=True, step=41, stragglers=["rank 3 on n2: slow"])
        shown = "\n".join(describe_status(find_status(tmp_path)))
    assert "(job 81), preempted: told to stop" in shown
    assert "the job was started again, 10:00: node failed, at step 40" in shown
    assert "slow: rank 3 on n2: slow" in shown
    assert len(told) >= 3
