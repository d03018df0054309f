"""Jobs on the two-node test cluster for drills: submitted, watched, struck, and what became of them.

The cluster is scripts/slurm_test_cluster.sh's; on any other no drill is held.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drills import runs
from qaz_llm.config import dump_yaml

REPOSITORY = Path(__file__).parents[2]
CLUSTER = str(REPOSITORY / "scripts" / "slurm_test_cluster.sh")
PATIENCE_S = 900.0
"""On a machine with other work a start takes minutes."""

LOOK_S = 0.02
"""Between two looks at a file."""
ASK_S = 0.25
"""Between two questions to Slurm, or looks at all processes: each costs what a training on the same cores does not get."""
ENDED_S = 2.0
"""Between two looks whether a job that is waited for has ended."""
NOT_ENDED = {"PENDING", "RUNNING", "COMPLETING", "CONFIGURING", "REQUEUED", "RESIZING", "SUSPENDED", "SIGNALING"}
TWO_NODES = ("-N", "2", "--ntasks-per-node=1")
TWO_TASKS = ("-N", "1", "--ntasks-per-node=2")


def is_test_cluster() -> bool:
    """Whether Slurm answers here and is the test cluster."""
    if shutil.which("scontrol") is None:
        return False
    shown = subprocess.run(["scontrol", "show", "config"], capture_output=True, text=True, check=False)
    return any(line.split() == ["ClusterName", "=", "qaz"] for line in shown.stdout.splitlines())


def cluster(*arguments: str) -> None:
    subprocess.run([CLUSTER, *arguments], check=True, stdout=subprocess.DEVNULL)


@dataclass
class Job:
    """A job of one of the scripts in slurm/."""

    number: str
    log: Path
    run_dir: Path
    folder: Path
    submitted: float = field(default_factory=time.monotonic)

    def fields(self) -> dict[str, str]:
        """What `scontrol show job` says of it."""
        shown = _output("scontrol", "show", "job", "--oneliner", self.number)
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    @property
    def restarts(self) -> int:
        return int(self.fields()["Restarts"])

    @property
    def reasons(self) -> list[str]:
        """Why it was restarted, as the job itself wrote down; empty once it has ended well."""
        file = self.folder / "state" / "jobs" / self.number / "restarts"
        return [line.split("\t")[1] for line in file.read_text().splitlines()] if file.is_file() else []

    def text(self) -> str:
        return self.log.read_text(errors="replace") if self.log.is_file() else ""

    def step(self) -> int:
        """The last step in metrics.jsonl; 0 where there is none."""
        with contextlib.suppress(OSError, ValueError, IndexError):
            return int(json.loads((self.run_dir / "metrics.jsonl").read_text().splitlines()[-1])["step"])
        return 0

    def saved(self) -> int:
        """The step of the newest whole checkpoint; 0 where there is none."""
        steps = [int(path.parent.name[5:]) for path in self.run_dir.glob("checkpoints/step-*/complete.json")]
        return max(steps, default=0)

    def tasks(self) -> dict[int, int]:
        """The Python processes of its tasks, by rank."""
        found: dict[int, int] = {}
        for place in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, ValueError, StopIteration):
                if b"-m\0qaz_llm\0" not in (place / "cmdline").read_bytes():
                    continue
                variables = (place / "environ").read_bytes().split(b"\0")
                if f"SLURM_JOB_ID={self.number}".encode() in variables:
                    rank = next(v for v in variables if v.startswith(b"SLURM_PROCID="))
                    pid, rank_number = int(place.name), int(rank.partition(b"=")[2])
                    found[rank_number] = min(pid, found.get(rank_number, pid))
        return found

    def wait_until(
        self, is_time: Callable[[], bool], what: str, patience_s: float = PATIENCE_S, *, look_s: float = ASK_S
    ) -> None:
        """Raises TimeoutError after `patience_s`, or where the job ends before it is time."""
        now = time.monotonic()
        until, ask_at = now + patience_s, now + ENDED_S
        while not is_time():
            now = time.monotonic()
            if now > until or (now > ask_at and self.fields()["JobState"] not in NOT_ENDED):
                raise TimeoutError(f"job {self.number}: not {what}, see {self.log}")
            if now > ask_at:
                ask_at = now + ENDED_S
            time.sleep(look_s)

    def wait_for_step(self, step: int, *, tasks: int = 0) -> None:
        """Until this step is done, and then so many of its tasks are there."""
        self.wait_until(
            lambda: self.step() >= step and (not tasks or len(self.tasks()) == tasks), f"at step {step}", look_s=LOOK_S
        )

    def wait_for_restart(self, number: int) -> None:
        """Until its tasks run for the `number`-th time again."""
        self.wait_until(lambda: self.restarts >= number, f"restarted {number} times")
        self.wait_until(lambda: self.fields()["JobState"] == "RUNNING", "running again")

    def wait(self, patience_s: float = PATIENCE_S) -> tuple[str, int]:
        """Its state and exit code in Slurm's records, once it has ended."""
        until = time.monotonic() + patience_s
        while (fields := self.fields())["JobState"] in NOT_ENDED:
            if time.monotonic() > until:
                self.cancel()
                raise TimeoutError(f"job {self.number} has not ended: {fields['JobState']}, see {self.log}")
            time.sleep(ASK_S)
        return fields["JobState"], int(fields["ExitCode"].partition(":")[0])

    def cancel(self) -> None:
        subprocess.run(["scancel", self.number], check=False)

    def signal(self, *flags: str) -> None:
        """Scancel with flags, for instance --signal=USR1."""
        subprocess.run(["scancel", *flags, self.number], check=True)

    def kill(self, rank: int) -> None:
        """Kill -9 the Python process of one of its tasks."""
        os.kill(self.tasks()[rank], signal.SIGKILL)


def write_config(values: dict[str, Any]) -> Path:
    config = Path(values["run_dir"]).with_suffix(".yaml")
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(dump_yaml(values), encoding="utf-8")
    return config


def submit(
    folder: Path,
    arguments: Sequence[str],
    *,
    run_dir: Path,
    options: Sequence[str] = (),
    script: str = "train",
    environment: dict[str, str] | None = None,
    log: Path | None = None,
) -> Job:
    """Submit a job as a person does, from the project; its log lies beside run_dir, its state in `folder`."""
    variables = {"QAZ_ROOT": str(REPOSITORY), "QAZ_VENV": sys.prefix, "QAZ_STATE_DIR": str(folder / "state")}
    variables["QAZ_BACKOFF_S"] = "1"
    variables |= {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    log = log or run_dir.with_suffix(".out")
    log.parent.mkdir(parents=True, exist_ok=True)
    own = [f"--output={log}", "--cpus-per-task=1", *options]
    number = subprocess.run(
        ["sbatch", "--parsable", *own, f"slurm/{script}.sh", *arguments],
        check=True, capture_output=True, text=True, cwd=REPOSITORY, env=os.environ | variables | (environment or {}),
    ).stdout.strip()  # fmt: skip
    return Job(number, log, run_dir, folder)


def train(
    folder: Path, values: dict[str, Any], options: Sequence[str], *, log: Path | None = None, **environment: str
) -> Job:
    """A training of these settings, as many tasks as the options say."""
    return submit(
        folder,
        [str(write_config(values))],
        run_dir=Path(values["run_dir"]),
        options=options,
        environment=environment,
        log=log,
    )


def weights(run_dir: Path) -> dict[str, bytes]:
    """The bytes of all weights of a finished run, by name."""
    return runs.result_of({"run_dir": str(run_dir)})


def losses(run_dir: Path) -> dict[int, float]:
    """The loss of each step."""
    rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows}


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
