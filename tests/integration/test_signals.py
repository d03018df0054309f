"""Signals at any moment from the first instruction on, to real processes: one line, exit code 75, nothing lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

ROOT = Path(__file__).parents[2]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
WAIT_S = 120
TINY = ROOT / "configs/train/tiny.yaml"
ENDLESS = "max_steps=100000"


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "qaz_llm", *arguments]
    return subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def listens(pid: int) -> bool:
    """Whether a process has a handler for SIGTERM: from the first instruction of the program on."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
    return bool(int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1)


def ended(process: subprocess.Popen[str], name: str) -> list[str]:
    """What was said apart from the log's own lines, which begin with a time."""
    process.send_signal(getattr(signal, name))
    said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 75, said
    return [line for line in said.splitlines() if not line[:2].isdecimal()]


COMMANDS = {
    "train": ("train", str(TINY), ENDLESS),
    "run": ("run", str(ROOT / "configs/demo.yaml")),
    "build": ("data", "build", str(ROOT / "configs/data/embedded.yaml")),
    "tokenize": ("data", "tokenize", str(TINY)),
    "eval": ("eval", "run", "--model", "no/such", "--suite", "demo"),  # reads its items before it misses the model
}


@pytest.mark.parametrize(
    ("command", "name", "moment"),
    [
        ("train", "SIGTERM", 0.0),
        ("train", "SIGUSR1", 4.0),
        ("run", "SIGTERM", 0.5),
        ("build", "SIGUSR1", 0.2),
        ("tokenize", "SIGTERM", 0.2),
        ("eval", "SIGUSR1", 0.0),
    ],
)
def test_while_the_program_is_still_being_imported(tmp_path: Path, command: str, name: str, moment: float) -> None:
    """At a random moment of the seconds that imports take; whatever had begun by then, the code and the form are the same."""
    out = {"train": "run_dir", "run": "run_dir", "build": "out", "tokenize": "run_dir"}.get(command)
    place = [f"{out}={tmp_path / 'out'}"] if out else ["--out", str(tmp_path / "out")]
    process = start(*COMMANDS[command], *place)
    limit = time.monotonic() + WAIT_S
    while not listens(process.pid) and time.monotonic() < limit:
        time.sleep(0.001)
    time.sleep(random.uniform(0, moment))
    lines = ended(process, name)
    assert len(lines) == 1 and lines[0].startswith(f"error: stopped by {name}"), lines
    assert "the same command" in lines[0]


@pytest.mark.slow
@pytest.mark.parametrize("line", ["tokenising", "steps: "])
def test_at_work_and_the_same_command_goes_on(tmp_path: Path, line: str) -> None:
    """Met by what its log says: at making rows, at loading the model or in the first steps."""
    arguments = ("train", str(TINY), f"run_dir={tmp_path}", "schedule=constant")
    process = start(*arguments, ENDLESS)
    assert process.stdout is not None
    for said in process.stdout:
        if line in said:
            break
    lines = ended(process, "SIGTERM")
    assert len(lines) <= 2 and lines[0].startswith("error: "), lines
    if line != "tokenising":
        return
    again = start(*arguments, "max_steps=2")
    said, _ = again.communicate(timeout=WAIT_S)
    assert again.returncode == 0 or "is past the 2 steps" in said, said
