"""What the job scripts decide, with a Slurm that only writes down what it is asked; the oracle is the table in docs/slurm.md."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")


class Slurm:
    """Commands of Slurm that answer from files and write down each call, and a job's state folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bin = folder, folder / "bin"
        self.bin.mkdir()
        self.fields = {"JobState": "RUNNING", "Reason": "None", "ExcNodeList": "(null)"}
        self.nodes = "n1\nn2\nn3"
        self.gres = "(null)"
        self.refusals = 0
        """How often `scontrol update` is refused, as of a job that is still ending."""
        self.tasks = (
            'for ((r = 0; r < ${2#--ntasks=}; r++)); do echo "0 1 n1" > "$QAZ_JOB_STATE/exit-$QAZ_RESTART-$r"; done'
        )
        """What srun does: here all tasks end well."""
        self.state = folder / "state" / "jobs" / "41"
        self.variables = {
            "SLURM_JOB_ID": "41", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_JOB_NUM_NODES": "2", "SLURM_JOB_PARTITION": "main",
            "SLURM_JOB_CPUS_PER_NODE": "1(x2)", "SLURMD_NODENAME": "n1", "QAZ_STATE_DIR": str(folder / "state"),
            "QAZ_ROOT": str(ROOT), "QAZ_PYTHON": "/bin/true",
        }  # fmt: skip

    def ended(self, *codes: int | None, restart: int = 0) -> None:
        """Write down how each task ended, in this order of time; None: not at all."""
        self.state.mkdir(parents=True, exist_ok=True)
        for rank, code in enumerate(codes):
            if code is not None:
                (self.state / f"exit-{restart}-{rank}").write_text(f"{code} {rank} n{rank + 1}\n")

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run lines of bash after the common part, as a job script does."""
        shown = "".join(f" {key}={value}" for key, value in self.fields.items())
        calls = self.folder / "calls"
        commands = {
            "scontrol": f'echo "scontrol $*" >> {calls}; case "$2" in job) echo "JobId=41{shown} x";; hostnames) tr , "\\n" <<<"$3";; esac; '
            f'[ "$1" != update ] || [ "$(grep -c "^scontrol update" {calls})" -gt {self.refusals} ]',
            "scancel": f'echo "scancel $*" >> {calls}',
            "sbatch": f'echo "sbatch $*" >> {calls}',
            "srun": f'echo "srun $*" >> {calls}; env | grep -E "^(SLURM_(CPUS|GPU|TRES)|MASTER)" >> {calls}; {self.tasks}',
            "sinfo": f'case "$*" in *%G*) echo "{self.gres}";; *) printf "{self.nodes}\\n";; esac',
        }
        for name, text in commands.items():
            (self.bin / name).write_text(f"#!/bin/bash\n{text}\n")
            (self.bin / name).chmod(0o755)
        begin = "QAZ_TOLD=''; source slurm/common.sh; begin_job; count_tasks; "
        environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            **self.variables,
            **variables,
        }
        return subprocess.run(
            ["bash", "-uc", begin + script], capture_output=True, text=True, cwd=ROOT, env=environment, timeout=60
        )

    def calls(self, name: str) -> list[str]:
        file = self.folder / "calls"
        lines = file.read_text().splitlines() if file.is_file() else []
        return [line for line in lines if line.startswith(name)]


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    return Slurm(tmp_path)


def verdict(slurm: Slurm, codes: tuple[int | str | None, ...], srun: int, told: str = "") -> str:
    """Of a code the whole file is written, of a text that."""
    files = "".join(
        f"echo '{code if isinstance(code, str) else f'{code} {rank} n{rank}'}' > \"$QAZ_JOB_STATE/exit-0-{rank}\"; "
        for rank, code in enumerate(codes)
        if code is not None
    )
    done = slurm.run(f"QAZ_TASKS={len(codes)}; QAZ_TOLD={told!r}; {files} verdict {srun}")
    assert done.returncode == 0, done.stderr
    return done.stdout.split()[0]


@pytest.mark.parametrize(
    ("codes", "srun", "expected"),
    [
        ((0, 0), 0, "done"),
        ((75, 75), 75, "told"),
        ((75, 143), 143, "told"),
        ((138, 75), 138, "told"),  # a signal that met Python before it listened
        ((75, None), 75, "lost"),  # its node died, and the launcher ended the other
        ((75, 1), 75, "told"),  # told first; what fails afterwards fails for that
        ((2, 2), 2, "user"),
        ((75, 2), 75, "user"),  # one was wrong, and the launcher ended the other
        ((2, None), 137, "user"),
        ((1, 1), 1, "failed"),
        ((1, 75), 1, "failed"),
        ((1, None), 137, "failed"),
        ((137, 75), 137, "lost"),
        ((137, 1), 137, "lost"),
        ((76, None), 76, "lost"),
        ((76, 1), 76, "failed"),  # the other one failed by an error of its own
        ((0, None), 1, "lost"),
        ((139, 76), 139, "lost"),
        ((69, 75), 69, "node"),
        ((None, None), 1, "lost"),  # srun could not start them
        ((None, None), 143, "told"),
        ((None, None), 2, "user"),
        ((None, None), 0, "lost"),  # nobody said that it was done
        ((0, ""), 0, "lost"),  # a file that was not written to its end
        (("", ""), 0, "lost"),
        ((0, "0"), 0, "lost"),
        ((0, "0 17"), 0, "lost"),
        ((0, "done 17 n1"), 0, "lost"),
        ((2, ""), 137, "user"),
    ],
)  # fmt: skip
def test_exit_codes_decide(slurm: Slurm, codes: tuple[int | str | None, ...], srun: int, expected: str) -> None:
    assert verdict(slurm, codes, srun) == expected


def test_a_job_that_was_told_before_it_had_tasks_is_told(slurm: Slurm) -> None:
    assert verdict(slurm, (75, None), 137, told="TERM") == "told"  # one took too long
    assert verdict(slurm, (0, None), 137, told="TERM") == "lost"
    assert verdict(slurm, (None, None), 1, told="TERM") == "told"


@pytest.mark.parametrize(
    ("variables", "tasks", "cpus", "gpus"),
    [
        ({}, 2, 1, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "16(x2)"}, 2, 16, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "96(x2)", "SLURM_GPUS_ON_NODE": "8"}, 16, 12, 8),
        ({"SLURM_JOB_CPUS_PER_NODE": "13", "SLURM_JOB_NUM_NODES": "1", "SLURM_GPUS_ON_NODE": "1"}, 1, 13, 1),
        ({"SLURM_JOB_CPUS_PER_NODE": "8(x2)", "SLURM_NTASKS": "4"}, 4, 4, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "16,8", "SLURM_NTASKS": "4", "SLURM_CPUS_PER_TASK": "3"}, 4, 3, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "16,8"}, 2, 8, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "2,1", "SLURM_NTASKS": "3"}, 3, 1, 0),
        ({"SLURM_JOB_CPUS_PER_NODE": "8(x2)", "QAZ_TASKS_PER_NODE": "8"}, 16, 1, 0),
    ],
)
def test_tasks_and_processors(slurm: Slurm, variables: dict[str, str], tasks: int, cpus: int, gpus: int) -> None:
    done = slurm.run('echo "$QAZ_TASKS $QAZ_CPUS $QAZ_GPUS"', **variables)
    assert done.stdout.split() == [str(tasks), str(cpus), str(gpus)], done.stderr


def test_more_tasks_than_processors_are_refused(slurm: Slurm) -> None:
    done = slurm.run("true", SLURM_GPUS_ON_NODE="8", SLURM_JOB_CPUS_PER_NODE="4(x2)")
    assert done.returncode == 2 and "8 tasks on a node, and 4 processors" in done.stderr


def test_gpus_that_nobody_asked_for_are_named(slurm: Slurm) -> None:
    slurm.gres = "gpu:h200:8(S:0-1)"
    refused = slurm.run("need_gpus; echo went on")
    assert refused.returncode == 2 and "--gpus-per-node=8" in refused.stderr and "went on" not in refused.stdout
    assert "went on" in slurm.run("need_gpus; echo went on", QAZ_WITHOUT_GPUS="1").stdout
    given = slurm.run("need_gpus; echo went on", SLURM_GPUS_ON_NODE="8", SLURM_JOB_CPUS_PER_NODE="96(x2)")
    assert "went on" in given.stdout


def test_srun_is_told_all_by_name_and_inherits_nothing(slurm: Slurm) -> None:
    asked = {
        "SLURM_GPUS_PER_TASK": "1",
        "SLURM_GPU_BIND": "none",
        "SLURM_CPUS_PER_GPU": "9",
        "SLURM_TRES_PER_TASK": "cpu=9",
    }
    given = {"SLURM_JOB_CPUS_PER_NODE": "16(x2)", "SLURM_GPUS_ON_NODE": "4", "QAZ_SRUN_FLAGS": "--label --mpi=none"}
    done = slurm.run("launch train c.yaml seed=1", **asked, **given, SLURM_JOB_NODELIST="n1,n2")
    assert done.returncode == 0, done.stderr
    flags = "--kill-on-bad-exit=1 --ntasks=8 --cpus-per-task=4 --gpus-per-node=4 --label --mpi=none"
    assert slurm.calls("srun") == [f"srun {flags} {ROOT}/slurm/task.sh train c.yaml seed=1"]
    assert sorted(slurm.calls("SLURM") + slurm.calls("MASTER")) == [
        "MASTER_ADDR=n1",
        "MASTER_PORT=29541",
        "SLURM_GPUS_ON_NODE=4",
    ]


def test_told_to_stop_it_goes_back_into_the_queue(slurm: Slurm) -> None:
    done = slurm.run(
        'echo "75 1 n1" > "$QAZ_JOB_STATE/exit-0-0"; cp "$QAZ_JOB_STATE/exit-0-0" "$QAZ_JOB_STATE/exit-0-1"; echo "step 40" > "$QAZ_JOB_STATE/progress"; end_job 75'
    )
    assert done.returncode == 75
    assert slurm.calls("scontrol requeue") == ["scontrol requeue 41"]
    assert not slurm.calls("scontrol update")
    assert (slurm.state / "restarts").read_text().split("\t")[1:] == [
        "told to stop; rank 0 on node n1 ended with 75",
        "step 40\n",
    ]


@pytest.mark.parametrize(("code", "kind"), [(2, "put right first"), (1, "the work failed")])
def test_errors_end_the_job_with_their_own_code(slurm: Slurm, code: int, kind: str) -> None:
    slurm.variables["SLURM_NTASKS"] = "1"
    done = slurm.run(f'echo "{code} 1 n1" > "$QAZ_JOB_STATE/exit-0-0"; end_job {code}')
    assert done.returncode == code and kind in done.stderr
    assert not slurm.calls("scontrol requeue")


def test_well_ended_it_leaves_nothing(slurm: Slurm) -> None:
    slurm.variables["SLURM_NTASKS"] = "1"
    assert slurm.run('echo "0 1 n1" > "$QAZ_JOB_STATE/exit-0-0"; end_job 0').returncode == 0
    assert not slurm.state.exists()


@pytest.mark.parametrize(
    ("state", "reason", "requeued"),
    [("COMPLETING", "None", 0), ("CANCELLED", "None", 0), ("COMPLETING", "TimeLimit", 1), ("SIGNALING", "None", 1)],
)
def test_a_job_that_slurm_ended_is_left_alone_but_for_its_time(
    slurm: Slurm, state: str, reason: str, requeued: int
) -> None:
    slurm.fields |= {"JobState": state, "Reason": reason}
    done = slurm.run("end_job 137")
    assert done.returncode == 1
    assert len(slurm.calls("scontrol requeue")) == requeued


def lost(slurm: Slurm, restart: int, progress: str) -> subprocess.CompletedProcess[str]:
    """A sitting that ends by the loss of a task, with this progress."""
    slurm.state.mkdir(parents=True, exist_ok=True)
    return slurm.run(
        f'echo "{progress}" > "$QAZ_JOB_STATE/progress"; echo "137 1 n1" > "$QAZ_JOB_STATE/exit-{restart}-0"; end_job 137',
        SLURM_RESTART_COUNT=str(restart), SLURM_NTASKS="1", QAZ_MAX_RESTARTS="2", QAZ_BACKOFF_S="30",
    )  # fmt: skip


def test_restarts_in_vain_are_counted_from_the_last_progress_on_and_wait_longer_each_time(slurm: Slurm) -> None:
    for restart, progress in enumerate(["step 10", "step 20", "step 20", "step 20"]):
        done = lost(slurm, restart, progress)
    assert "2 restarts without getting on, at 'step 20'" in done.stderr and done.returncode == 1
    assert len(slurm.calls("scontrol requeue")) == 3
    assert slurm.calls("scontrol update") == ["scontrol update JobId=41 StartTime=now+60"]


def test_restarts_that_slurm_makes_are_counted_too(slurm: Slurm) -> None:
    slurm.state.mkdir(parents=True)
    for restart in range(4):
        done = slurm.run("echo went on", SLURM_RESTART_COUNT=str(restart), QAZ_MAX_RESTARTS="2")
        assert ("went on" in done.stdout) == (restart <= 2), done.stderr
    assert "requeued by Slurm" in (slurm.state / "restarts").read_text()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("QAZ_MAX_RESTARTS", "abc"), ("QAZ_MAX_RESTARTS", "-1"), ("QAZ_MAX_RESTARTS", ""), ("QAZ_MAX_RESTARTS", "2.5"),
        ("QAZ_MAX_RESTARTS", "9" * 20), ("QAZ_BACKOFF_S", "1 min"), ("QAZ_BACKOFF_S", "08"), ("QAZ_PATIENCE_S", "x"),
        ("QAZ_TASKS_PER_NODE", "0"), ("QAZ_TASKS_PER_NODE", "all"),
    ],
)  # fmt: skip
def test_a_setting_that_is_no_number_ends_the_job_before_it_begins(slurm: Slurm, name: str, value: str) -> None:
    slurm.variables["SLURM_RESTART_COUNT"] = "9"  # any limit would be reached
    done = slurm.run("echo went on; end_job 137", **{name: value})
    assert done.returncode == 2 and f"{name} is '{value}', and a whole number" in done.stderr, done.stderr
    assert "went on" not in done.stdout and not slurm.calls("scontrol requeue")


def test_no_restarts_can_be_asked_for(slurm: Slurm) -> None:
    done = slurm.run("end_job 137", QAZ_MAX_RESTARTS="0")
    assert done.returncode == 1 and "0 restarts without getting on, at 'the start'" in done.stderr
    assert not slurm.calls("scontrol requeue")


def test_a_long_row_of_restarts_waits_no_longer_than_a_thousand_times(slurm: Slurm) -> None:
    slurm.state.mkdir(parents=True)
    (slurm.state / "restarts").write_text("then\tlost\t\n" * 70)  # 2 to the 70th seconds are none
    slurm.run("end_job 137", SLURM_RESTART_COUNT="70", QAZ_MAX_RESTARTS="99", QAZ_BACKOFF_S="1")
    assert slurm.calls("scontrol update") == ["scontrol update JobId=41 StartTime=now+1024"]


def times(minutes: float, passed_s: float) -> dict[str, str]:
    """What scontrol shows of a job of so many minutes that started so many seconds ago."""
    start = datetime.now() - timedelta(seconds=passed_s)
    end = start + timedelta(minutes=minutes)
    return {"StartTime": start.isoformat(timespec="seconds"), "EndTime": end.isoformat(timespec="seconds")}


@pytest.mark.parametrize(
    ("minutes", "passed_s", "told", "expected"),
    [
        (1, 0, "TERM", 53), (1, 30, "TERM", 23), (1, 55, "TERM", 0), (4, 60, "TERM", 150),
        (5, 0, "TERM", 0), (1440, 10, "TERM", 0),  # notice in time, or somebody else's
        (1, 0, "USR1", 0), (1, 0, "HUP", 0),
    ],
)  # fmt: skip
def test_a_job_that_is_told_as_it_starts_goes_on_for_most_of_its_time(
    slurm: Slurm, minutes: float, passed_s: float, told: str, expected: int
) -> None:
    slurm.fields |= times(minutes, passed_s)
    seconds = int(slurm.run(f"QAZ_TOLD={told}; notice").stdout)
    assert expected - 30 <= seconds <= expected + 1  # the clock goes on while a loaded machine starts the shell


def test_a_job_of_unknown_end_is_told_at_once(slurm: Slurm) -> None:
    for fields in ({}, {"StartTime": "2026-01-31T10:00:00", "EndTime": "Unknown"}):
        slurm.fields |= fields
        assert slurm.run("QAZ_TOLD=TERM; notice").stdout.split() == ["0"]


def test_told_before_its_tasks_it_begins_them_all_the_same_where_it_was_told_too_early(slurm: Slurm) -> None:
    slurm.fields |= times(4, 0)
    begun = slurm.run("QAZ_TOLD=TERM; launch train c.yaml")
    assert begun.returncode == 0 and "telling its tasks in " in begun.stdout and slurm.calls("srun")
    slurm.fields |= times(1440, 0)
    assert slurm.run("QAZ_TOLD=TERM; launch train c.yaml").returncode == 75
    assert len(slurm.calls("srun ")) == 1 and slurm.calls("scontrol requeue")


def test_a_job_that_gives_up_since_its_time_is_short_says_what_that_is(slurm: Slurm) -> None:
    slurm.fields["TimeLimit"] = "00:01:00"
    done = slurm.run("end_job 143", QAZ_MAX_RESTARTS="0")
    assert done.returncode == 75 and "its time limit is 00:01:00, and sbatch --time=..." in done.stderr


def test_a_bad_node_is_left_out_from_then_on(slurm: Slurm) -> None:
    slurm.fields["ExcNodeList"] = "n9"
    bad = 'printf "n2\\tGPU 3 has ECC errors\\n" > "$QAZ_JOB_STATE/bad-nodes"; echo "69 1 n2" > "$QAZ_JOB_STATE/exit-0-0"; end_job 69'
    done = slurm.run(bad, SLURM_NTASKS="1", SLURM_JOB_NUM_NODES="2")
    assert done.returncode == 69 and "node n2 is left out: GPU 3 has ECC errors" in done.stderr
    asked = [call for call in slurm.calls("scontrol") if "requeue" in call or "update" in call]
    assert asked == [
        "scontrol requeue 41",
        "scontrol update JobId=41 ExcNodeList=n2,n9",
    ]  # only a job that waits can be changed


@pytest.mark.parametrize(("refusals", "asked"), [(3, 4), (99, 40)])
def test_a_job_that_is_still_ending_is_asked_again_at_once_before_slurm_kills_this_shell(
    slurm: Slurm, refusals: int, asked: int
) -> None:
    """KillWait after a requeue the shell is gone: with ten seconds between two tries the node was not left out."""
    slurm.refusals = refusals
    bad = 'sleep() { :; }; printf "n2\\tbroken\\n" > "$QAZ_JOB_STATE/bad-nodes"; echo "69 1 n2" > "$QAZ_JOB_STATE/exit-0-0"; end_job 69'
    done = slurm.run(bad, SLURM_NTASKS="1")
    assert len(slurm.calls("scontrol update")) == asked
    assert ("Slurm did not take ExcNodeList=n2" in done.stderr) == (refusals > asked)
    assert done.returncode == 69


def test_too_few_nodes_left_end_the_job(slurm: Slurm) -> None:
    slurm.nodes = "n1\nn2"
    bad = 'printf "n2\\tslow\\n" > "$QAZ_JOB_STATE/bad-nodes"; echo "69 1 n2" > "$QAZ_JOB_STATE/exit-0-0"; end_job 69'
    done = slurm.run(bad, SLURM_NTASKS="1")
    assert done.returncode == 69 and "has 1 without those, 2 are needed" in done.stderr
    assert not slurm.calls("scontrol requeue")


def test_a_job_of_an_array_is_named_by_its_number_in_it(slurm: Slurm) -> None:
    done = slurm.run("end_job 143", SLURM_ARRAY_JOB_ID="41", SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_TASK_COUNT="8")
    assert slurm.calls("scontrol requeue") == ["scontrol requeue 41_3"], done.stderr


def test_a_folder_of_an_older_job_with_this_number_is_emptied(slurm: Slurm) -> None:
    slurm.state.mkdir(parents=True)
    (slurm.state / "restarts").write_text("then\tlost\tstep 1\n" * 9)
    assert "went on" in slurm.run("echo went on").stdout
    assert not (slurm.state / "restarts").exists()


def test_usage_is_what_was_typed(slurm: Slurm) -> None:
    for script in ("train", "pipeline", "data", "tokenize", "eval"):
        done = slurm.run(f"source slurm/{script}.sh")
        assert done.returncode == 2 and done.stderr.startswith(f"usage: sbatch slurm/{script}.sh "), done.stderr
    alone = subprocess.run(["bash", "slurm/train.sh", "x"], capture_output=True, text=True, cwd=ROOT)
    assert alone.returncode == 2 and "usage: sbatch slurm/train.sh" in alone.stderr


def test_submit_puts_the_flags_of_the_site_first(slurm: Slurm, tmp_path: Path) -> None:
    (tmp_path / "slurm").mkdir()
    (tmp_path / "slurm" / "site.env").write_text('QAZ_SBATCH="-p gpu"\nQAZ_SBATCH_TRAIN="--gpus-per-node=8"\n')
    slurm.run("true")
    for script in ("train", "data"):
        subprocess.run(
            [str(ROOT / "slurm" / "submit.sh"), "-N", "2", f"slurm/{script}.sh", "c.yaml"],
            check=True, cwd=tmp_path, env={"PATH": f"{slurm.bin}:{os.environ['PATH']}"},
        )  # fmt: skip
    assert slurm.calls("sbatch") == [
        "sbatch -p gpu --gpus-per-node=8 -N 2 slurm/train.sh c.yaml",
        "sbatch -p gpu -N 2 slurm/data.sh c.yaml",
    ]


def test_a_site_file_is_read_as_a_login_shell_reads_it(slurm: Slurm, tmp_path: Path) -> None:
    """Words in quotes, a last line that is false, a variable that was never set; from another folder."""
    site = tmp_path / "slurm" / "site.env"
    site.parent.mkdir()
    site.write_text(
        """QAZ_SBATCH='--account=lab --comment="my lab"'\nexport MANPATH=$NEVER_SET:/x\n[ -f /nosuch ] && source /nosuch\n"""
    )
    (tmp_path / "elsewhere").mkdir()
    slurm.run("true")
    told = tmp_path / "told"
    (slurm.bin / "sbatch").write_text(f"#!/bin/bash\nprintf '%s\\n' \"$@\" >> {told}\n")
    for command in (["slurm/train.sh", "c"], ["--output=x/slurm/log.sh", "slurm/my-own.sh"]):
        subprocess.run(
            [str(ROOT / "slurm" / "submit.sh"), *command],
            check=True, cwd=tmp_path / "elsewhere", capture_output=True,
            env={"PATH": f"{slurm.bin}:{os.environ['PATH']}", "QAZ_ROOT": str(tmp_path)},
        )  # fmt: skip
    flags = ["--account=lab", "--comment=my lab"]
    assert told.read_text().splitlines() == [
        *flags, "slurm/train.sh", "c", *flags, "--output=x/slurm/log.sh", "slurm/my-own.sh"
    ]  # fmt: skip
    strict = "set -euo pipefail; source slurm/site.sh; read_site; case $- in *e*u*) echo strict again;; esac"
    (tmp_path / "slurm" / "site.sh").write_text((ROOT / "slurm" / "site.sh").read_text())
    done = subprocess.run(["bash", "-c", strict], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "strict again\n")
